//! The client against UDP trackers that behave, and some that do not.

mod client_support;

use std::time::Duration;

use client_support::*;
use tokio::time::Instant;
use tracker::{
    client::{ClientError, RequestKind, schedule::IntervalLimits},
    protocol::udp::{self, Request},
    types::AnnounceEvent,
};

#[tokio::test]
async fn announce_fields_and_answer() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let request = submit(&engine(), announce(&tracker.url()));
    tracker.connect(0x1122_3344_5566_7788).await;
    let (packet, from) = tracker.receive().await;
    assert_eq!(packet.len(), 98, "no URL data for a plain /announce");
    let Ok(Request::Announce(sent)) = udp::parse_request(&packet) else {
        panic!("not an announce")
    };
    let params = params();
    assert_eq!(sent.connection_id, 0x1122_3344_5566_7788);
    assert_eq!(sent.info_hash, params.info_hash);
    assert_eq!(sent.peer_id, params.peer_id);
    assert_eq!(sent.downloaded, 5_000_000_000);
    assert_eq!(sent.left, u64::MAX);
    assert_eq!(sent.uploaded, 7);
    assert_eq!(sent.event, AnnounceEvent::Started);
    assert_eq!(sent.key, 0xdead_beef);
    assert_eq!(sent.num_want, 50);
    assert_eq!(sent.port, 6881);
    tracker
        .send(&announce_answer(sent.transaction_id, 1800, &PEERS), from)
        .await;
    let reply = request.announced().await;
    assert_eq!(reply.interval, Some(Duration::from_secs(1800)));
    assert_eq!((reply.complete, reply.incomplete), (Some(3), Some(2)));
    let peers: Vec<_> = reply.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["192.0.2.1:80", "192.0.2.2:256"]);
    assert!(reply.warnings.is_empty() && reply.raw.is_none());
}

#[tokio::test]
async fn url_data_follows_the_announce() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let passkey = "k".repeat(300);
    let url = format!("udp://{}/p/announce?key={passkey}", tracker.addr());
    let request = submit(&engine(), announce(&url));
    tracker.connect(1).await;
    let (packet, from) = tracker.receive().await;
    let Ok(Request::Announce(sent)) = udp::parse_request(&packet) else {
        panic!("not an announce")
    };
    let wanted = format!("/p/announce?key={passkey}");
    assert_eq!(sent.url_data(), wanted.as_bytes());
    tracker
        .send(&announce_answer(sent.transaction_id, 1800, &[]), from)
        .await;
    request.announced().await;
}

#[tokio::test]
async fn concurrent_requests_share_a_connect_and_later_ones_its_id() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let requests: Vec<_> = (0..200)
        .map(|_| submit(&engine, announce(&tracker.url())))
        .collect();
    tracker.connect(42).await;
    for _ in 0..200 {
        tracker.answer(42, 1800, &PEERS).await;
    }
    for request in requests {
        assert_eq!(request.announced().await.peers.len(), 2);
    }
    let later = submit(&engine, announce(&tracker.url()));
    tracker.answer(42, 1800, &[]).await;
    later.announced().await;
    let scrape = submit(&engine, scrape(&tracker.url(), vec![hash(1)]));
    let (packet, from) = tracker.receive().await;
    let Ok(Request::Scrape(sent)) = udp::parse_request(&packet) else {
        panic!("not a scrape")
    };
    assert_eq!(sent.connection_id, 42);
    let mut out = Vec::new();
    udp::write_scrape_head(&mut out, sent.transaction_id);
    udp::write_scrape_row(&mut out, 1, 2, 3);
    tracker.send(&out, from).await;
    let rows = scrape.scraped().await.rows;
    assert_eq!(rows[0].info_hash, hash(1));
    assert_eq!(rows[0].complete, Some(1));
    assert_eq!(rows[0].downloaded, Some(2));
    assert_eq!(rows[0].incomplete, Some(3));
}

#[tokio::test]
async fn long_scrapes_are_split() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let hashes: Vec<_> = (0..100).map(hash).collect();
    let request = submit(&engine(), scrape(&tracker.url(), hashes.clone()));
    tracker.connect(1).await;
    for expected in [74, 26] {
        let (packet, from) = tracker.receive().await;
        let Ok(Request::Scrape(sent)) = udp::parse_request(&packet) else {
            panic!("not a scrape")
        };
        let hashes: Vec<_> = sent.info_hashes().collect();
        assert_eq!(hashes.len(), expected);
        let mut out = Vec::new();
        udp::write_scrape_head(&mut out, sent.transaction_id);
        for hash in hashes {
            udp::write_scrape_row(&mut out, hash.0[0].into(), 0, 0);
        }
        tracker.send(&out, from).await;
    }
    let rows = request.scraped().await.rows;
    assert_eq!(rows.len(), 100);
    for (row, hash) in rows.iter().zip(hashes) {
        assert_eq!(row.info_hash, hash);
        assert_eq!(row.complete, Some(hash.0[0].into()));
    }
}

#[tokio::test]
async fn lost_packets_are_sent_again() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let mut request = announce(&tracker.url());
    request.timeout = Duration::from_secs(5);
    let request = submit(&engine(), request);
    let (lost, _) = tracker.receive().await;
    let (again, from) = tracker.receive().await;
    assert_eq!(lost, again, "a late answer to the first one counts");
    let id = u32::from_be_bytes(again[12..16].try_into().unwrap());
    let mut out = Vec::new();
    udp::write_connect_response(&mut out, id, 9);
    tracker.send(&out, from).await;
    let (first, _) = tracker.announce(9).await;
    let (second, from) = tracker.announce(9).await;
    assert_eq!(first, second);
    tracker
        .send(&announce_answer(second, 1800, &PEERS), from)
        .await;
    assert_eq!(request.announced().await.peers.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn silence_is_one_error_in_time() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let start = Instant::now();
    let error = submit(&engine(), announce(&tracker.url())).error().await;
    let elapsed = start.elapsed();
    assert!(
        (15..16).contains(&elapsed.as_secs()),
        "the original's 15 s, took {elapsed:?}"
    );
    let url = tracker.url();
    assert_eq!(
        error.to_string(),
        format!("tracker request timed out (started) ({url})")
    );
    assert_eq!(error.code(), "ERR_TRACKER_TIMEOUT");
    let mut packet = [0; 100];
    for _ in 0..3 {
        assert_eq!(tracker.socket.try_recv(&mut packet).unwrap(), 16);
    }
    assert!(
        tracker.socket.try_recv(&mut packet).is_err(),
        "three packets"
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_to_a_silent_tracker_fail_together() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let start = Instant::now();
    let requests: Vec<_> = (0..1000)
        .map(|_| submit(&engine, announce(&tracker.url())))
        .collect();
    for request in requests {
        let error = request.error().await;
        assert!(matches!(error, ClientError::UdpTimeout { .. }), "{error}");
    }
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn silence_after_stopped_is_silent() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let mut request = announce(&tracker.url());
    if let RequestKind::Announce(params) = &mut request.kind {
        params.event = AnnounceEvent::Stopped;
    }
    assert!(submit(&engine(), request).error().await.is_silent());
}

#[tokio::test]
async fn strangers_and_garbage_are_ignored() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let stranger = UdpTracker::bind("127.0.0.1").await;
    let request = submit(&engine(), announce(&tracker.url()));
    let (packet, from) = tracker.receive().await;
    let id = u32::from_be_bytes(packet[12..16].try_into().unwrap());
    let mut connect = Vec::new();
    udp::write_connect_response(&mut connect, id, 666);
    stranger.send(&connect, from).await;
    let mut wrong_id = Vec::new();
    udp::write_connect_response(&mut wrong_id, id.wrapping_add(1), 666);
    let mut error = Vec::new();
    udp::write_error(&mut error, id.wrapping_add(1), "no");
    for garbage in [
        &wrong_id[..],
        &error,
        &[],
        &[0; 7],
        &[0xff; 2000],
        &connect[..15],
        &announce_answer(id, 1800, &PEERS),
    ] {
        tracker.send(garbage, from).await;
    }
    connect.clear();
    udp::write_connect_response(&mut connect, id, 42);
    tracker.send(&connect, from).await;
    let (id, from) = tracker.announce(42).await;
    stranger.send(&announce_answer(id, 1, &[0; 6]), from).await;
    tracker
        .send(&announce_answer(id, 1800, &PEERS)[..19], from)
        .await;
    tracker.send(&announce_answer(id, 1800, &PEERS), from).await;
    assert_eq!(request.announced().await.peers.len(), 2);
}

#[tokio::test]
async fn only_wrong_packets_are_named_at_the_end() {
    let engine = engine();
    let mut requests = Vec::new();
    for (answer, text) in [
        (&[0, 0, 0, 0][..], "invalid udp handshake"),
        (&[0, 0, 0, 9], "tracker sent invalid action"),
        (&[0, 0, 0, 2], "tracker sent invalid action"),
    ] {
        let tracker = UdpTracker::bind("127.0.0.1").await;
        let mut request = announce(&tracker.url());
        request.timeout = Duration::from_secs(2);
        let request = submit(&engine, request);
        let (packet, from) = tracker.receive().await;
        tracker
            .send(&[answer, &packet[12..16]].concat(), from)
            .await;
        requests.push((request, tracker, text));
    }
    for (request, tracker, text) in requests {
        assert_eq!(
            request.error().await.to_string(),
            format!("{text} ({})", tracker.url())
        );
    }
}

#[tokio::test]
async fn error_packets_are_refusals() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = submit(&engine, announce(&tracker.url()));
    tracker.refuse("go away").await;
    let error = request.error().await;
    assert_eq!(error.to_string(), "go away");
    assert_eq!(error.code(), "ERR_TRACKER_FAILURE");
    // A fresh id cannot be the reason.
    let request = submit(&engine, announce(&tracker.url()));
    tracker.connect(7).await;
    tracker.refuse("torrent not registered\0").await;
    assert_eq!(request.error().await.to_string(), "torrent not registered");
}

#[tokio::test]
async fn an_error_drops_a_used_id_and_is_retried_once() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = submit(&engine, announce(&tracker.url()));
    tracker.connect(7).await;
    tracker.answer(7, 1800, &[]).await;
    request.announced().await;
    let request = submit(&engine, announce(&tracker.url()));
    tracker.refuse("something").await;
    tracker.connect(8).await;
    tracker.answer(8, 1800, &PEERS).await;
    assert_eq!(request.announced().await.peers.len(), 2);
    let request = submit(&engine, announce(&tracker.url()));
    tracker.refuse("Connection ID missmatch.").await;
    tracker.connect(9).await;
    tracker.refuse("Connection ID missmatch.").await;
    assert_eq!(
        request.error().await.to_string(),
        "Connection ID missmatch."
    );
}

#[tokio::test]
async fn senseless_intervals_cost_a_warning_and_nothing_else() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = submit(&engine, announce(&tracker.url()));
    tracker.connect(1).await;
    tracker.answer(1, u32::MAX, &PEERS).await;
    let reply = request.announced().await;
    assert_eq!(reply.interval, None);
    assert_eq!(reply.peers.len(), 2);
    assert_eq!(reply.warnings.len(), 1);
    assert_eq!(reply.warnings[0].code(), "ERR_TRACKER_INTERVAL");
    let mut request = announce(&tracker.url());
    request.intervals = IntervalLimits {
        min: Duration::from_secs(1),
        ..IntervalLimits::default()
    };
    let request = submit(&engine, request);
    tracker.answer(1, 2, &[]).await;
    assert_eq!(
        request.announced().await.interval,
        Some(Duration::from_secs(2))
    );
    let request = submit(&engine, announce(&tracker.url()));
    tracker.answer(1, 2_147_484, &[1, 2, 3]).await;
    let reply = request.announced().await;
    assert_eq!(reply.interval, Some(Duration::from_secs(86_400)));
    assert!(reply.peers.is_empty(), "half a peer is none");
}

#[tokio::test]
async fn a_silent_tracker_does_not_disturb_others() {
    let engine = engine();
    let silent = UdpTracker::bind("127.0.0.1").await;
    // Nobody listens here any more: an ICMP message comes back.
    let closed = UdpTracker::bind("127.0.0.1").await.url();
    let mut doomed = Vec::new();
    for url in [&silent.url(), &closed] {
        let mut request = announce(url);
        request.timeout = Duration::from_millis(300);
        doomed.push(submit(&engine, request));
    }
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let request = submit(&engine, announce(&tracker.url()));
    tracker.connect(1).await;
    for doomed in doomed {
        assert_eq!(doomed.error().await.code(), "ERR_TRACKER_TIMEOUT");
    }
    tracker.answer(1, 1800, &PEERS).await;
    assert_eq!(request.announced().await.peers.len(), 2);
}

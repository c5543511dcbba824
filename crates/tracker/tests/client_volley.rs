//! Announces that are asked for together, against UDP trackers that behave, and some that do not.

#![expect(clippy::unwrap_used, reason = "a panic is a test's report")]

mod client_support;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use client_support::*;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::Instant,
};
use tracker::{
    client::{
        AnnounceReply, ClientConfig, ClientEngine, ClientError, Families, Outcome, RequestHandle,
        TrackerReply, TrackerRequest,
    },
    protocol::udp::{self, Request},
    types::InfoHash,
};

/// Announces under way. Whoever takes the outcomes also proves that there is one for each.
struct Asked {
    handles: HashMap<u32, RequestHandle>,
    outcomes: UnboundedReceiver<(u32, Outcome)>,
}

/// Asks for so many announces, whose torrents are named after their numbers.
fn ask(engine: &ClientEngine, request: &TrackerRequest, count: u32) -> Asked {
    let (sender, outcomes) = unbounded_channel();
    let announces = (0..count).map(|id| {
        let mut params = params();
        params.info_hash = torrent(id);
        (id, params)
    });
    let handles = engine.announce_all(request, announces.collect(), move |id, outcome| {
        sender.send((id, outcome)).unwrap();
    });
    Asked {
        handles: handles.into_iter().collect(),
        outcomes,
    }
}

impl Asked {
    async fn outcomes(mut self) -> BTreeMap<u32, Outcome> {
        let mut all = BTreeMap::new();
        while let Some((id, outcome)) = self.outcomes.recv().await {
            assert!(all.insert(id, outcome).is_none(), "{id} ended twice");
        }
        let ids: HashSet<_> = all.keys().copied().collect();
        assert_eq!(ids, self.handles.keys().copied().collect());
        all
    }

    async fn replies(self) -> BTreeMap<u32, AnnounceReply> {
        let reply = |outcome: Outcome| match outcome.unwrap() {
            TrackerReply::Announce(reply) => *reply,
            TrackerReply::Scrape(_) => panic!("a scrape"),
        };
        let outcomes = self.outcomes().await.into_iter();
        outcomes.map(|(id, outcome)| (id, reply(outcome))).collect()
    }

    async fn errors(self) -> BTreeMap<u32, ClientError> {
        let outcomes = self.outcomes().await.into_iter();
        outcomes
            .map(|(id, outcome)| (id, outcome.unwrap_err()))
            .collect()
    }

    fn abort_all_after(&self, grace: Duration) {
        for handle in self.handles.values() {
            handle.abort_after(grace);
        }
    }
}

fn torrent(id: u32) -> InfoHash {
    let mut info_hash = [0xff; 20];
    info_hash[..4].copy_from_slice(&id.to_be_bytes());
    InfoHash(info_hash)
}

/// An announce that came in: connection id, transaction id, the number in its torrent's name.
async fn announce_of(tracker: &UdpTracker) -> (u64, u32, u32, SocketAddr) {
    let (packet, from) = tracker.receive().await;
    let Ok(Request::Announce(sent)) = udp::parse_request(&packet) else {
        panic!("not an announce: {packet:?}");
    };
    let id = u32::from_be_bytes(sent.info_hash.0[..4].try_into().unwrap());
    assert_eq!(sent.info_hash, torrent(id));
    (sent.connection_id, sent.transaction_id, id, from)
}

/// Has the tracker give an id, 7, and another announce use it.
async fn use_id(engine: &ClientEngine, tracker: &UdpTracker, request: &TrackerRequest) {
    let first = submit(engine, request.clone());
    tracker.connect(7).await;
    tracker.answer(7, 1800, &[]).await;
    first.announced().await;
}

/// A peer whose address is a torrent's number.
fn peer(id: u32) -> [u8; 6] {
    let mut peer = [0x1a; 6];
    peer[..4].copy_from_slice(&(0x0100_0000 + id).to_be_bytes());
    peer
}

fn assert_own_peers(replies: &BTreeMap<u32, AnnounceReply>) {
    for (id, reply) in replies {
        let addr = Ipv4Addr::from(0x0100_0000 + id);
        let [peer] = &reply.peers[..] else {
            panic!("one peer of {id}")
        };
        assert_eq!(peer.to_string(), format!("{addr}:6682"));
        assert_eq!(reply.interval, Some(Duration::from_secs(1800)));
    }
}

#[tokio::test]
async fn each_has_its_own_answer_in_whatever_order() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let asked = ask(&engine, &announce(&tracker.url()), 128);
    tracker.connect(42).await;
    let mut waiting = Vec::new();
    for _ in 0..128 {
        let announce = announce_of(&tracker).await;
        assert_eq!(announce.0, 42);
        waiting.push(announce);
    }
    let ids: HashSet<_> = waiting.iter().map(|announce| announce.2).collect();
    assert_eq!(ids.len(), 128);
    for (_, transaction_id, id, from) in waiting.into_iter().rev() {
        let answer = announce_answer(transaction_id, 1800, &peer(id));
        tracker.send(&answer, from).await;
        // What comes twice is nobody's.
        tracker.send(&answer, from).await;
    }
    assert_own_peers(&asked.replies().await);
    assert_eq!(engine.in_flight(), 0);
}

#[tokio::test]
async fn no_more_than_the_turns_are_under_way() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine_with(ClientConfig {
        udp_per_host: 3,
        ..ClientConfig::default()
    });
    let asked: Vec<_> = (0..3)
        .map(|_| ask(&engine, &announce(&tracker.url()), 20))
        .collect();
    tracker.connect(1).await;
    for _ in 0..20 {
        let three = [
            announce_of(&tracker).await,
            announce_of(&tracker).await,
            announce_of(&tracker).await,
        ];
        assert!(tracker.socket.try_recv(&mut [0; 100]).is_err(), "a fourth");
        for (_, transaction_id, id, from) in three {
            let answer = announce_answer(transaction_id, 1800, &peer(id));
            tracker.send(&answer, from).await;
        }
    }
    for asked in asked {
        assert_own_peers(&asked.replies().await);
    }
}

#[tokio::test]
async fn lost_packets_are_sent_again_as_they_were() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let mut request = announce(&tracker.url());
    request.timeout = Duration::from_secs(4);
    let asked = ask(&engine(), &request, 10);
    tracker.connect(1).await;
    let mut lost = HashSet::new();
    for index in 0..10 {
        let (_, transaction_id, id, from) = announce_of(&tracker).await;
        if index % 2 == 0 {
            let answer = announce_answer(transaction_id, 1800, &peer(id));
            tracker.send(&answer, from).await;
        } else {
            lost.insert((transaction_id, id));
        }
    }
    for _ in 0..5 {
        let (_, transaction_id, id, from) = announce_of(&tracker).await;
        assert!(lost.remove(&(transaction_id, id)));
        let answer = announce_answer(transaction_id, 1800, &peer(id));
        tracker.send(&answer, from).await;
    }
    assert_own_peers(&asked.replies().await);
}

#[tokio::test(start_paused = true)]
async fn a_silent_tracker_is_an_error_of_each_in_time() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let start = Instant::now();
    let errors = ask(&engine(), &announce(&tracker.url()), 100)
        .errors()
        .await;
    assert_eq!(start.elapsed().as_secs(), 15);
    let text = format!("tracker request timed out (started) ({})", tracker.url());
    assert!(errors.values().all(|error| error.to_string() == text));
}

#[tokio::test]
async fn silence_after_the_connect_is_three_packets_and_an_error() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let mut request = announce(&tracker.url());
    request.timeout = Duration::from_secs(1);
    let start = Instant::now();
    let asked = ask(&engine(), &request, 2);
    tracker.connect(1).await;
    let errors = asked.errors().await;
    assert!(start.elapsed() >= Duration::from_millis(900));
    assert!(
        errors
            .values()
            .all(|error| error.code() == "ERR_TRACKER_TIMEOUT")
    );
    let mut counts = BTreeMap::new();
    for _ in 0..6 {
        let (_, transaction_id, id, _) = announce_of(&tracker).await;
        *counts.entry((id, transaction_id)).or_insert(0) += 1;
    }
    assert_eq!(counts.values().collect::<Vec<_>>(), [&3, &3]);
    assert!(tracker.socket.try_recv(&mut [0; 100]).is_err());
}

#[tokio::test]
async fn strangers_and_garbage_are_ignored_but_named_at_the_end() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let stranger = UdpTracker::bind("127.0.0.1").await;
    let mut request = announce(&tracker.url());
    request.timeout = Duration::from_secs(2);
    let asked = ask(&engine(), &request, 2);
    tracker.connect(1).await;
    for index in 0..2 {
        let (_, transaction_id, id, from) = announce_of(&tracker).await;
        let answer = announce_answer(transaction_id, 1800, &peer(id));
        stranger.send(&answer, from).await;
        tracker.send(&answer[..19], from).await;
        tracker.send(&[0xff; 3000], from).await;
        tracker.send(&[], from).await;
        if index == 0 {
            tracker.send(&answer, from).await;
        }
    }
    let mut outcomes = asked.outcomes().await.into_values();
    let (first, second) = (outcomes.next().unwrap(), outcomes.next().unwrap());
    let (reply, error) = match (first, second) {
        (Ok(reply), Err(error)) | (Err(error), Ok(reply)) => (reply, error),
        outcomes => panic!("{outcomes:?}"),
    };
    assert!(matches!(reply, TrackerReply::Announce(reply) if reply.peers.len() == 1));
    let text = format!("invalid announce message ({})", tracker.url());
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn an_error_packet_refuses_one_and_not_the_others() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let asked = ask(&engine(), &announce(&tracker.url()), 10);
    tracker.connect(7).await;
    let mut refused = HashSet::new();
    for index in 0..10 {
        let (_, transaction_id, id, from) = announce_of(&tracker).await;
        let mut answer = announce_answer(transaction_id, 1800, &peer(id));
        if index % 3 == 0 {
            answer.clear();
            udp::write_error(&mut answer, transaction_id, "torrent not registered");
            refused.insert(id);
        }
        tracker.send(&answer, from).await;
    }
    for (id, outcome) in asked.outcomes().await {
        match outcome {
            Ok(_) => assert!(!refused.contains(&id)),
            Err(error) => {
                assert!(refused.contains(&id));
                assert_eq!(error.to_string(), "torrent not registered");
            }
        }
    }
}

#[tokio::test]
async fn a_used_id_that_is_refused_is_replaced_once() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = announce(&tracker.url());
    use_id(&engine, &tracker, &request).await;
    let asked = ask(&engine, &request, 6);
    for _ in 0..6 {
        tracker.refuse("Connection ID missmatch.").await;
    }
    // Those who go on alone share a connect, and hear the tracker's second no.
    tracker.connect(8).await;
    let mut refused = HashSet::new();
    for index in 0..6 {
        let (connection_id, transaction_id, id, from) = announce_of(&tracker).await;
        assert_eq!(connection_id, 8);
        let mut answer = announce_answer(transaction_id, 1800, &peer(id));
        if index == 5 {
            answer.clear();
            udp::write_error(&mut answer, transaction_id, "Connection ID missmatch.");
            refused.insert(id);
        }
        tracker.send(&answer, from).await;
    }
    let outcomes = asked.outcomes().await;
    let failed: HashSet<_> = outcomes
        .iter()
        .filter_map(|(id, outcome)| outcome.is_err().then_some(*id))
        .collect();
    assert_eq!(failed, refused);
}

#[tokio::test]
async fn one_is_aborted_and_the_others_go_on() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let asked = ask(&engine(), &announce(&tracker.url()), 3);
    tracker.connect(1).await;
    let mut announces = Vec::new();
    for _ in 0..3 {
        announces.push(announce_of(&tracker).await);
    }
    asked.handles[&1].abort();
    asked.handles[&1].abort();
    // Done by then.
    asked.handles[&0].abort_after(Duration::from_secs(60));
    for (_, transaction_id, id, from) in announces {
        if id != 1 {
            let answer = announce_answer(transaction_id, 1800, &peer(id));
            tracker.send(&answer, from).await;
        }
    }
    let outcomes = asked.outcomes().await;
    assert!(outcomes[&0].is_ok() && outcomes[&2].is_ok());
    let error = outcomes[&1].as_ref().unwrap_err();
    assert_eq!(error.code(), "ERR_TRACKER_ABORTED");
}

#[tokio::test(start_paused = true)]
async fn all_are_aborted_while_they_wait_for_a_connect() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let start = Instant::now();
    let asked = ask(&engine(), &announce(&tracker.url()), 50);
    asked.abort_all_after(Duration::from_secs(1));
    let errors = asked.errors().await;
    assert_eq!(start.elapsed().as_secs(), 1);
    assert!(
        errors
            .values()
            .all(|error| error.code() == "ERR_TRACKER_ABORTED")
    );
}

#[tokio::test]
async fn who_goes_on_alone_can_be_aborted() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = announce(&tracker.url());
    use_id(&engine, &tracker, &request).await;
    let asked = ask(&engine, &request, 2);
    asked.handles[&0].abort_after(Duration::from_millis(500));
    tracker.refuse("no").await;
    tracker.refuse("no").await;
    // Both wait for a connect by now.
    tracker.receive().await;
    asked.handles[&1].abort();
    let errors = asked.errors().await;
    assert!(
        errors
            .values()
            .all(|error| error.code() == "ERR_TRACKER_ABORTED")
    );
}

#[tokio::test]
async fn shutdown_aborts_all() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let asked = ask(&engine, &announce(&tracker.url()), 5);
    tracker.connect(1).await;
    announce_of(&tracker).await;
    assert_eq!(engine.in_flight(), 1, "a volley counts as one");
    engine.shutdown(Duration::from_millis(10)).await;
    let late = ask(&engine, &announce(&tracker.url()), 5);
    for asked in [asked, late] {
        let errors = asked.errors().await;
        assert!(
            errors
                .values()
                .all(|error| error.code() == "ERR_TRACKER_ABORTED")
        );
    }
}

#[tokio::test]
async fn a_name_without_addresses_is_an_error_of_each() {
    let hosts = HashMap::from([("tracker.test".to_owned(), Vec::new())]);
    let engine = engine_with(ClientConfig {
        hosts,
        ..ClientConfig::default()
    });
    let errors = ask(&engine, &announce("udp://tracker.test:6969"), 3)
        .errors()
        .await;
    for error in errors.values() {
        assert!(error.to_string().contains("tracker.test"), "{error}");
    }
}

#[tokio::test]
async fn what_ipv4_does_not_answer_goes_over_ipv6() {
    if !has_ipv6() {
        return;
    }
    let (v4, v6) = twins().await;
    let (engine, url) = dual_stack(v4.addr().port());
    let mut request = announce(&url);
    request.timeout = Duration::from_secs(2);
    let asked = ask(&engine, &request, 3);
    v4.connect(4).await;
    v6.connect(6).await;
    for _ in 0..3 {
        let (connection_id, transaction_id, _, from) = announce_of(&v6).await;
        assert_eq!(connection_id, 6);
        let answer = announce_answer(transaction_id, 1800, &[0x20; 18]);
        v6.send(&answer, from).await;
    }
    for reply in asked.replies().await.values() {
        assert_eq!(reply.peers.len(), 1);
    }
}

#[tokio::test]
async fn over_both_families_each_is_two() {
    if !has_ipv6() {
        return;
    }
    let (v4, v6) = twins().await;
    let (engine, url) = dual_stack(v4.addr().port());
    let mut request = announce(&url);
    request.families = Families::Both;
    let asked = ask(&engine, &request, 2);
    for (tracker, peer) in [(&v4, &[1; 6][..]), (&v6, &[2; 18])] {
        tracker.connect(1).await;
        for _ in 0..2 {
            let (_, transaction_id, _, from) = announce_of(tracker).await;
            let answer = announce_answer(transaction_id, 1800, peer);
            tracker.send(&answer, from).await;
        }
    }
    for reply in asked.replies().await.values() {
        assert_eq!(reply.peers.len(), 2);
    }
}

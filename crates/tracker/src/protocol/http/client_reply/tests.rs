use proptest::{array::uniform20, collection::vec, prelude::*};

use super::*;
use crate::{
    bencode::{DecodeErrorKind, encode},
    protocol::http::{
        AnnounceReply, begin_peer_list, begin_peers_v4, begin_peers_v6, end_peer_list,
        write_failure, write_peer,
    },
};

fn peers(body: &[u8]) -> Vec<String> {
    let reply = parse_announce_reply(body).unwrap();
    assert_eq!(reply.broken_peers, None);
    reply.peers.iter().map(ToString::to_string).collect()
}

#[test]
fn compact_and_dictionary_peers() {
    assert_eq!(
        peers(b"d5:peers12:\xc0\x00\x02\x01\x1a\xe1\x0a\x00\x00\x01\x00\x00e"),
        ["192.0.2.1:6881"]
    );
    assert_eq!(
        peers(b"d6:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1e"),
        ["[2001:db8::1]:6881"]
    );
    let dict = |ip: &str, port: &str| format!("d2:ip{}:{ip}4:port{port}e", ip.len());
    let list = [
        dict("192.0.2.1", "i1e"),
        dict("2001:db8::1", "i2e"),
        dict("[2001:db8::1]", "i3e"),
        dict("peer.example", "i4e"),
        dict("192.0.2.1", "1:5"),
        dict("::ffff:192.0.2.1", "i6e"),
        // Each of these is left out.
        dict("192.0.2.1", "i0e"),
        dict("192.0.2.1", "i65536e"),
        dict("192.0.2.1", "i-1e"),
        dict("192.0.2.1", "le"),
        dict("", "i1e"),
        dict("a b", "i1e"),
        dict("a\r\nb", "i1e"),
        dict(&"a".repeat(254), "i1e"),
        dict("2001:db8::zz", "i1e"),
        "de".to_owned(),
        "i1e".to_owned(),
    ]
    .concat();
    let expected = [
        "192.0.2.1:1",
        "[2001:db8::1]:2",
        "[2001:db8::1]:3",
        "peer.example:4",
        "192.0.2.1:5",
        "192.0.2.1:6",
    ];
    for key in ["5:peers", "6:peers6"] {
        assert_eq!(peers(format!("d{key}l{list}ee").as_bytes()), expected);
    }
}

#[test]
fn no_peers_are_no_error() {
    for body in [&b"de"[..], b"d5:peers0:e", b"d5:peerslee", b"d5:peersi1ee"] {
        assert_eq!(peers(body), [""; 0]);
    }
}

#[test]
fn broken_compact_list() {
    let reply = parse_announce_reply(b"d5:peers7:abcdefg6:peers618:0123456789abcdefghe").unwrap();
    assert_eq!(reply.broken_peers, Some(CompactError { len: 7, stride: 6 }));
    assert_eq!(reply.peers.len(), 1);
}

#[test]
fn peers_are_bounded() {
    let mut body = b"d5:peers".to_vec();
    encode::bytes(&mut body, &vec![1; 170_000 * 6]);
    body.extend_from_slice(b"6:peers6");
    encode::bytes(&mut body, &vec![1; 1000 * 18]);
    body.push(b'e');
    assert_eq!(parse_announce_reply(&body).unwrap().peers.len(), MAX_PEERS);
}

#[test]
fn peer_ids() {
    let id = |text: &str| {
        let body = format!(
            "d5:peersld2:ip1:a7:peer id{}:{text}4:porti1eeee",
            text.len()
        );
        parse_announce_reply(body.as_bytes()).unwrap().peers[0].id
    };
    assert_eq!(
        id("-XX0001-abcdefghijkl"),
        Some(PeerId(*b"-XX0001-abcdefghijkl"))
    );
    // Latin-1 as UTF-8.
    assert_eq!(
        id("-XX0001-abcdefghij\u{80}\u{ff}"),
        Some(PeerId(*b"-XX0001-abcdefghij\x80\xff"))
    );
    assert_eq!(id("short"), None);
    assert_eq!(id("-XX0001-abcdefghij\u{100}x"), None);
}

#[test]
fn retry_in_in_all_forms() {
    let retry_in = |value: &str| {
        let body = format!("d14:failure reason2:no8:retry in{value}e");
        parse_announce_reply(body.as_bytes()).unwrap().retry_in
    };
    assert_eq!(retry_in("i15e"), Some(RetryIn::Minutes(15)));
    assert_eq!(retry_in("2:15"), Some(RetryIn::Minutes(15)));
    assert_eq!(retry_in("5:never"), Some(RetryIn::Never));
    assert_eq!(
        retry_in("i1099511627776e"),
        Some(RetryIn::Minutes(u32::MAX))
    );
    assert_eq!(retry_in("i-1e"), None);
    assert_eq!(retry_in("4:soon"), None);
    assert_eq!(retry_in("le"), None);
}

#[test]
fn odd_values() {
    let body = b"d8:completei-1e11:external ip3:abc10:incomplete1:38:intervali-1e\
        12:min intervali1099511627776e10:tracker idi5ee";
    let reply = parse_announce_reply(body).unwrap();
    assert_eq!(reply.complete, None);
    assert_eq!(reply.incomplete, Some(3));
    assert_eq!(reply.external_ip, None);
    assert_eq!(reply.interval, Some(-1));
    assert_eq!(reply.min_interval, Some(1 << 40));
    assert_eq!(reply.tracker_id, None);
    assert_eq!(reply.dict.get(b"tracker id"), Some(&Value::Int(5)));
}

#[test]
fn bodies_that_are_no_answer() {
    assert_eq!(parse_announce_reply(b"le"), Err(ReplyError::NotADictionary));
    assert_eq!(
        parse_announce_reply(b"dexde"),
        Err(ReplyError::TrailingBytes)
    );
    assert!(parse_announce_reply(b"de\r\n").is_ok());
    for body in [&b""[..], b"<html>", b"d8:interval", &b"l".repeat(1 << 20)] {
        assert!(matches!(
            parse_announce_reply(body),
            Err(ReplyError::Bencode(_))
        ));
    }
    let bomb = ["d5:peersl", &"de".repeat(500_000), "ee"].concat();
    assert!(matches!(
        parse_announce_reply(bomb.as_bytes()),
        Err(ReplyError::Bencode(error)) if error.kind == DecodeErrorKind::TooManyTokens
    ));
}

proptest! {
    #[test]
    fn compact_round_trip(
        numbers in any::<(u32, u32, u32)>(), min_interval in any::<Option<u32>>(),
        external_ip in any::<Option<IpAddr>>(), tracker_id in any::<Option<Vec<u8>>>(),
        warning in any::<Option<String>>(),
        addrs in vec((any::<IpAddr>(), 1..=u16::MAX), 0..20),
    ) {
        let reply = AnnounceReply {
            complete: numbers.0,
            incomplete: numbers.1,
            interval: numbers.2,
            min_interval,
            external_ip,
            tracker_id: tracker_id.as_deref(),
            warning: warning.as_deref(),
            ..AnnounceReply::default()
        };
        let addrs = addrs.into_iter().map(|(ip, port)| PeerAddr::new(ip, port));
        let (v4, v6): (Vec<_>, Vec<_>) = addrs.partition(|addr| matches!(addr, PeerAddr::V4(_)));
        let mut body = Vec::new();
        reply.write_head(&mut body);
        begin_peers_v4(&mut body, v4.len());
        for &addr in &v4 {
            compact::write(&mut body, addr);
        }
        begin_peers_v6(&mut body, v6.len());
        for &addr in &v6 {
            compact::write(&mut body, addr);
        }
        reply.write_tail(&mut body);

        let read = parse_announce_reply(&body).unwrap();
        prop_assert_eq!(read.complete, Some(reply.complete.into()));
        prop_assert_eq!(read.incomplete, Some(reply.incomplete.into()));
        prop_assert_eq!(read.interval, Some(reply.interval.into()));
        prop_assert_eq!(read.min_interval, min_interval.map(i64::from));
        prop_assert_eq!(read.external_ip, external_ip.map(|ip| ip.to_canonical()));
        prop_assert_eq!(read.tracker_id, tracker_id.as_deref());
        prop_assert_eq!(read.warning, warning.as_deref().map(str::as_bytes));
        prop_assert_eq!(read.failure_reason, None);
        let expected: Vec<_> = v4.into_iter().chain(v6).map(DecodedPeer::from).collect();
        prop_assert_eq!(read.peers, expected);
    }

    #[test]
    fn dictionary_round_trip(
        peers in vec((any::<IpAddr>(), 1..=u16::MAX, uniform20(any::<u8>()), any::<bool>()), 0..20),
    ) {
        let reply = AnnounceReply::default();
        let mut body = Vec::new();
        let mut expected = Vec::new();
        reply.write_head(&mut body);
        begin_peer_list(&mut body);
        for (ip, port, id, with_id) in peers {
            let addr = PeerAddr::new(ip, port);
            let id = with_id.then_some(PeerId(id));
            write_peer(&mut body, addr, id);
            expected.push(DecodedPeer { id, ..addr.into() });
        }
        end_peer_list(&mut body);
        reply.write_tail(&mut body);
        prop_assert_eq!(parse_announce_reply(&body).unwrap().peers, expected);
    }

    #[test]
    fn failure_round_trip(reason in any::<String>(), minutes in any::<Option<u32>>()) {
        let retry_in = minutes.map(RetryIn::Minutes);
        let mut body = Vec::new();
        write_failure(&mut body, &reason, retry_in);
        let read = parse_announce_reply(&body).unwrap();
        prop_assert_eq!(read.failure_reason, Some(reason.as_bytes()));
        prop_assert_eq!(read.retry_in, retry_in);
    }

    #[test]
    fn no_input_panics(
        body in vec(any::<u8>(), 0..200),
        values in vec("i-?[0-9]{1,20}e|[0-9]{0,2}:[a-z0-9.:\\[\\]]{0,20}|l?d2:ip3:a.b4:porti[0-9]{1,6}eee?", 9),
    ) {
        let _ = parse_announce_reply(&body);
        let keys = ["complete", "external ip", "failure reason", "incomplete", "interval",
            "min interval", "peers", "peers6", "retry in"];
        for (key, value) in keys.iter().zip(&values) {
            let body = format!("d{}:{key}{value}e", key.len());
            if let Ok(reply) = parse_announce_reply(body.as_bytes()) {
                prop_assert!(reply.peers.iter().all(|peer| peer.port != 0));
            }
        }
    }
}

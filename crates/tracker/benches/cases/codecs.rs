//! Bytes to values and values to bytes.

use std::{hint::black_box, time::Duration};

use tracker::{
    bencode::{self, Limits},
    protocol::{
        connection_id::ConnectionIds,
        http::{self, AnnounceReply},
        udp::{self, AnnounceResponseHead},
        websocket,
    },
    types::PeerAddrV4,
};

use super::{
    Case,
    Group::Codecs,
    Operation, udp as datagrams,
    world::{self, INTERVAL, IP, NOW, PEER_ID},
};

pub(super) const CASES: &[Case] = &[
    Case {
        group: Codecs,
        name: "connection id, issued and checked",
        set_up: connection_id,
    },
    Case {
        group: Codecs,
        name: "UDP announce request, parsed",
        set_up: udp_request,
    },
    Case {
        group: Codecs,
        name: "UDP announce response with 50 peers, written",
        set_up: udp_response,
    },
    Case {
        group: Codecs,
        name: "HTTP announce query, parsed",
        set_up: http_query,
    },
    Case {
        group: Codecs,
        name: "HTTP announce reply with 50 peers, written",
        set_up: http_reply,
    },
    Case {
        group: Codecs,
        name: "HTTP announce reply with 50 peers, bencode decoded",
        set_up: || decode_reply(|body| drop(black_box(bencode::decode(body, Limits::default())))),
    },
    Case {
        group: Codecs,
        name: "HTTP announce reply with 50 peers, parsed by a client",
        set_up: || decode_reply(|body| drop(black_box(http::parse_announce_reply(body)))),
    },
    Case {
        group: Codecs,
        name: "WebSocket announce without offers, parsed",
        set_up: || websocket_request(0),
    },
    Case {
        group: Codecs,
        name: "WebSocket announce with 10 offers, parsed",
        set_up: || websocket_request(10),
    },
    Case {
        group: Codecs,
        name: "WebSocket offer of 1 KB, written",
        set_up: websocket_offer,
    },
];

const PEERS: [PeerAddrV4; 50] = [PeerAddrV4([192, 0, 2, 7, 0x1a, 0xe1]); 50];

fn connection_id() -> Operation {
    let ids = ConnectionIds::new([7; 16], Duration::from_secs(120));
    Box::new(move || {
        let id = ids.issue(black_box(IP), NOW);
        assert!(ids.is_valid(black_box(id), IP, NOW));
    })
}

fn udp_request() -> Operation {
    let mut packet = Vec::new();
    udp::write_announce_request(&mut packet, &datagrams::request(1), b"");
    Box::new(move || {
        let request = udp::parse_request(black_box(&packet));
        assert!(black_box(&request).is_ok());
    })
}

fn udp_response() -> Operation {
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        AnnounceResponseHead {
            transaction_id: black_box(0x1234_5678),
            interval: INTERVAL,
            leechers: 25,
            seeders: 25,
        }
        .write(&mut out);
        PeerAddrV4::append_all(black_box(&PEERS), &mut out);
        black_box(&out);
    })
}

fn http_query() -> Operation {
    let query = super::http::query(super::websocket::INFO_HASH, world::peer(0).port());
    Box::new(move || {
        let query = http::parse_announce(black_box(query.as_bytes()));
        assert!(black_box(&query).is_ok());
    })
}

fn http_reply() -> Operation {
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        write_reply(&mut out);
        black_box(&out);
    })
}

fn decode_reply(decode: fn(&[u8])) -> Operation {
    let mut body = Vec::new();
    write_reply(&mut body);
    Box::new(move || decode(black_box(&body)))
}

fn write_reply(out: &mut Vec<u8>) {
    let reply = AnnounceReply {
        complete: black_box(25),
        incomplete: 25,
        interval: INTERVAL,
        ..AnnounceReply::default()
    };
    reply.write_head(out);
    http::begin_peers_v4(out, PEERS.len());
    PeerAddrV4::append_all(black_box(&PEERS), out);
    http::begin_peers_v6(out, 0);
    reply.write_tail(out);
}

fn websocket_request(offers: usize) -> Operation {
    let message = super::websocket::message(offers);
    Box::new(move || {
        let max_offers = super::websocket::MAX_OFFERS;
        let request = websocket::parse_request(black_box(&message), max_offers);
        assert!(black_box(&request).is_ok());
    })
}

fn websocket_offer() -> Operation {
    let offer = format!(r#"{{"type":"offer","sdp":"{}"}}"#, "x".repeat(1000));
    let signature = websocket::Signature::new(PEER_ID, super::websocket::INFO_HASH);
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        let id = Some("\"0123456789abcdefghij\"");
        websocket::write_offer(&mut out, Some(black_box(&offer)), id, &signature);
        black_box(&out);
    })
}

//! WebTorrent's messages: what `server/websocket/relay.rs` does but for frames and the way to other sockets.

use std::hint::black_box;

use tracker::{
    protocol::websocket::{self, Request},
    swarm::{Outcome, SocketAnnounce, SocketSink},
    tracker::{Tracker, TrackerConfig},
    types::{AnnounceEvent, InfoHash, PeerId, SocketId},
};

use super::{
    Case, Group, Operation,
    world::{INTERVAL, NOW, PEER_ID},
};

pub(super) const CASES: &[Case] = &[Case {
    group: Group::Announce,
    name: "WebSocket announce with 10 offers, one of 100 peers",
    set_up: announce,
}];

/// More than any message here has.
pub(super) const MAX_OFFERS: usize = 20;

/// As in most hashes, half of the bytes are two in UTF-8, and one in eight is an escape in JSON.
pub(super) const INFO_HASH: InfoHash =
    InfoHash(*b"\x9f\x02\xd8k#\xe6\xb1Q\x1ap\xc4\x90w\xfd3\xa8Z\xeb5\x87");

/// An announce with offers as browsers make them: of 1 KB, with escaped line ends.
pub(super) fn message(offers: usize) -> String {
    let offers: Vec<_> = (0..offers).map(offer).collect();
    format!(
        r#"{{"numwant":10,"uploaded":0,"downloaded":0,"left":1073741824,"action":"announce","info_hash":"{}","peer_id":"{}","offers":[{}]}}"#,
        json(&INFO_HASH.0),
        json(&PEER_ID.0),
        offers.join(","),
    )
}

fn offer(number: usize) -> String {
    let candidate = r"a=candidate:1 1 udp 2122260223 192.0.2.1 50001 typ host generation 0\r\n";
    let description = format!(
        r"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\n{}",
        candidate.repeat(13)
    );
    format!(
        r#"{{"offer":{{"type":"offer","sdp":"{description}"}},"offer_id":"{}"}}"#,
        json(&[0xa0 + number as u8; 20])
    )
}

/// Bytes as JSON has them, a code point each.
fn json(bytes: &[u8]) -> String {
    let text: String = bytes.iter().copied().map(char::from).collect();
    // The quotes are the caller's.
    let literal = serde_json::to_string(&text).expect("any text is JSON");
    literal[1..literal.len() - 1].to_owned()
}

/// The answer and the offers, written one after the other; the servers make a message of each.
fn announce() -> Operation {
    let tracker = tracker_with(100);
    let message = message(10);
    let mut rng = fastrand::Rng::with_seed(3);
    let mut sink = Sockets(Vec::new());
    let mut out = Vec::new();
    Box::new(move || {
        let request = websocket::parse_request(black_box(&message), MAX_OFFERS);
        let Ok(Request::Announce(request)) = request else {
            panic!("no announce: {request:?}");
        };
        let announce = SocketAnnounce {
            info_hash: request.info_hash,
            peer_id: request.peer_id,
            socket: SocketId::new(0, false),
            event: request.event,
            left: request.left,
        };
        sink.0.clear();
        let wanted = request.offers.len();
        let store = tracker.store();
        let outcome = store.announce_socket(&announce, wanted, NOW, &mut rng, &mut sink);
        out.clear();
        let (complete, incomplete) = (outcome.complete, outcome.incomplete);
        let hash = request.info_hash;
        websocket::write_announce_response(&mut out, complete, incomplete, INTERVAL, hash);
        let signature = websocket::Signature::new(request.peer_id, hash);
        for (offer, to) in request.offers.iter().zip(&sink.0) {
            websocket::write_offer(&mut out, offer.offer, offer.offer_id, &signature);
            black_box(to);
        }
        black_box(&out);
    })
}

fn tracker_with(sockets: u64) -> Tracker {
    let tracker = Tracker::new(TrackerConfig::default());
    let mut rng = fastrand::Rng::with_seed(1);
    for serial in 0..sockets {
        let mut peer_id = PEER_ID;
        peer_id.0[19] = serial as u8;
        let announce = SocketAnnounce {
            info_hash: INFO_HASH,
            peer_id: if serial == 0 { PEER_ID } else { peer_id },
            socket: SocketId::new(serial, false),
            event: AnnounceEvent::Started,
            left: Some(1),
        };
        let store = tracker.store();
        store.announce_socket(&announce, 0, NOW, &mut rng, &mut ());
    }
    tracker
}

/// Notes whom the offers are for.
struct Sockets(Vec<(SocketId, PeerId)>);

impl SocketSink for Sockets {
    fn begin(&mut self, _outcome: &Outcome, _peers: usize) {}

    fn peer(&mut self, socket: SocketId, peer_id: PeerId) {
        self.0.push((socket, peer_id));
    }
}

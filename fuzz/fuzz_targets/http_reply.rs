//! A tracker's answers are read within their bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker::protocol::http::{MAX_PEERS, parse_announce_reply, parse_scrape_reply};

fuzz_target!(|body: &[u8]| {
    if let Ok(reply) = parse_announce_reply(body) {
        assert!(reply.peers.len() <= MAX_PEERS);
        assert!(reply.peers.iter().all(|peer| peer.port != 0));
    }
    if let Ok(reply) = parse_scrape_reply(body) {
        assert!(reply.files().count() <= body.len());
    }
});

//! A response borrows from its packet, and scrape rows are never more than fit in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker::protocol::{
    compact::{peers_v4, peers_v6},
    udp::{Response, parse_response, scrape_rows},
};

fuzz_target!(|data: &[u8]| match parse_response(data) {
    Ok(Response::Scrape { rows, .. }) => assert!(scrape_rows(rows).len() * 12 <= data.len()),
    Ok(Response::Announce { peers, .. }) => {
        assert!(peers_v4(peers).map_or(0, Iterator::count) * 6 <= peers.len());
        assert!(peers_v6(peers).map_or(0, Iterator::count) * 18 <= peers.len());
    }
    _ => {}
});

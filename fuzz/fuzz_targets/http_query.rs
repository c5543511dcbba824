//! Queries are read within their bounds, and scrape hashes come sorted and once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker::protocol::http::{MAX_PAIRS, pairs, parse_announce, parse_scrape};

fuzz_target!(|query: &[u8]| {
    assert!(pairs(query).count() <= MAX_PAIRS);
    if let Ok(announce) = parse_announce(query) {
        assert_ne!(announce.port, 0);
    }
    if let Ok(info_hashes) = parse_scrape(query) {
        assert!(info_hashes.is_sorted_by(|a, b| a < b));
    }
});

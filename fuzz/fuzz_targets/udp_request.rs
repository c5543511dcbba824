//! An announce that is read and written again is read to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker::protocol::udp::{Request, parse_request, write_announce_request};

fuzz_target!(|data: &[u8]| {
    if let Ok(Request::Announce(announce)) = parse_request(data) {
        assert!(announce.url_data().len() <= data.len());
        let mut out = Vec::new();
        write_announce_request(&mut out, &announce, b"");
        assert_eq!(parse_request(&out), Ok(Request::Announce(announce)));
    }
});

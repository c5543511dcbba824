//! What is decoded and encoded again is decoded to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker::bencode::{Limits, decode, encode};

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = decode(data, Limits::default()) {
        let mut out = Vec::new();
        encode::value(&mut out, &value);
        assert_eq!(decode(&out, Limits::default()).as_ref(), Ok(&value));
    }
});

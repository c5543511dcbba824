//! A stream of frames reads the same whether it comes at once or in two pieces, and no message is
//! longer than is allowed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker::protocol::websocket::frame::{FrameReader, Incoming};

const MAX_MESSAGE: usize = 200;

fuzz_target!(|input: &[u8]| {
    // The first byte says where the stream is cut.
    let Some((cut, stream)) = input.split_first() else {
        return;
    };
    let (first, second) = stream.split_at(usize::from(*cut) % (stream.len() + 1));
    assert_eq!(read(&[stream]), read(&[first, second]));
});

fn read(pieces: &[&[u8]]) -> Vec<String> {
    let mut reader = FrameReader::new(MAX_MESSAGE);
    let (mut rest, mut seen) = (Vec::new(), Vec::new());
    for piece in pieces {
        rest.extend_from_slice(piece);
        let mut at = 0;
        loop {
            match reader.next(&mut rest, &mut at) {
                Ok(Some(incoming)) => {
                    if let Incoming::Text(text) = &incoming {
                        assert!(text.len() <= MAX_MESSAGE);
                    }
                    seen.push(format!("{incoming:?}"));
                }
                Ok(None) => break,
                Err(error) => {
                    seen.push(error.to_string());
                    return seen;
                }
            }
        }
        rest.drain(..at);
    }
    seen
}

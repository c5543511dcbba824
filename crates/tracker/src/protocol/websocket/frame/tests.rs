use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(MASKED | length as u8),
        length @ 126..65_536 => {
            out.push(MASKED | LENGTH_16);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | LENGTH_64);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&KEY);
    out.extend(naive(payload, KEY));
    out
}

fn naive(bytes: &[u8], key: [u8; 4]) -> Vec<u8> {
    let bytes = bytes.iter().enumerate();
    bytes.map(|(index, byte)| byte ^ key[index % 4]).collect()
}

/// What comes of a stream that arrives in these pieces, as text; an error is the last.
fn read(pieces: &[&[u8]], max: usize) -> Vec<String> {
    let mut reader = FrameReader::new(max);
    let (mut rest, mut seen) = (Vec::new(), Vec::new());
    for piece in pieces {
        rest.extend_from_slice(piece);
        let mut at = 0;
        loop {
            match reader.next(&mut rest, &mut at) {
                Ok(Some(incoming)) => seen.push(format!("{incoming:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("{} {error}", error.close_code()));
                    return seen;
                }
            }
        }
        rest.drain(..at);
    }
    seen
}

fn one(bytes: &[u8]) -> String {
    read(&[bytes], 100_000).join(" | ")
}

#[test]
fn the_examples_of_the_rfc() {
    let hello = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(one(&hello), r#"Text("Hello")"#);
    let ping = [
        0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(one(&ping), "Ping([72, 101, 108, 108, 111])");
}

#[test]
fn lengths_of_all_three_kinds() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let text = "x".repeat(length);
        let whole = frame(FIN | TEXT, text.as_bytes());
        assert_eq!(one(&whole), format!("Text({text:?})"));
        assert_eq!(one(&whole[..whole.len() - 1]), "", "incomplete");
    }
}

#[test]
fn fragments_with_control_frames_between() {
    let euro = "€".as_bytes();
    let frames = [
        frame(TEXT, &euro[..1]),
        frame(FIN | PING, b"a"),
        frame(CONTINUATION, b""),
        frame(CONTINUATION, &euro[1..2]),
        frame(FIN | PONG, b""),
        frame(FIN | CONTINUATION, &euro[2..]),
        frame(BINARY, b"x"),
        frame(FIN | CONTINUATION, &[0xff]),
        frame(FIN | TEXT, b"next"),
    ];
    assert_eq!(
        one(&frames.concat()),
        r#"Ping([97]) | Pong | Text("€") | Binary | Text("next")"#
    );
}

#[test]
fn refuses_with_the_code_of_the_rfc() {
    let claims = |length: u64| {
        let mut out = vec![FIN | TEXT, MASKED | LENGTH_64];
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&KEY);
        out
    };
    let unfinished = frame(TEXT, b"{");
    for (what, bytes, code) in [
        ("unmasked", vec![FIN | TEXT, 1, b'x'], "1002"),
        ("a reserved bit", frame(FIN | 0x40 | TEXT, b""), "1002"),
        ("another", frame(FIN | 0x10 | PING, b""), "1002"),
        ("a reserved opcode", frame(FIN | 3, b""), "1002"),
        ("another", frame(FIN | 0x0b, b""), "1002"),
        ("a long ping", frame(FIN | PING, &[0; 126]), "1002"),
        ("half a ping", frame(PING, b""), "1002"),
        ("half a close", frame(CLOSE, b""), "1002"),
        (
            "a continuation of nothing",
            frame(CONTINUATION, b""),
            "1002",
        ),
        (
            "a message within one",
            [unfinished.clone(), frame(FIN | TEXT, b"{}")].concat(),
            "1002",
        ),
        (
            "a binary within a text",
            [unfinished, frame(FIN | BINARY, b"{}")].concat(),
            "1002",
        ),
        ("a close of one byte", frame(FIN | CLOSE, b"x"), "1002"),
        ("a reason", frame(FIN | CLOSE, &[3, 232, 0xff]), "1007"),
        ("no UTF-8", frame(FIN | TEXT, &[0xff]), "1007"),
        ("half a character", frame(FIN | TEXT, &[0xe2, 0x82]), "1007"),
        ("a fragment", frame(TEXT, &[0xc0]), "1007"),
        (
            "half a character in fragments",
            [frame(TEXT, &[0xe2]), frame(FIN | CONTINUATION, b"")].concat(),
            "1007",
        ),
        ("a long one", claims(100_001), "1009"),
        ("a longer one", claims(1 << 32), "1009"),
        ("the longest", claims(u64::MAX), "1009"),
        (
            "long fragments",
            [
                frame(TEXT, "x".repeat(60_000).as_bytes()),
                frame(CONTINUATION, "x".repeat(40_001).as_bytes()),
            ]
            .concat(),
            "1009",
        ),
    ] {
        let seen = one(&bytes);
        assert!(seen.starts_with(code), "{what}: {seen}");
    }
}

#[test]
fn a_close_is_answered_with_itself_if_its_code_may_be_sent() {
    let goodbye = |code: u16, reason: &str| {
        let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        one(&frame(FIN | CLOSE, &payload))
    };
    let told = |code: u16, reason: &str| {
        let status = Some((code, reason));
        format!("{:?}", Incoming::Close(Goodbye { status }))
    };
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
        assert_eq!(goodbye(code, "bye"), told(code, "bye"));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        assert_eq!(goodbye(code, "bye"), told(1002, "Protocol violation"));
    }
    let without = Goodbye { status: None };
    let seen = one(&frame(FIN | CLOSE, b""));
    assert_eq!(seen, format!("{:?}", Incoming::Close(without)));
}

#[test]
fn writes_the_shortest_header() {
    for (length, header) in [
        (0, vec![0x81, 0]),
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65_535, vec![0x81, 126, 0xff, 0xff]),
        (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let text = "x".repeat(length);
        let mut out = b"before".to_vec();
        write_text(&mut out, |out| out.extend_from_slice(text.as_bytes()));
        assert_eq!(out, [b"before", &header[..], text.as_bytes()].concat());
    }
}

#[test]
fn writes_control_frames() {
    let mut out = Vec::new();
    write_ping(&mut out);
    write_pong(&mut out, b"ab");
    write_close(&mut out, Goodbye { status: None });
    let status = Some((close_code::AWAY, "é"));
    write_close(&mut out, Goodbye { status });
    assert_eq!(out, b"\x89\0\x8a\x02ab\x88\0\x88\x04\x03\xe9\xc3\xa9");
    out.clear();
    let status = Some((close_code::AWAY, &*"é".repeat(100)));
    write_close(&mut out, Goodbye { status });
    assert_eq!(out.len(), 2 + 2 + 122, "cut between characters");
}

/// Frames as they may come, good and bad.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![
            FIN | TEXT, FIN | BINARY, TEXT, CONTINUATION, FIN | CONTINUATION, FIN | PING, FIN | PONG,
        ]),
        1 => Just(FIN | CLOSE),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        "[a-zé€😀]{0,80}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..300),
    ];
    let one = (first, payload).prop_map(|(first, payload)| frame(first, &payload));
    vec(one, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same(stream in frames(), cuts in vec(any::<Index>(), 0..6)) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        let bytes: Vec<_> = stream.chunks(1).collect();
        let whole = read(&[&stream], 400);
        prop_assert_eq!(&read(&pieces, 400), &whole);
        prop_assert_eq!(&read(&bytes, 400), &whole);
    }

    #[test]
    fn unmasks_as_the_rfc_says(bytes in vec(any::<u8>(), 0..200), key in any::<[u8; 4]>(), skip in 0..40_usize) {
        let mut ours = bytes.clone();
        let skip = skip.min(ours.len());
        unmask(&mut ours[skip..], key);
        prop_assert_eq!(&ours[..skip], &bytes[..skip]);
        prop_assert_eq!(&ours[skip..], naive(&bytes[skip..], key));
    }

    #[test]
    fn what_a_server_writes_is_what_a_client_wrote_but_for_the_mask(text in ".{0,200}") {
        let mut out = Vec::new();
        write_text(&mut out, |out| out.extend_from_slice(text.as_bytes()));
        let mut masked = frame(FIN | TEXT, text.as_bytes());
        prop_assert_eq!(one(&masked), format!("Text({text:?})"));
        masked[1] &= !MASKED;
        let header = masked.len() - text.len() - 4;
        prop_assert_eq!(&out[..header], &masked[..header]);
        prop_assert_eq!(&out[header..], text.as_bytes());
    }

    #[test]
    fn no_input_panics(bytes in vec(any::<u8>(), 0..300), at in 0..400_usize) {
        let mut reader = FrameReader::new(100);
        let (mut bytes, mut at) = (bytes, at);
        while let Ok(Some(_)) = reader.next(&mut bytes, &mut at) {}
    }
}

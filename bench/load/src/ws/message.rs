//! The tracker's messages, read just as far as they have to be checked and counted.

/// What a tracker sends; texts are JSON as it came.
#[derive(Default)]
pub(crate) struct Message<'a> {
    pub(crate) offer: Option<&'a [u8]>,
    pub(crate) answer: Option<&'a [u8]>,
    pub(crate) offer_id: Option<&'a [u8]>,
    pub(crate) peer_id: Option<&'a [u8]>,
    pub(crate) info_hash: Option<&'a [u8]>,
    pub(crate) interval: Option<&'a [u8]>,
}

/// Reads a JSON object without white space. A value that equals `known` is skipped without a look into
/// it: that is most of the bytes.
pub(crate) fn parse<'a>(text: &'a [u8], known: &[&[u8]]) -> Option<Message<'a>> {
    let mut message = Message::default();
    let mut rest = text.strip_prefix(b"{")?;
    loop {
        let (key, after) = rest.split_at_checked(value_end(rest)?)?;
        let after = after.strip_prefix(b":")?;
        let end = match known.iter().find(|known| after.starts_with(known)) {
            Some(known) => known.len(),
            None => value_end(after)?,
        };
        let (value, after) = after.split_at_checked(end)?;
        match key {
            b"\"offer\"" => message.offer = Some(value),
            b"\"answer\"" => message.answer = Some(value),
            b"\"offer_id\"" => message.offer_id = Some(value),
            b"\"peer_id\"" => message.peer_id = Some(value),
            b"\"info_hash\"" => message.info_hash = Some(value),
            b"\"interval\"" => message.interval = Some(value),
            _ => {}
        }
        match after {
            b"}" => return Some(message),
            [b',', after @ ..] => rest = after,
            _ => return None,
        }
    }
}

/// Where the value that begins here ends.
fn value_end(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (index, byte) in text.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    in_string = false;
                    if depth == 0 {
                        return Some(index + 1);
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => return Some(index),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// A JSON string whose code points are bytes.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.extend_from_slice(char::from(byte).encode_utf8(&mut [0; 2]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// The bytes of a JSON string of 20 code points below 256, however they are written.
pub(crate) fn read_bytes(literal: &[u8]) -> Option<[u8; 20]> {
    let text = literal.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut characters = std::str::from_utf8(text).ok()?.chars();
    let mut bytes = [0; 20];
    for byte in &mut bytes {
        let character = match characters.next()? {
            '\\' => match characters.next()? {
                'b' => '\x08',
                't' => '\t',
                'n' => '\n',
                'f' => '\x0c',
                'r' => '\r',
                'u' => {
                    let mut code = 0;
                    for _ in 0..4 {
                        code = code << 4 | characters.next()?.to_digit(16)?;
                    }
                    char::from_u32(code)?
                }
                other => other,
            },
            other => other,
        };
        *byte = u8::try_from(u32::from(character)).ok()?;
    }
    characters.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let sdp: &[u8] = br#"{"type":"offer","sdp":"a\"}b"}"#;
        let text = [
            br#"{"action":"announce","offer":"#,
            sdp,
            br#","offer_id":"x\\","interval":12,"a":[{"b":"]"},[]]}"#,
        ]
        .concat();
        for known in [&[sdp][..], &[]] {
            let message = parse(&text, known).unwrap();
            assert_eq!(message.offer, Some(sdp));
            assert_eq!(message.offer_id, Some(&br#""x\\""#[..]));
            assert_eq!(message.interval, Some(&b"12"[..]));
            assert_eq!(message.answer, None);
        }
        for bad in [
            &b""[..],
            b"{",
            b"{\"a\":1",
            b"{\"a\"}",
            b"[]",
            b"{\"a\":1}x",
        ] {
            assert!(parse(bad, &[]).is_none());
        }
    }

    #[test]
    fn byte_strings() {
        let bytes: Vec<[u8; 20]> = (0..=255_u8)
            .map(|first| std::array::from_fn(|at| first.wrapping_add(at as u8)))
            .collect();
        for bytes in bytes {
            let mut literal = Vec::new();
            write_bytes(&mut literal, &bytes);
            assert_eq!(read_bytes(&literal), Some(bytes));
        }
        assert_eq!(
            read_bytes(br#""\b\t\n\f\r\/aaaaaaaaaaaaaa""#),
            Some(*b"\x08\t\n\x0c\r/aaaaaaaaaaaaaa")
        );
        assert_eq!(read_bytes(b"\"aaaaaaaaaaaaaaaaaaa\""), None);
        assert_eq!(read_bytes(b"\"aaaaaaaaaaaaaaaaaaaaa\""), None);
    }
}

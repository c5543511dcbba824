//! The query of a URL, as raw bytes: info hashes are no text in any encoding.

use std::borrow::Cow;

/// The most pairs that are read from one query, as in Node's `querystring`.
pub const MAX_PAIRS: usize = 1000;

/// The keys and values of a query as they stand there, still encoded; at most [`MAX_PAIRS`].
///
/// A key without `=` has the empty value. Empty pairs (`&&`) are skipped.
pub fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty())
        .take(MAX_PAIRS)
        .map(|pair| {
            pair.iter()
                .position(|&byte| byte == b'=')
                .and_then(|at| Some((pair.get(..at)?, pair.get(at + 1..)?)))
                .unwrap_or((pair, b""))
        })
}

/// Decodes a key or value: `%XX` in either case is a byte, `+` a space, and a `%` that is not
/// followed by two digits stands for itself.
///
/// Whether `+` is a space has no answer in BEP 3. Form encoders, which some clients use, write
/// spaces so and escape the plus; clients that escape byte by byte escape both. So only a space
/// makes sense of what is really sent, and the tracker that this one replaces reads it so too.
pub fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if is_plain(raw) {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(Decoded(raw).collect())
    }
}

/// Decodes a value that must have exactly `N` bytes, without allocating.
pub fn decode_exact<const N: usize>(raw: &[u8]) -> Option<[u8; N]> {
    let mut decoded = Decoded(raw);
    let mut bytes = [0; N];
    for byte in &mut bytes {
        *byte = decoded.next()?;
    }
    decoded.next().is_none().then_some(bytes)
}

/// Decodes into `buffer` unless nothing is encoded; `None` if it does not fit.
pub(super) fn decode_into<'a>(raw: &'a [u8], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    if is_plain(raw) {
        return Some(raw);
    }
    let mut len = 0;
    for byte in Decoded(raw) {
        *buffer.get_mut(len)? = byte;
        len += 1;
    }
    buffer.get(..len)
}

fn is_plain(raw: &[u8]) -> bool {
    !raw.iter().any(|byte| matches!(byte, b'%' | b'+'))
}

/// The bytes that are left to decode.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(match (first, rest) {
            (b'+', _) => b' ',
            (b'%', [high, low, rest @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    self.0 = rest;
                    high << 4 | low
                }
                _ => b'%',
            },
            _ => first,
        })
    }
}

const fn digit(text: u8) -> Option<u8> {
    Some(match text {
        b'0'..=b'9' => text - b'0',
        b'a'..=b'f' => text - b'a' + 10,
        b'A'..=b'F' => text - b'A' + 10,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn splits_pairs() {
        let split = |query: &'static [u8]| pairs(query).collect::<Vec<_>>();
        assert_eq!(split(b""), []);
        assert_eq!(split(b"&&"), []);
        assert_eq!(
            split(b"a=1&&b&c=&=d&e=f=g&a=2"),
            [
                (&b"a"[..], &b"1"[..]),
                (b"b", b""),
                (b"c", b""),
                (b"", b"d"),
                (b"e", b"f=g"),
                (b"a", b"2"),
            ]
        );
        assert_eq!(pairs(&b"a&".repeat(100_000)).count(), MAX_PAIRS);
    }

    #[test]
    fn decodes_any_encoding() {
        for (raw, expected) in [
            (&b"%41%4a%4Aa"[..], &b"AJJa"[..]),
            (b"%00%ff%FF%fF", b"\x00\xff\xff\xff"),
            (b"+%2b%20", b" + "),
            (b"%", b"%"),
            (b"%4", b"%4"),
            (b"%zz%4g%g4", b"%zz%4g%g4"),
            (b"%%41", b"%A"),
            (b"%u0041", b"%u0041"),
            (
                b"%:0%0:%/0%0/%@0%0@%`0%0`%G0%0G",
                b"%:0%0:%/0%0/%@0%0@%`0%0`%G0%0G",
            ),
            (b"%\xb10%0\xff", b"%\xb10%0\xff"),
            (b"\xe9\x00", b"\xe9\x00"),
        ] {
            assert_eq!(*decode(raw), *expected, "{}", raw.escape_ascii());
        }
        assert!(matches!(decode(b"plain"), Cow::Borrowed(b"plain")));
    }

    #[test]
    fn exact_lengths() {
        assert_eq!(decode_exact(b"%41bc"), Some(*b"Abc"));
        assert_eq!(decode_exact(b"a+%"), Some(*b"a %"));
        assert_eq!(decode_exact(b"%41"), Some(*b"A"));
        assert_eq!(decode_exact(b"%4"), Some(*b"%4"));
        assert_eq!(decode_exact::<3>(b"%41"), None);
        assert_eq!(decode_exact::<2>(b"%41bc"), None);
        assert_eq!(decode_exact::<4>(b"%41bc"), None);
        assert_eq!(decode_exact(b""), Some([]));
        assert_eq!(decode_into(b"%41bc", &mut [0; 3]), Some(&b"Abc"[..]));
        assert_eq!(decode_into(b"%41bc", &mut [0; 2]), None);
        assert_eq!(decode_into(b"abc", &mut [0; 2]), Some(&b"abc"[..]));
    }

    proptest! {
        #[test]
        fn pairs_are_split_one_by_one(
            query in vec(prop_oneof![any::<u8>(), Just(b'a'), Just(b'&'), Just(b'=')], 0..60),
        ) {
            let expected: Vec<_> = query
                .split(|byte| *byte == b'&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| match pair.iter().position(|byte| *byte == b'=') {
                    Some(at) => (&pair[..at], &pair[at + 1..]),
                    None => (pair, &b""[..]),
                })
                .collect();
            prop_assert_eq!(pairs(&query).collect::<Vec<_>>(), expected);
        }

        /// Each byte raw where that means itself, else escaped in either case.
        #[test]
        fn any_escaping_means_the_same(bytes in vec((any::<u8>(), any::<bool>(), any::<bool>()), 20)) {
            let mut raw = Vec::new();
            for &(byte, escape, upper) in &bytes {
                if escape || b"%+&=".contains(&byte) {
                    let text = if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
                    raw.extend_from_slice(text.as_bytes());
                } else {
                    raw.push(byte);
                }
            }
            let bytes: Vec<u8> = bytes.into_iter().map(|(byte, ..)| byte).collect();
            prop_assert_eq!(&*decode(&raw), &bytes[..]);
            prop_assert_eq!(decode_exact::<20>(&raw).map(Vec::from), Some(bytes));
        }

        #[test]
        fn no_input_panics(raw in vec(prop_oneof![any::<u8>(), Just(b'%'), Just(b'&'), Just(b'=')], 0..200)) {
            for (key, value) in pairs(&raw) {
                let decoded = decode(value);
                prop_assert!(decoded.len() <= value.len());
                prop_assert!(key.len() + value.len() <= raw.len());
                let mut buffer = vec![0; value.len()];
                prop_assert_eq!(decode_into(value, &mut buffer), Some(&*decoded));
                prop_assert_eq!(decode_exact::<3>(value).is_some(), decoded.len() == 3);
            }
        }
    }
}

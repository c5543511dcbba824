//! The query of a URL, as raw bytes: info hashes are no text in any encoding.

use std::borrow::Cow;

use super::scan::Marks;

/// The most pairs that are read from one query, as in Node's `querystring`.
pub const MAX_PAIRS: usize = 1000;

/// The keys and values of a query as they stand there, still encoded; at most [`MAX_PAIRS`].
///
/// A key without `=` has the empty value. Empty pairs (`&&`) are skipped.
pub fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let pairs = Pairs {
        query,
        start: 0,
        marks: Marks::of(query),
    };
    pairs.take(MAX_PAIRS)
}

struct Pairs<'a> {
    query: &'a [u8],
    /// Where the next pair starts; beyond the end once there is none.
    start: usize,
    /// The marks from there on.
    marks: Marks<'a>,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.start;
            // The first one of a pair parts it; those after it are of the value.
            let mut equals_sign = None;
            let end = loop {
                match self.marks.next() {
                    Some(at) if self.query.get(at) == Some(&b'=') => {
                        equals_sign = equals_sign.or(Some(at));
                    }
                    Some(at) => break at,
                    None => break self.query.len(),
                }
            };
            self.start = end + 1;
            let pair = self.query.get(start..end)?;
            if pair.is_empty() {
                continue;
            }
            return Some(match equals_sign {
                Some(at) => (self.query.get(start..at)?, self.query.get(at + 1..end)?),
                None => (pair, b""),
            });
        }
    }
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
    if let Ok(bytes) = <[u8; N]>::try_from(raw)
        && is_plain(&bytes)
    {
        return Some(bytes);
    }
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

/// Looks at all bytes, even behind one that is encoded: that can be done many at a time.
#[inline]
fn is_plain(raw: &[u8]) -> bool {
    let is_encoded = |byte: &u8| matches!(byte, b'%' | b'+');
    !raw.iter().fold(false, |any, byte| any | is_encoded(byte))
}

/// The bytes that are left to decode.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = match self.0 {
            [b'%', high, low, rest @ ..] if is_digit(*high) && is_digit(*low) => {
                (digit(*high) << 4 | digit(*low), rest)
            }
            [b'+', rest @ ..] => (b' ', rest),
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        self.0 = rest;
        Some(byte)
    }
}

const fn is_digit(text: u8) -> bool {
    digit(text) != NO_DIGIT
}

/// The value of a hexadecimal digit, and [`NO_DIGIT`] for all else.
const fn digit(text: u8) -> u8 {
    DIGITS[text as usize]
}

const NO_DIGIT: u8 = u8::MAX;

/// A table, since the digits of an info hash come at random: no processor foresees a branch on them.
static DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let text = b"0123456789abcdef"[value];
        digits[text as usize] = value as u8;
        digits[text.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    digits
};

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

use std::fmt;

/// The deepest nesting that any [`Limits`] can allow: decoding and dropping a document recurse.
pub const MAX_DEPTH: usize = 128;

/// What a document may cost. Its size in bytes is up to the caller, who holds it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lists and dictionaries inside each other; at most [`MAX_DEPTH`].
    pub depth: usize,
    /// Integers, strings, dictionary keys, lists and dictionaries in all.
    ///
    /// A value takes 2 bytes on the wire and up to 48 in memory, so without a limit 1 MiB could
    /// become 50 (with the slack of growing vectors, 100).
    pub tokens: usize,
}

impl Default for Limits {
    /// Room for a tracker's answer with thousands of peers in dictionary form.
    fn default() -> Self {
        Self {
            depth: 32,
            tokens: 65_536,
        }
    }
}

/// A decoded document; its strings are slices of the input.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// `i-3e`
    Int(i64),
    /// `4:spam`
    Bytes(&'a [u8]),
    /// `l...e`
    List(Vec<Self>),
    /// `d...e`, in the order of the document. The order is not checked, since some trackers do
    /// not sort; nor is uniqueness.
    Dict(Vec<(&'a [u8], Self)>),
}

/// Why and where a document was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {position}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Offset of the offending byte.
    pub position: usize,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The document is cut short, or a string is longer than the rest of it.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// No value starts with this byte.
    #[error("unexpected byte")]
    UnexpectedByte,
    /// A number without digits, with a leading zero, or minus zero.
    #[error("invalid number")]
    InvalidNumber,
    /// An integer outside 64 bits.
    #[error("number out of range")]
    NumberOutOfRange,
    /// A dictionary key that is not a string.
    #[error("dictionary key is not a string")]
    InvalidKey,
    /// Nested deeper than [`Limits::depth`].
    #[error("nested too deeply")]
    TooDeep,
    /// More values than [`Limits::tokens`].
    #[error("too many values")]
    TooManyTokens,
    /// Bytes after the end of the document.
    #[error("trailing bytes")]
    TrailingBytes,
}

/// Decodes a document that takes up the whole of `bytes`.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Value<'_>, DecodeError> {
    let (value, rest) = decode_prefix(bytes, limits)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError {
            kind: DecodeErrorKind::TrailingBytes,
            position: bytes.len() - rest.len(),
        })
    }
}

/// Decodes the document at the start of `bytes`; also returns what follows it.
pub fn decode_prefix(bytes: &[u8], limits: Limits) -> Result<(Value<'_>, &[u8]), DecodeError> {
    let mut decoder = Decoder {
        rest: bytes,
        depth: limits.depth.min(MAX_DEPTH),
        tokens: limits.tokens,
    };
    match decoder.value() {
        Ok(value) => Ok((value, decoder.rest)),
        Err(kind) => Err(DecodeError {
            kind,
            position: bytes.len() - decoder.rest.len(),
        }),
    }
}

impl<'a> Value<'a> {
    /// The value under this key, if this is a dictionary that has it. Of several the last one
    /// counts, as in most decoders.
    pub fn get(&self, key: &[u8]) -> Option<&Self> {
        self.as_dict()?
            .iter()
            .rev()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// The integer, if this is one.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The string's bytes, if this is one.
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The list's values, if this is one.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The dictionary's entries in the order of the document, if this is one.
    pub fn as_dict(&self) -> Option<&[(&'a [u8], Self)]> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }
}

/// Strings as text with escapes: bencode is read by people in error messages and failed tests.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => int.fmt(f),
            Self::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::List(list) => f.debug_list().entries(list).finish(),
            Self::Dict(dict) => f
                .debug_map()
                .entries(dict.iter().map(|(key, value)| (Value::Bytes(key), value)))
                .finish(),
        }
    }
}

struct Decoder<'a> {
    rest: &'a [u8],
    /// Levels that may still be opened; recursion ends here.
    depth: usize,
    /// Values that may still be read.
    tokens: usize,
}

impl<'a> Decoder<'a> {
    fn value(&mut self) -> Result<Value<'a>, DecodeErrorKind> {
        match self.peek()? {
            b'i' => self.int().map(Value::Int),
            b'l' => self.list().map(Value::List),
            b'd' => self.dict().map(Value::Dict),
            b'0'..=b'9' => self.bytes().map(Value::Bytes),
            _ => Err(DecodeErrorKind::UnexpectedByte),
        }
    }

    fn int(&mut self) -> Result<i64, DecodeErrorKind> {
        self.spend_token()?;
        self.skip();
        let negative = self.peek()? == b'-';
        if negative {
            self.skip();
        }
        let magnitude = self.digits()?;
        if negative && magnitude == 0 {
            return Err(DecodeErrorKind::InvalidNumber);
        }
        if self.peek()? != b'e' {
            return Err(DecodeErrorKind::InvalidNumber);
        }
        let int = if negative {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        let int = int.ok_or(DecodeErrorKind::NumberOutOfRange)?;
        self.skip();
        Ok(int)
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeErrorKind> {
        self.spend_token()?;
        let len = self.digits()?;
        if self.peek()? != b':' {
            return Err(DecodeErrorKind::UnexpectedByte);
        }
        self.skip();
        let (bytes, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len))
            .ok_or(DecodeErrorKind::UnexpectedEnd)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn list(&mut self) -> Result<Vec<Value<'a>>, DecodeErrorKind> {
        self.open()?;
        let mut list = Vec::new();
        while self.peek()? != b'e' {
            list.push(self.value()?);
        }
        self.close();
        Ok(list)
    }

    fn dict(&mut self) -> Result<Vec<(&'a [u8], Value<'a>)>, DecodeErrorKind> {
        self.open()?;
        let mut dict = Vec::new();
        loop {
            match self.peek()? {
                b'e' => break,
                b'0'..=b'9' => dict.push((self.bytes()?, self.value()?)),
                _ => return Err(DecodeErrorKind::InvalidKey),
            }
        }
        self.close();
        Ok(dict)
    }

    /// A number of at least one digit, without leading zeros.
    fn digits(&mut self) -> Result<u64, DecodeErrorKind> {
        let text = self.rest;
        let mut number = 0u64;
        while let byte @ b'0'..=b'9' = self.peek()? {
            number = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(u64::from(byte - b'0')))
                .ok_or(DecodeErrorKind::NumberOutOfRange)?;
            self.skip();
        }
        match text.len() - self.rest.len() {
            0 => Err(DecodeErrorKind::InvalidNumber),
            1 => Ok(number),
            _ if text.starts_with(b"0") => Err(DecodeErrorKind::InvalidNumber),
            _ => Ok(number),
        }
    }

    fn open(&mut self) -> Result<(), DecodeErrorKind> {
        self.spend_token()?;
        self.depth = self.depth.checked_sub(1).ok_or(DecodeErrorKind::TooDeep)?;
        self.skip();
        Ok(())
    }

    fn close(&mut self) {
        self.depth += 1;
        self.skip();
    }

    fn spend_token(&mut self) -> Result<(), DecodeErrorKind> {
        self.tokens = self
            .tokens
            .checked_sub(1)
            .ok_or(DecodeErrorKind::TooManyTokens)?;
        Ok(())
    }

    fn peek(&self) -> Result<u8, DecodeErrorKind> {
        self.rest
            .first()
            .copied()
            .ok_or(DecodeErrorKind::UnexpectedEnd)
    }

    /// Steps over the byte that was peeked.
    fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::{collection::vec, prelude::*};
    use serde_bencode::value::Value as Reference;

    use super::*;
    use crate::bencode::encode;

    fn kind(bytes: &[u8]) -> DecodeErrorKind {
        decode(bytes, Limits::default()).unwrap_err().kind
    }

    #[test]
    fn known_documents() {
        let value = decode(b"d3:bar4:spam3:fooi42e1:lli-1eleee", Limits::default()).unwrap();
        assert_eq!(value.get(b"bar").unwrap().as_bytes(), Some(&b"spam"[..]));
        assert_eq!(value.get(b"foo").unwrap().as_int(), Some(42));
        let list = value.get(b"l").unwrap().as_list().unwrap();
        assert_eq!(list, [Value::Int(-1), Value::List(vec![])]);
        assert_eq!(value.get(b"baz"), None);
        assert_eq!(
            format!("{value:?}"),
            r#"{"bar": "spam", "foo": 42, "l": [-1, []]}"#
        );
    }

    #[test]
    fn numbers_are_strict() {
        for (text, expected) in [
            (&b"i0e"[..], Ok(0)),
            (b"i9223372036854775807e", Ok(i64::MAX)),
            (b"i-9223372036854775808e", Ok(i64::MIN)),
            (
                b"i9223372036854775808e",
                Err(DecodeErrorKind::NumberOutOfRange),
            ),
            (
                b"i-9223372036854775809e",
                Err(DecodeErrorKind::NumberOutOfRange),
            ),
            (
                b"i99999999999999999999e",
                Err(DecodeErrorKind::NumberOutOfRange),
            ),
            (b"ie", Err(DecodeErrorKind::InvalidNumber)),
            (b"i-e", Err(DecodeErrorKind::InvalidNumber)),
            (b"i-0e", Err(DecodeErrorKind::InvalidNumber)),
            (b"i03e", Err(DecodeErrorKind::InvalidNumber)),
            (b"i00e", Err(DecodeErrorKind::InvalidNumber)),
            (b"i+3e", Err(DecodeErrorKind::InvalidNumber)),
            (b"i3.5e", Err(DecodeErrorKind::InvalidNumber)),
            (b"i3", Err(DecodeErrorKind::UnexpectedEnd)),
        ] {
            let result = decode(text, Limits::default());
            assert_eq!(
                result
                    .map(|value| value.as_int().unwrap())
                    .map_err(|error| error.kind),
                expected,
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn malformed_documents() {
        assert_eq!(kind(b""), DecodeErrorKind::UnexpectedEnd);
        assert_eq!(kind(b"x"), DecodeErrorKind::UnexpectedByte);
        assert_eq!(kind(b"5:spam"), DecodeErrorKind::UnexpectedEnd);
        assert_eq!(kind(b"03:abc"), DecodeErrorKind::InvalidNumber);
        assert_eq!(kind(b"-1:a"), DecodeErrorKind::UnexpectedByte);
        assert_eq!(
            kind(b"18446744073709551615:a"),
            DecodeErrorKind::UnexpectedEnd
        );
        assert_eq!(
            kind(b"18446744073709551616:a"),
            DecodeErrorKind::NumberOutOfRange
        );
        assert_eq!(kind(b"di1e1:ae"), DecodeErrorKind::InvalidKey);
        assert_eq!(kind(b"d1:ae"), DecodeErrorKind::UnexpectedByte);
        assert_eq!(kind(b"l1:a"), DecodeErrorKind::UnexpectedEnd);
        assert_eq!(
            decode(b"i1ee", Limits::default()),
            Err(DecodeError {
                kind: DecodeErrorKind::TrailingBytes,
                position: 3
            })
        );
        assert_eq!(
            decode_prefix(b"i1e\r\n", Limits::default()),
            Ok((Value::Int(1), &b"\r\n"[..]))
        );
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        let value = decode(b"d1:ai1e1:ai2ee", Limits::default()).unwrap();
        assert_eq!(value.get(b"a"), Some(&Value::Int(2)));
        assert_eq!(value.as_dict().unwrap().len(), 2);
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| ["l".repeat(depth), "e".repeat(depth)].concat();
        let limits = Limits::default();
        assert!(decode(nested(limits.depth).as_bytes(), limits).is_ok());
        assert_eq!(
            kind(nested(limits.depth + 1).as_bytes()),
            DecodeErrorKind::TooDeep
        );
        // Closed lists do not count.
        let flat = ["l", &"le".repeat(100), "e"].concat();
        assert!(decode(flat.as_bytes(), limits).is_ok());
        // A million levels must not reach the end of the stack, whatever the caller asks for.
        let greedy = Limits {
            depth: usize::MAX,
            tokens: usize::MAX,
        };
        let deep = nested(1_000_000);
        assert_eq!(
            decode(deep.as_bytes(), greedy).unwrap_err().kind,
            DecodeErrorKind::TooDeep
        );
        let dicts = "d1:a".repeat(1_000_000);
        assert_eq!(
            decode(dicts.as_bytes(), greedy).unwrap_err().kind,
            DecodeErrorKind::TooDeep
        );
    }

    #[test]
    fn tokens_are_limited() {
        let limits = Limits {
            depth: 2,
            tokens: 4,
        };
        assert!(decode(b"d1:ai1e1:blee", limits).is_err());
        assert!(decode(b"d1:ai1ee", limits).is_ok());
        assert!(decode(b"li1ei2ei3ee", limits).is_ok());
        assert_eq!(
            decode(b"li1ei2ei3e0:e", limits).unwrap_err().kind,
            DecodeErrorKind::TooManyTokens
        );
        let bomb = ["l", &"0:".repeat(512 * 1024), "e"].concat();
        assert_eq!(kind(bomb.as_bytes()), DecodeErrorKind::TooManyTokens);
    }

    /// The tree that `serde_bencode` makes of a document.
    fn reference() -> impl Strategy<Value = Reference> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Reference::Int),
            vec(any::<u8>(), 0..40).prop_map(Reference::Bytes),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..8).prop_map(Reference::List),
                vec((vec(any::<u8>(), 0..8), inner), 0..8)
                    .prop_map(|entries| Reference::Dict(entries.into_iter().collect())),
            ]
        })
    }

    fn to_reference(value: &Value<'_>) -> Reference {
        match value {
            Value::Int(int) => Reference::Int(*int),
            Value::Bytes(bytes) => Reference::Bytes(bytes.to_vec()),
            Value::List(list) => Reference::List(list.iter().map(to_reference).collect()),
            Value::Dict(dict) => {
                let entries: HashMap<_, _> = dict
                    .iter()
                    .map(|(key, value)| (key.to_vec(), to_reference(value)))
                    .collect();
                Reference::Dict(entries)
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_bencode(tree in reference()) {
            let bytes = serde_bencode::to_bytes(&tree).unwrap();
            let value = decode(&bytes, Limits::default()).unwrap();
            prop_assert_eq!(to_reference(&value), tree);
            let mut encoded = Vec::new();
            encode::value(&mut encoded, &value);
            prop_assert_eq!(encoded, bytes);
        }

        /// What we accept, the other decoder accepts too and reads alike.
        #[test]
        fn is_stricter_than_serde_bencode(bytes in "[ilde0-3:a-]{0,24}") {
            if let Ok(value) = decode(bytes.as_bytes(), Limits::default()) {
                let tree: Reference = serde_bencode::from_bytes(bytes.as_bytes()).unwrap();
                prop_assert_eq!(to_reference(&value), tree);
            }
        }

        #[test]
        fn no_input_panics(bytes in vec(any::<u8>(), 0..200)) {
            if let Err(error) = decode(&bytes, Limits::default()) {
                prop_assert!(error.position <= bytes.len());
            }
        }

        #[test]
        fn no_cut_or_flipped_document_panics(
            tree in reference(), cut in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = serde_bencode::to_bytes(&tree).unwrap();
            prop_assert!(decode(&bytes[..cut.index(bytes.len())], Limits::default()).is_err());
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let mut again = Vec::new();
            if let Ok(value) = decode(&bytes, Limits::default()) {
                encode::value(&mut again, &value);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}

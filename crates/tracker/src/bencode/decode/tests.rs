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

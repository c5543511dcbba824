//! Numbers in queries, with the tolerance of JavaScript's `Number()`, on which clients of the
//! tracker that this one replaces may rely. The empty text is not 0 here but no number.

/// What a text means as a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Digits alone: what clients really send, and exact over all 64 bits. Saturates.
    Digits(u64),
    /// Anything else that JavaScript takes for a number.
    Float(f64),
}

impl Number {
    /// Of digits alone: those mean themselves, whether the text has been decoded or not.
    #[inline]
    pub(super) fn from_digits(text: &[u8]) -> Option<Self> {
        digits(text).map(Self::Digits)
    }

    /// Of any text, decoded.
    pub(super) fn from_text(text: &[u8]) -> Option<Self> {
        let text = trim(text);
        Self::from_digits(text).or_else(|| number(text).map(Self::Float))
    }

    /// Unsigned; the next larger number of a fraction, so that a little bit `left` is not nothing
    /// left. `None` for what is negative or infinite.
    #[inline]
    pub(super) fn unsigned(self) -> Option<u64> {
        match self {
            Self::Digits(number) => Some(number),
            Self::Float(number) if number < 0.0 || number.is_infinite() => None,
            #[expect(
                clippy::cast_sign_loss,
                reason = "checked; the cast saturates at the top"
            )]
            Self::Float(number) => Some(number.ceil() as u64),
        }
    }

    /// Signed, rounded towards zero, saturating.
    #[inline]
    pub(super) fn signed(self) -> i64 {
        match self {
            Self::Digits(number) => i64::try_from(number).unwrap_or(i64::MAX),
            Self::Float(number) => number as i64,
        }
    }

    /// A whole number from 1 to 65535: a port.
    #[inline]
    pub(super) fn positive_u16(self) -> Option<u16> {
        let number = match self {
            Self::Digits(number) => number,
            Self::Float(number) if number.fract() != 0.0 => return None,
            Self::Float(_) => self.unsigned()?,
        };
        u16::try_from(number).ok().filter(|number| *number != 0)
    }
}

#[inline]
fn digits(text: &[u8]) -> Option<u64> {
    // As many as a u64 has room for, whichever they are: nothing need be checked.
    const EXACT: usize = 19;
    if text.is_empty() {
        return None;
    }
    if text.len() > EXACT {
        return saturating_digits(text);
    }
    text.iter()
        .try_fold(0, |number, byte| Some(number * 10 + digit(*byte)?))
}

#[cold]
fn saturating_digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |number, byte| {
        Some(number.saturating_mul(10).saturating_add(digit(*byte)?))
    })
}

#[inline]
fn digit(text: u8) -> Option<u64> {
    text.is_ascii_digit().then(|| u64::from(text - b'0'))
}

fn number(text: &[u8]) -> Option<f64> {
    let text = str::from_utf8(text).ok()?;
    if let Some((radix, digits)) = radix(text) {
        return u64::from_str_radix(digits, radix)
            .ok()
            .filter(|_| !digits.starts_with('+'))
            .map(to_float);
    }
    match text {
        "Infinity" | "+Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    // Rust would also take `inf` and `nan`.
    let decimal = |byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    text.bytes()
        .all(decimal)
        .then(|| text.parse().ok())
        .flatten()
}

fn radix(text: &str) -> Option<(u32, &str)> {
    let (prefix, digits) = text.split_at_checked(2)?;
    Some(match prefix {
        "0x" | "0X" => (16, digits),
        "0o" | "0O" => (8, digits),
        "0b" | "0B" => (2, digits),
        _ => return None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "as JavaScript does")]
const fn to_float(number: u64) -> f64 {
    number as f64
}

fn trim(text: &[u8]) -> &[u8] {
    // The ASCII part of what JavaScript trims; Rust's own list has no vertical tab.
    let space = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    let start = text.iter().position(|byte| !space(byte));
    let end = text.iter().rposition(|byte| !space(byte));
    match (start, end) {
        (Some(start), Some(end)) => text.get(start..=end).unwrap_or_default(),
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn unsigned(text: &[u8]) -> Option<u64> {
        Number::from_text(text)?.unsigned()
    }

    fn signed(text: &[u8]) -> Option<i64> {
        Number::from_text(text).map(Number::signed)
    }

    fn positive_u16(text: &[u8]) -> Option<u16> {
        Number::from_text(text)?.positive_u16()
    }

    #[test]
    fn like_javascript() {
        for (text, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            (" 12\t", Some(12)),
            ("+5", Some(5)),
            ("1e3", Some(1000)),
            ("1.", Some(1)),
            (".5", Some(1)),
            ("-0", Some(0)),
            ("-0.5", None),
            ("0x10", Some(16)),
            ("0b11", Some(3)),
            ("0o17", Some(15)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("18446744073709551615", Some(u64::MAX)),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("00000000000000000000000012", Some(12)),
            ("99999999999999999999", Some(u64::MAX)),
            ("9999999999999999999a", None),
            ("1e30", Some(u64::MAX)),
            ("-5", None),
            ("", None),
            (" ", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("--1", None),
            ("1_000", None),
            ("0x", None),
            ("0x+1", None),
            ("-0x10", None),
            ("NaN", None),
            ("nan", None),
            ("inf", None),
            ("Infinity", None),
            ("-Infinity", None),
            ("1e400", None),
            ("12a", None),
            ("undefined", None),
            ("\u{661}", None),
        ] {
            assert_eq!(unsigned(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn signed_numbers() {
        for (text, expected) in [
            ("-1", Some(-1)),
            ("50", Some(50)),
            ("2.9", Some(2)),
            ("Infinity", Some(i64::MAX)),
            ("-Infinity", Some(i64::MIN)),
            ("18446744073709551615", Some(i64::MAX)),
            ("", None),
            ("many", None),
        ] {
            assert_eq!(signed(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn ports() {
        for (text, expected) in [
            ("1", Some(1)),
            ("65535", Some(65_535)),
            ("6881.0", Some(6881)),
            ("0", None),
            ("65536", None),
            ("18446744073709551616", None),
            ("6881.5", None),
            ("-1", None),
            ("", None),
            ("http", None),
        ] {
            assert_eq!(positive_u16(text.as_bytes()), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn integers_are_exact(unsigned_number in any::<u64>(), signed_number in any::<i64>()) {
            prop_assert_eq!(unsigned(unsigned_number.to_string().as_bytes()), Some(unsigned_number));
            // Negative numbers go through a float, as in JavaScript.
            let number = signed_number >> 11;
            prop_assert_eq!(signed(number.to_string().as_bytes()), Some(number));
        }

        #[test]
        fn no_input_panics(bytes in vec(any::<u8>(), 0..40), text in "[-+0-9.eExobInfity ]{0,30}") {
            for text in [&bytes[..], text.as_bytes()] {
                let _ = unsigned(text);
                let _ = signed(text);
                prop_assert_ne!(positive_u16(text), Some(0));
            }
        }
    }
}

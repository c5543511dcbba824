//! Appends bencode to a buffer, token by token; nothing is built as a tree first.
//!
//! Dictionary keys must be written in ascending order of their bytes. That is up to the caller.

use super::Value;

/// `d`
pub fn begin_dict(out: &mut Vec<u8>) {
    out.push(b'd');
}

/// `l`
pub fn begin_list(out: &mut Vec<u8>) {
    out.push(b'l');
}

/// The `e` that closes a dictionary or list.
pub fn end(out: &mut Vec<u8>) {
    out.push(b'e');
}

/// `i-3e`
#[inline]
pub fn int(out: &mut Vec<u8>, int: impl Into<i64>) {
    let int = int.into();
    out.push(b'i');
    if int < 0 {
        out.push(b'-');
    }
    decimal(out, int.unsigned_abs());
    out.push(b'e');
}

/// `4:spam`. Dictionary keys are written with this too.
#[inline]
pub fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    begin_bytes(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// The `4:` of a string whose `len` bytes the caller appends next.
#[inline]
pub fn begin_bytes(out: &mut Vec<u8>, len: usize) {
    decimal(out, len as u64);
    out.push(b':');
}

/// Decimal digits, without the formatting machinery: this runs a dozen times an answer. Most often
/// it is for the length of a key, which the compiler knows and has at most two digits.
#[inline]
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    match number {
        0..=9 => out.push(b'0' + number as u8),
        10..=99 => out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]),
        _ => digits(out, number),
    }
}

fn digits(out: &mut Vec<u8>, mut number: u64) {
    // The largest u64 has 20 digits.
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// A whole tree, its dictionaries in the order that they have.
pub fn value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Int(number) => int(out, *number),
        Value::Bytes(text) => bytes(out, text),
        Value::List(list) => {
            begin_list(out);
            for item in list {
                self::value(out, item);
            }
            end(out);
        }
        Value::Dict(dict) => {
            begin_dict(out);
            for (key, item) in dict {
                bytes(out, key);
                self::value(out, item);
            }
            end(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_tokens() {
        let mut out = Vec::new();
        begin_dict(&mut out);
        bytes(&mut out, b"a");
        int(&mut out, i64::MIN);
        bytes(&mut out, b"b");
        begin_list(&mut out);
        int(&mut out, 0u32);
        begin_bytes(&mut out, 3);
        out.extend_from_slice(b"xyz");
        end(&mut out);
        end(&mut out);
        assert_eq!(out, b"d1:ai-9223372036854775808e1:bli0e3:xyzee");
    }

    proptest! {
        #[test]
        fn decimal_is_to_string(number in prop_oneof![any::<u64>(), 0..1000u64, Just(u64::MAX)]) {
            let mut out = Vec::new();
            decimal(&mut out, number);
            prop_assert_eq!(out, number.to_string().into_bytes());
        }

        #[test]
        fn int_is_to_string(number in any::<i64>()) {
            let mut out = Vec::new();
            int(&mut out, number);
            prop_assert_eq!(out, format!("i{number}e").into_bytes());
        }
    }
}

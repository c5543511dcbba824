//! JSON string literals: reading 20 bytes out of one, and writing texts and bytes as one.

/// The characters of a literal, quotes included in the slice. `None` if it is no literal, or at a
/// half of a surrogate pair that lacks the other one.
pub(super) struct Chars<'a> {
    rest: &'a str,
}

impl<'a> Chars<'a> {
    /// Of a whole JSON value.
    pub(super) fn of(literal: &'a str) -> Option<Self> {
        let rest = literal.strip_prefix('"')?.strip_suffix('"')?;
        Some(Self { rest })
    }

    /// The next character; `Some(Err(()))` if the text breaks JSON's rules.
    #[inline]
    fn next_char(&mut self) -> Option<Result<char, ()>> {
        let mut chars = self.rest.chars();
        let first = chars.next()?;
        self.rest = chars.as_str();
        if first != '\\' {
            return Some(Ok(first));
        }
        let Some(kind) = chars.next() else {
            return Some(Err(()));
        };
        self.rest = chars.as_str();
        Some(match kind {
            'u' => self.unicode(),
            _ => u8::try_from(kind)
                .ok()
                .and_then(escaped)
                .map(char::from)
                .ok_or(()),
        })
    }

    fn unicode(&mut self) -> Result<char, ()> {
        let unit = self.unit()?;
        if !(0xd800..0xdc00).contains(&unit) {
            return char::from_u32(unit).ok_or(());
        }
        self.rest = self.rest.strip_prefix("\\u").ok_or(())?;
        let low = self.unit()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(());
        }
        char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)).ok_or(())
    }

    fn unit(&mut self) -> Result<u32, ()> {
        let digits = self.rest.get(..4).ok_or(())?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(());
        }
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).map_err(|_| ())
    }
}

impl Iterator for Chars<'_> {
    type Item = Result<char, ()>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_char()
    }
}

/// The 20 bytes of a literal of 20 code points below 256.
pub(super) fn id(literal: &str) -> Option<[u8; 20]> {
    let mut rest = literal.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut id = [0; 20];
    for byte in &mut id {
        (*byte, rest) = match rest {
            [b'\\', b'u', b'0', b'0', high, low, rest @ ..] => {
                (hex_digit(*high)? << 4 | hex_digit(*low)?, rest)
            }
            [b'\\', kind, rest @ ..] => (escaped(*kind)?, rest),
            [byte @ ..0x80, rest @ ..] => (*byte, rest),
            // Of the text's UTF-8, what is below 256.
            [first @ 0xc2..=0xc3, second, rest @ ..] => (first << 6 | second & 0x3f, rest),
            _ => return None,
        };
    }
    rest.is_empty().then_some(id)
}

/// What a letter behind a backslash stands for; not `u`.
fn escaped(kind: u8) -> Option<u8> {
    Some(match kind {
        b'"' | b'\\' | b'/' => kind,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

/// Appends bytes as a literal of as many code points.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | ..b' ' => write_char(out, char::from(byte)),
            b' '..0x80 => out.push(byte),
            // As UTF-8.
            0x80.. => out.extend_from_slice(&[0xc0 | byte >> 6, 0x80 | byte & 0x3f]),
        }
    }
    out.push(b'"');
}

/// Appends a text as a literal.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for char in text.chars() {
        write_char(out, char);
    }
    out.push(b'"');
}

fn write_char(out: &mut Vec<u8>, char: char) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match char {
        '"' | '\\' => out.extend_from_slice(&[b'\\', char as u8]),
        '\0'..='\u{1f}' => {
            let byte = char as u8;
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
        _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{array::uniform20, prelude::*};

    use super::*;

    #[test]
    fn every_form_of_escape() {
        let literal = r#""\u0000\b\f\n\r\t\"\\\/\u00FF\u00ffÿaaaaaaaa""#;
        let expected = b"\0\x08\x0c\n\r\t\"\\/\xff\xff\xffaaaaaaaa";
        assert_eq!(id(literal).as_ref(), Some(expected));
    }

    #[test]
    fn refuses_other_texts() {
        for literal in [
            "",
            "\"",
            "null",
            "\"short\"",
            "\"aaaaaaaaaaaaaaaaaaaaa\"",
            "\"aaaaaaaaaaaaaaaaaaaĀ\"",
            r#""aaaaaaaaaaaaaaaaaaa\u0100""#,
            r#""aaaaaaaaaaaaaaaaaaa\ud800""#,
            r#""aaaaaaaaaaaaaaaaaaa\x41""#,
            r#""aaaaaaaaaaaaaaaaaaa\u00""#,
            r#""aaaaaaaaaaaaaaaaaaa\u+0ff""#,
        ] {
            assert_eq!(id(literal), None, "{literal}");
        }
    }

    #[test]
    fn surrogate_pairs() {
        let chars: Option<Vec<_>> = Chars::of(r#""\ud83d\ude00é""#).map(Iterator::collect);
        assert_eq!(chars, Some(vec![Ok('😀'), Ok('é')]));
        assert!(Chars::of(r#""\ude00""#).unwrap().any(|char| char.is_err()));
    }

    proptest! {
        #[test]
        fn bytes_round_trip(bytes in uniform20(any::<u8>())) {
            let mut out = Vec::new();
            write_bytes(&mut out, &bytes);
            let literal = String::from_utf8(out).unwrap();
            prop_assert_eq!(id(&literal), Some(bytes));
            let text: String = serde_json::from_str(&literal).unwrap();
            prop_assert!(text.chars().eq(bytes.iter().copied().map(char::from)));
        }

        #[test]
        fn texts_are_json(text in any::<String>()) {
            let mut out = Vec::new();
            write_text(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn agrees_with_serde_json(text in r#""([a-z"\\/u0-9é]|\\u00[0-9a-f]{2}|\\[bfnrt"/\\])*""#) {
            let ours: Option<String> =
                Chars::of(&text).and_then(|chars| chars.collect::<Result<_, ()>>().ok());
            if let Ok(theirs) = serde_json::from_str::<String>(&text) {
                prop_assert_eq!(ours, Some(theirs));
            }
        }

        #[test]
        fn ids_are_texts_of_20_small_characters(
            text in r#""(a|\\[nrtbf"/\\]|\\u00[0-9a-fA-F]{2}|[ -ÿ&&[^"\\]]){18,22}""#,
        ) {
            let chars: Option<Vec<_>> =
                Chars::of(&text).and_then(|chars| chars.collect::<Result<_, ()>>().ok());
            let bytes: Option<Vec<_>> =
                chars.and_then(|chars| chars.into_iter().map(|char| u8::try_from(char).ok()).collect());
            prop_assert_eq!(id(&text), bytes.and_then(|bytes| bytes.try_into().ok()));
        }

        #[test]
        fn no_input_panics(text in any::<String>()) {
            let _ = id(&text);
            let _ = id(&format!("\"{text}\""));
        }
    }
}

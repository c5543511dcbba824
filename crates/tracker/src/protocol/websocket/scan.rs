//! JSON at a glance: finds values in a text without looking into them.
//!
//! It takes what peers send, in one pass, at a third of what serde needs. Whatever is odd (an escape
//! in a key, a level too deep) and all that is wrong it leaves to serde, which has the errors: so it
//! has to be right about what it takes, and about nothing else.

/// Session descriptions have two levels.
const MAX_DEPTH: usize = 16;

const EACH: u64 = u64::MAX / 255;
const HIGHEST: u64 = EACH << 7;

/// A place in a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// An object. `value` is to take each value, given its key.
    pub(super) fn object(
        &mut self,
        mut value: impl FnMut(&mut Self, &'a str) -> Option<()>,
    ) -> Option<()> {
        self.list(b'{', b'}', |scanner| {
            let key = scanner.key()?;
            value(scanner, key)
        })
    }

    /// A list. `value` is to take each value.
    pub(super) fn array(&mut self, value: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list(b'[', b']', value)
    }

    /// Any value, as it is written.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        self.space();
        let start = self.at;
        self.skip(MAX_DEPTH)?;
        self.text.get(start..self.at)
    }

    /// Nothing but space is left.
    pub(super) fn end(mut self) -> Option<()> {
        self.space();
        (self.at == self.text.len()).then_some(())
    }

    fn list(
        &mut self,
        open: u8,
        close: u8,
        mut each: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.space();
        self.take(open)?;
        self.space();
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            self.space();
            each(self)?;
            self.space();
            if self.take(close).is_some() {
                return Some(());
            }
            self.take(b',')?;
        }
    }

    /// A key that is written without escapes, and its colon.
    fn key(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        let is_plain = self.string()?;
        let key = self.text.get(start..self.at - 1)?;
        self.space();
        self.take(b':')?;
        is_plain.then_some(key)
    }

    fn skip(&mut self, depth: usize) -> Option<()> {
        match self.next()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' if depth == 0 => None,
            b'{' => self.object(|scanner, _| {
                scanner.space();
                scanner.skip(depth - 1)
            }),
            b'[' => self.array(|scanner| scanner.skip(depth - 1)),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    /// A string; whether it is without escapes.
    fn string(&mut self) -> Option<bool> {
        self.take(b'"')?;
        let mut is_plain = true;
        loop {
            self.at += plain(self.text.as_bytes().get(self.at..)?);
            if self.take(b'"').is_some() {
                return Some(is_plain);
            }
            is_plain = false;
            // Lines of session descriptions end in two of them.
            while self.take(b'\\').is_some() {
                let kind = self.next()?;
                self.at += 1;
                match kind {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        self.at += 4;
                    }
                    _ => return None,
                }
            }
            // Control characters are against the rules.
            if self.next()? < b' ' {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(())
    }

    /// At least one.
    fn digits(&mut self) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let is_here = self.text.get(self.at..)?.starts_with(word);
        self.at += word.len();
        is_here.then_some(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }
}

/// How many bytes there are before the first that means something in a string: a quote, a backslash
/// or a control character.
fn plain(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = zeros(word ^ (EACH * u64::from(b'"')));
        let backslashes = zeros(word ^ (EACH * u64::from(b'\\')));
        let controls = word.wrapping_sub(EACH * u64::from(b' ')) & !word;
        let found = (quotes | backslashes | controls) & HIGHEST;
        if found != 0 {
            // What borrowed from a byte that was found is above it.
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    words.len() * 8 + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Has the highest bit of the first byte that is zero, and none of those before it.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(EACH) & !word
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::value::RawValue;

    use super::*;

    fn value(text: &str) -> Option<&str> {
        let mut scanner = Scanner::new(text);
        let value = scanner.value()?;
        scanner.end()?;
        Some(value)
    }

    #[test]
    fn values() {
        for text in [
            "0",
            "-0.5e+3",
            "12E7",
            "true",
            "false",
            "null",
            r#""""#,
            r#""é\r\n\u00e9😀\"""#,
            "[]",
            "{}",
            "[1,[2 , 3]]",
            r#"{"a":{"b":[{}]},"c":1}"#,
        ] {
            assert_eq!(value(&format!(" {text}\n")), Some(text));
        }
        for text in [
            "",
            "-",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "tru",
            "truefalse",
            "\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "\"\\n\u{1}\"",
            "[",
            "[1",
            "[1,]",
            "[,1]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1}",
            "1 2",
            "\u{a0}1",
            "\u{feff}1",
        ] {
            assert_eq!(value(text), None, "{text:?}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(value(&deep), None);
    }

    proptest! {
        #[test]
        fn takes_nothing_that_serde_does_not(
            parts in vec(prop::sample::select(vec![
                "0", "1", "-", "01", ".5", "e", "E+5", "\"", "\\", "\\u", "00e9", "\\n", "\t", "\u{1}",
                "é", "😀", "[", "]", "{", "}", ",", ":", "null", "true", "\"a\":", "\"a\"", " ", "xxxxxxxx",
            ]), 0..12),
        ) {
            let text = parts.concat();
            if let Some(ours) = value(&text) {
                let theirs: &RawValue = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(ours, theirs.get());
            }
        }

        #[test]
        fn strings_of_any_length(text in "[a-z\"\\\\é\u{1}\r]{0,60}") {
            let literal = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(value(&literal), Some(&*literal));
        }

        #[test]
        fn finds_the_first_special_byte(bytes in vec(any::<u8>(), 0..40)) {
            let naive = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..b' '));
            prop_assert_eq!(plain(&bytes), naive.unwrap_or(bytes.len()));
        }

        #[test]
        fn no_input_panics(text in any::<String>()) {
            let _ = value(&text);
        }
    }
}

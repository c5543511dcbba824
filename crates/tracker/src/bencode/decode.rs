use super::Value;

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
mod tests;

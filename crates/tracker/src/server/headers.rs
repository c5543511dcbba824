//! The headers of a request, in one allocation.

/// Header names (lower case) and values, in their order. A WebSocket keeps those that it began with,
/// and a browser sends a dozen: as a pair of strings each they took 2 KiB of a socket's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Box<[u8]>);

impl Headers {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || Some((text(&mut rest)?, text(&mut rest)?)))
    }

    /// The memory that they take.
    pub(super) fn size(&self) -> usize {
        self.0.len()
    }
}

/// Takes a text from the beginning of `rest`: two bytes of length, and as many as that says.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (text, after) = after.split_at_checked(u16::from_le_bytes(*length).into())?;
    *rest = after;
    Some(text)
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    /// What is longer than 64 KiB is cut: no request that the engine reads is as long.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut bytes = Vec::new();
        for (name, value) in headers {
            for text in [name.as_ref(), value.as_ref()] {
                let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(&text[..length.into()]);
            }
        }
        Self(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn what_is_too_long_is_cut() {
        let headers = Headers::from_iter([("a", "b".repeat(70_000)), ("c", "d".to_owned())]);
        let lengths: Vec<_> = headers.iter().map(|(_, value)| value.len()).collect();
        assert_eq!(lengths, [65_535, 1]);
    }

    proptest! {
        #[test]
        fn come_out_as_they_went_in(headers in vec(("[a-z-]{0,20}", vec(any::<u8>(), 0..300)), 0..20)) {
            let kept: Headers = headers.iter().map(|(name, value)| (name, value)).collect();
            let seen: Vec<_> = kept.iter().collect();
            let sent: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), &value[..])).collect();
            prop_assert_eq!(seen, sent);
        }
    }
}

//! Finds what parts the keys and values of a query, eight bytes at a time: they are too short for a
//! search that starts anew for each, and together too long to look at every byte.

/// Where `&` and `=` stand in a query, in ascending order.
pub(super) struct Marks<'a> {
    /// What has not been looked at yet.
    rest: &'a [u8],
    /// Where the last eight bytes that were looked at end. Those of the end of a query are filled up with zeros.
    end: usize,
    /// The top bit of each of those eight bytes that is a mark, but for the marks given out.
    found: u64,
}

impl<'a> Marks<'a> {
    pub(super) const fn of(query: &'a [u8]) -> Self {
        Self {
            rest: query,
            end: 0,
            found: 0,
        }
    }
}

impl Iterator for Marks<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            let word;
            (word, self.rest) = first_word(self.rest)?;
            self.end += 8;
            self.found = marks(word);
        }
        // From the end, so that nothing can wrap.
        let from_end = 8 - self.found.trailing_zeros() as usize / 8;
        self.found &= self.found - 1;
        Some(self.end - from_end)
    }
}

/// The first eight bytes as a little-endian number, filled up with zeros, and those after them.
#[inline]
fn first_word(text: &[u8]) -> Option<(u64, &[u8])> {
    if let Some((word, rest)) = text.split_first_chunk() {
        return Some((u64::from_le_bytes(*word), rest));
    }
    let byte_by_byte = |word, byte: &u8| word << 8 | u64::from(*byte);
    (!text.is_empty()).then(|| (text.iter().rev().fold(0, byte_by_byte), &b""[..]))
}

/// The top bit of every byte that is `&` or `=`.
const fn marks(word: u64) -> u64 {
    let ampersands = word ^ u64::from_ne_bytes([b'&'; 8]);
    let equals_signs = word ^ u64::from_ne_bytes([b'='; 8]);
    !(non_zero_bytes(ampersands) & non_zero_bytes(equals_signs)) & u64::from_ne_bytes([0x80; 8])
}

/// The top bit of every byte that is not zero. The other bits mean nothing.
///
/// Seven bits carry into the eighth if any of them is set, and never beyond.
const fn non_zero_bytes(word: u64) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    ((word & LOW) + LOW) | word
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn finds_marks() {
        let marks = |query: &[u8]| Marks::of(query).collect::<Vec<_>>();
        for without in [&b""[..], b"no mark", b"no mark!"] {
            assert!(marks(without).is_empty());
        }
        assert_eq!(marks(b"&"), [0]);
        assert_eq!(marks(b"a=1&longer=2&"), [1, 3, 10, 12]);
        assert_eq!(marks(b"=&=&=&=&="), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    proptest! {
        /// Bytes next to the marks, or apart from them in the top bit, are where words go wrong.
        #[test]
        fn finds_each_and_no_other(
            query in vec(
                prop_oneof![any::<u8>(), 0x25..=0x27u8, 0x3c..=0x3eu8, 0xa5..=0xa7u8, 0xbc..=0xbeu8],
                0..40,
            ),
        ) {
            let expected: Vec<_> = (0..query.len())
                .filter(|at| matches!(query[*at], b'&' | b'='))
                .collect();
            prop_assert_eq!(Marks::of(&query).collect::<Vec<_>>(), expected);
        }
    }
}

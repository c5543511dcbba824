//! Who goes first when the store is full.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::types::Timestamp;

/// The place of a peer or torrent in the queue to be evicted; the lowest goes first.
///
/// All that were seen only once come before all that were seen again; within each, the longest
/// silent come first, by minute. Minutes make the order cheap to keep: see [`Bounds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u32);

impl Rank {
    /// After everyone: nobody is there.
    pub(super) const LAST: Self = Self(u32::MAX);

    /// Whether it is that of someone seen only once.
    pub(super) const fn is_once(self) -> bool {
        self.0 >> 31 == 0
    }

    pub(super) const fn new(seen_again: bool, last: Timestamp) -> Self {
        Self(((seen_again as u32) << 31) | (last.as_secs() / 60))
    }

    /// The rank of two as one: seen again if either was, silent since the later announce.
    pub(super) fn together(self, other: Self) -> Self {
        const SEEN_AGAIN: u32 = 1 << 31;
        let seen_again = (self.0 | other.0) & SEEN_AGAIN;
        let minute = (self.0 & !SEEN_AGAIN).max(other.0 & !SEEN_AGAIN);
        Self(seen_again | minute)
    }
}

/// For each part of the store, a rank that nobody in it is below.
///
/// Ranks rise as peers announce; that is not noted, so a bound may be too low until the next scan of
/// its part, which each round of expiry does. Whoever lowers a rank (a newcomer, a torrent that lost a
/// peer) must note it, or it is not found.
pub(super) struct Bounds(Box<[AtomicU32]>);

impl Bounds {
    pub(super) fn new(parts: usize) -> Self {
        Self((0..parts).map(|_| AtomicU32::new(u32::MAX)).collect())
    }

    /// Lowers the bound of a part to `rank`.
    pub(super) fn note(&self, part: usize, rank: Rank) {
        let bound = &self.0[part];
        // Newcomers of one minute have one rank: nearly every call ends at this read, which leaves the
        // cache line shared among the cores.
        if bound.load(Relaxed) > rank.0 {
            bound.fetch_min(rank.0, Relaxed);
        }
    }

    /// Takes the bound of a part before a scan of it, whose result is noted. Whatever else is noted
    /// meanwhile stays.
    pub(super) fn take(&self, part: usize) -> Rank {
        Rank(self.0[part].swap(u32::MAX, Relaxed))
    }

    /// The part with the lowest bound, and that bound; `None` if there is none at all.
    pub(super) fn lowest(&self) -> Option<(usize, Rank)> {
        let (part, bound) = self
            .0
            .iter()
            .map(|bound| bound.load(Relaxed))
            .enumerate()
            .min_by_key(|&(_, bound)| bound)?;
        (bound != u32::MAX).then_some((part, Rank(bound)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(minute: u32) -> Timestamp {
        Timestamp::from_secs(minute * 60)
    }

    #[test]
    fn once_seen_before_seen_again_then_by_minute() {
        assert!(Rank::new(false, at(9)) < Rank::new(true, at(1)));
        assert!(Rank::new(true, at(1)) < Rank::new(true, at(2)));
        assert_eq!(
            Rank::new(true, at(1)),
            Rank::new(true, Timestamp::from_secs(119))
        );
        assert!(Rank::new(true, Timestamp::from_secs(u32::MAX)) < Rank::LAST);
    }

    #[test]
    fn together_they_are_seen_again_and_of_the_later_minute() {
        let (old, new) = (Rank::new(true, at(1)), Rank::new(false, at(2)));
        assert_eq!(old.together(new), Rank::new(true, at(2)));
        assert_eq!(new.together(old), Rank::new(true, at(2)));
        assert_eq!(new.together(new), new);
    }

    #[test]
    fn bounds_find_the_lowest_part() {
        let bounds = Bounds::new(4);
        assert_eq!(bounds.lowest(), None);
        bounds.note(2, Rank::new(true, at(5)));
        bounds.note(1, Rank::new(false, at(8)));
        bounds.note(1, Rank::new(true, at(1)));
        assert_eq!(bounds.lowest(), Some((1, Rank::new(false, at(8)))));
        assert_eq!(bounds.take(1), Rank::new(false, at(8)));
        assert_eq!(bounds.lowest(), Some((2, Rank::new(true, at(5)))));
    }
}

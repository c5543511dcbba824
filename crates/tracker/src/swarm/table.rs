//! Torrents by info hash, behind one of the store's locks.
//!
//! The torrents lie side by side in chunks, and an index beside them. A torrent so takes
//! some 40 bytes more than itself, its hash included, where a table with the torrents in its slots has room for twice as many as it
//! holds; and what an announce will look at can be asked for ahead, see [`Table::expect_index`].

use std::ops::Range;

use super::{
    slots::{Slots, Tag},
    torrent::Torrent,
};
use crate::{prefetch::Lines, types::InfoHash};

/// Torrents in a full chunk. Growth moves no torrent, and wastes at most a chunk.
const CHUNK: usize = 64;

/// So many chunks are looked for ahead: those of a store of a million torrents. Of more, it would cost more than
/// it gains to have the whole list fetched for one of them.
const FEW_CHUNKS: usize = 10;

/// The torrents behind one lock. A torrent keeps its [`Place`] until one is removed.
#[derive(Default)]
pub(super) struct Table {
    index: Slots,
    /// All but the last are full.
    chunks: Vec<Vec<Entry>>,
}

/// What every announce looks at comes first, on one line of the cache or two.
#[repr(C)]
struct Entry {
    info_hash: InfoHash,
    /// Kept, since removal moves a torrent: its slot is found without a look at the hash function.
    tag: Tag,
    torrent: Torrent,
}

/// Where a torrent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Place {
    pub(super) const FIRST: Self = Self(0);
}

impl Table {
    pub(super) fn find(&self, tag: Tag, info_hash: &InfoHash) -> Option<Place> {
        self.index
            .places(tag)
            .find(|&place| self.entry(place).info_hash == *info_hash)
            .map(Place)
    }

    pub(super) fn get(&self, place: Place) -> &Torrent {
        &self.entry(place.0).torrent
    }

    pub(super) fn get_mut(&mut self, place: Place) -> &mut Torrent {
        &mut self.entry_mut(place.0).torrent
    }

    /// Adds a torrent that is not here yet.
    pub(super) fn insert(&mut self, tag: Tag, info_hash: InfoHash, torrent: Torrent) -> Place {
        let place = self.index.len();
        if place.is_multiple_of(CHUNK) {
            // The first grows like any vector: most stores have few torrents behind each lock.
            let room = if place == 0 { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(room));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Entry {
                info_hash,
                tag,
                torrent,
            });
        }
        self.index.insert(tag, place);
        Place(place)
    }

    /// Removes a torrent; the last one takes its place.
    pub(super) fn remove(&mut self, place: Place) {
        self.index.remove(self.entry(place.0).tag, place.0);
        let last = self.index.len();
        let Some(chunk) = self.chunks.last_mut() else {
            return;
        };
        let moved = chunk.pop();
        if chunk.is_empty() {
            self.chunks.pop();
        }
        if let Some(moved) = moved
            && place.0 != last
        {
            self.index.change(moved.tag, last, place.0);
            *self.entry_mut(place.0) = moved;
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.index.len()
    }

    /// Removes every torrent that `stays` says no of. Each is looked at once.
    pub(super) fn retain(&mut self, stays: impl FnMut(&InfoHash, &mut Torrent) -> bool) {
        self.retain_in(0..self.len(), stays);
    }

    /// Likewise for the torrents in some places. What lies behind those may change its place.
    pub(super) fn retain_in(
        &mut self,
        places: Range<usize>,
        mut stays: impl FnMut(&InfoHash, &mut Torrent) -> bool,
    ) {
        // From the end: what a removal moves has been looked at.
        for place in (places.start..places.end.min(self.len())).rev() {
            let entry = self.entry_mut(place);
            if !stays(&entry.info_hash, &mut entry.torrent) {
                self.remove(Place(place));
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&InfoHash, &Torrent)> {
        let entries = self.chunks.iter().flatten();
        entries.map(|entry| (&entry.info_hash, &entry.torrent))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&InfoHash, &mut Torrent)> {
        let entries = self.chunks.iter_mut().flatten();
        entries.map(|entry| (&entry.info_hash, &mut entry.torrent))
    }

    /// Gives memory back if less than a quarter is in use.
    pub(super) fn shrink(&mut self) {
        self.index.shrink();
        if let [first] = &mut self.chunks[..]
            && first.capacity() / 4 > first.len()
        {
            first.shrink_to(first.len() * 2);
        }
        self.chunks.shrink_to(self.chunks.len() * 2);
    }

    /// Names what [`find`](Self::find) looks at first, to be fetched.
    pub(super) fn expect_index(&self, tag: Tag, lines: &mut Lines) {
        self.index.expect(tag, lines);
        let few = self.chunks.len().min(FEW_CHUNKS);
        lines.add(&self.chunks[..few]);
    }

    /// Names a torrent, to be fetched, if it is here; where it most likely is. What
    /// [`expect_index`](Self::expect_index) named should have come by now.
    pub(super) fn expect_torrent(&self, tag: Tag, lines: &mut Lines) -> Option<Place> {
        // Hashes are not compared, which would be a look at the torrent.
        let place = self.index.places(tag).next()?;
        lines.add(self.entry(place));
        Some(Place(place))
    }

    /// What is at a place that was a torrent's a moment ago, for another look ahead.
    pub(super) fn likely_torrent(&self, place: Place) -> Option<&Torrent> {
        let entry = self.chunks.get(place.0 / CHUNK)?.get(place.0 % CHUNK);
        entry.map(|entry| &entry.torrent)
    }

    /// Slots and places for torrents that are allocated.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let torrents: usize = self.chunks.iter().map(Vec::capacity).sum();
        self.index.capacity().max(torrents)
    }

    fn entry(&self, place: usize) -> &Entry {
        &self.chunks[place / CHUNK][place % CHUNK]
    }

    fn entry_mut(&mut self, place: usize) -> &mut Entry {
        &mut self.chunks[place / CHUNK][place % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::{swarm::observers::Observers, types::Timestamp};

    /// Few tags and few homes, so that torrents get in each other's way.
    fn tag_of(number: u8) -> Tag {
        Tag::from(number % 16) << 28 | Tag::from(number % 5)
    }

    fn hash_of(number: u8) -> InfoHash {
        InfoHash([number; 20])
    }

    /// A torrent that can be told from others.
    fn torrent(number: u8) -> Torrent {
        Torrent::new(Timestamp::from_secs(number.into()), Observers::NONE)
    }

    fn is_torrent(torrent: &Torrent, number: u8) -> bool {
        torrent.torrent_rank() == self::torrent(number).torrent_rank()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Toggle(u8),
        Retain(u8),
        Shrink,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => any::<u8>().prop_map(Step::Toggle),
            1 => (1..8_u8).prop_map(Step::Retain),
            1 => Just(Step::Shrink),
        ]
    }

    proptest! {
        #[test]
        fn it_holds_what_a_set_holds(steps in prop::collection::vec(step(), 0..600)) {
            let mut table = Table::default();
            let mut set = HashSet::new();
            for step in steps {
                match step {
                    Step::Toggle(number) => {
                        let (tag, hash) = (tag_of(number), hash_of(number));
                        if let Some(place) = table.find(tag, &hash) {
                            prop_assert!(set.remove(&number));
                            table.remove(place);
                        } else {
                            prop_assert!(set.insert(number));
                            table.insert(tag, hash, torrent(number));
                        }
                    }
                    Step::Retain(every) => {
                        let mut seen = Vec::new();
                        table.retain(|hash, _| {
                            seen.push(hash.0[0]);
                            hash.0[0] % every != 0
                        });
                        seen.sort_unstable();
                        let mut all: Vec<u8> = set.iter().copied().collect();
                        all.sort_unstable();
                        prop_assert_eq!(seen, all);
                        set.retain(|number| number % every != 0);
                    }
                    Step::Shrink => table.shrink(),
                }
                prop_assert_eq!(table.index.len(), set.len());
                prop_assert_eq!(table.iter().count(), set.len());
            }
            for number in 0..=u8::MAX {
                let mut lines = Lines::new();
                table.expect_index(tag_of(number), &mut lines);
                let likely = table.expect_torrent(tag_of(number), &mut lines);
                lines.fetch();
                prop_assert!(likely.is_none_or(|place| table.likely_torrent(place).is_some()));
                let found = table.find(tag_of(number), &hash_of(number));
                prop_assert_eq!(found.is_some(), set.contains(&number));
                prop_assert!(found.is_none_or(|place| is_torrent(table.get(place), number)));
            }
        }
    }

    #[test]
    fn memory_is_given_back() {
        let mut table = Table::default();
        let hash = |number: u32| {
            let mut hash = InfoHash([0; 20]);
            hash.0[..4].copy_from_slice(&number.to_be_bytes());
            hash
        };
        for number in 0..10_000_u32 {
            table.insert(number.wrapping_mul(0x9e37_79b9), hash(number), torrent(0));
        }
        assert!(table.capacity() >= 10_000);
        table.retain(|hash, _| hash.0[3] == 0);
        table.shrink();
        assert!(table.capacity() <= 256, "{}", table.capacity());
        table.retain(|_, _| false);
        table.shrink();
        assert!(table.capacity() <= 8, "{}", table.capacity());
    }
}

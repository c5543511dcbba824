//! Torrents by info hash, behind one of the store's locks.
//!
//! The index is an open-addressing table of 8-byte slots; the torrents lie side by side in chunks. A
//! torrent so takes its own size and some 15 bytes more, where a table with the torrents in its slots
//! has room for twice as many as it holds, and an announce that knows its hash touches one line of the
//! index and those of its torrent: few enough to ask for them ahead, see [`Table::expect_index`].

use super::torrent::Torrent;
use crate::{prefetch::prefetch, types::InfoHash};

/// Torrents in a full chunk. Growth moves no torrent, and wastes at most a chunk.
const CHUNK: usize = 64;

/// Slots of the smallest index.
const MIN_SLOTS: usize = 8;

/// The low half of an info hash's keyed hash: the lowest bits are its home in the index, and all of
/// them stand for it there.
pub(super) type Tag = u32;

/// A slot of the index: the tag above, the number of the torrent plus 1 below; 0 is an empty slot.
type Slot = u64;

/// The torrents behind one lock. A torrent keeps its [`Place`] until one is removed.
#[derive(Default)]
pub(super) struct Table {
    /// A power of two of them, at most three quarters in use, or none.
    slots: Box<[Slot]>,
    /// All but the last are full.
    chunks: Vec<Vec<Entry>>,
    len: usize,
}

struct Entry {
    info_hash: InfoHash,
    /// Kept, since removal moves a torrent: its slot is found without a look at the hash function.
    tag: Tag,
    torrent: Torrent,
}

/// Where a torrent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Table {
    pub(super) fn find(&self, tag: Tag, info_hash: &InfoHash) -> Option<Place> {
        self.places(tag)
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
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.resize((self.slots.len() * 2).max(MIN_SLOTS));
        }
        let place = self.len;
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
        self.len += 1;
        put(&mut self.slots, slot(tag, place));
        Place(place)
    }

    /// Removes a torrent; the last one takes its place.
    pub(super) fn remove(&mut self, place: Place) {
        let last = self.len - 1;
        self.vacate(slot(self.entry(place.0).tag, place.0));
        if place.0 != last {
            let tag = self.entry(last).tag;
            if let Some(index) = self.index_of(slot(tag, last)) {
                self.slots[index] = slot(tag, place.0);
            }
        }
        if let Some(chunk) = self.chunks.last_mut()
            && let Some(moved) = chunk.pop()
        {
            if chunk.is_empty() {
                self.chunks.pop();
            }
            if place.0 != last {
                *self.entry_mut(place.0) = moved;
            }
        }
        self.len = last;
    }

    /// Removes every torrent that `stays` says no of. Each is looked at once.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(&InfoHash, &mut Torrent) -> bool) {
        // From the end: what a removal moves has been looked at.
        for place in (0..self.len).rev() {
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
        let needed = (self.len * 2).next_power_of_two().max(MIN_SLOTS);
        if self.slots.len() / 4 > needed / 2 {
            self.resize(if self.len == 0 { 0 } else { needed });
        }
        if let [first] = &mut self.chunks[..]
            && first.capacity() / 4 > first.len()
        {
            first.shrink_to(first.len() * 2);
        }
        self.chunks.shrink_to(self.chunks.len() * 2);
    }

    /// Has the part of the index in which a torrent is looked for on its way into the cache.
    pub(super) fn expect_index(&self, tag: Tag) {
        if let Some(home) = self.slots.get(self.home(tag)) {
            prefetch(home);
        }
    }

    /// Has a torrent on its way into the cache, if it is here. The index should be there by now.
    pub(super) fn expect_torrent(&self, tag: Tag) {
        // Nearly always the right one, and no harm is done if not.
        if let Some(place) = self.places(tag).next() {
            prefetch(self.entry(place));
        }
    }

    /// Slots and places for torrents that are allocated.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let torrents: usize = self.chunks.iter().map(Vec::capacity).sum();
        self.slots.len().max(torrents)
    }

    /// The torrents with this tag.
    fn places(&self, tag: Tag) -> impl Iterator<Item = usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let home = self.home(tag);
        (0..self.slots.len())
            .map(move |distance| self.slots[(home + distance) & mask])
            .take_while(|&slot| slot != 0)
            .filter(move |&slot| (slot >> 32) as Tag == tag)
            .map(|slot| (slot as u32 - 1) as usize)
    }

    fn home(&self, tag: Tag) -> usize {
        tag as usize & self.slots.len().wrapping_sub(1)
    }

    fn index_of(&self, wanted: Slot) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let home = self.home((wanted >> 32) as Tag);
        (0..self.slots.len())
            .map(|distance| (home + distance) & mask)
            .find(|&index| self.slots[index] == wanted)
    }

    /// Empties a slot, and moves into the gap what was only behind it for want of a free slot.
    fn vacate(&mut self, wanted: Slot) {
        let Some(mut gap) = self.index_of(wanted) else {
            return;
        };
        let mask = self.slots.len() - 1;
        let mut index = gap;
        loop {
            index = (index + 1) & mask;
            let slot = self.slots[index];
            // It ends: a quarter of the slots is empty.
            if slot == 0 {
                break;
            }
            let home = self.home((slot >> 32) as Tag);
            // Whether the gap is on the way from its home to where it is.
            if (index.wrapping_sub(home) & mask) >= (index.wrapping_sub(gap) & mask) {
                self.slots[gap] = slot;
                gap = index;
            }
        }
        self.slots[gap] = 0;
    }

    fn resize(&mut self, slots: usize) {
        let mut new = vec![0; slots].into_boxed_slice();
        for &slot in self.slots.iter().filter(|&&slot| slot != 0) {
            put(&mut new, slot);
        }
        self.slots = new;
    }

    fn entry(&self, place: usize) -> &Entry {
        &self.chunks[place / CHUNK][place % CHUNK]
    }

    fn entry_mut(&mut self, place: usize) -> &mut Entry {
        &mut self.chunks[place / CHUNK][place % CHUNK]
    }
}

/// Places are below 2^30: there are no more torrents than peers.
const fn slot(tag: Tag, place: usize) -> Slot {
    (tag as u64) << 32 | (place as u64 + 1)
}

/// Puts a slot into the first empty one from its home on.
fn put(slots: &mut [Slot], slot: Slot) {
    let mask = slots.len() - 1;
    let mut index = (slot >> 32) as usize & mask;
    while slots[index] != 0 {
        index = (index + 1) & mask;
    }
    slots[index] = slot;
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
                prop_assert_eq!(table.len, set.len());
                prop_assert_eq!(table.iter().count(), set.len());
            }
            for number in 0..=u8::MAX {
                table.expect_index(tag_of(number));
                table.expect_torrent(tag_of(number));
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

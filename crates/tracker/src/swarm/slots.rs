//! An open-addressing index: from a keyed hash to places in some list.
//!
//! A slot is 8 bytes, whatever is indexed, so that a look-up touches one line of the cache, which can be
//! asked for ahead, and growth looks at nothing but the slots.

use crate::prefetch::Lines;

/// Slots of the smallest index.
const MIN_SLOTS: usize = 8;

/// 32 bits of an entry's hash, which must be keyed: whoever announces chooses what is hashed. The lowest
/// bits are the entry's home in the index, and all of them stand for it there.
pub(super) type Tag = u32;

/// The tag above, the place plus 1 below; 0 is an empty slot. Linear probing from the home of the tag.
type Slot = u64;

/// See the [module](self). Places are below 2^32 - 1.
#[derive(Default)]
pub(super) struct Slots {
    /// A power of two of them, at most three quarters in use, or none.
    slots: Box<[Slot]>,
    len: usize,
}

impl Slots {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The places noted under a tag: nearly always one at most.
    pub(super) fn places(&self, tag: Tag) -> impl Iterator<Item = usize> {
        self.probe(tag)
            .map(|index| self.slots[index])
            .take_while(|&slot| slot != 0)
            .filter(move |&slot| tag_of(slot) == tag)
            .map(|slot| (slot as u32 - 1) as usize)
    }

    /// Notes a place that is not here yet.
    pub(super) fn insert(&mut self, tag: Tag, place: usize) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.resize((self.slots.len() * 2).max(MIN_SLOTS));
        }
        put(&mut self.slots, slot(tag, place));
        self.len += 1;
    }

    /// What is at a place went to another.
    pub(super) fn change(&mut self, tag: Tag, from: usize, to: usize) {
        if let Some(index) = self.index_of(slot(tag, from)) {
            self.slots[index] = slot(tag, to);
        }
    }

    /// Forgets a place, and moves into the gap what was only behind it for want of a free slot.
    pub(super) fn remove(&mut self, tag: Tag, place: usize) {
        let Some(mut gap) = self.index_of(slot(tag, place)) else {
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
            // Whether the gap is on the way from the slot's home to where it is.
            let way = index.wrapping_sub(self.home(tag_of(slot))) & mask;
            if way >= index.wrapping_sub(gap) & mask {
                self.slots[gap] = slot;
                gap = index;
            }
        }
        self.slots[gap] = 0;
        self.len -= 1;
    }

    /// Gives memory back if a quarter or less is in use.
    pub(super) fn shrink(&mut self) {
        if self.len == 0 {
            self.slots = Box::default();
            return;
        }
        let roomy = (self.len * 2).next_power_of_two().max(MIN_SLOTS);
        if self.slots.len() >= 2 * roomy {
            self.resize(roomy);
        }
    }

    /// Names the slots of a tag.
    pub(super) fn expect(&self, tag: Tag, lines: &mut Lines) {
        if let Some(home) = self.slots.get(self.home(tag)) {
            lines.add(home);
        }
    }

    /// Slots that are allocated.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    fn home(&self, tag: Tag) -> usize {
        tag as usize & self.slots.len().wrapping_sub(1)
    }

    /// All slots, from the home of a tag on.
    fn probe(&self, tag: Tag) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len().wrapping_sub(1);
        let home = self.home(tag);
        (0..self.slots.len()).map(move |distance| (home + distance) & mask)
    }

    fn index_of(&self, wanted: Slot) -> Option<usize> {
        self.probe(tag_of(wanted))
            .take_while(|&index| self.slots[index] != 0)
            .find(|&index| self.slots[index] == wanted)
    }

    fn resize(&mut self, slots: usize) {
        let mut new = vec![0; slots].into_boxed_slice();
        for &slot in self.slots.iter().filter(|&&slot| slot != 0) {
            put(&mut new, slot);
        }
        self.slots = new;
    }
}

const fn slot(tag: Tag, place: usize) -> Slot {
    (tag as u64) << 32 | (place as u64 + 1)
}

const fn tag_of(slot: Slot) -> Tag {
    (slot >> 32) as Tag
}

/// Puts a slot into the first empty one from its home on.
fn put(slots: &mut [Slot], slot: Slot) {
    let mask = slots.len() - 1;
    let mut index = tag_of(slot) as usize & mask;
    while slots[index] != 0 {
        index = (index + 1) & mask;
    }
    slots[index] = slot;
}

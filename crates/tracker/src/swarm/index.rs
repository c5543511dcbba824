//! From an address to its place among the peers of a large swarm.

use std::hash::Hash;

use ahash::RandomState;

use super::slots::{Slots, Tag};
use crate::prefetch::Lines;

/// Above this a growing index would stop its swarm for milliseconds, so it becomes many.
const SPLIT_ABOVE: usize = 8192;
const TABLES: usize = 64;

/// An index, or several when the swarm is very large: each then grows by itself, at another time, and the
/// announce that sets it off waits for a small one.
pub(super) struct Index {
    /// Keyed at random: whoever announces chooses addresses, over IPv6 nearly at will.
    hasher: RandomState,
    tables: Tables,
}

/// A single one is in place: what holds the index then tells where its slots are, with no look between.
enum Tables {
    One(Slots),
    Many(Box<[Slots; TABLES]>),
}

impl Index {
    /// An index of peers in the order of their places.
    pub(super) fn new<A: Hash>(addrs: &[A]) -> Self {
        let mut index = Self {
            hasher: RandomState::new(),
            tables: Tables::One(Slots::default()),
        };
        index.build(addrs, addrs.len() > SPLIT_ABOVE);
        index
    }

    /// The place of an address in the list that this is the index of.
    pub(super) fn get<A: Copy + Eq + Hash>(&self, addr: A, addrs: &[A]) -> Option<usize> {
        let (table, tag) = self.locate(addr);
        table.places(tag).find(|&place| addrs[place] == addr)
    }

    /// Adds the last of the list.
    pub(super) fn push<A: Copy + Hash>(&mut self, addrs: &[A]) {
        let Some((&addr, before)) = addrs.split_last() else {
            return;
        };
        if matches!(self.tables, Tables::One(_)) && addrs.len() > SPLIT_ABOVE {
            return self.build(addrs, true);
        }
        let (table, tag) = self.locate_mut(addr);
        table.insert(tag, before.len());
    }

    /// Notes that what was at one place is at another.
    pub(super) fn change<A: Hash>(&mut self, addr: A, from: usize, to: usize) {
        let (table, tag) = self.locate_mut(addr);
        table.change(tag, from, to);
    }

    pub(super) fn remove<A: Hash>(&mut self, addr: A, place: usize) {
        let (table, tag) = self.locate_mut(addr);
        table.remove(tag, place);
    }

    /// Gives back memory beyond what a few times as many peers as there are would take.
    pub(super) fn shrink<A: Hash>(&mut self, addrs: &[A]) {
        match &mut self.tables {
            // Far below the other way's limit: a swarm at the edge must not go back and forth.
            Tables::Many(_) if addrs.len() < SPLIT_ABOVE / 4 => self.build(addrs, false),
            Tables::Many(tables) => tables.iter_mut().for_each(Slots::shrink),
            Tables::One(table) => table.shrink(),
        }
    }

    /// Names what [`get`](Self::get) looks at first.
    pub(super) fn expect<A: Hash>(&self, addr: A, lines: &mut Lines) {
        let (table, tag) = self.locate(addr);
        table.expect(tag, lines);
    }

    /// The place that most likely is that of an address: found by its hash alone, so that there need be no look
    /// at the list. What [`expect`](Self::expect) named should have come by now.
    pub(super) fn likely<A: Hash>(&self, addr: A) -> Option<usize> {
        let (table, tag) = self.locate(addr);
        table.places(tag).next()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        match &self.tables {
            Tables::One(table) => table.capacity(),
            Tables::Many(tables) => tables.iter().map(Slots::capacity).sum(),
        }
    }

    fn build<A: Hash>(&mut self, addrs: &[A], many: bool) {
        self.tables = if many {
            Tables::Many(Box::new(std::array::from_fn(|_| Slots::default())))
        } else {
            Tables::One(Slots::default())
        };
        for (place, addr) in addrs.iter().enumerate() {
            let (table, tag) = self.locate_mut(addr);
            table.insert(tag, place);
        }
    }

    /// The table of an address and what it is found by there: different bits of one hash.
    fn locate<A: Hash>(&self, addr: A) -> (&Slots, Tag) {
        let hash = self.hasher.hash_one(addr);
        let table = match &self.tables {
            Tables::One(table) => table,
            Tables::Many(tables) => &tables[table_of(hash)],
        };
        (table, hash as Tag)
    }

    fn locate_mut<A: Hash>(&mut self, addr: A) -> (&mut Slots, Tag) {
        let hash = self.hasher.hash_one(addr);
        let table = match &mut self.tables {
            Tables::One(table) => table,
            Tables::Many(tables) => &mut tables[table_of(hash)],
        };
        (table, hash as Tag)
    }
}

const fn table_of(hash: u64) -> usize {
    (hash >> 32) as usize % TABLES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_peer_at_every_size() {
        let mut addrs = vec![0_u32, 1, 2];
        let mut index = Index::new(&addrs);
        for addr in 3..20_000_u32 {
            addrs.push(addr);
            index.push(&addrs);
        }
        assert!(matches!(index.tables, Tables::Many(_)));
        assert_eq!(index.get(20_000, &addrs), None);
        // Two change places.
        addrs.swap(7, 19_999);
        index.change(7_u32, 7, 19_999);
        index.change(19_999_u32, 19_999, 7);
        assert_eq!(index.get(7, &addrs), Some(19_999));
        assert_eq!(index.get(19_999, &addrs), Some(7));
        while addrs.len() > 100 {
            let place = addrs.len() - 1;
            let addr = addrs[place];
            assert_eq!(index.get(addr, &addrs), Some(place));
            assert!(index.likely(addr).is_some());
            index.remove(addr, place);
            assert_eq!(index.get(addr, &addrs), None);
            addrs.pop();
        }
        index.shrink(&addrs);
        assert!(matches!(index.tables, Tables::One(_)));
        assert!(index.capacity() < 500);
        assert_eq!(index.get(99, &addrs), Some(99));
    }
}

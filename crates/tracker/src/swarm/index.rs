//! From an address to its place among the peers of a large swarm.

use std::hash::Hash;

use ahash::RandomState;

use super::slots::{Slots, Tag};

/// Above this a growing index would stop its swarm for milliseconds, so it becomes many.
const SPLIT_ABOVE: usize = 8192;
const TABLES: usize = 64;

/// An index, or several when the swarm is very large: each then grows by itself, at another time, and the
/// announce that sets it off waits for a small one.
pub(super) struct Index {
    /// Keyed at random: whoever announces chooses addresses, over IPv6 nearly at will.
    hasher: RandomState,
    /// One or [`TABLES`].
    tables: Vec<Slots>,
}

impl Index {
    /// An index of peers in the order of their places.
    pub(super) fn new<A: Hash>(addrs: &[A]) -> Self {
        let mut index = Self {
            hasher: RandomState::new(),
            tables: Vec::new(),
        };
        index.build(addrs, if addrs.len() > SPLIT_ABOVE { TABLES } else { 1 });
        index
    }

    /// The place of an address in the list that this is the index of.
    pub(super) fn get<A: Copy + Eq + Hash>(&self, addr: A, addrs: &[A]) -> Option<usize> {
        let (table, tag) = self.locate(addr);
        self.tables[table]
            .places(tag)
            .find(|&place| addrs[place] == addr)
    }

    /// Adds the last of the list.
    pub(super) fn push<A: Copy + Hash>(&mut self, addrs: &[A]) {
        let Some((&addr, before)) = addrs.split_last() else {
            return;
        };
        if self.tables.len() == 1 && addrs.len() > SPLIT_ABOVE {
            return self.build(addrs, TABLES);
        }
        let (table, tag) = self.locate(addr);
        self.tables[table].insert(tag, before.len());
    }

    /// Notes that what was at one place is at another.
    pub(super) fn change<A: Hash>(&mut self, addr: A, from: usize, to: usize) {
        let (table, tag) = self.locate(addr);
        self.tables[table].change(tag, from, to);
    }

    pub(super) fn remove<A: Hash>(&mut self, addr: A, place: usize) {
        let (table, tag) = self.locate(addr);
        self.tables[table].remove(tag, place);
    }

    /// Gives back memory beyond what a few times as many peers as there are would take.
    pub(super) fn shrink<A: Hash>(&mut self, addrs: &[A]) {
        // Far below the other way's limit: a swarm at the edge must not go back and forth.
        if self.tables.len() > 1 && addrs.len() < SPLIT_ABOVE / 4 {
            return self.build(addrs, 1);
        }
        self.tables.iter_mut().for_each(Slots::shrink);
    }

    /// Has what [`get`](Self::get) looks at first on its way into the cache.
    pub(super) fn expect<A: Hash>(&self, addr: A) {
        let (table, tag) = self.locate(addr);
        self.tables[table].expect(tag);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.tables.iter().map(Slots::capacity).sum()
    }

    fn build<A: Hash>(&mut self, addrs: &[A], tables: usize) {
        self.tables = (0..tables).map(|_| Slots::default()).collect();
        for (place, addr) in addrs.iter().enumerate() {
            let (table, tag) = self.locate(addr);
            self.tables[table].insert(tag, place);
        }
    }

    /// The table of an address and what it is found by there: different bits of one hash.
    fn locate<A: Hash>(&self, addr: A) -> (usize, Tag) {
        let hash = self.hasher.hash_one(addr);
        ((hash >> 32) as usize % self.tables.len(), hash as Tag)
    }
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
        assert_eq!(index.tables.len(), TABLES);
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
            index.remove(addr, place);
            assert_eq!(index.get(addr, &addrs), None);
            addrs.pop();
        }
        index.shrink(&addrs);
        assert_eq!(index.tables.len(), 1);
        assert!(index.capacity() < 500);
        assert_eq!(index.get(99, &addrs), Some(99));
    }
}

//! From an address to its place among the peers of a large swarm.

use std::{collections::HashMap, hash::Hash};

use ahash::RandomState;

/// Above this a growing table would stop its swarm for milliseconds, so it becomes many.
const SPLIT_ABOVE: usize = 8192;
const TABLES: usize = 64;

/// A hash table, or several when the swarm is very large: each then grows by itself, at another time,
/// and the announce that sets it off waits for a small one.
pub(super) struct Index<A> {
    /// Keyed at random: whoever announces chooses addresses, over IPv6 nearly at will.
    hasher: RandomState,
    /// One or [`TABLES`].
    tables: Vec<Table<A>>,
}

type Table<A> = HashMap<A, u32, RandomState>;

impl<A: Copy + Eq + Hash> Index<A> {
    /// An index of peers in the order of their places.
    pub(super) fn new(addrs: &[A]) -> Self {
        let hasher = RandomState::new();
        let mut index = Self {
            tables: vec![Table::with_hasher(hasher.clone())],
            hasher,
        };
        for (place, &addr) in addrs.iter().enumerate() {
            index.set(addr, place);
        }
        index
    }

    pub(super) fn get(&self, addr: A) -> Option<usize> {
        let place = self.tables[self.table_of(addr)].get(&addr)?;
        Some(*place as usize)
    }

    /// Adds a peer, or notes that it has another place.
    pub(super) fn set(&mut self, addr: A, place: usize) {
        let table = self.table_of(addr);
        self.tables[table].insert(addr, place as u32);
        if self.tables.len() == 1 && self.tables[0].len() > SPLIT_ABOVE {
            self.split_into(TABLES);
        }
    }

    pub(super) fn remove(&mut self, addr: A) {
        let table = self.table_of(addr);
        self.tables[table].remove(&addr);
    }

    /// Gives back memory beyond what twice as many peers as there are would take.
    pub(super) fn shrink(&mut self) {
        let len: usize = self.tables.iter().map(Table::len).sum();
        // Far below the other way's limit: a swarm at the edge must not go back and forth.
        if self.tables.len() > 1 && len < SPLIT_ABOVE / 4 {
            self.split_into(1);
        }
        for table in &mut self.tables {
            table.shrink_to(table.len() * 2);
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.tables.iter().map(Table::capacity).sum()
    }

    fn split_into(&mut self, tables: usize) {
        let hasher = &self.hasher;
        let new = (0..tables)
            .map(|_| Table::with_hasher(hasher.clone()))
            .collect();
        for (addr, place) in std::mem::replace(&mut self.tables, new)
            .into_iter()
            .flatten()
        {
            let table = self.table_of(addr);
            self.tables[table].insert(addr, place);
        }
    }

    /// By other bits of the hash than a table uses, which takes the highest and the lowest.
    fn table_of(&self, addr: A) -> usize {
        if self.tables.len() == 1 {
            return 0;
        }
        (self.hasher.hash_one(addr) >> 32) as usize % self.tables.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_peer_at_every_size() {
        let mut index = Index::new(&[0_u32, 1, 2]);
        for addr in 3..20_000_u32 {
            index.set(addr, addr as usize);
        }
        assert_eq!(index.tables.len(), TABLES);
        index.set(7, 70_000);
        assert_eq!(index.get(7), Some(70_000));
        assert_eq!(index.get(20_000), None);
        for addr in 100..20_000 {
            assert_eq!(index.get(addr), Some(addr as usize));
            index.remove(addr);
            assert_eq!(index.get(addr), None);
        }
        index.shrink();
        assert_eq!(index.tables.len(), 1);
        assert!(index.capacity() < 500);
        assert_eq!(index.get(99), Some(99));
    }
}

//! The peers of one kind of a large swarm, as parallel arrays.

use std::hash::Hash;

use super::{PeerMeta, index::Index};
use crate::{prefetch::Lines, types::Timestamp};

/// A linear search over this many compact addresses touches a few cache lines and beats a hash.
const INDEX_ABOVE: usize = 32;
/// Below this the index goes; the gap to [`INDEX_ABOVE`] keeps a swarm at the edge from building it
/// again and again.
const NO_INDEX_BELOW: usize = 16;

/// Peers side by side: an answer is one copy out of `addrs`. The order is random, see
/// [`swap`](Self::swap).
pub(super) struct Heap<A> {
    addrs: Vec<A>,
    metas: Vec<PeerMeta>,
    last: Vec<Timestamp>,
    index: Option<Index>,
}

/// A view of parallel arrays of one length.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, A> {
    pub(super) addrs: &'a [A],
    pub(super) metas: &'a [PeerMeta],
    pub(super) last: &'a [Timestamp],
}

impl<'a, A> Rows<'a, A> {
    pub(super) const NONE: Self = Self {
        addrs: &[],
        metas: &[],
        last: &[],
    };

    pub(super) const fn len(self) -> usize {
        self.addrs.len()
    }

    pub(super) fn row(self, place: usize) -> (PeerMeta, Timestamp) {
        (self.metas[place], self.last[place])
    }

    pub(super) fn iter(self) -> impl Iterator<Item = (&'a A, PeerMeta, Timestamp)> {
        let rows = self.addrs.iter().zip(self.metas).zip(self.last);
        rows.map(|((addr, &meta), &last)| (addr, meta, last))
    }
}

impl<A: Copy + Eq + Hash> Heap<A> {
    pub(super) const fn new() -> Self {
        Self {
            addrs: Vec::new(),
            metas: Vec::new(),
            last: Vec::new(),
            index: None,
        }
    }

    pub(super) fn rows(&self) -> Rows<'_, A> {
        Rows {
            addrs: &self.addrs,
            metas: &self.metas,
            last: &self.last,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.addrs.len()
    }

    pub(super) fn find(&self, addr: A) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(addr, &self.addrs),
            None => self.addrs.iter().position(|&known| known == addr),
        }
    }

    pub(super) fn row_mut(&mut self, index: usize) -> (&mut PeerMeta, &mut Timestamp) {
        (&mut self.metas[index], &mut self.last[index])
    }

    /// Adds a peer, which is not there yet, at the end.
    pub(super) fn push(&mut self, addr: A, meta: PeerMeta, last: Timestamp) {
        self.addrs.push(addr);
        self.metas.push(meta);
        self.last.push(last);
        if let Some(index) = &mut self.index {
            index.push(&self.addrs);
        } else if self.len() > INDEX_ABOVE {
            self.index = Some(Index::new(&self.addrs));
        }
    }

    /// Removes a peer and puts the last one in its place.
    pub(super) fn swap_remove(&mut self, index: usize) -> PeerMeta {
        let addr = self.addrs.swap_remove(index);
        self.last.swap_remove(index);
        if let Some(places) = &mut self.index {
            places.remove(addr, index);
            if let Some(&moved) = self.addrs.get(index) {
                places.change(moved, self.addrs.len(), index);
            }
        }
        self.metas.swap_remove(index)
    }

    /// Lets two peers change places.
    pub(super) fn swap(&mut self, a: usize, b: usize) {
        self.addrs.swap(a, b);
        self.metas.swap(a, b);
        self.last.swap(a, b);
        if let Some(places) = &mut self.index {
            places.change(self.addrs[a], b, a);
            places.change(self.addrs[b], a, b);
        }
    }

    /// Names what [`find`](Self::find) looks at first, to be fetched.
    pub(super) fn expect(&self, addr: A, lines: &mut Lines) {
        match &self.index {
            Some(index) => index.expect(addr, lines),
            None => lines.add(self.addrs.as_slice()),
        }
    }

    /// Likewise what its announce looks at and changes. What [`expect`](Self::expect) named should have come
    /// by now.
    pub(super) fn expect_row(&self, addr: A, lines: &mut Lines) {
        let place = match &self.index {
            Some(index) => index.likely(addr),
            None => self.find(addr),
        };
        let Some(place) = place else { return };
        lines.add(&self.addrs[place]);
        lines.add(&self.metas[place]);
        lines.add(&self.last[place]);
    }

    /// Gives memory back if less than a quarter is in use.
    pub(super) fn shrink(&mut self) {
        let len = self.len();
        if len < NO_INDEX_BELOW {
            self.index = None;
        }
        if self.addrs.capacity() / 4 <= len.max(4) {
            return;
        }
        let room = len * 2;
        self.addrs.shrink_to(room);
        self.metas.shrink_to(room);
        self.last.shrink_to(room);
        if let Some(index) = &mut self.index {
            index.shrink(&self.addrs);
        }
    }

    /// Places for peers that are allocated.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let index = self.index.as_ref().map_or(0, Index::capacity);
        self.addrs.capacity().max(index)
    }
}

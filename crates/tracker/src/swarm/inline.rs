//! The peers of a small swarm, kept in place.

use super::{
    PeerMeta,
    heap::Rows,
    key::{PeerKey, SocketKey},
};
use crate::types::{PeerAddrV4, PeerAddrV6, PeerId, SocketId, Timestamp};

/// Up to `N` peers of one kind without an allocation. Most swarms of a public tracker have no more.
pub(super) struct Inline<A, const N: usize> {
    len: u8,
    addrs: [A; N],
    metas: [PeerMeta; N],
    last: [Timestamp; N],
}

/// A key that fills an unused place.
pub(super) trait Filler {
    const FILLER: Self;
}

impl Filler for PeerAddrV4 {
    const FILLER: Self = Self([0; 6]);
}

impl Filler for PeerAddrV6 {
    const FILLER: Self = Self([0; 18]);
}

impl Filler for SocketKey {
    const FILLER: Self = Self::new(SocketId(0), PeerId([0; 20]));
}

impl<A: Copy + Eq + Filler, const N: usize> Inline<A, N> {
    pub(super) const fn new() -> Self {
        Self {
            len: 0,
            addrs: [A::FILLER; N],
            metas: [PeerMeta::new(PeerId([0; 20]), false); N],
            last: [Timestamp::from_secs(0); N],
        }
    }

    pub(super) fn rows(&self) -> Rows<'_, A> {
        let len = self.len();
        Rows {
            addrs: &self.addrs[..len],
            metas: &self.metas[..len],
            last: &self.last[..len],
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn find(&self, addr: A) -> Option<usize> {
        self.rows().addrs.iter().position(|&known| known == addr)
    }

    pub(super) fn row_mut(&mut self, index: usize) -> (&mut PeerMeta, &mut Timestamp) {
        (&mut self.metas[index], &mut self.last[index])
    }

    /// Adds a peer; false if there is no room.
    pub(super) fn push(&mut self, addr: A, meta: PeerMeta, last: Timestamp) -> bool {
        let len = self.len();
        if len == N {
            return false;
        }
        self.addrs[len] = addr;
        self.metas[len] = meta;
        self.last[len] = last;
        self.len += 1;
        true
    }

    /// Removes a peer and puts the last one in its place.
    pub(super) fn swap_remove(&mut self, index: usize) {
        self.len -= 1;
        let end = self.len();
        self.addrs[index] = self.addrs[end];
        self.metas[index] = self.metas[end];
        self.last[index] = self.last[end];
    }

    /// Removes every peer that `goes` says so of, and tells `gone`.
    pub(super) fn remove_if(
        &mut self,
        mut goes: impl FnMut(PeerMeta, Timestamp) -> bool,
        gone: &mut impl FnMut(PeerKey, PeerMeta),
    ) where
        A: Into<PeerKey>,
    {
        for index in (0..self.len()).rev() {
            let (addr, meta) = (self.addrs[index], self.metas[index]);
            if goes(meta, self.last[index]) {
                self.swap_remove(index);
                gone(addr.into(), meta);
            }
        }
    }
}

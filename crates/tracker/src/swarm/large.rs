//! A swarm of more peers than are kept in place.

use std::{hash::Hash, ops::ControlFlow};

use super::{
    PeerMeta,
    heap::{Heap, Rows},
    key::{PeerKey, SocketKey},
    order::{Handle, Kind, Order},
    rank::Rank,
};
use crate::{
    prefetch::Lines,
    types::{PeerAddrV4, PeerAddrV6, Timestamp},
};

/// Most peers that one eviction looks at. In a larger swarm the longest silent of this many
/// neighbours stand for the longest silent of all: the swarm is locked meanwhile.
const EVICTION_WINDOW: usize = 16 * 1024;

/// Peers of all kinds, and running counts over them.
pub(super) struct Large {
    v4: Heap<PeerAddrV4>,
    /// Boxed, since most swarms have no such peers; as are the next two.
    v6: Option<Box<Heap<PeerAddrV6>>>,
    sockets: Option<Box<Heap<SocketKey>>>,
    /// Only where the size of swarms is limited.
    order: Option<Box<Order>>,
    seeders: u32,
    seen_again: u32,
    last_announce: Timestamp,
    /// No peer ranks below this. It may be too low until the next sweep.
    first: Rank,
    sweep: Sweep,
}

/// How far a sweep has come. It goes from the last peer to the first: removal moves the last peer, one
/// that was looked at already, so none is passed over however the swarm changes between two steps.
struct Sweep {
    /// The round it belongs to; rounds count from 1.
    round: u32,
    /// Peers of each kind (IPv4, IPv6, sockets) not looked at yet; `None` when it is finished.
    rest: Option<[u32; 3]>,
    /// The lowest rank seen in it.
    first: Rank,
}

/// What one eviction may still do.
struct EvictionLimits<'a> {
    /// Peers to remove.
    quota: &'a mut usize,
    /// Peers to look at.
    window: usize,
}

/// The key of one kind of peers, as the methods reach the peers of that kind.
pub(super) trait Keyed: Copy + Eq + Hash + Into<PeerKey> {
    fn rows(large: &Large) -> Rows<'_, Self>;
    fn heap_mut(large: &mut Large) -> &mut Heap<Self>;
    fn handle(place: usize) -> Handle;
}

impl Keyed for PeerAddrV4 {
    fn rows(large: &Large) -> Rows<'_, Self> {
        large.v4()
    }

    fn heap_mut(large: &mut Large) -> &mut Heap<Self> {
        &mut large.v4
    }

    fn handle(place: usize) -> Handle {
        Handle::v4(place)
    }
}

impl Keyed for PeerAddrV6 {
    fn rows(large: &Large) -> Rows<'_, Self> {
        large.v6()
    }

    fn heap_mut(large: &mut Large) -> &mut Heap<Self> {
        large.v6.get_or_insert_with(|| Box::new(Heap::new()))
    }

    fn handle(place: usize) -> Handle {
        Handle::v6(place)
    }
}

impl Keyed for SocketKey {
    fn rows(large: &Large) -> Rows<'_, Self> {
        large.sockets()
    }

    fn heap_mut(large: &mut Large) -> &mut Heap<Self> {
        large.sockets.get_or_insert_with(|| Box::new(Heap::new()))
    }

    fn handle(place: usize) -> Handle {
        Handle::socket(place)
    }
}

impl Large {
    pub(super) fn new(ordered: bool) -> Self {
        Self {
            v4: Heap::new(),
            v6: None,
            sockets: None,
            order: ordered.then(|| Box::new(Order::new())),
            seeders: 0,
            seen_again: 0,
            last_announce: Timestamp::default(),
            first: Rank::LAST,
            sweep: Sweep {
                round: 0,
                rest: None,
                first: Rank::LAST,
            },
        }
    }

    pub(super) fn v4(&self) -> Rows<'_, PeerAddrV4> {
        self.v4.rows()
    }

    pub(super) fn v6(&self) -> Rows<'_, PeerAddrV6> {
        self.v6.as_ref().map_or(Rows::NONE, |heap| heap.rows())
    }

    pub(super) fn sockets(&self) -> Rows<'_, SocketKey> {
        self.sockets.as_ref().map_or(Rows::NONE, |heap| heap.rows())
    }

    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6().len() + self.sockets().len()
    }

    pub(super) const fn is_ordered(&self) -> bool {
        self.order.is_some()
    }

    pub(super) const fn seeders(&self) -> usize {
        self.seeders as usize
    }

    /// No peer ranks below this.
    pub(super) const fn first_rank(&self) -> Rank {
        self.first
    }

    /// The rank of the whole swarm: seen again if one of its peers was, at its last announce by anyone.
    pub(super) const fn torrent_rank(&self) -> Rank {
        Rank::new(self.seen_again > 0, self.last_announce)
    }

    pub(super) fn find(&self, key: PeerKey) -> Option<usize> {
        match key {
            PeerKey::V4(addr) => self.v4.find(addr),
            PeerKey::V6(addr) => self.v6.as_ref()?.find(addr),
            PeerKey::Socket(key) => self.sockets.as_ref()?.find(key),
        }
    }

    /// Names what [`find`](Self::find) looks at first, to be fetched.
    pub(super) fn expect(&self, key: PeerKey, lines: &mut Lines) {
        match (key, &self.v6) {
            (PeerKey::V4(addr), _) => self.v4.expect(addr, lines),
            (PeerKey::V6(addr), Some(v6)) => v6.expect(addr, lines),
            _ => {}
        }
    }

    /// Likewise what its announce looks at and changes.
    pub(super) fn expect_row(&self, key: PeerKey, lines: &mut Lines) {
        match (key, &self.v6) {
            (PeerKey::V4(addr), _) => self.v4.expect_row(addr, lines),
            (PeerKey::V6(addr), Some(v6)) => v6.expect_row(addr, lines),
            _ => {}
        }
    }

    /// Adds a peer that is not there yet. It comes to lie at a random place if `rng` is given.
    pub(super) fn insert<A: Keyed>(
        &mut self,
        addr: A,
        meta: PeerMeta,
        last: Timestamp,
        rng: Option<&mut fastrand::Rng>,
    ) {
        let heap = A::heap_mut(self);
        heap.push(addr, meta, last);
        let place = heap.len() - 1;
        if let Some(order) = &mut self.order {
            order.push(A::handle(place));
        }
        self.count_in(meta);
        self.last_announce = self.last_announce.max(last);
        self.note(meta, last);
        if let Some(rng) = rng {
            self.shuffle::<A>(place, rng);
        }
    }

    /// Changes a peer at its announce.
    pub(super) fn update<A: Keyed, T>(
        &mut self,
        place: usize,
        rng: &mut fastrand::Rng,
        change: impl FnOnce(&mut PeerMeta, &mut Timestamp) -> T,
    ) -> T {
        let (meta, last) = A::heap_mut(self).row_mut(place);
        let before = *meta;
        let result = change(meta, last);
        let (after, last) = (*meta, *last);
        self.count_out(before);
        self.count_in(after);
        self.last_announce = self.last_announce.max(last);
        if let Some(order) = &mut self.order {
            order.touch(A::handle(place));
        }
        // Neighbours are handed out together. One announce in eight moves its peer: all are somewhere
        // else within hours, at a cost that does not show.
        if rng.u8(..) < 32 {
            self.shuffle::<A>(place, rng);
        }
        result
    }

    pub(super) fn remove<A: Keyed>(&mut self, place: usize) -> PeerMeta {
        let meta = A::heap_mut(self).swap_remove(place);
        self.count_out(meta);
        if let Some(order) = &mut self.order {
            order.swap_remove(A::handle(place));
        }
        meta
    }

    /// Removes the peer that has been silent longest, where the order is kept, and tells `gone`.
    pub(super) fn remove_oldest(&mut self, gone: &mut impl FnMut(PeerKey, PeerMeta)) {
        let Some(oldest) = self.order.as_ref().and_then(|order| order.oldest()) else {
            return;
        };
        let place = oldest.place();
        match oldest.kind() {
            Kind::V4 => self.remove_to::<PeerAddrV4>(place, gone),
            Kind::V6 => self.remove_to::<PeerAddrV6>(place, gone),
            Kind::Socket => self.remove_to::<SocketKey>(place, gone),
        }
    }

    fn remove_to<A: Keyed>(&mut self, place: usize, gone: &mut impl FnMut(PeerKey, PeerMeta)) {
        let addr = A::rows(self).addrs[place];
        let meta = self.remove::<A>(place);
        gone(addr.into(), meta);
    }

    /// Goes on with the sweep number `round`: removes the peers that `expired` says so of, looking at
    /// `budget` of them at most, which it counts down. `gone` is told of each. True when the sweep is
    /// finished.
    pub(super) fn sweep(
        &mut self,
        round: u32,
        budget: &mut usize,
        expired: impl Fn(Timestamp) -> bool,
        gone: &mut impl FnMut(PeerKey, PeerMeta),
    ) -> bool {
        if self.sweep.round != round {
            self.sweep = Sweep {
                round,
                rest: Some(
                    [self.v4.len(), self.v6().len(), self.sockets().len()].map(|len| len as u32),
                ),
                first: Rank::LAST,
            };
        }
        let Some([v4, v6, sockets]) = self.sweep.rest else {
            return true;
        };
        let rest = [
            self.sweep_kind::<PeerAddrV4>(v4, budget, &expired, gone),
            self.sweep_kind::<PeerAddrV6>(v6, budget, &expired, gone),
            self.sweep_kind::<SocketKey>(sockets, budget, &expired, gone),
        ];
        if rest != [0; 3] {
            self.sweep.rest = Some(rest);
            return false;
        }
        self.sweep.rest = None;
        self.first = self.sweep.first;
        self.v4.shrink();
        shrink(&mut self.v6);
        shrink(&mut self.sockets);
        if let Some(order) = &mut self.order {
            order.shrink();
        }
        true
    }

    /// Removes peers that rank at most `threshold`, `quota` at most, which it counts down. `gone` is told
    /// of each.
    pub(super) fn evict(
        &mut self,
        threshold: Rank,
        quota: &mut usize,
        rng: &mut fastrand::Rng,
        gone: &mut impl FnMut(PeerKey, PeerMeta),
    ) {
        if self.first > threshold {
            return;
        }
        let mut first = Rank::LAST;
        let mut limits = EvictionLimits {
            quota,
            window: EVICTION_WINDOW,
        };
        let whole = self
            .evict_kind::<PeerAddrV4>(threshold, &mut limits, &mut first, rng, gone)
            .is_continue()
            && self
                .evict_kind::<PeerAddrV6>(threshold, &mut limits, &mut first, rng, gone)
                .is_continue()
            && self
                .evict_kind::<SocketKey>(threshold, &mut limits, &mut first, rng, gone)
                .is_continue();
        if whole {
            self.first = first;
        }
    }

    /// Looks at the peers below `rest` from the end; returns how many are left to look at.
    fn sweep_kind<A: Keyed>(
        &mut self,
        rest: u32,
        budget: &mut usize,
        expired: &impl Fn(Timestamp) -> bool,
        gone: &mut impl FnMut(PeerKey, PeerMeta),
    ) -> u32 {
        let mut rest = (rest as usize).min(A::rows(self).len());
        while rest > 0 && *budget > 0 {
            rest -= 1;
            *budget -= 1;
            let (meta, last) = A::rows(self).row(rest);
            if expired(last) {
                self.remove_to::<A>(rest, gone);
            } else {
                let rank = Rank::new(meta.is_seen_again(), last);
                self.sweep.first = self.sweep.first.min(rank);
            }
        }
        rest as u32
    }

    /// Breaks off when the quota is used up.
    fn evict_kind<A: Keyed>(
        &mut self,
        threshold: Rank,
        limits: &mut EvictionLimits<'_>,
        first: &mut Rank,
        rng: &mut fastrand::Rng,
        gone: &mut impl FnMut(PeerKey, PeerMeta),
    ) -> ControlFlow<()> {
        let len = A::rows(self).len();
        let looked_at = len.min(limits.window);
        limits.window -= looked_at;
        let end = looked_at + rng.usize(..=len - looked_at);
        for place in (end - looked_at..end).rev() {
            let (meta, last) = A::rows(self).row(place);
            let rank = Rank::new(meta.is_seen_again(), last);
            if rank > threshold {
                *first = (*first).min(rank);
                continue;
            }
            if *limits.quota == 0 {
                return ControlFlow::Break(());
            }
            *limits.quota -= 1;
            self.remove_to::<A>(place, gone);
        }
        ControlFlow::Continue(())
    }

    /// Lets a peer change places with a random one of its kind.
    fn shuffle<A: Keyed>(&mut self, place: usize, rng: &mut fastrand::Rng) {
        // A swap could carry a peer past a sweep under way. With an order, every eviction and every
        // removal moves peers, and the links need not follow swaps.
        if self.sweep.rest.is_none() && self.order.is_none() {
            let heap = A::heap_mut(self);
            let other = rng.usize(..heap.len());
            heap.swap(place, other);
        }
    }

    fn count_in(&mut self, meta: PeerMeta) {
        self.seeders += u32::from(meta.is_seeder());
        self.seen_again += u32::from(meta.is_seen_again());
    }

    fn count_out(&mut self, meta: PeerMeta) {
        self.seeders -= u32::from(meta.is_seeder());
        self.seen_again -= u32::from(meta.is_seen_again());
    }

    /// Places for peers that are allocated.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let v6 = self.v6.as_ref().map_or(0, |heap| heap.capacity());
        let sockets = self.sockets.as_ref().map_or(0, |heap| heap.capacity());
        self.v4.capacity() + v6 + sockets
    }

    fn note(&mut self, meta: PeerMeta, last: Timestamp) {
        let rank = Rank::new(meta.is_seen_again(), last);
        self.first = self.first.min(rank);
        self.sweep.first = self.sweep.first.min(rank);
    }
}

/// Gives memory back that the peers of a kind do not need.
fn shrink<A: Keyed>(heap: &mut Option<Box<Heap<A>>>) {
    match heap {
        Some(peers) if peers.len() > 0 => peers.shrink(),
        _ => *heap = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little more than three lines of the cache.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_large_swarm_is_small_itself() {
        assert!(size_of::<Large>() <= 200, "{}", size_of::<Large>());
    }
}

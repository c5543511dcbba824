//! One torrent: who is in its swarm, and what an announce does to it.

use std::{mem, time::Duration};

use super::{
    Announce, Effect, PeerMeta, SwarmStats, counters::Tally, heap::Rows, inline::Inline,
    large::Large, peers::Peers, rank::Rank,
};
use crate::types::{AnnounceEvent, PeerAddr, PeerAddrV4, PeerAddrV6, Timestamp};

/// The peers of a torrent and its download count.
pub(super) struct Torrent {
    downloaded: u32,
    peers: Peers,
}

/// The rules that an announce is judged by.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) now: Timestamp,
    pub(super) peer_ttl: Duration,
    pub(super) max_peers: Option<usize>,
}

impl Rules {
    fn is_expired(&self, last: Timestamp) -> bool {
        self.now.since(last) > self.peer_ttl
    }
}

impl Torrent {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            downloaded: 0,
            peers: Peers::None { since: now },
        }
    }

    /// Takes an announce in.
    pub(super) fn announce(
        &mut self,
        announce: &Announce,
        rules: &Rules,
        rng: &mut fastrand::Rng,
    ) -> Effect {
        let addr = announce.addr;
        let mut known = self.find(addr);
        if let Some(place) = known
            && rules.is_expired(self.last(addr, place))
        {
            // It was gone, only that no sweep had come by.
            self.remove(addr, place, rules.now);
            known = None;
        }
        match (announce.event, known) {
            (AnnounceEvent::Stopped, None) => Effect::None,
            (AnnounceEvent::Stopped, Some(place)) => {
                self.remove(addr, place, rules.now);
                Effect::Left
            }
            // Whatever the event: a tracker that was restarted hears of its peers' next events first.
            (_, None) => {
                if rules.max_peers.is_some_and(|max| self.len() >= max)
                    && let Peers::Large(large) = &mut self.peers
                {
                    large.remove_oldest();
                }
                let meta = PeerMeta::new(announce.peer_id, announce.left == Some(0));
                self.insert(addr, meta, rules, rng);
                Effect::Joined
            }
            (_, Some(place)) => {
                let effect = self.update(addr, place, rng, |meta, last| {
                    *last = rules.now;
                    announce_again(meta, announce)
                });
                if effect == Effect::Completed {
                    self.downloaded = self.downloaded.saturating_add(1);
                }
                effect
            }
        }
    }

    /// Whether this announce would make the swarm larger.
    pub(super) fn would_grow(&self, announce: &Announce, max_peers: Option<usize>) -> bool {
        announce.event != AnnounceEvent::Stopped
            && max_peers.is_none_or(|max| self.len() < max)
            && self.find(announce.addr).is_none()
    }

    pub(super) fn stats(&self) -> SwarmStats {
        let tally = self.tally();
        SwarmStats {
            complete: tally.seeders as u32,
            incomplete: (tally.peers() - tally.seeders) as u32,
            downloaded: self.downloaded,
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let (v4, v6) = (self.v4(), self.v6());
        let seeders = if let Peers::Large(large) = &self.peers {
            large.seeders()
        } else {
            let metas = v4.metas.iter().chain(v6.metas);
            metas.filter(|meta| meta.is_seeder()).count()
        };
        Tally {
            v4: v4.addrs.len(),
            v6: v6.addrs.len(),
            seeders,
        }
    }

    pub(super) fn v4(&self) -> Rows<'_, PeerAddrV4> {
        self.peers.v4()
    }

    pub(super) fn v6(&self) -> Rows<'_, PeerAddrV6> {
        self.peers.v6()
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self.peers, Peers::None { .. })
    }

    /// Whether nothing is lost by dropping it.
    pub(super) const fn is_worthless(&self) -> bool {
        self.is_empty() && self.downloaded == 0
    }

    /// Whether it has been without peers for longer than this.
    pub(super) fn is_empty_for(&self, ttl: Duration, now: Timestamp) -> bool {
        matches!(self.peers, Peers::None { since } if now.since(since) > ttl)
    }

    /// No peer ranks below this.
    pub(super) fn first_rank(&self) -> Rank {
        match &self.peers {
            Peers::Large(large) => large.first_rank(),
            _ => self.small_ranks().min().unwrap_or(Rank::LAST),
        }
    }

    /// The rank of one peer; `None` if it is not here.
    pub(super) fn rank_of(&self, addr: PeerAddr) -> Option<Rank> {
        let place = self.find(addr)?;
        let meta = match addr {
            PeerAddr::V4(_) => self.v4().metas[place],
            PeerAddr::V6(_) => self.v6().metas[place],
        };
        Some(Rank::new(meta.is_seen_again(), self.last(addr, place)))
    }

    /// Removes one peer, if it is here.
    pub(super) fn evict_one(&mut self, addr: PeerAddr, now: Timestamp) {
        if let Some(place) = self.find(addr) {
            self.remove(addr, place, now);
        }
    }

    /// The rank of the torrent as a whole: that of its most valued peer. One without peers ranks as
    /// seen once: its download count is all that is lost.
    pub(super) fn torrent_rank(&self) -> Rank {
        match &self.peers {
            Peers::None { since } => Rank::new(false, *since),
            Peers::Large(large) => large.torrent_rank(),
            _ => self.small_ranks().max().unwrap_or(Rank::LAST),
        }
    }

    /// Removes peers that are expired, looking at `budget` of them at most, which it counts down; small
    /// swarms are free. True when the sweep number `round` is finished with this swarm.
    pub(super) fn sweep(&mut self, round: u32, budget: &mut usize, rules: &Rules) -> bool {
        let expired = |last| rules.is_expired(last);
        let finished = match &mut self.peers {
            Peers::None { .. } => return true,
            Peers::V4(peers) => {
                peers.remove_if(|_, last| expired(last));
                true
            }
            Peers::V6(peers) => {
                peers.remove_if(|_, last| expired(last));
                true
            }
            Peers::Large(large) => large.sweep(round, budget, expired),
        };
        if finished {
            self.peers.make_small();
        }
        self.settle(rules.now);
        finished
    }

    /// Removes peers that rank at most `threshold`, `quota` at most, which it counts down.
    pub(super) fn evict(
        &mut self,
        threshold: Rank,
        quota: &mut usize,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) {
        let goes = |meta: PeerMeta, last| {
            let goes = *quota > 0 && Rank::new(meta.is_seen_again(), last) <= threshold;
            *quota -= usize::from(goes);
            goes
        };
        match &mut self.peers {
            Peers::None { .. } => return,
            Peers::V4(peers) => peers.remove_if(goes),
            Peers::V6(peers) => peers.remove_if(goes),
            Peers::Large(large) => large.evict(threshold, quota, rng),
        }
        self.settle(now);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        match &self.peers {
            Peers::Large(large) => large.v4().capacity() + large.v6().capacity(),
            _ => 0,
        }
    }

    fn len(&self) -> usize {
        self.v4().addrs.len() + self.v6().addrs.len()
    }

    fn small_ranks(&self) -> impl Iterator<Item = Rank> {
        let (v4, v6) = (self.v4(), self.v6());
        let metas = v4.metas.iter().chain(v6.metas);
        let last = v4.last.iter().chain(v6.last);
        metas
            .zip(last)
            .map(|(meta, &last)| Rank::new(meta.is_seen_again(), last))
    }

    /// The place of a peer among those of its family.
    fn find(&self, addr: PeerAddr) -> Option<usize> {
        match (&self.peers, addr) {
            (Peers::V4(peers), PeerAddr::V4(addr)) => peers.find(addr),
            (Peers::V6(peers), PeerAddr::V6(addr)) => peers.find(addr),
            (Peers::Large(large), addr) => large.find(addr),
            _ => None,
        }
    }

    fn last(&self, addr: PeerAddr, place: usize) -> Timestamp {
        match addr {
            PeerAddr::V4(_) => self.v4().last[place],
            PeerAddr::V6(_) => self.v6().last[place],
        }
    }

    fn update(
        &mut self,
        addr: PeerAddr,
        place: usize,
        rng: &mut fastrand::Rng,
        change: impl FnOnce(&mut PeerMeta, &mut Timestamp) -> Effect,
    ) -> Effect {
        let (meta, last) = match (&mut self.peers, addr) {
            (Peers::V4(peers), _) => peers.row_mut(place),
            (Peers::V6(peers), _) => peers.row_mut(place),
            (Peers::Large(large), PeerAddr::V4(_)) => {
                return large.update::<PeerAddrV4, _>(place, rng, change);
            }
            (Peers::Large(large), PeerAddr::V6(_)) => {
                return large.update::<PeerAddrV6, _>(place, rng, change);
            }
            (Peers::None { .. }, _) => return Effect::None,
        };
        change(meta, last)
    }

    fn insert(&mut self, addr: PeerAddr, meta: PeerMeta, rules: &Rules, rng: &mut fastrand::Rng) {
        let limited = rules.max_peers.is_some();
        if self.is_empty() {
            self.peers = match addr {
                _ if limited => Peers::Large(Box::new(Large::new(true))),
                PeerAddr::V4(_) => Peers::V4(Inline::new()),
                PeerAddr::V6(_) => Peers::V6(Inline::new()),
            };
        }
        let done = match (&mut self.peers, addr) {
            (Peers::V4(peers), PeerAddr::V4(addr)) => peers.push(addr, meta, rules.now),
            (Peers::V6(peers), PeerAddr::V6(addr)) => peers.push(addr, meta, rules.now),
            _ => false,
        };
        if done {
            return;
        }
        let peers = mem::replace(&mut self.peers, Peers::None { since: rules.now });
        let mut large = peers.into_large(limited);
        match addr {
            PeerAddr::V4(addr) => large.insert(addr, meta, rules.now, Some(rng)),
            PeerAddr::V6(addr) => large.insert(addr, meta, rules.now, Some(rng)),
        }
        self.peers = Peers::Large(large);
    }

    fn remove(&mut self, addr: PeerAddr, place: usize, now: Timestamp) {
        match (&mut self.peers, addr) {
            (Peers::V4(peers), _) => peers.swap_remove(place),
            (Peers::V6(peers), _) => peers.swap_remove(place),
            (Peers::Large(large), PeerAddr::V4(_)) => large.remove::<PeerAddrV4>(place),
            (Peers::Large(large), PeerAddr::V6(_)) => large.remove::<PeerAddrV6>(place),
            (Peers::None { .. }, _) => {}
        }
        self.settle(now);
    }

    /// After a removal: a swarm without peers has no other form than [`Peers::None`].
    fn settle(&mut self, now: Timestamp) {
        if !self.is_empty() && self.v4().addrs.is_empty() && self.v6().addrs.is_empty() {
            self.peers = Peers::None { since: now };
        }
    }
}

/// What an announce other than `stopped` makes of a peer that is in the swarm.
///
/// `started` from a known peer, `completed` from a seeder and `paused` are regular announces. The
/// `completed` of a leecher is believed whatever it says of `left`. Else `left` decides, both ways: a
/// client whose user selects more files of a torrent is a leecher again.
fn announce_again(meta: &mut PeerMeta, announce: &Announce) -> Effect {
    meta.peer_id = announce.peer_id;
    meta.set_seen_again();
    if announce.event == AnnounceEvent::Completed && !meta.is_seeder() {
        meta.set_seeder(true);
        return Effect::Completed;
    }
    if let Some(left) = announce.left {
        meta.set_seeder(left == 0);
    }
    Effect::Updated
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every torrent of the store takes this and its info hash.
    #[test]
    fn a_small_torrent_is_small() {
        assert!(size_of::<Torrent>() <= 112, "{}", size_of::<Torrent>());
    }
}

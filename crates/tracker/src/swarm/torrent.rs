//! One torrent: who is in its swarm, and what an announce does to it.

use std::{mem, time::Duration};

use super::{
    Effect, PeerMeta, SwarmStats,
    announce::AnyAnnounce,
    counters::Tally,
    heap::Rows,
    inline::Inline,
    key::{PeerKey, SocketKey},
    large::Large,
    observers::Observers,
    peers::Peers,
    rank::Rank,
};
use crate::{
    prefetch::Lines,
    types::{AnnounceEvent, PeerAddrV4, PeerAddrV6, Timestamp},
};

/// The peers of a torrent and its download count. What small and large swarms have in common comes first, see
/// [`Table`](super::table::Table).
#[repr(C)]
pub(super) struct Torrent {
    downloaded: u32,
    /// Who wants to hear of what happens to its peers.
    pub(super) observers: Observers,
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
    pub(super) const fn new(now: Timestamp, observers: Observers) -> Self {
        Self {
            downloaded: 0,
            observers,
            peers: Peers::None { since: now },
        }
    }

    /// Takes an announce in. `lost` is told of peers that it removes: that of the announce itself if it
    /// was expired, and one that makes room.
    pub(super) fn announce(
        &mut self,
        announce: &AnyAnnounce,
        rules: &Rules,
        rng: &mut fastrand::Rng,
        lost: &mut impl FnMut(PeerKey, PeerMeta),
    ) -> Effect {
        let key = announce.key;
        let mut known = self.find(key);
        if let Some(place) = known
            && let (meta, last) = self.row(key, place)
            && rules.is_expired(last)
        {
            // It was gone, only that no sweep had come by.
            self.remove(key, place, rules.now);
            lost(key, meta);
            known = None;
        }
        match (announce.event, known) {
            (AnnounceEvent::Stopped, None) => Effect::None,
            (AnnounceEvent::Stopped, Some(place)) => {
                self.remove(key, place, rules.now);
                Effect::Left
            }
            // Whatever the event: a tracker that was restarted hears of its peers' next events first.
            (_, None) => {
                if rules.max_peers.is_some_and(|max| self.peers.len() >= max)
                    && let Peers::Large(large) = &mut self.peers
                {
                    large.remove_oldest(lost);
                }
                let meta = PeerMeta::new(announce.peer_id, announce.left == Some(0));
                self.insert(key, meta, rules, rng);
                Effect::Joined
            }
            (_, Some(place)) => {
                let effect = self.update(key, place, rng, |meta, last| {
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

    /// Names what is not in place, to be fetched; whether there is any.
    pub(super) fn expect_peers(&self, lines: &mut Lines) -> bool {
        let Peers::Large(large) = &self.peers else {
            return false;
        };
        lines.add(&**large);
        true
    }

    /// Likewise what a peer is found by. What [`expect_peers`](Self::expect_peers) named should have
    /// come by now.
    pub(super) fn expect_peer(&self, key: PeerKey, lines: &mut Lines) {
        if let Peers::Large(large) = &self.peers {
            large.expect(key, lines);
        }
    }

    /// Likewise what its announce looks at and changes. What [`expect_peer`](Self::expect_peer) named
    /// should have come by now.
    pub(super) fn expect_row(&self, key: PeerKey, lines: &mut Lines) {
        if let Peers::Large(large) = &self.peers {
            large.expect_row(key, lines);
        }
    }

    /// Whether this announce would make the swarm larger.
    pub(super) fn would_grow(&self, announce: &AnyAnnounce, max_peers: Option<usize>) -> bool {
        announce.event != AnnounceEvent::Stopped
            && max_peers.is_none_or(|max| self.peers.len() < max)
            && self.find(announce.key).is_none()
    }

    pub(super) fn stats(&self) -> SwarmStats {
        self.stats_of(self.tally())
    }

    /// The same for who has counted already.
    pub(super) const fn stats_of(&self, tally: Tally) -> SwarmStats {
        SwarmStats {
            complete: tally.seeders as u32,
            incomplete: (tally.peers() - tally.seeders) as u32,
            downloaded: self.downloaded,
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let (v4, v6, sockets) = (self.v4(), self.v6(), self.sockets());
        let seeders = if let Peers::Large(large) = &self.peers {
            large.seeders()
        } else {
            let metas = v4.metas.iter().chain(v6.metas).chain(sockets.metas);
            metas.filter(|meta| meta.is_seeder()).count()
        };
        Tally {
            v4: v4.len(),
            v6: v6.len(),
            sockets: sockets.len(),
            seeders,
        }
    }

    pub(super) fn v4(&self) -> Rows<'_, PeerAddrV4> {
        self.peers.v4()
    }

    pub(super) fn v6(&self) -> Rows<'_, PeerAddrV6> {
        self.peers.v6()
    }

    pub(super) fn sockets(&self) -> Rows<'_, SocketKey> {
        self.peers.sockets()
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
    pub(super) fn rank_of(&self, key: PeerKey) -> Option<Rank> {
        let (meta, last) = self.row(key, self.find(key)?);
        Some(Rank::new(meta.is_seen_again(), last))
    }

    /// What is known of one peer; `None` if it is not here.
    pub(super) fn meta_of(&self, key: PeerKey) -> Option<PeerMeta> {
        Some(self.row(key, self.find(key)?).0)
    }

    /// All peers, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (PeerKey, PeerMeta)> {
        let v4 = self.v4().iter();
        let v6 = self.v6().iter();
        let sockets = self.sockets().iter();
        v4.map(|(&addr, meta, _)| (PeerKey::V4(addr), meta))
            .chain(v6.map(|(&addr, meta, _)| (PeerKey::V6(addr), meta)))
            .chain(sockets.map(|(&key, meta, _)| (PeerKey::Socket(key), meta)))
    }

    /// Removes one peer, silent for too long or not; `None` if it is not here.
    pub(super) fn remove_peer(&mut self, key: PeerKey, now: Timestamp) -> Option<PeerMeta> {
        let place = self.find(key)?;
        let (meta, _) = self.row(key, place);
        self.remove(key, place, now);
        Some(meta)
    }

    /// Removes all peers. The download count stays.
    pub(super) fn clear(&mut self, now: Timestamp) {
        self.peers = Peers::None { since: now };
    }

    /// The rank of the torrent as a whole: seen again if one of its peers was, and silent since its last
    /// announce by anyone. One without peers ranks as seen once: its download count is all that is lost.
    pub(super) fn torrent_rank(&self) -> Rank {
        match &self.peers {
            Peers::None { since } => Rank::new(false, *since),
            Peers::Large(large) => large.torrent_rank(),
            _ => self
                .small_ranks()
                .reduce(Rank::together)
                .unwrap_or(Rank::LAST),
        }
    }

    /// Removes peers that are expired, looking at `budget` of them at most, which it counts down; small
    /// swarms are free. `gone` is told of each that is removed. True when the sweep number `round` is
    /// finished with this swarm.
    pub(super) fn sweep(
        &mut self,
        round: u32,
        budget: &mut usize,
        rules: &Rules,
        gone: &mut impl FnMut(PeerKey, PeerMeta),
    ) -> bool {
        let expired = |last| rules.is_expired(last);
        let finished = match &mut self.peers {
            Peers::None { .. } => return true,
            Peers::V4(peers) => {
                peers.remove_if(|_, last| expired(last), gone);
                true
            }
            Peers::V6(peers) => {
                peers.remove_if(|_, last| expired(last), gone);
                true
            }
            Peers::Socket(peers) => {
                peers.remove_if(|_, last| expired(last), gone);
                true
            }
            Peers::Large(large) => large.sweep(round, budget, expired, gone),
        };
        if finished {
            self.peers.make_small();
        }
        self.settle(rules.now);
        finished
    }

    /// Removes peers that rank at most `threshold`, `quota` at most, which it counts down. `gone` is told
    /// of each.
    pub(super) fn evict(
        &mut self,
        threshold: Rank,
        quota: &mut usize,
        now: Timestamp,
        rng: &mut fastrand::Rng,
        gone: &mut impl FnMut(PeerKey, PeerMeta),
    ) {
        let goes = |meta: PeerMeta, last| {
            let goes = *quota > 0 && Rank::new(meta.is_seen_again(), last) <= threshold;
            *quota -= usize::from(goes);
            goes
        };
        match &mut self.peers {
            Peers::None { .. } => return,
            Peers::V4(peers) => peers.remove_if(goes, gone),
            Peers::V6(peers) => peers.remove_if(goes, gone),
            Peers::Socket(peers) => peers.remove_if(goes, gone),
            Peers::Large(large) => large.evict(threshold, quota, rng, gone),
        }
        self.settle(now);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        match &self.peers {
            Peers::Large(large) => large.capacity(),
            _ => 0,
        }
    }

    fn small_ranks(&self) -> impl Iterator<Item = Rank> {
        let (v4, v6, sockets) = (self.v4(), self.v6(), self.sockets());
        let metas = v4.metas.iter().chain(v6.metas).chain(sockets.metas);
        let last = v4.last.iter().chain(v6.last).chain(sockets.last);
        metas
            .zip(last)
            .map(|(meta, &last)| Rank::new(meta.is_seen_again(), last))
    }

    /// The place of a peer among those of its kind.
    fn find(&self, key: PeerKey) -> Option<usize> {
        match (&self.peers, key) {
            (Peers::V4(peers), PeerKey::V4(addr)) => peers.find(addr),
            (Peers::V6(peers), PeerKey::V6(addr)) => peers.find(addr),
            (Peers::Socket(peers), PeerKey::Socket(key)) => peers.find(key),
            (Peers::Large(large), key) => large.find(key),
            _ => None,
        }
    }

    fn row(&self, key: PeerKey, place: usize) -> (PeerMeta, Timestamp) {
        match key {
            PeerKey::V4(_) => self.v4().row(place),
            PeerKey::V6(_) => self.v6().row(place),
            PeerKey::Socket(_) => self.sockets().row(place),
        }
    }

    fn update(
        &mut self,
        key: PeerKey,
        place: usize,
        rng: &mut fastrand::Rng,
        change: impl FnOnce(&mut PeerMeta, &mut Timestamp) -> Effect,
    ) -> Effect {
        let (meta, last) = match (&mut self.peers, key) {
            (Peers::V4(peers), _) => peers.row_mut(place),
            (Peers::V6(peers), _) => peers.row_mut(place),
            (Peers::Socket(peers), _) => peers.row_mut(place),
            (Peers::Large(large), PeerKey::V4(_)) => {
                return large.update::<PeerAddrV4, _>(place, rng, change);
            }
            (Peers::Large(large), PeerKey::V6(_)) => {
                return large.update::<PeerAddrV6, _>(place, rng, change);
            }
            (Peers::Large(large), PeerKey::Socket(_)) => {
                return large.update::<SocketKey, _>(place, rng, change);
            }
            (Peers::None { .. }, _) => return Effect::None,
        };
        change(meta, last)
    }

    fn insert(&mut self, key: PeerKey, meta: PeerMeta, rules: &Rules, rng: &mut fastrand::Rng) {
        let limited = rules.max_peers.is_some();
        if self.is_empty() {
            self.peers = match key {
                _ if limited => Peers::Large(Box::new(Large::new(true))),
                PeerKey::V4(_) => Peers::V4(Inline::new()),
                PeerKey::V6(_) => Peers::V6(Inline::new()),
                PeerKey::Socket(_) => Peers::Socket(Inline::new()),
            };
        }
        let done = match (&mut self.peers, key) {
            (Peers::V4(peers), PeerKey::V4(addr)) => peers.push(addr, meta, rules.now),
            (Peers::V6(peers), PeerKey::V6(addr)) => peers.push(addr, meta, rules.now),
            (Peers::Socket(peers), PeerKey::Socket(key)) => peers.push(key, meta, rules.now),
            _ => false,
        };
        if done {
            return;
        }
        let peers = mem::replace(&mut self.peers, Peers::None { since: rules.now });
        let mut large = peers.into_large(limited);
        match key {
            PeerKey::V4(addr) => large.insert(addr, meta, rules.now, Some(rng)),
            PeerKey::V6(addr) => large.insert(addr, meta, rules.now, Some(rng)),
            PeerKey::Socket(key) => large.insert(key, meta, rules.now, Some(rng)),
        }
        self.peers = Peers::Large(large);
    }

    fn remove(&mut self, key: PeerKey, place: usize, now: Timestamp) {
        match (&mut self.peers, key) {
            (Peers::V4(peers), _) => peers.swap_remove(place),
            (Peers::V6(peers), _) => peers.swap_remove(place),
            (Peers::Socket(peers), _) => peers.swap_remove(place),
            (Peers::Large(large), PeerKey::V4(_)) => {
                large.remove::<PeerAddrV4>(place);
            }
            (Peers::Large(large), PeerKey::V6(_)) => {
                large.remove::<PeerAddrV6>(place);
            }
            (Peers::Large(large), PeerKey::Socket(_)) => {
                large.remove::<SocketKey>(place);
            }
            (Peers::None { .. }, _) => {}
        }
        self.settle(now);
    }

    /// After a removal: a swarm without peers has no other form than [`Peers::None`].
    fn settle(&mut self, now: Timestamp) {
        if !self.is_empty() && self.peers.len() == 0 {
            self.peers = Peers::None { since: now };
        }
    }
}

/// What an announce other than `stopped` makes of a peer that is in the swarm.
///
/// `started` from a known peer, `completed` from a seeder and `paused` are regular announces. The
/// `completed` of a leecher is believed whatever it says of `left`. Else `left` decides, both ways: a
/// client whose user selects more files of a torrent is a leecher again.
fn announce_again(meta: &mut PeerMeta, announce: &AnyAnnounce) -> Effect {
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

//! Looks at swarms that change nothing.

use super::{
    Effect, Outcome, PeerSink, PeerSnapshot, SocketSink, Store, SwarmStats, Wanted, answer,
    observers::Observers, torrent::Torrent,
};
use crate::types::{AnnounceEvent, InfoHash, PeerAddr, PeerId, Timestamp};

impl Store {
    /// The numbers of a swarm; `None` if there is none. One without peers may be there for its download
    /// count.
    pub fn scrape(&self, info_hash: &InfoHash) -> Option<SwarmStats> {
        let part = &self.parts[self.part_of(info_hash)];
        part.get(info_hash).map(|swarm| swarm.stats())
    }

    /// A copy of all peers of a swarm, in no order; none if there is no such swarm. For inspection:
    /// it costs as much as the swarm is large.
    pub fn peers_of(&self, info_hash: &InfoHash) -> Vec<PeerSnapshot> {
        let part = &self.parts[self.part_of(info_hash)];
        let Some(swarm) = part.get(info_hash) else {
            return Vec::new();
        };
        swarm.all().map(|(key, meta)| key.snapshot(meta)).collect()
    }

    /// A copy of the peer at an address, at the same cost whatever the swarm's size.
    pub fn peer_of(&self, info_hash: &InfoHash, addr: PeerAddr) -> Option<PeerSnapshot> {
        let swarm = self.parts[self.part_of(info_hash)].get(info_hash)?;
        let key = addr.into();
        swarm.meta_of(key).map(|meta| key.snapshot(meta))
    }

    /// Draws peers from a swarm as the answer to an [`announce`](Self::announce) does, without one. The
    /// outcome has the swarm's numbers as they are, all 0 if there is none, and no effect.
    pub fn select(
        &self,
        info_hash: &InfoHash,
        wanted: Wanted,
        rng: &mut fastrand::Rng,
        sink: &mut impl PeerSink,
    ) -> Outcome {
        self.look(info_hash, |swarm, outcome| {
            answer::with_addrs(swarm, outcome, wanted, rng, sink);
        })
    }

    /// Draws WebSocket peers as the answer to an [`announce_socket`](Self::announce_socket) of `own`
    /// does, without one.
    pub fn select_sockets(
        &self,
        info_hash: &InfoHash,
        own: PeerId,
        wanted: usize,
        rng: &mut fastrand::Rng,
        sink: &mut impl SocketSink,
    ) -> Outcome {
        self.look(info_hash, |swarm, outcome| {
            answer::with_sockets(swarm, outcome, own, wanted, rng, sink);
        })
    }

    fn look(&self, info_hash: &InfoHash, answer: impl FnOnce(&Torrent, &Outcome)) -> Outcome {
        let seen = |swarm: &Torrent| {
            let stats = swarm.stats();
            let outcome = Outcome {
                complete: stats.complete,
                incomplete: stats.incomplete,
                downloaded: stats.downloaded,
                event: AnnounceEvent::Update,
                effect: Effect::None,
            };
            answer(swarm, &outcome);
            outcome
        };
        match self.parts[self.part_of(info_hash)].get(info_hash) {
            Some(swarm) => seen(&swarm),
            None => seen(&Torrent::new(Timestamp::default(), Observers::NONE)),
        }
    }

    /// How many pages [`page`](Self::page) has; never changes.
    pub fn pages(&self) -> usize {
        self.parts.len()
    }

    /// The torrents of one page with their numbers, in no order; empty beyond the last page. A torrent
    /// is always on the same page, and the pages are of about the same size: going over all of them lists
    /// every torrent that is there all the while once, and holds up nobody for long.
    pub fn page(&self, page: usize) -> Vec<(InfoHash, SwarmStats)> {
        let Some(part) = self.parts.get(page) else {
            return Vec::new();
        };
        part.iter()
            .map(|swarm| (*swarm.key(), swarm.stats()))
            .collect()
    }
}

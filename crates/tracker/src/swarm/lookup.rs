//! Looks at swarms that change nothing.

use super::{
    Effect, Outcome, PeerSink, PeerSnapshot, SocketSink, Store, SwarmStats, Wanted, answer,
    key::PeerKey, observers::Observers, store::Located, torrent::Torrent,
};
use crate::types::{AnnounceEvent, InfoHash, PeerAddr, PeerId, Timestamp};

impl Store {
    /// The numbers of a swarm; `None` if there is none. One without peers may be there for its download
    /// count.
    pub fn scrape(&self, info_hash: &InfoHash) -> Option<SwarmStats> {
        self.with(info_hash, Torrent::stats)
    }

    /// A copy of all peers of a swarm, in no order; none if there is no such swarm. For inspection:
    /// it costs as much as the swarm is large.
    pub fn peers_of(&self, info_hash: &InfoHash) -> Vec<PeerSnapshot> {
        let copy = |swarm: &Torrent| swarm.all().map(|(key, meta)| key.snapshot(meta)).collect();
        self.with(info_hash, copy).unwrap_or_default()
    }

    /// A copy of the peer at an address, at the same cost whatever the swarm's size.
    pub fn peer_of(&self, info_hash: &InfoHash, addr: PeerAddr) -> Option<PeerSnapshot> {
        let key = PeerKey::from(addr);
        self.with(info_hash, |swarm| swarm.meta_of(key))?
            .map(|meta| key.snapshot(meta))
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
        let Located { part, tag } = self.locate(info_hash);
        let table = self.parts[part].lock();
        match table.find(tag, info_hash) {
            Some(place) => seen(table.get(place)),
            None => seen(&Torrent::new(Timestamp::default(), Observers::NONE)),
        }
    }

    /// What `look` sees in a swarm; `None` if there is none.
    pub(super) fn with<T>(
        &self,
        info_hash: &InfoHash,
        look: impl FnOnce(&Torrent) -> T,
    ) -> Option<T> {
        let Located { part, tag } = self.locate(info_hash);
        let table = self.parts[part].lock();
        table
            .find(tag, info_hash)
            .map(|place| look(table.get(place)))
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
        part.lock()
            .iter()
            .map(|(info_hash, swarm)| (*info_hash, swarm.stats()))
            .collect()
    }
}

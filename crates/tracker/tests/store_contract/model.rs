//! The store as simple as can be: maps, lists and scans.

use std::{collections::HashMap, time::Duration};

use tracker::{
    swarm::{
        Effect, Outcome, PeerSnapshot, PeerSource, StoreCounts, SwarmConfig, SwarmStats, Wanted,
    },
    types::{AnnounceEvent, InfoHash, PeerAddr, PeerId, SocketId, Timestamp},
};

use crate::{
    answer::Answer,
    support::{Call, Key, Peer, SwarmStore, count_in},
};

/// Has no ceilings over all torrents: which of several equals goes there is not laid down.
pub(crate) struct Model {
    config: SwarmConfig,
    swarms: HashMap<InfoHash, ModelSwarm>,
}

#[derive(Default)]
struct ModelSwarm {
    downloaded: u32,
    empty_since: Timestamp,
    /// The one silent longest first.
    peers: Vec<(PeerSnapshot, Timestamp)>,
}

impl Model {
    /// Forgets a peer that the real store has let go, which must be one that may go.
    pub(crate) fn forget_expired(&mut self, info_hash: &InfoHash, key: Key, now: Timestamp) {
        let ttl = self.config.peer_ttl;
        let swarm = self.swarms.get_mut(info_hash).expect("a swarm");
        let (_, last) = swarm.take(key).expect("a peer");
        assert!(now.since(last) > ttl, "{key:?} went too early");
        swarm.empty_since = now;
        self.drop_if_worthless(info_hash);
    }

    /// Forgets a torrent without peers that the real store has let go.
    pub(crate) fn forget_empty(&mut self, info_hash: &InfoHash, now: Timestamp) {
        let swarm = self.swarms.remove(info_hash).expect("a swarm");
        assert!(swarm.is_over(self.config.completed_ttl, now));
    }

    fn drop_if_worthless(&mut self, info_hash: &InfoHash) {
        if self
            .swarms
            .get(info_hash)
            .is_some_and(|swarm| swarm.peers.is_empty() && swarm.downloaded == 0)
        {
            self.swarms.remove(info_hash);
        }
    }
}

impl ModelSwarm {
    fn stats(&self) -> SwarmStats {
        let complete = self.peers.iter().filter(|(peer, _)| peer.complete).count() as u32;
        SwarmStats {
            complete,
            incomplete: self.peers.len() as u32 - complete,
            downloaded: self.downloaded,
        }
    }

    fn is_over(&self, completed_ttl: Duration, now: Timestamp) -> bool {
        self.peers.is_empty() && now.since(self.empty_since) > completed_ttl
    }

    fn take(&mut self, key: Key) -> Option<(PeerSnapshot, Timestamp)> {
        let mut peers = self.peers.iter();
        let position = peers.position(|(peer, _)| Peer::from(peer).key() == key)?;
        Some(self.peers.remove(position))
    }

    fn announce(&mut self, call: &Call, config: &SwarmConfig, now: Timestamp) -> Effect {
        let known = self
            .take(call.peer.key())
            .filter(|&(_, last)| now.since(last) <= config.peer_ttl);
        if self.peers.is_empty() {
            self.empty_since = now;
        }
        let mut peer = PeerSnapshot {
            peer_id: call.peer.peer_id,
            source: call.peer.source,
            complete: call.left == Some(0),
        };
        let effect = match (known, call.event) {
            (None, AnnounceEvent::Stopped) => return Effect::None,
            (Some(_), AnnounceEvent::Stopped) => return Effect::Left,
            (None, _) => {
                if config.max_peers_per_swarm == Some(self.peers.len()) {
                    self.peers.remove(0);
                }
                Effect::Joined
            }
            (Some((known, _)), AnnounceEvent::Completed) if !known.complete => {
                peer.complete = true;
                self.downloaded += 1;
                Effect::Completed
            }
            (Some((known, _)), _) => {
                peer.complete = match call.left {
                    Some(left) => left == 0,
                    None => known.complete,
                };
                Effect::Updated
            }
        };
        self.peers.push((peer, now));
        effect
    }
}

impl SwarmStore for Model {
    fn with(config: SwarmConfig) -> Self {
        Self {
            config,
            swarms: HashMap::new(),
        }
    }

    fn announce(
        &mut self,
        call: &Call,
        wanted: Wanted,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Answer {
        let swarm = self.swarms.entry(call.info_hash).or_default();
        let effect = swarm.announce(call, &self.config, now);
        let stats = swarm.stats();
        let mut peers: Vec<_> = swarm
            .peers
            .iter()
            .map(|&(peer, _)| peer)
            .filter(|peer| match (call.peer.source, peer.source) {
                (PeerSource::Addr(_), PeerSource::Addr(PeerAddr::V4(_))) => wanted.v4,
                (PeerSource::Addr(_), PeerSource::Addr(PeerAddr::V6(_))) => wanted.v6,
                (PeerSource::Socket(_), PeerSource::Socket(_)) => peer.peer_id != call.peer.peer_id,
                _ => false,
            })
            .collect();
        rng.shuffle(&mut peers);
        peers.truncate(wanted.count);
        self.drop_if_worthless(&call.info_hash);
        let (peers, sockets) = match call.peer.source {
            PeerSource::Addr(_) => (peers, Vec::new()),
            PeerSource::Socket(_) => (Vec::new(), peers.iter().map(Peer::from).collect()),
        };
        Answer {
            outcome: Outcome {
                complete: stats.complete,
                incomplete: stats.incomplete,
                downloaded: stats.downloaded,
                event: call.event,
                effect,
            },
            peers,
            sockets,
        }
    }

    fn leave_socket(
        &mut self,
        info_hash: &InfoHash,
        peer_id: PeerId,
        socket: SocketId,
        now: Timestamp,
    ) -> bool {
        let key = (PeerSource::Socket(socket), Some(peer_id));
        let Some(swarm) = self.swarms.get_mut(info_hash) else {
            return false;
        };
        if swarm.take(key).is_none() {
            return false;
        }
        if swarm.peers.is_empty() {
            swarm.empty_since = now;
        }
        self.drop_if_worthless(info_hash);
        true
    }

    fn scrape(&self, info_hash: &InfoHash) -> Option<SwarmStats> {
        self.swarms.get(info_hash).map(ModelSwarm::stats)
    }

    fn peers_of(&self, info_hash: &InfoHash) -> Vec<PeerSnapshot> {
        let peers = self.swarms.get(info_hash).map(|swarm| &swarm.peers);
        peers.into_iter().flatten().map(|&(peer, _)| peer).collect()
    }

    fn remove(&mut self, info_hash: &InfoHash) -> bool {
        self.swarms.remove(info_hash).is_some()
    }

    fn expire_all(&mut self, now: Timestamp) -> usize {
        let before = self.counts().peers();
        let config = &self.config;
        self.swarms.retain(|_, swarm| {
            let was_empty = swarm.peers.is_empty();
            swarm
                .peers
                .retain(|&(_, last)| now.since(last) <= config.peer_ttl);
            if swarm.peers.is_empty() && !was_empty {
                swarm.empty_since = now;
            }
            let worthless = swarm.peers.is_empty() && swarm.downloaded == 0;
            !worthless && !swarm.is_over(config.completed_ttl, now)
        });
        before - self.counts().peers()
    }

    fn counts(&self) -> StoreCounts {
        let peers = || self.swarms.values().flat_map(|swarm| &swarm.peers);
        let mut counts = StoreCounts {
            torrents: self.swarms.len(),
            seeders: peers().filter(|(peer, _)| peer.complete).count(),
            ..StoreCounts::default()
        };
        peers().for_each(|(peer, _)| count_in(&mut counts, peer.source));
        counts
    }

    fn swarms(&self) -> Vec<(InfoHash, SwarmStats)> {
        let swarms = self.swarms.iter();
        swarms.map(|(hash, swarm)| (*hash, swarm.stats())).collect()
    }
}

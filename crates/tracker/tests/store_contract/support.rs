//! The interface that the contract is stated against, and short ways to write announces.

use std::{collections::BTreeSet, time::Duration};

use tracker::{
    swarm::{PeerSnapshot, PeerSource, Store, StoreCounts, SwarmConfig, SwarmStats, Wanted},
    types::{
        AnnounceEvent, InfoHash, PeerAddr, PeerAddrV4, PeerAddrV6, PeerId, SocketId, Timestamp,
    },
};

use crate::answer::{Answer, answer_of};

/// A store of swarms, as the contract sees it.
pub(crate) trait SwarmStore {
    fn with(config: SwarmConfig) -> Self;
    /// Who announces over a WebSocket gets `wanted.count` peers, whatever the families wanted.
    fn announce(
        &mut self,
        call: &Call,
        wanted: Wanted,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Answer;
    fn leave_socket(
        &mut self,
        info_hash: &InfoHash,
        peer_id: PeerId,
        socket: SocketId,
        now: Timestamp,
    ) -> bool;
    fn scrape(&self, info_hash: &InfoHash) -> Option<SwarmStats>;
    fn peers_of(&self, info_hash: &InfoHash) -> Vec<PeerSnapshot>;
    fn remove(&mut self, info_hash: &InfoHash) -> bool;
    /// A whole round of expiry; returns how many peers went.
    fn expire_all(&mut self, now: Timestamp) -> usize;
    fn counts(&self) -> StoreCounts;
    fn swarms(&self) -> Vec<(InfoHash, SwarmStats)>;
}

impl SwarmStore for Store {
    fn with(config: SwarmConfig) -> Self {
        Self::new(config)
    }

    fn announce(
        &mut self,
        call: &Call,
        wanted: Wanted,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Answer {
        answer_of(self, call, wanted, now, rng)
    }

    fn leave_socket(
        &mut self,
        info_hash: &InfoHash,
        peer_id: PeerId,
        socket: SocketId,
        now: Timestamp,
    ) -> bool {
        Self::leave_socket(self, info_hash, peer_id, socket, now)
    }

    fn scrape(&self, info_hash: &InfoHash) -> Option<SwarmStats> {
        self.scrape(info_hash)
    }

    fn peers_of(&self, info_hash: &InfoHash) -> Vec<PeerSnapshot> {
        self.peers_of(info_hash)
    }

    fn remove(&mut self, info_hash: &InfoHash) -> bool {
        Self::remove(self, info_hash)
    }

    fn expire_all(&mut self, now: Timestamp) -> usize {
        Self::expire_all(self, now).peers
    }

    fn counts(&self) -> StoreCounts {
        self.counts()
    }

    fn swarms(&self) -> Vec<(InfoHash, SwarmStats)> {
        (0..self.pages()).flat_map(|page| self.page(page)).collect()
    }
}

/// A peer as it speaks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peer {
    pub(crate) source: PeerSource,
    pub(crate) peer_id: PeerId,
}

/// What a peer is known by: an address may change its peer id, a socket has a peer for each.
pub(crate) type Key = (PeerSource, Option<PeerId>);

impl Peer {
    pub(crate) fn key(self) -> Key {
        let is_socket = matches!(self.source, PeerSource::Socket(_));
        (self.source, is_socket.then_some(self.peer_id))
    }
}

impl From<PeerAddr> for Peer {
    fn from(addr: PeerAddr) -> Self {
        Self {
            source: PeerSource::Addr(addr),
            peer_id: PeerId([b'p'; 20]),
        }
    }
}

impl From<&PeerSnapshot> for Peer {
    fn from(peer: &PeerSnapshot) -> Self {
        Self {
            source: peer.source,
            peer_id: peer.peer_id,
        }
    }
}

/// An announce of a peer of any kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) info_hash: InfoHash,
    pub(crate) peer: Peer,
    pub(crate) event: AnnounceEvent,
    pub(crate) left: Option<u64>,
}

pub(crate) fn keys(peers: impl IntoIterator<Item = impl Into<Peer>>) -> BTreeSet<Key> {
    peers.into_iter().map(|peer| peer.into().key()).collect()
}

/// Counts a peer by its kind.
pub(crate) fn count_in(counts: &mut StoreCounts, source: PeerSource) {
    *match source {
        PeerSource::Addr(PeerAddr::V4(_)) => &mut counts.peers_v4,
        PeerSource::Addr(PeerAddr::V6(_)) => &mut counts.peers_v6,
        PeerSource::Socket(_) => &mut counts.peers_ws,
    } += 1;
}

pub(crate) const START: Timestamp = Timestamp::from_secs(100_000);

pub(crate) const ALL: Wanted = Wanted {
    v4: true,
    v6: true,
    count: usize::MAX,
};

pub(crate) fn after(secs: u64) -> Timestamp {
    START.plus(Duration::from_secs(secs))
}

pub(crate) fn hash(number: u32) -> InfoHash {
    let mut hash = InfoHash([0xab; 20]);
    hash.0[16..].copy_from_slice(&number.to_be_bytes());
    hash
}

pub(crate) fn v4(number: u16) -> PeerAddr {
    let [a, b] = number.to_be_bytes();
    PeerAddr::V4(PeerAddrV4([192, 0, a, b, 0x1a, 0xe1]))
}

pub(crate) fn v6(number: u16) -> PeerAddr {
    let mut bytes = [0; 18];
    bytes[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    bytes[14..16].copy_from_slice(&number.to_be_bytes());
    bytes[17] = 80;
    PeerAddr::V6(PeerAddrV6(bytes))
}

/// A peer with a socket and a peer id of its own.
pub(crate) fn ws(number: u16) -> Peer {
    let mut peer_id = PeerId([b'w'; 20]);
    peer_id.0[18..].copy_from_slice(&number.to_be_bytes());
    on_socket(number.into(), peer_id)
}

pub(crate) fn on_socket(socket: u64, peer_id: PeerId) -> Peer {
    Peer {
        source: PeerSource::Socket(SocketId(socket)),
        peer_id,
    }
}

/// Peers of every kind by their numbers.
pub(crate) const KINDS: [fn(u16) -> Peer; 3] = [
    |number| v4(number).into(),
    |number| v6(number).into(),
    |number| ws(number),
];

/// An announce for torrent 1.
pub(crate) fn announce(peer: impl Into<Peer>, event: AnnounceEvent, left: Option<u64>) -> Call {
    Call {
        info_hash: hash(1),
        peer: peer.into(),
        event,
        left,
    }
}

/// Few locks, so that eviction is exact: it looks at no more than four parts of the store.
pub(crate) fn config() -> SwarmConfig {
    SwarmConfig {
        shards: 2,
        ..SwarmConfig::default()
    }
}

/// A store with a clock and a random source.
pub(crate) struct Fixture<S> {
    pub(crate) store: S,
    pub(crate) rng: fastrand::Rng,
    pub(crate) secs: u64,
}

impl<S: SwarmStore> Fixture<S> {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn limited(max_peers_per_swarm: usize) -> Self {
        Self::with(SwarmConfig {
            max_peers_per_swarm: Some(max_peers_per_swarm),
            ..config()
        })
    }

    pub(crate) fn with(config: SwarmConfig) -> Self {
        Self {
            store: S::with(config),
            rng: fastrand::Rng::with_seed(7),
            secs: 0,
        }
    }

    pub(crate) fn announce(
        &mut self,
        peer: impl Into<Peer>,
        event: AnnounceEvent,
        left: Option<u64>,
    ) -> Answer {
        self.ask(peer, event, left, ALL)
    }

    /// The socket of a peer of torrent 1 is closed.
    pub(crate) fn leave(&mut self, peer: Peer) -> bool {
        let PeerSource::Socket(socket) = peer.source else {
            panic!("{peer:?} has no socket");
        };
        let now = after(self.secs);
        self.store.leave_socket(&hash(1), peer.peer_id, socket, now)
    }

    pub(crate) fn ask(
        &mut self,
        peer: impl Into<Peer>,
        event: AnnounceEvent,
        left: Option<u64>,
        wanted: Wanted,
    ) -> Answer {
        let now = after(self.secs);
        let announce = announce(peer, event, left);
        let answer = self.store.announce(&announce, wanted, now, &mut self.rng);
        assert_eq!(answer.outcome.event, event, "listeners hear what was sent");
        answer
    }

    /// The peers of torrent 1.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        keys(&self.store.peers_of(&hash(1)))
    }

    /// Seeders, leechers, downloads.
    pub(crate) fn numbers(&self) -> Option<(u32, u32, u32)> {
        let stats = self.store.scrape(&hash(1))?;
        Some((stats.complete, stats.incomplete, stats.downloaded))
    }
}

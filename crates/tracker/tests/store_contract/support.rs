//! The interface that the contract is stated against, and short ways to write announces.

use std::{collections::BTreeSet, time::Duration};

use tracker::{
    swarm::{
        Announce, Outcome, PeerSink, PeerSnapshot, Run, Store, StoreCounts, SwarmConfig,
        SwarmStats, Wanted,
    },
    types::{AnnounceEvent, InfoHash, PeerAddr, PeerAddrV4, PeerAddrV6, PeerId, Timestamp},
};

/// A store of swarms, as the contract sees it.
pub(crate) trait SwarmStore {
    fn with(config: SwarmConfig) -> Self;
    fn announce(
        &mut self,
        announce: &Announce,
        wanted: Wanted,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Answer;
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
        announce: &Announce,
        wanted: Wanted,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Answer {
        answer_of(self, announce, wanted, now, rng)
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

/// Everything an announce gave back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) peers: Vec<PeerSnapshot>,
}

impl Answer {
    pub(crate) fn addrs(&self) -> BTreeSet<PeerAddr> {
        self.peers.iter().map(|peer| peer.addr).collect()
    }
}

/// An announce through a sink that holds the store to the order and numbers that it promised.
pub(crate) fn answer_of(
    store: &Store,
    announce: &Announce,
    wanted: Wanted,
    now: Timestamp,
    rng: &mut fastrand::Rng,
) -> Answer {
    let mut sink = Collector::default();
    let outcome = store.announce(announce, wanted, now, rng, &mut sink);
    assert_eq!(sink.begun, Some(outcome), "begin is called once, with it");
    assert_eq!((sink.v4, sink.v6), (sink.promised_v4, sink.promised_v6));
    Answer {
        outcome,
        peers: sink.peers,
    }
}

#[derive(Default)]
struct Collector {
    begun: Option<Outcome>,
    promised_v4: usize,
    promised_v6: usize,
    v4: usize,
    v6: usize,
    peers: Vec<PeerSnapshot>,
}

impl Collector {
    fn take<A: Copy>(&mut self, run: Run<'_, A>, addr: impl Fn(A) -> PeerAddr) -> usize {
        assert!(self.begun.is_some(), "begin comes first");
        assert!(!run.addrs.is_empty());
        assert_eq!(run.addrs.len(), run.peers.len());
        for (&own, peer) in run.addrs.iter().zip(run.peers) {
            self.peers.push(PeerSnapshot {
                peer_id: peer.peer_id,
                addr: addr(own),
                complete: peer.is_seeder(),
            });
        }
        run.addrs.len()
    }
}

impl PeerSink for Collector {
    fn begin(&mut self, outcome: &Outcome, v4: usize, v6: usize) {
        assert_eq!(self.begun, None, "begin is called once");
        self.begun = Some(*outcome);
        (self.promised_v4, self.promised_v6) = (v4, v6);
    }

    fn v4(&mut self, run: Run<'_, PeerAddrV4>) {
        assert_eq!(self.v6, 0, "IPv4 comes first");
        self.v4 += self.take(run, PeerAddr::V4);
    }

    fn v6(&mut self, run: Run<'_, PeerAddrV6>) {
        self.v6 += self.take(run, PeerAddr::V6);
    }
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

/// An announce for torrent 1.
pub(crate) fn announce(addr: PeerAddr, event: AnnounceEvent, left: Option<u64>) -> Announce {
    Announce {
        info_hash: hash(1),
        peer_id: PeerId([b'p'; 20]),
        addr,
        event,
        left,
    }
}

/// Few locks, so that eviction is exact: it looks at no more than four parts of the store.
pub(crate) fn config() -> SwarmConfig {
    SwarmConfig {
        shards: 4,
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
        addr: PeerAddr,
        event: AnnounceEvent,
        left: Option<u64>,
    ) -> Answer {
        self.ask(addr, event, left, ALL)
    }

    pub(crate) fn ask(
        &mut self,
        addr: PeerAddr,
        event: AnnounceEvent,
        left: Option<u64>,
        wanted: Wanted,
    ) -> Answer {
        let now = after(self.secs);
        let announce = announce(addr, event, left);
        let answer = self.store.announce(&announce, wanted, now, &mut self.rng);
        assert_eq!(answer.outcome.event, event, "listeners hear what was sent");
        answer
    }

    /// Seeders, leechers, downloads.
    pub(crate) fn numbers(&self) -> Option<(u32, u32, u32)> {
        let stats = self.store.scrape(&hash(1))?;
        Some((stats.complete, stats.incomplete, stats.downloaded))
    }
}

//! The concurrent map of swarms.

use std::sync::Mutex;

use ahash::RandomState;
use dashmap::{DashMap, Entry};

use super::{
    Announce, Effect, Outcome, PeerSink, PeerSnapshot, Run, StoreCounts, SwarmConfig, SwarmStats,
    Wanted,
    counters::Counters,
    eviction::Full,
    expiry::Round,
    heap::Rows,
    newcomers::Newcomers,
    rank::{Bounds, Rank},
    select,
    torrent::{Rules, Torrent},
};
use crate::types::{AnnounceEvent, InfoHash, PeerAddr, Timestamp};

/// One of the maps that the torrents are spread over.
pub(super) type Part = DashMap<InfoHash, Torrent, RandomState>;

/// Locks of one part; `DashMap` takes no fewer.
const LOCKS_PER_PART: usize = 2;

/// An announce makes room this often before it goes in regardless: another thread may take the room
/// each time, and none must wait for ever.
const ROOM_TRIES: usize = 4;

/// All torrents and their peers. See the [module](super) for what holds of it.
pub struct Store {
    pub(super) config: SwarmConfig,
    /// A thousand and more small maps instead of a large one. Expiry and eviction go over one of them
    /// at a time with `retain`, which locks a two-thousandth of all torrents at once and ends soon.
    /// `retain` on a single map cannot stop half-way, and going over its shards one by one takes
    /// `DashMap`'s raw interface, which is unsafe. The growth of a table, too, stops no more than a few
    /// thousandths of all announces.
    pub(super) parts: Box<[Part]>,
    /// Keyed at random, as is that of each map: info hashes are chosen by whoever announces.
    hasher: RandomState,
    pub(super) counters: Counters,
    /// Per part, the rank of the peer that goes first when there are too many.
    pub(super) peer_bounds: Bounds,
    /// Per part, the rank of the torrent that goes first when there are too many.
    pub(super) torrent_bounds: Bounds,
    pub(super) new_peers: Newcomers,
    pub(super) new_torrents: Newcomers,
    pub(super) round: Mutex<Round>,
}

impl Store {
    /// A store without torrents.
    pub fn new(config: SwarmConfig) -> Self {
        let config = config.normalised();
        let parts = config.shards / LOCKS_PER_PART;
        let hasher = RandomState::new();
        Self {
            parts: (0..parts)
                .map(|_| DashMap::with_hasher_and_shard_amount(hasher.clone(), LOCKS_PER_PART))
                .collect(),
            hasher,
            counters: Counters::default(),
            peer_bounds: Bounds::new(parts),
            torrent_bounds: Bounds::new(parts),
            new_peers: Newcomers::default(),
            new_torrents: Newcomers::default(),
            round: Mutex::new(Round::default()),
            config,
        }
    }

    /// Takes an announce in and answers it.
    ///
    /// The answer is drawn from the swarm after the announce: the announcing peer may be in it, unless
    /// it stopped. Peers that are silent for too long count and are handed out until
    /// [`expire`](Self::expire) comes by or they announce; such an announce is a new peer's.
    ///
    /// - `started` from a known peer, `paused`, and `completed` from a seeder are regular announces.
    /// - `stopped` from an unknown peer does nothing, and makes no swarm.
    /// - Any other event from an unknown peer lets it join, as a seeder if `left` is 0.
    /// - `completed` from a leecher makes it a seeder and counts a download.
    /// - A regular announce makes a seeder of a peer whose `left` is 0, and a leecher of one whose `left`
    ///   is known and above 0. No download is counted.
    pub fn announce(
        &self,
        announce: &Announce,
        wanted: Wanted,
        now: Timestamp,
        rng: &mut fastrand::Rng,
        sink: &mut impl PeerSink,
    ) -> Outcome {
        for _ in 0..ROOM_TRIES {
            match self.try_announce(announce, wanted, now, rng, sink, true) {
                Ok(outcome) => return outcome,
                // Without the guard: what has to go may lie behind the same lock.
                Err(full) => self.make_room(full, now, rng),
            }
        }
        self.try_announce(announce, wanted, now, rng, sink, false)
            .unwrap_or_else(|_| outcome(announce, SwarmStats::default(), Effect::None))
    }

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
        let (v4, v6) = (swarm.v4(), swarm.v6());
        let v4 = v4.addrs.iter().zip(v4.metas);
        let v6 = v6.addrs.iter().zip(v6.metas);
        v4.map(|(&addr, meta)| (PeerAddr::V4(addr), meta))
            .chain(v6.map(|(&addr, meta)| (PeerAddr::V6(addr), meta)))
            .map(|(addr, meta)| PeerSnapshot {
                peer_id: meta.peer_id,
                addr,
                complete: meta.is_seeder(),
            })
            .collect()
    }

    /// Forgets a swarm, peers, download count and all. False if there was none.
    pub fn remove(&self, info_hash: &InfoHash) -> bool {
        match self.parts[self.part_of(info_hash)].entry(*info_hash) {
            Entry::Occupied(entry) => {
                let tally = entry.get().tally();
                self.counters
                    .changed(tally, super::counters::Tally::default());
                self.counters.torrent_removed();
                entry.remove();
                true
            }
            Entry::Vacant(_) => false,
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

    /// What there is in all. Kept, not counted.
    pub fn counts(&self) -> StoreCounts {
        self.counters.snapshot()
    }

    /// Torrents, those without peers that are kept for their download count included.
    pub fn torrents(&self) -> usize {
        self.counters.torrents()
    }

    /// Peers of both families; one that is in two swarms counts twice.
    pub fn peers(&self) -> usize {
        self.counters.peers()
    }

    pub(super) const fn rules(&self, now: Timestamp) -> Rules {
        Rules {
            now,
            peer_ttl: self.config.peer_ttl,
            max_peers: self.config.max_peers_per_swarm,
        }
    }

    /// `Err` if the announce would go over a ceiling and `limited` is set; it has changed nothing then.
    fn try_announce(
        &self,
        announce: &Announce,
        wanted: Wanted,
        now: Timestamp,
        rng: &mut fastrand::Rng,
        sink: &mut impl PeerSink,
        limited: bool,
    ) -> Result<Outcome, Full> {
        let rules = self.rules(now);
        let part = self.part_of(&announce.info_hash);
        match self.parts[part].entry(announce.info_hash) {
            Entry::Occupied(mut entry) => {
                let swarm = entry.get_mut();
                if limited
                    && self.peers() >= self.config.max_peers
                    && swarm.would_grow(announce, rules.max_peers)
                {
                    return Err(Full::Peers);
                }
                let outcome = self.announce_to(swarm, part, announce, &rules, rng);
                answer(swarm, &outcome, wanted, rng, sink);
                if swarm.is_worthless() {
                    self.counters.torrent_removed();
                    entry.remove();
                }
                Ok(outcome)
            }
            Entry::Vacant(entry) => {
                if announce.event == AnnounceEvent::Stopped {
                    drop(entry);
                    let outcome = outcome(announce, SwarmStats::default(), Effect::None);
                    sink.begin(&outcome, 0, 0);
                    return Ok(outcome);
                }
                if limited && self.torrents() >= self.config.max_torrents {
                    return Err(Full::Torrents);
                }
                if limited && self.peers() >= self.config.max_peers {
                    return Err(Full::Peers);
                }
                self.counters.torrent_added();
                let newcomer = (announce.info_hash, announce.addr);
                self.new_torrents
                    .push(newcomer, self.torrents(), self.config.max_torrents);
                let mut swarm = entry.insert(Torrent::new(now));
                let outcome = self.announce_to(&mut swarm, part, announce, &rules, rng);
                answer(&swarm, &outcome, wanted, rng, sink);
                Ok(outcome)
            }
        }
    }

    fn announce_to(
        &self,
        swarm: &mut Torrent,
        part: usize,
        announce: &Announce,
        rules: &Rules,
        rng: &mut fastrand::Rng,
    ) -> Outcome {
        let before = swarm.tally();
        let effect = swarm.announce(announce, rules, rng);
        let after = swarm.tally();
        self.counters.changed(before, after);
        // Only a newcomer and a removal lower a rank.
        if effect == Effect::Joined {
            self.peer_bounds.note(part, Rank::new(false, rules.now));
            let newcomer = (announce.info_hash, announce.addr);
            self.new_peers
                .push(newcomer, self.peers(), self.config.max_peers);
        }
        if effect == Effect::Joined || after.peers() < before.peers() {
            self.torrent_bounds.note(part, swarm.torrent_rank());
        }
        outcome(announce, swarm.stats(), effect)
    }

    /// The part of a torrent, by other bits of the hash than those that `DashMap` picks a shard (high) and
    /// a bucket (low) by.
    pub(super) fn part_of(&self, info_hash: &InfoHash) -> usize {
        (self.hasher.hash_one(info_hash) >> 32) as usize & (self.parts.len() - 1)
    }
}

fn outcome(announce: &Announce, stats: SwarmStats, effect: Effect) -> Outcome {
    Outcome {
        complete: stats.complete,
        incomplete: stats.incomplete,
        downloaded: stats.downloaded,
        event: announce.event,
        effect,
    }
}

/// Hands peers of a swarm to the sink.
fn answer(
    swarm: &Torrent,
    outcome: &Outcome,
    wanted: Wanted,
    rng: &mut fastrand::Rng,
    sink: &mut impl PeerSink,
) {
    let (v4, v6) = (swarm.v4(), swarm.v6());
    let (from_v4, from_v6) = select::share(wanted, v4.addrs.len(), v6.addrs.len(), rng);
    sink.begin(outcome, from_v4, from_v6);
    each_run(v4, from_v4, rng, |run| sink.v4(run));
    each_run(v6, from_v6, rng, |run| sink.v6(run));
}

fn each_run<A: Copy>(
    rows: Rows<'_, A>,
    count: usize,
    rng: &mut fastrand::Rng,
    mut take: impl FnMut(Run<'_, A>),
) {
    for window in select::windows(rows.addrs.len(), count, rng) {
        take(Run {
            addrs: &rows.addrs[window.clone()],
            peers: &rows.metas[window],
        });
    }
}

//! The concurrent map of swarms.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::RandomState;

use super::{
    Announce, Effect, Outcome, PeerSink, SocketAnnounce, SocketSink, StoreCounts, SwarmConfig,
    SwarmStats, Wanted,
    announce::AnyAnnounce,
    answer,
    census::Census,
    counters::Counters,
    eviction::Full,
    expiry::Round,
    lookahead::Draws,
    newcomers::Newcomers,
    observers::Observers,
    rank::{Bounds, Rank},
    slots::Tag,
    table::Table,
    torrent::{Rules, Torrent},
    watch::Watch,
};
use crate::types::{AnnounceEvent, InfoHash, Timestamp};

/// One of the tables that the torrents are spread over, on cache lines of its own.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Part(Mutex<Table>);

/// An announce makes room this often before it goes in regardless: another thread may take the room
/// each time, and none must wait for ever.
const ROOM_TRIES: usize = 4;

/// All torrents and their peers. See the [module](super) for what holds of it.
pub struct Store {
    pub(super) config: SwarmConfig,
    /// A thousand and more small tables instead of a large one. Expiry and eviction go over one of them
    /// at a time, which locks a two-thousandth of all torrents at once and ends soon. The growth of a
    /// table, too, stops no more than that.
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
    pub(super) census: Census,
    pub(super) watch: Watch,
}

impl Store {
    /// A store without torrents.
    pub fn new(config: SwarmConfig) -> Self {
        let config = config.normalised();
        let parts = config.shards;
        let hasher = RandomState::new();
        Self {
            parts: (0..parts).map(|_| Part::default()).collect(),
            census: Census::new(&hasher),
            watch: Watch::default(),
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
        let answer = |swarm: &Torrent, outcome: &Outcome, rng: &mut fastrand::Rng| {
            answer::with_addrs(swarm, outcome, wanted, rng, sink);
        };
        self.announce_any(&announce.into(), now, rng, answer)
    }

    /// Takes the announce of a WebSocket peer in and answers it. The rules are those of
    /// [`announce`](Self::announce), and so are the limits; a full swarm may drop a peer of either sort.
    ///
    /// The answer has up to `wanted` other WebSocket peers of the swarm, at random and none twice: never
    /// the announcing peer, nor one of the same peer id behind another socket, which is taken for an old
    /// socket of the same client. It has exactly `wanted`, or all there are; it may have fewer if more
    /// than 16 peers of the swarm have the announcer's peer id.
    pub fn announce_socket(
        &self,
        announce: &SocketAnnounce,
        wanted: usize,
        now: Timestamp,
        rng: &mut fastrand::Rng,
        sink: &mut impl SocketSink,
    ) -> Outcome {
        let answer = |swarm: &Torrent, outcome: &Outcome, rng: &mut fastrand::Rng| {
            answer::with_sockets(swarm, outcome, announce.peer_id, wanted, rng, sink);
        };
        self.announce_any(&announce.into(), now, rng, answer)
    }

    /// What there is in all. Kept, not counted.
    pub fn counts(&self) -> StoreCounts {
        self.counters.snapshot()
    }

    /// Torrents, those without peers that are kept for their download count included.
    pub fn torrents(&self) -> usize {
        self.counters.torrents()
    }

    /// Peers of all kinds; one that is in two swarms counts twice.
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

    /// Takes an announce in and has it answered, once, while the swarm is locked.
    fn announce_any(
        &self,
        announce: &AnyAnnounce,
        now: Timestamp,
        rng: &mut fastrand::Rng,
        mut answer: impl FnMut(&Torrent, &Outcome, &mut fastrand::Rng),
    ) -> Outcome {
        for _ in 0..ROOM_TRIES {
            match self.try_announce(announce, now, rng, &mut answer, true) {
                Ok(outcome) => return outcome,
                // Without the guard: what has to go may lie behind the same lock.
                Err(full) => self.make_room(full, now, rng),
            }
        }
        self.try_announce(announce, now, rng, &mut answer, false)
            .unwrap_or_else(|_| outcome(announce, SwarmStats::default(), Effect::None))
    }

    /// `Err` if the announce would go over a ceiling and `limited` is set; it has changed nothing then.
    fn try_announce(
        &self,
        announce: &AnyAnnounce,
        now: Timestamp,
        rng: &mut fastrand::Rng,
        answer: &mut impl FnMut(&Torrent, &Outcome, &mut fastrand::Rng),
        limited: bool,
    ) -> Result<Outcome, Full> {
        let rules = self.rules(now);
        let Draws {
            mut change,
            answer: mut draws,
        } = Draws::new(rng);
        let Located { part, tag } = self.locate(&announce.info_hash);
        let mut table = self.parts[part].lock();
        if let Some(place) = table.find(tag, &announce.info_hash) {
            let swarm = table.get_mut(place);
            if limited
                && self.peers() >= self.config.max_peers
                && swarm.would_grow(announce, rules.max_peers)
            {
                return Err(Full::Peers);
            }
            let outcome = self.announce_to(swarm, part, announce, &rules, &mut change);
            answer(swarm, &outcome, &mut draws);
            if swarm.is_worthless() {
                self.counters.torrent_removed();
                table.remove(place);
            }
            return Ok(outcome);
        }
        if announce.event == AnnounceEvent::Stopped {
            drop(table);
            let outcome = outcome(announce, SwarmStats::default(), Effect::None);
            let none = Torrent::new(now, Observers::NONE);
            answer(&none, &outcome, &mut draws);
            return Ok(outcome);
        }
        if limited && self.torrents() >= self.config.max_torrents {
            return Err(Full::Torrents);
        }
        if limited && self.peers() >= self.config.max_peers {
            return Err(Full::Peers);
        }
        self.counters.torrent_added();
        let newcomer = (announce.info_hash, announce.key);
        self.new_torrents
            .push(newcomer, self.torrents(), self.config.max_torrents);
        let observers = self.observers_of(&announce.info_hash);
        let place = table.insert(tag, announce.info_hash, Torrent::new(now, observers));
        let swarm = table.get_mut(place);
        let outcome = self.announce_to(swarm, part, announce, &rules, &mut change);
        answer(swarm, &outcome, &mut draws);
        Ok(outcome)
    }

    fn announce_to(
        &self,
        swarm: &mut Torrent,
        part: usize,
        announce: &AnyAnnounce,
        rules: &Rules,
        rng: &mut fastrand::Rng,
    ) -> Outcome {
        let before = swarm.tally();
        let effect = if swarm.observers.is_none() {
            swarm.announce(announce, rules, rng, &mut |_, _| {})
        } else {
            self.announce_observed(swarm, announce, rules, rng)
        };
        let after = swarm.tally();
        self.counters.changed(before, after);
        // Only a newcomer and a removal lower a rank.
        if effect == Effect::Joined {
            self.peer_bounds.note(part, Rank::new(false, rules.now));
            let newcomer = (announce.info_hash, announce.key);
            self.new_peers
                .push(newcomer, self.peers(), self.config.max_peers);
        }
        if effect == Effect::Joined || after.peers() < before.peers() {
            self.torrent_bounds.note(part, swarm.torrent_rank());
        }
        outcome(announce, swarm.stats_of(after), effect)
    }

    /// Where a torrent is, if it is anywhere.
    pub(super) fn locate(&self, info_hash: &InfoHash) -> Located {
        let hash = self.hasher.hash_one(info_hash);
        Located {
            part: (hash >> 32) as usize & (self.parts.len() - 1),
            tag: hash as Tag,
        }
    }
}

/// Which of the tables a torrent belongs to, and what that finds it by: different bits of one hash.
#[derive(Clone, Copy)]
pub(super) struct Located {
    pub(super) part: usize,
    pub(super) tag: Tag,
}

impl Part {
    /// Looks at the table, unless that would be a wait.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Table) -> T) -> Option<T> {
        self.0.try_lock().ok().map(|table| look(&table))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        // A table is valid whenever other code runs: a panic elsewhere is no reason to stop for good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn outcome(announce: &AnyAnnounce, stats: SwarmStats, effect: Effect) -> Outcome {
    Outcome {
        complete: stats.complete,
        incomplete: stats.incomplete,
        downloaded: stats.downloaded,
        event: announce.event,
        effect,
    }
}

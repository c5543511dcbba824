//! Removal of what has been silent for too long, a small step at a time.

use std::sync::{PoisonError, TryLockError};

use super::{
    Store,
    observers::Why,
    rank::Rank,
    torrent::{Rules, Torrent},
};
use crate::types::Timestamp;

/// What a step of expiry did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Peers removed.
    pub peers: usize,
    /// Torrents removed.
    pub torrents: usize,
    /// This step was the last of a round: every torrent has been looked at since the round began. The
    /// next step begins another.
    pub round_finished: bool,
}

/// Steps that a part is looked at in: announces wait no longer for expiry than one of them takes.
const STEPS_A_PART: usize = 8;

/// So many torrents are looked at together in any case.
const MIN_TORRENTS: usize = 16;

/// Where the current round of expiry is.
pub(super) struct Round {
    /// The part to look at next.
    part: usize,
    /// The torrents of it not looked at yet are those before this place; `None` when it is not begun.
    /// What joins comes behind, and removal moves the last of all into the gap.
    rest: Option<usize>,
    /// Counts the rounds, from 1.
    number: u32,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            part: 0,
            rest: None,
            number: 1,
        }
    }
}

impl Store {
    /// One step of expiry: looks at some torrents of one [`page`](Self::page), and at `budget` peers of
    /// its large swarms at most (1 at least). Some hundreds are a good budget. A round takes
    /// [`steps_a_round`](Self::steps_a_round) at most, and one more for each `budget` of peers in a large
    /// swarm.
    ///
    /// Spread a round over about a minute: until it comes by, what is silent for too long is still
    /// counted and handed out. While another thread is at it, this does nothing and does not wait.
    pub fn expire(&self, now: Timestamp, budget: usize) -> Expired {
        self.expire_if(|| true, now, budget).unwrap_or_default()
    }

    /// The same if `due` says so, which is asked when no other thread is at it; else `None`.
    pub fn expire_if(
        &self,
        due: impl FnOnce() -> bool,
        now: Timestamp,
        budget: usize,
    ) -> Option<Expired> {
        let mut round = match self.round.try_lock() {
            Ok(round) => round,
            // A round is valid at every step: a panic elsewhere is no reason to stop expiry for good.
            Err(TryLockError::Poisoned(round)) => round.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        due().then(|| self.step(&mut round, now, budget.max(1)))
    }

    /// How many steps a round takes; fewer in a small store.
    pub fn steps_a_round(&self) -> usize {
        self.parts.len() * STEPS_A_PART
    }

    /// A whole round at once. For tests and tools: the store may be large.
    pub fn expire_all(&self, now: Timestamp) -> Expired {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        *round = Round {
            part: 0,
            rest: None,
            number: round.number.wrapping_add(1).max(1),
        };
        let mut total = Expired::default();
        while !total.round_finished {
            let step = self.step(&mut round, now, usize::MAX);
            total.peers += step.peers;
            total.torrents += step.torrents;
            total.round_finished = step.round_finished;
        }
        total
    }

    fn step(&self, round: &mut Round, now: Timestamp, mut budget: usize) -> Expired {
        let rules = self.rules(now);
        let part = round.part;
        let mut expired = Expired::default();
        let mut finished = true;
        let (mut peer_rank, mut torrent_rank) = (Rank::LAST, Rank::LAST);
        let mut table = self.parts[part].lock();
        let rest = round.rest.unwrap_or_else(|| {
            // What is noted meanwhile, and by each step, is below no peer of the part when it is done.
            self.peer_bounds.take(part);
            self.torrent_bounds.take(part);
            table.len()
        });
        let rest = rest.min(table.len());
        let count = table.len().div_ceil(STEPS_A_PART).max(MIN_TORRENTS);
        let start = rest.saturating_sub(count);
        table.retain_in(start..rest, |info_hash, swarm| {
            let before = swarm.tally();
            let observers = swarm.observers;
            let mut gone = |key, meta| self.gone(Why::Evicted, info_hash, observers, key, meta);
            finished &= swarm.sweep(round.number, &mut budget, &rules, &mut gone);
            let after = swarm.tally();
            self.counters.changed(before, after);
            expired.peers += before.peers() - after.peers();
            if self.is_over(swarm, &rules) {
                self.counters.torrent_removed();
                expired.torrents += 1;
                return false;
            }
            peer_rank = peer_rank.min(swarm.first_rank());
            torrent_rank = torrent_rank.min(swarm.torrent_rank());
            true
        });
        self.peer_bounds.note(part, peer_rank);
        self.torrent_bounds.note(part, torrent_rank);
        if !finished {
            round.rest = Some(rest);
        } else if start > 0 {
            round.rest = Some(start);
        } else {
            table.shrink();
            round.rest = None;
            round.part += 1;
            if round.part == self.parts.len() {
                round.part = 0;
                round.number = round.number.wrapping_add(1).max(1);
                expired.round_finished = true;
            }
        }
        expired
    }

    fn is_over(&self, swarm: &Torrent, rules: &Rules) -> bool {
        swarm.is_worthless() || swarm.is_empty_for(self.config.completed_ttl, rules.now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        swarm::{Announce, SwarmConfig, Wanted},
        types::{AnnounceEvent, InfoHash, PeerAddr, PeerId},
    };

    const START: Timestamp = Timestamp::from_secs(1000);

    fn join(store: &Store, info_hash: InfoHash, peer: u32, now: Timestamp) {
        let [a, b, c, d] = peer.to_be_bytes();
        let announce = Announce {
            info_hash,
            peer_id: PeerId([7; 20]),
            addr: PeerAddr::new([a, b, c, d].into(), 6881),
            event: AnnounceEvent::Started,
            left: Some(1),
        };
        let mut rng = fastrand::Rng::with_seed(1);
        store.announce(&announce, Wanted::default(), now, &mut rng, &mut ());
    }

    fn small_store() -> Store {
        Store::new(SwarmConfig {
            shards: 4,
            ..SwarmConfig::default()
        })
    }

    #[test]
    fn memory_of_a_swarm_that_expired_is_given_back() {
        let store = small_store();
        let hash = InfoHash([1; 20]);
        for peer in 0..10_000 {
            join(&store, hash, peer, START);
        }
        let later = START.plus(Duration::from_secs(1000));
        for peer in 0..100 {
            join(&store, hash, peer, later);
        }
        let capacity = || {
            store.parts.iter().find_map(|part| {
                part.lock()
                    .iter()
                    .find(|(at, _)| **at == hash)
                    .map(|(_, swarm)| swarm.capacity())
            })
        };
        assert!(capacity().unwrap() >= 10_000);
        store.expire_all(START.plus(Duration::from_secs(1201)));
        assert_eq!(store.peers(), 100);
        assert!(capacity().unwrap() <= 500, "{:?}", capacity());
        join(&store, hash, 1, later.plus(Duration::from_secs(500)));
        store.expire_all(later.plus(Duration::from_secs(1201)));
        assert_eq!(store.peers(), 1);
        assert_eq!(capacity(), Some(0), "a single peer is kept in place");
    }

    #[test]
    fn memory_of_torrents_that_expired_is_given_back() {
        let store = small_store();
        for number in 0..10_000_u32 {
            let mut hash = InfoHash([0; 20]);
            hash.0[..4].copy_from_slice(&number.to_be_bytes());
            join(&store, hash, number, START);
        }
        let capacity = || {
            store
                .parts
                .iter()
                .map(|part| part.lock().capacity())
                .sum::<usize>()
        };
        assert!(capacity() >= 10_000);
        store.expire_all(START.plus(Duration::from_secs(1201)));
        assert_eq!(store.torrents(), 0);
        assert!(capacity() <= 16, "{}", capacity());
    }

    #[test]
    fn who_does_not_have_the_turn_uses_up_no_step() {
        let store = small_store();
        let turn = store.round.lock().unwrap();
        let step = store.expire_if(|| panic!("asked without the turn"), START, 1);
        assert_eq!(step, None);
        drop(turn);
        assert_eq!(store.expire_if(|| false, START, 1), None);
        assert!(store.expire_if(|| true, START, 1).is_some());
    }

    #[test]
    fn a_step_looks_at_no_more_than_its_budget() {
        let store = small_store();
        for peer in 0..1000 {
            join(&store, InfoHash([1; 20]), peer, START);
        }
        let later = START.plus(Duration::from_secs(1201));
        let mut steps = 0;
        loop {
            let step = store.expire(later, 100);
            assert!(step.peers <= 100);
            steps += 1;
            if step.round_finished {
                break;
            }
        }
        assert_eq!(store.peers(), 0);
        assert_eq!(store.torrents(), 0);
        assert!(
            (10..=10 + store.steps_a_round()).contains(&steps),
            "{steps}"
        );
    }
}

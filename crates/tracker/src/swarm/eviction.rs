//! Making room in a full store.
//!
//! Nothing is kept per peer for this but a flag and the time of its last announce, which are there
//! anyway. Each part of the store has a bound on the lowest rank in it; the part with the lowest is
//! scanned, and whoever has that rank goes. A scan costs as much as a two-thousandth of the store is
//! large. It is done when there is someone of a lower rank than the oldest of the newcomers (or the
//! bounds, once per part and minute, say so in error), in batches; else the newcomer goes, which is what
//! happens in a flood, and costs the same whatever the store's size.

use std::iter;

use super::{
    Store,
    counters::Tally,
    newcomers::{Newcomer, Newcomers},
    observers::Why,
    rank::{Bounds, Rank},
};
use crate::types::Timestamp;

/// The ceiling that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Torrents,
    Peers,
}

/// Scans in vain (the bound of the part was out of date) before the oldest newcomer, or else the lowest
/// of the parts scanned, goes. It bounds the time of the announce that waits; rounds of expiry bring the
/// bounds up to date.
const SCANS: usize = 4;

/// Entries of the queue of newcomers looked at for one that is still here and was seen only once.
const NEWCOMERS: usize = 64;
/// And from its other end.
const LATEST: usize = 4;

/// One in this many of all peers or torrents go at a time, so that a scan is paid by more than one.
const BATCH: usize = 4096;
/// But no more than these: the locks are held meanwhile.
const MAX_BATCH: usize = 64;

impl Store {
    /// Removes one peer or torrent at least, if there is one: those seen only once first, then the
    /// longest silent by minute.
    pub(super) fn make_room(&self, full: Full, now: Timestamp, rng: &mut fastrand::Rng) {
        let bounds = self.bounds(full);
        let newcomer = self.oldest_newcomer(full);
        let mut best: Option<(Rank, usize)> = None;
        for _ in 0..SCANS {
            let Some((part, bound)) = bounds.lowest() else {
                break;
            };
            if newcomer.is_some_and(|(rank, _)| rank <= bound) {
                break;
            }
            let threshold = bounds.take(part);
            let (removed, first) = self.evict(full, part, threshold, now, rng);
            if removed {
                if let Some((_, newcomer)) = newcomer {
                    self.newcomers(full).put_back(newcomer);
                }
                return;
            }
            if best.is_none_or(|(rank, _)| first < rank) {
                best = Some((first, part));
            }
        }
        if let Some((_, newcomer)) = newcomer {
            self.evict_newcomer(full, newcomer, now);
        } else if let Some((rank, part)) = best {
            bounds.take(part);
            self.evict(full, part, rank, now, rng);
        }
    }

    /// Takes the oldest newcomer that is still here and was seen only once, with its rank. If none of
    /// those that came first is, it is the latest: in a flood that one is.
    fn oldest_newcomer(&self, full: Full) -> Option<(Rank, Newcomer)> {
        let queue = self.newcomers(full);
        let oldest = iter::from_fn(|| queue.pop()).take(NEWCOMERS);
        let latest = iter::from_fn(|| queue.pop_latest()).take(LATEST);
        oldest.chain(latest).find_map(|newcomer| {
            let rank = self.rank_of(full, newcomer)?;
            rank.is_once().then_some((rank, newcomer))
        })
    }

    fn rank_of(&self, full: Full, (info_hash, key): Newcomer) -> Option<Rank> {
        self.with(&info_hash, |torrent| match full {
            Full::Torrents => Some(torrent.torrent_rank()),
            Full::Peers => torrent.rank_of(key),
        })?
    }

    fn evict_newcomer(&self, full: Full, (info_hash, key): Newcomer, now: Timestamp) {
        match full {
            Full::Torrents => self.remove_torrent(&info_hash, Why::Evicted),
            Full::Peers => self.remove_peer(&info_hash, key, now, Why::Evicted),
        };
    }

    const fn newcomers(&self, full: Full) -> &Newcomers {
        match full {
            Full::Torrents => &self.new_torrents,
            Full::Peers => &self.new_peers,
        }
    }

    const fn bounds(&self, full: Full) -> &Bounds {
        match full {
            Full::Torrents => &self.torrent_bounds,
            Full::Peers => &self.peer_bounds,
        }
    }

    /// Removes what ranks at most `threshold` in a part, in a batch. The lowest rank that is left is
    /// noted and returned.
    fn evict(
        &self,
        full: Full,
        part: usize,
        threshold: Rank,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> (bool, Rank) {
        let (count, max) = match full {
            Full::Torrents => (self.torrents(), self.config.max_torrents),
            Full::Peers => (self.peers(), self.config.max_peers),
        };
        let excess = (count + 1).saturating_sub(max);
        let batch = (max / BATCH).clamp(1, MAX_BATCH).max(excess);
        let mut quota = batch;
        let mut first = Rank::LAST;
        self.parts[part].lock().retain(|info_hash, swarm| {
            let before = swarm.tally();
            let keep = match full {
                Full::Torrents => {
                    let goes = quota > 0 && swarm.torrent_rank() <= threshold;
                    quota -= usize::from(goes);
                    if goes {
                        self.all_gone(Why::Evicted, info_hash, swarm);
                    }
                    !goes
                }
                Full::Peers => {
                    let before = quota;
                    if before > 0 {
                        let observers = swarm.observers;
                        swarm.evict(threshold, &mut quota, now, rng, &mut |key, meta| {
                            self.gone(Why::Evicted, info_hash, observers, key, meta);
                        });
                    }
                    if quota < before {
                        self.torrent_bounds.note(part, swarm.torrent_rank());
                    }
                    !swarm.is_worthless()
                }
            };
            let after = if keep {
                swarm.tally()
            } else {
                Tally::default()
            };
            self.counters.changed(before, after);
            if keep {
                first = first.min(match full {
                    Full::Torrents => swarm.torrent_rank(),
                    Full::Peers => swarm.first_rank(),
                });
            } else {
                self.counters.torrent_removed();
            }
            keep
        });
        self.bounds(full).note(part, first);
        (quota < batch, first)
    }
}

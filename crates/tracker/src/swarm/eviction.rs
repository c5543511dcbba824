//! Making room in a full store.
//!
//! Nothing is kept per peer for this but a flag and the time of its last announce, which are there
//! anyway. Each part of the store has a bound on the lowest rank in it; the part with the lowest is
//! scanned, and whoever has that rank goes. A scan costs as much as a two-thousandth of the store is
//! large, whoever attacks and however; a store that is full of peers that nobody refreshes loses them
//! in batches, so most new ones do not pay for a scan at all.

use super::{
    Store,
    counters::Tally,
    rank::{Bounds, Rank},
    torrent::Torrent,
};
use crate::types::Timestamp;

/// The ceiling that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Torrents,
    Peers,
}

/// Scans in vain (the bound of the part was out of date) before whatever is best among the parts
/// scanned goes. It bounds the time of the announce that waits; rounds of expiry bring the bounds up
/// to date, so it is seldom needed.
const SCANS: usize = 4;

/// One in this many of all peers or torrents go at a time, so that a scan is paid by more than one.
const BATCH: usize = 4096;
/// But no more than these: the locks are held meanwhile.
const MAX_BATCH: usize = 64;

impl Store {
    /// Removes one peer or torrent at least, if there is one: those seen only once first, then the
    /// longest silent by minute.
    pub(super) fn make_room(&self, full: Full, now: Timestamp, rng: &mut fastrand::Rng) {
        let bounds = self.bounds(full);
        let mut best: Option<(Rank, usize)> = None;
        for _ in 0..SCANS {
            let Some(part) = bounds.lowest() else {
                break;
            };
            let threshold = bounds.take(part);
            let (removed, first) = self.evict(full, part, threshold, now, rng);
            if removed {
                return;
            }
            if best.is_none_or(|(rank, _)| first < rank) {
                best = Some((first, part));
            }
        }
        if let Some((rank, part)) = best {
            bounds.take(part);
            self.evict(full, part, rank, now, rng);
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
        self.parts[part].retain(|_, swarm| {
            let before = swarm.tally();
            let keep = match full {
                Full::Torrents => {
                    let goes = quota > 0 && swarm.torrent_rank() <= threshold;
                    quota -= usize::from(goes);
                    !goes
                }
                Full::Peers => {
                    self.evict_peers(swarm, part, threshold, &mut quota, now, rng);
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

    fn evict_peers(
        &self,
        swarm: &mut Torrent,
        part: usize,
        threshold: Rank,
        quota: &mut usize,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) {
        let before = *quota;
        if before > 0 {
            swarm.evict(threshold, quota, now, rng);
        }
        if *quota < before {
            self.torrent_bounds.note(part, swarm.torrent_rank());
        }
    }
}

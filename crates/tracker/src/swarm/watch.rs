//! Swarms in which evictions are of interest, and the evictions that nobody has fetched yet.

use std::{
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use ahash::RandomState;
use dashmap::{DashMap, Entry};

use super::{PeerSnapshot, Store, store::Located};
use crate::types::InfoHash;

/// Most swarms that are watched, of 20 bytes each and what the table takes.
const MAX_WATCHED: usize = 100_000;

/// Most evictions that wait, of 80 bytes each.
const MAX_WAITING: usize = 100_000;

/// A peer that left a watched swarm without having said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evicted {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The peer as it was.
    pub peer: PeerSnapshot,
}

#[derive(Default)]
pub(super) struct Watch {
    /// Changed only while the torrent, or its place if there is none, is locked.
    hashes: DashMap<InfoHash, (), RandomState>,
    /// How many are in `hashes`, and those who are trying to be.
    count: AtomicUsize,
    waiting: Mutex<Vec<Evicted>>,
    /// Whether any wait.
    has_waiting: AtomicBool,
    dropped: AtomicU64,
}

impl Store {
    /// Has the evictions of a swarm reported, whether it exists now or comes later. False if that is
    /// not done because 100,000 others are watched.
    pub fn watch(&self, info_hash: InfoHash) -> bool {
        let Located { part, tag } = self.locate(&info_hash);
        let mut table = self.parts[part].lock();
        let watched = self.watch.add(info_hash);
        if let Some(place) = table.find(tag, &info_hash) {
            table.get_mut(place).observers.set_watch(watched);
        }
        watched
    }

    /// Ends what [`watch`](Self::watch) began; false if it had not. What waits already is still
    /// handed out.
    pub fn unwatch(&self, info_hash: &InfoHash) -> bool {
        let Located { part, tag } = self.locate(info_hash);
        let mut table = self.parts[part].lock();
        if let Some(place) = table.find(tag, info_hash) {
            table.get_mut(place).observers.set_watch(false);
        }
        self.watch.remove(info_hash)
    }

    /// Whether the evictions of a swarm are reported. Costs nothing while none is watched.
    pub fn is_watched(&self, info_hash: &InfoHash) -> bool {
        self.watch.has(info_hash)
    }

    /// Whether any swarm is watched.
    pub fn is_watching(&self) -> bool {
        self.watch.count.load(Relaxed) > 0
    }

    /// Whether [`take_evicted`](Self::take_evicted) has something. Costs next to nothing.
    pub fn has_evicted(&self) -> bool {
        self.watch.has_waiting.load(Acquire)
    }

    /// The peers that left watched swarms without having said so since the last call, in order: who was
    /// silent for too long (found by [`expire`](Self::expire) or at its own next announce), and who had
    /// to make room in a full swarm or store. Not among them is who stopped, whose socket was closed,
    /// and who was removed by [`remove`](Self::remove), [`remove_source`](Self::remove_source) or
    /// [`clear`](Self::clear).
    pub fn take_evicted(&self) -> Vec<Evicted> {
        let mut waiting = self.watch.waiting();
        self.watch.has_waiting.store(false, Release);
        mem::take(&mut *waiting)
    }

    /// Evictions that were not reported because 100,000 waited, ever.
    pub fn unreported_evictions(&self) -> u64 {
        self.watch.dropped.load(Relaxed)
    }
}

impl Watch {
    pub(super) fn has(&self, info_hash: &InfoHash) -> bool {
        self.count.load(Relaxed) > 0 && self.hashes.contains_key(info_hash)
    }

    pub(super) fn push(&self, info_hash: &InfoHash, peer: PeerSnapshot) {
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING {
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        waiting.push(Evicted {
            info_hash: *info_hash,
            peer,
        });
        self.has_waiting.store(true, Release);
    }

    fn add(&self, info_hash: InfoHash) -> bool {
        let Entry::Vacant(entry) = self.hashes.entry(info_hash) else {
            return true;
        };
        if self.count.fetch_add(1, Relaxed) >= MAX_WATCHED {
            self.count.fetch_sub(1, Relaxed);
            return false;
        }
        entry.insert(());
        true
    }

    fn remove(&self, info_hash: &InfoHash) -> bool {
        let removed = self.hashes.remove(info_hash).is_some();
        if removed {
            self.count.fetch_sub(1, Relaxed);
        }
        removed
    }

    /// No other lock is taken while this one is held.
    fn waiting(&self) -> MutexGuard<'_, Vec<Evicted>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

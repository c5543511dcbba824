//! Who came last, once the store is nearly full.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::types::{InfoHash, PeerAddr};

/// 2.5 MB. A longer flood pushes out its own oldest entries, which are then found by a scan.
const MAX: usize = 64 * 1024;

/// The queue fills once this part of a ceiling is in use; a store with room to spare never has it.
const NEARLY_FULL: (usize, usize) = (7, 8);

/// Peers or torrents in the order in which they came. It is a hint: an entry may have left, or have
/// been seen again, since. It lets a flood of new peers evict itself at a fixed cost each, where a scan
/// would have to look for the few of them among many that stay.
#[derive(Default)]
pub(super) struct Newcomers(Mutex<VecDeque<Newcomer>>);

/// A peer that joined, or the first of a new torrent.
pub(super) type Newcomer = (InfoHash, PeerAddr);

impl Newcomers {
    /// A newcomer joined, as one of `count` where `max` are allowed.
    pub(super) fn push(&self, newcomer: Newcomer, count: usize, max: usize) {
        let (part, whole) = NEARLY_FULL;
        if count < max / whole * part {
            return;
        }
        let mut queue = self.queue();
        if queue.len() >= MAX {
            queue.pop_front();
        }
        queue.push_back(newcomer);
    }

    /// Takes the oldest.
    pub(super) fn pop(&self) -> Option<Newcomer> {
        self.queue().pop_front()
    }

    /// Takes the latest.
    pub(super) fn pop_latest(&self) -> Option<Newcomer> {
        self.queue().pop_back()
    }

    /// Puts back what was taken and is still here.
    pub(super) fn put_back(&self, newcomer: Newcomer) {
        self.queue().push_front(newcomer);
    }

    /// No other lock is taken while this one is held.
    fn queue(&self) -> MutexGuard<'_, VecDeque<Newcomer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

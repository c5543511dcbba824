//! Who is told of what happens to the peers of a torrent: the census, and whoever watches for evictions.
//!
//! A torrent has flags for both, which change only while it is locked, so that each of its peers is
//! reported from one moment on and just once. A torrent without flags costs an announce a look at them.

use super::{
    Effect, Store,
    announce::AnyAnnounce,
    key::PeerKey,
    sink::PeerMeta,
    torrent::{Rules, Torrent},
};
use crate::types::InfoHash;

/// The observers of one torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Observers(u8);

const COUNTED: u8 = 1;
const WATCHED: u8 = 2;

impl Observers {
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether its peers are in the census.
    pub(super) const fn has_census(self) -> bool {
        self.0 & COUNTED != 0
    }

    /// Whether its evictions are reported.
    pub(super) const fn has_watch(self) -> bool {
        self.0 & WATCHED != 0
    }

    pub(super) const fn set_census(&mut self) {
        self.0 |= COUNTED;
    }

    pub(super) const fn set_watch(&mut self, watched: bool) {
        if watched {
            self.0 |= WATCHED;
        } else {
            self.0 &= !WATCHED;
        }
    }
}

/// Why a peer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It said so, its socket was closed, or the user has it removed.
    Asked,
    /// It was silent for too long, or there is no room.
    Evicted,
}

impl Store {
    /// The observers of a torrent that is made now. Its place is locked.
    pub(super) fn observers_of(&self, info_hash: &InfoHash) -> Observers {
        let mut observers = Observers::NONE;
        if self.census.is_on() {
            observers.set_census();
        }
        observers.set_watch(self.watch.has(info_hash));
        observers
    }

    /// Tells the observers of a torrent, which is locked, that a peer goes.
    pub(super) fn gone(
        &self,
        why: Why,
        info_hash: &InfoHash,
        observers: Observers,
        key: PeerKey,
        meta: PeerMeta,
    ) {
        if observers.has_census() {
            self.census.leave(key, meta);
        }
        if observers.has_watch() && why == Why::Evicted {
            self.watch.push(info_hash, key.snapshot(meta));
        }
    }

    /// Tells the observers of a torrent, which is locked, that all of its peers go.
    pub(super) fn all_gone(&self, why: Why, info_hash: &InfoHash, torrent: &Torrent) {
        if torrent.observers.is_none() {
            return;
        }
        for (key, meta) in torrent.all() {
            self.gone(why, info_hash, torrent.observers, key, meta);
        }
    }

    /// An announce to a torrent that has observers.
    #[inline(never)]
    pub(super) fn announce_observed(
        &self,
        swarm: &mut Torrent,
        announce: &AnyAnnounce,
        rules: &Rules,
        rng: &mut fastrand::Rng,
    ) -> Effect {
        let AnyAnnounce { info_hash, key, .. } = announce;
        let observers = swarm.observers;
        let before = swarm.meta_of(*key);
        let effect = swarm.announce(announce, rules, rng, &mut |key, meta| {
            self.gone(Why::Evicted, info_hash, observers, key, meta);
        });
        if observers.has_census() {
            let after = swarm.meta_of(*key);
            match (effect, before, after) {
                (Effect::Joined, _, Some(after)) => self.census.join(*key, after),
                (Effect::Left, Some(before), _) => self.census.leave(*key, before),
                (Effect::Updated | Effect::Completed, Some(before), Some(after)) => {
                    self.census.update(*key, before, after);
                }
                _ => {}
            }
        }
        effect
    }
}

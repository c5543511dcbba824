//! Counts over all torrents in which a peer that is in several of them is one.
//!
//! The census begins at the first question. From then on every torrent that it has counted keeps it up
//! to date, so that a question costs no look at peers.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use ahash::RandomState;

use super::{
    Store,
    clients::{Client, Clients},
    counters::add_difference,
    key::PeerKey,
    sink::PeerMeta,
};
use crate::types::{PeerAddrV4, PeerAddrV6, PeerId};

/// Locks that the names are spread over. A table that grows stops a thousandth of the announces.
const SHARDS: usize = 1024;

/// What a store holds, each peer counted once however many swarms it is in. A peer over HTTP or UDP is
/// known by its address and port, one over a WebSocket by its peer id, whatever its socket.
///
/// Announces go on while it is taken: numbers that belong together may be a few announces apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CensusSnapshot {
    /// Torrents, those without peers that are kept for their download count included.
    pub torrents: usize,
    /// Torrents that have peers.
    pub active_torrents: usize,
    /// Different peers: the sum of the next three.
    pub peers: usize,
    /// Seeders in every swarm that they are in.
    pub seeders_only: usize,
    /// Leechers in every swarm that they are in.
    pub leechers_only: usize,
    /// Seeders in one swarm and leechers in another.
    pub both: usize,
    /// Peers over IPv4, sockets included.
    pub v4: usize,
    /// Peers over IPv6. One that has sockets of either family is among both.
    pub v6: usize,
    /// Clients, told apart by the first 8 bytes of their peer ids: one such id, and how many different
    /// peers there are of the client. In no order; 10,000 at most. The client of an address is the one
    /// that last joined a swarm from it under a peer id new to that swarm.
    pub clients: Vec<(PeerId, usize)>,
    /// Peers of further clients, which came when there were 10,000.
    pub other_clients: usize,
}

/// What a peer is known by over all swarms.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    V4(PeerAddrV4),
    V6(PeerAddrV6),
    Socket(PeerId),
}

/// The swarms that a peer is in.
#[derive(Default)]
struct Entry {
    seeding: u32,
    leeching: u32,
    /// In how many of them it is by way of IPv6.
    over_v6: u32,
    client: Client,
}

type Names = HashMap<Name, Entry, RandomState>;

/// See the [module](self).
pub(super) struct Census {
    /// Torrents that are made now are counted from their first peer on.
    on: AtomicBool,
    /// Every torrent is counted.
    complete: AtomicBool,
    starting: Mutex<()>,
    /// Keyed at random, as is each map: whoever announces chooses peer ids and most of an address.
    hasher: RandomState,
    /// Locked after the torrent whose peer it is, and before a map of clients.
    shards: Box<[Mutex<Names>]>,
    totals: Totals,
    clients: Clients,
}

/// Changed only while the peer that changes is locked, so that none goes below 0.
#[derive(Default)]
struct Totals {
    seeders_only: AtomicUsize,
    leechers_only: AtomicUsize,
    both: AtomicUsize,
    v4: AtomicUsize,
    v6: AtomicUsize,
}

impl Store {
    /// Counts of different peers. The first call goes over all peers, a swarm at a time, and takes as
    /// long as there are many: tens of milliseconds for 100,000. Later ones only read, however large the
    /// store; from the first on each different peer takes about 100 bytes more.
    pub fn census(&self) -> CensusSnapshot {
        if !self.census.complete.load(Acquire) {
            self.begin_census();
        }
        let totals = &self.census.totals;
        let [seeders_only, leechers_only, both, v4, v6] = [
            &totals.seeders_only,
            &totals.leechers_only,
            &totals.both,
            &totals.v4,
            &totals.v6,
        ]
        .map(|total| total.load(Relaxed));
        CensusSnapshot {
            torrents: self.counters.torrents(),
            active_torrents: self.counters.active_torrents(),
            peers: seeders_only + leechers_only + both,
            seeders_only,
            leechers_only,
            both,
            v4,
            v6,
            clients: self.census.clients.list(),
            other_clients: self.census.clients.others(),
        }
    }

    /// Counts every torrent that was made before. Those who ask meanwhile wait.
    fn begin_census(&self) {
        let census = &self.census;
        let _starting = lock(&census.starting);
        if census.complete.load(Acquire) {
            return;
        }
        // Whoever makes a torrent looks at this under a lock that is taken below: either it sees that
        // the census is on, or the torrent is there when its turn comes.
        census.on.store(true, Release);
        for part in &self.parts {
            for (_, torrent) in part.lock().iter_mut() {
                if torrent.observers.has_census() {
                    continue;
                }
                torrent.observers.set_census();
                for (key, meta) in torrent.all() {
                    census.join(key, meta);
                }
            }
        }
        census.complete.store(true, Release);
    }
}

impl Census {
    pub(super) fn new(hasher: &RandomState) -> Self {
        Self {
            on: AtomicBool::new(false),
            complete: AtomicBool::new(false),
            starting: Mutex::new(()),
            shards: (0..SHARDS)
                .map(|_| Mutex::new(Names::with_hasher(hasher.clone())))
                .collect(),
            hasher: hasher.clone(),
            totals: Totals::default(),
            clients: Clients::default(),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Acquire)
    }

    /// A peer is in one swarm more.
    pub(super) fn join(&self, key: PeerKey, meta: PeerMeta) {
        self.change(key, |entry| {
            entry.add(key, meta);
            self.clients.seen(&mut entry.client, meta.peer_id);
        });
    }

    /// A peer is in one swarm less.
    pub(super) fn leave(&self, key: PeerKey, meta: PeerMeta) {
        self.change(key, |entry| entry.take(key, meta));
    }

    /// A peer of a swarm announced again.
    pub(super) fn update(&self, key: PeerKey, before: PeerMeta, after: PeerMeta) {
        if before.is_seeder() == after.is_seeder() && before.peer_id == after.peer_id {
            return;
        }
        self.change(key, |entry| {
            entry.take(key, before);
            entry.add(key, after);
            self.clients.seen(&mut entry.client, after.peer_id);
        });
    }

    fn change(&self, key: PeerKey, change: impl FnOnce(&mut Entry)) {
        let name = Name::from(key);
        // By other bits of the hash than those that the map goes by.
        let shard = (self.hasher.hash_one(name) >> 32) as usize % self.shards.len();
        let mut names = lock(&self.shards[shard]);
        let entry = names.entry(name).or_default();
        let before = entry.counts_as();
        change(entry);
        let after = entry.counts_as();
        let counters = [
            &self.totals.seeders_only,
            &self.totals.leechers_only,
            &self.totals.both,
            &self.totals.v4,
            &self.totals.v6,
        ];
        for (counter, (before, after)) in counters.into_iter().zip(before.into_iter().zip(after)) {
            add_difference(counter, before.into(), after.into());
        }
        if entry.swarms() == 0 {
            self.clients.leave(&mut entry.client);
            names.remove(&name);
            if names.capacity() / 4 > names.len().max(16) {
                let room = names.len() * 2;
                names.shrink_to(room);
            }
        }
    }
}

impl Entry {
    const fn swarms(&self) -> u32 {
        self.seeding + self.leeching
    }

    fn add(&mut self, key: PeerKey, meta: PeerMeta) {
        *self.role(meta) += 1;
        self.over_v6 += u32::from(is_v6(key));
    }

    fn take(&mut self, key: PeerKey, meta: PeerMeta) {
        let role = self.role(meta);
        *role = role.saturating_sub(1);
        self.over_v6 = self.over_v6.saturating_sub(u32::from(is_v6(key)));
    }

    const fn role(&mut self, meta: PeerMeta) -> &mut u32 {
        if meta.is_seeder() {
            &mut self.seeding
        } else {
            &mut self.leeching
        }
    }

    /// In which of the totals it is, in their order.
    const fn counts_as(&self) -> [bool; 5] {
        let (seeds, leeches) = (self.seeding > 0, self.leeching > 0);
        [
            seeds && !leeches,
            leeches && !seeds,
            seeds && leeches,
            self.swarms() > self.over_v6,
            self.over_v6 > 0,
        ]
    }
}

impl From<PeerKey> for Name {
    fn from(key: PeerKey) -> Self {
        match key {
            PeerKey::V4(addr) => Self::V4(addr),
            PeerKey::V6(addr) => Self::V6(addr),
            PeerKey::Socket(key) => Self::Socket(key.peer_id()),
        }
    }
}

const fn is_v6(key: PeerKey) -> bool {
    match key {
        PeerKey::V4(_) => false,
        PeerKey::V6(_) => true,
        PeerKey::Socket(key) => key.socket().is_v6(),
    }
}

/// All values are valid at every step: a panic elsewhere is no reason to stop counting.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

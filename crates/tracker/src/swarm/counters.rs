use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a store holds, over all torrents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Torrents, those without peers that are kept for their download count included.
    pub torrents: usize,
    /// Peers over IPv4; one that is in two swarms counts twice.
    pub peers_v4: usize,
    /// Peers over IPv6.
    pub peers_v6: usize,
    /// Peers over WebSocket.
    pub peers_ws: usize,
    /// Peers of any kind that are seeders.
    pub seeders: usize,
}

impl StoreCounts {
    /// Peers of all kinds.
    pub const fn peers(&self) -> usize {
        self.peers_v4 + self.peers_v6 + self.peers_ws
    }
}

/// The peers of one swarm by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) v4: usize,
    pub(super) v6: usize,
    pub(super) sockets: usize,
    pub(super) seeders: usize,
}

impl Tally {
    pub(super) const fn peers(self) -> usize {
        self.v4 + self.v6 + self.sockets
    }
}

/// Running totals. Changed only while the swarm that changes is locked: then no total can be seen to
/// fall before it has risen, and none goes below 0.
#[derive(Default)]
pub(super) struct Counters {
    torrents: AtomicUsize,
    /// Those of them that have peers.
    active: AtomicUsize,
    v4: AtomicUsize,
    v6: AtomicUsize,
    sockets: AtomicUsize,
    seeders: AtomicUsize,
}

impl Counters {
    pub(super) fn torrent_added(&self) {
        self.torrents.fetch_add(1, Relaxed);
    }

    pub(super) fn torrent_removed(&self) {
        self.torrents.fetch_sub(1, Relaxed);
    }

    /// A swarm went from one tally to another.
    pub(super) fn changed(&self, from: Tally, to: Tally) {
        let is_active = |tally: Tally| usize::from(tally.peers() > 0);
        add_difference(&self.active, is_active(from), is_active(to));
        add_difference(&self.v4, from.v4, to.v4);
        add_difference(&self.v6, from.v6, to.v6);
        add_difference(&self.sockets, from.sockets, to.sockets);
        add_difference(&self.seeders, from.seeders, to.seeders);
    }

    pub(super) fn torrents(&self) -> usize {
        self.torrents.load(Relaxed)
    }

    pub(super) fn active_torrents(&self) -> usize {
        self.active.load(Relaxed)
    }

    pub(super) fn peers(&self) -> usize {
        self.v4.load(Relaxed) + self.v6.load(Relaxed) + self.sockets.load(Relaxed)
    }

    pub(super) fn snapshot(&self) -> StoreCounts {
        StoreCounts {
            torrents: self.torrents(),
            peers_v4: self.v4.load(Relaxed),
            peers_v6: self.v6.load(Relaxed),
            peers_ws: self.sockets.load(Relaxed),
            seeders: self.seeders.load(Relaxed),
        }
    }
}

/// Most announces change no count and must not take the cache line from the other cores.
pub(super) fn add_difference(counter: &AtomicUsize, from: usize, to: usize) {
    if to > from {
        counter.fetch_add(to - from, Relaxed);
    } else if from > to {
        counter.fetch_sub(from - to, Relaxed);
    }
}

use std::time::Duration;

/// Limits and lifetimes of a [`Store`](super::Store).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmConfig {
    /// Most peers in one swarm; at the limit a new one replaces the one silent longest. `None` (the
    /// default) for no limit of a swarm's own. With a limit the order of announces is kept, at 8 bytes
    /// a peer, and small swarms take about 200 bytes more. 0 counts as 1.
    pub max_peers_per_swarm: Option<usize>,
    /// Most torrents in all, those without peers that are kept for their download count included.
    /// 0 counts as 1. A call may overshoot it by one per thread.
    pub max_torrents: usize,
    /// Most peers in all. 0 counts as 1. A call may overshoot it by one per thread.
    pub max_peers: usize,
    /// A peer that was silent for longer than this is gone.
    pub peer_ttl: Duration,
    /// How long a swarm without peers is kept for its download count. One that has no downloads goes
    /// with its last peer.
    pub completed_ttl: Duration,
    /// How many locks the torrents are spread over; rounded up to a power of two, 2 to 65,536. Each
    /// takes 64 bytes.
    pub shards: usize,
}

impl Default for SwarmConfig {
    /// No limit of a swarm's own, 10 million torrents and 20 million peers (2 to 4 GB), peers go
    /// after 20 minutes, download counts after a day, 2048 locks.
    fn default() -> Self {
        Self {
            max_peers_per_swarm: None,
            max_torrents: 10_000_000,
            max_peers: 20_000_000,
            peer_ttl: Duration::from_secs(20 * 60),
            completed_ttl: Duration::from_secs(24 * 60 * 60),
            shards: 2048,
        }
    }
}

impl SwarmConfig {
    /// The same with every number in its range. Peers of a swarm are numbered by 30 bits.
    pub(super) fn normalised(mut self) -> Self {
        self.max_peers_per_swarm = self.max_peers_per_swarm.map(|max| max.max(1));
        self.max_torrents = self.max_torrents.clamp(1, 1 << 30);
        self.max_peers = self.max_peers.clamp(1, 1 << 29);
        self.shards = self.shards.clamp(2, 1 << 16).next_power_of_two();
        self
    }
}

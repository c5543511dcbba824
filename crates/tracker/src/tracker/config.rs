use std::time::Duration;

use crate::swarm::SwarmConfig;

/// The rules of a tracker.
#[derive(Clone, Debug)]
pub struct TrackerConfig {
    /// How long peers are asked to wait between announces.
    pub interval: Duration,
    /// How long peers have to wait at least; sent only where it is set (HTTP).
    pub min_interval: Option<Duration>,
    /// An opaque text that peers send back (`tracker id`, HTTP), if set.
    pub tracker_id: Option<String>,
    /// Whether peers are told the address that they come from (BEP 24, HTTP).
    pub external_ip: bool,
    /// Peers in an answer to who does not say how many it wants.
    pub default_numwant: usize,
    /// Most peers in an answer. 82 over IPv4 is a UDP packet of 512 bytes, which no network cuts.
    pub max_numwant: usize,
    /// Most torrents that a scrape without a hash lists; above, it is refused. 0 for never.
    pub full_scrape_limit: usize,
    /// Limits and lifetimes of what is stored.
    pub swarm: SwarmConfig,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(600),
            min_interval: None,
            tracker_id: None,
            external_ip: false,
            default_numwant: 50,
            max_numwant: 82,
            full_scrape_limit: 1000,
            swarm: SwarmConfig::default(),
        }
    }
}

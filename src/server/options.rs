use std::time::Duration;

use napi_derive::napi;
use tracker::{server::ServerOptions, swarm::SwarmConfig, tracker::TrackerConfig};

/// Options that lib/server/options.js has checked; what is left out has the engine's default.
#[napi(object)]
pub struct NativeServerOptions {
    pub interval_ms: f64,
    pub min_interval_ms: Option<f64>,
    pub tracker_id: Option<String>,
    pub external_ip: Option<bool>,
    pub max_numwant: Option<u32>,
    pub full_scrape_limit: Option<u32>,
    pub max_peers_per_swarm: Option<u32>,
    pub peer_ttl_ms: f64,
    pub completed_ttl_ms: Option<f64>,
    pub max_torrents: Option<u32>,
    pub max_peers: Option<u32>,
    pub threads: Option<u32>,
    pub portable: Option<bool>,
    pub trust_proxy: Option<bool>,
    pub trust_udp_ip: Option<bool>,
    pub connection_id_lifetime_ms: Option<f64>,
    pub max_connections: Option<u32>,
    pub idle_timeout_ms: Option<f64>,
    pub path_prefix: Option<String>,
    pub udp_receive_buffer: Option<u32>,
    pub udp_send_buffer: Option<u32>,
}

impl NativeServerOptions {
    pub fn into_engine(self) -> (TrackerConfig, ServerOptions) {
        let tracker = TrackerConfig::default();
        let swarm = SwarmConfig {
            max_peers_per_swarm: self.max_peers_per_swarm.map(|most| most as usize),
            max_torrents: self
                .max_torrents
                .map_or(tracker.swarm.max_torrents, |most| most as usize),
            max_peers: self
                .max_peers
                .map_or(tracker.swarm.max_peers, |most| most as usize),
            peer_ttl: millis(self.peer_ttl_ms),
            completed_ttl: self
                .completed_ttl_ms
                .map_or(tracker.swarm.completed_ttl, millis),
            ..tracker.swarm
        };
        let max_numwant = self
            .max_numwant
            .map_or(tracker.max_numwant, |most| most as usize);
        let limit = self
            .full_scrape_limit
            .map_or(tracker.full_scrape_limit, |most| most as usize);
        let server = ServerOptions::default();
        let tracker = TrackerConfig {
            interval: millis(self.interval_ms),
            min_interval: self.min_interval_ms.map(millis),
            tracker_id: self.tracker_id,
            external_ip: self.external_ip.unwrap_or(tracker.external_ip),
            default_numwant: tracker.default_numwant,
            max_numwant,
            full_scrape_limit: limit,
            swarm,
        };
        let (receive, send) = server.udp_buffers;
        let server = ServerOptions {
            threads: self
                .threads
                .map_or(server.threads, |threads| threads as usize),
            portable: self.portable.unwrap_or(server.portable),
            trust_proxy: self.trust_proxy.unwrap_or(server.trust_proxy),
            trust_udp_ip: self.trust_udp_ip.unwrap_or(server.trust_udp_ip),
            connection_id_lifetime: self
                .connection_id_lifetime_ms
                .map_or(server.connection_id_lifetime, millis),
            max_connections: self
                .max_connections
                .map_or(server.max_connections, |most| most as usize),
            idle_timeout: self.idle_timeout_ms.map_or(server.idle_timeout, millis),
            path_prefix: self.path_prefix.unwrap_or(server.path_prefix),
            udp_buffers: (
                self.udp_receive_buffer
                    .map_or(receive, |bytes| bytes as usize),
                self.udp_send_buffer.map_or(send, |bytes| bytes as usize),
            ),
        };
        (tracker, server)
    }
}

/// Nonsense becomes zero: the caller has checked.
fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

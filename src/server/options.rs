use std::time::Duration;

use napi::{Error, Result, Status};
use napi_derive::napi;
use tracker::{
    server::{ServerOptions, TrustProxy, WebSocketOptions},
    swarm::SwarmConfig,
    tracker::TrackerConfig,
};

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
    /// Believes every `X-Forwarded-For`.
    pub trust_proxy: Option<bool>,
    /// Believes that of these addresses and networks.
    pub trusted_proxies: Option<Vec<String>>,
    pub trust_udp_ip: Option<bool>,
    pub connection_id_lifetime_ms: Option<f64>,
    pub max_connections: Option<u32>,
    pub idle_timeout_ms: Option<f64>,
    pub path_prefix: Option<String>,
    pub udp_receive_buffer: Option<u32>,
    pub udp_send_buffer: Option<u32>,
    pub http: Option<bool>,
    pub stats: Option<bool>,
    /// For tests.
    pub seed: Option<u32>,
    /// WebSocket is on where this is given.
    pub web_socket: Option<NativeWebSocketOptions>,
}

/// Limits and times of WebSocket connections.
#[napi(object)]
pub struct NativeWebSocketOptions {
    pub interval_ms: Option<f64>,
    pub max_message: Option<u32>,
    pub max_offers: Option<u32>,
    pub max_info_hashes: Option<u32>,
    pub max_sockets: Option<u32>,
    pub max_sockets_per_ip: Option<u32>,
    pub max_queue: Option<u32>,
    pub ping_interval_ms: Option<f64>,
    pub idle_timeout_ms: Option<f64>,
    pub origins: Option<Vec<String>>,
}

impl NativeServerOptions {
    pub fn into_engine(self) -> Result<(TrackerConfig, ServerOptions)> {
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
            trust_proxy: trust_proxy(self.trust_proxy, self.trusted_proxies)?,
            trust_udp_ip: self.trust_udp_ip.unwrap_or(server.trust_udp_ip),
            connection_id_lifetime: self
                .connection_id_lifetime_ms
                .map_or(server.connection_id_lifetime, millis),
            max_connections: self
                .max_connections
                .map_or(server.max_connections, |most| most as usize),
            idle_timeout: self.idle_timeout_ms.map_or(server.idle_timeout, millis),
            path_prefix: self.path_prefix.unwrap_or(server.path_prefix),
            http: self.http.unwrap_or(server.http),
            stats: self.stats.unwrap_or(server.stats),
            seed: self.seed.map(Into::into),
            websocket: self.web_socket.map(NativeWebSocketOptions::into_engine),
            udp_buffers: (
                self.udp_receive_buffer
                    .map_or(receive, |bytes| bytes as usize),
                self.udp_send_buffer.map_or(send, |bytes| bytes as usize),
            ),
        };
        Ok((tracker, server))
    }
}

impl NativeWebSocketOptions {
    fn into_engine(self) -> WebSocketOptions {
        let default = WebSocketOptions::default();
        let count = |given: Option<u32>, default| given.map_or(default, |count| count as usize);
        WebSocketOptions {
            interval: self.interval_ms.map(millis),
            max_message: count(self.max_message, default.max_message),
            max_offers: count(self.max_offers, default.max_offers),
            max_info_hashes: count(self.max_info_hashes, default.max_info_hashes),
            max_sockets: count(self.max_sockets, default.max_sockets),
            max_sockets_per_ip: self.max_sockets_per_ip.map(|most| most as usize),
            max_queue: count(self.max_queue, default.max_queue),
            ping_interval: self.ping_interval_ms.map_or(default.ping_interval, millis),
            idle_timeout: self.idle_timeout_ms.map(millis),
            origins: self.origins,
        }
    }
}

fn trust_proxy(all: Option<bool>, proxies: Option<Vec<String>>) -> Result<TrustProxy> {
    let Some(proxies) = proxies else {
        return Ok(if all == Some(true) {
            TrustProxy::First
        } else {
            TrustProxy::No
        });
    };
    let proxies = proxies.iter().map(|text| {
        text.parse()
            .map_err(|error| Error::new(Status::InvalidArg, format!("{text}: {error}")))
    });
    Ok(TrustProxy::Proxies(proxies.collect::<Result<_>>()?))
}

/// Nonsense becomes zero: the caller has checked.
fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

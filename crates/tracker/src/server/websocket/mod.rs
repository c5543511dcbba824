//! WebTorrent: WebSocket connections on the HTTP port, and what their peers say to each other.
//!
//! A connection is served by the thread that accepted it (`session`). What goes out to it is put into
//! its outbox by whichever thread has it (`socket`); nobody ever waits for a peer that reads slowly.
//! `input` and `output` are what is left of a read or a write, `thread` the buffer for reading.
//! The `hub` finds sockets by number; `relay` is the protocol.

mod handshake;
mod hub;
mod input;
mod output;
mod relay;
mod session;
mod socket;
mod spare;
mod thread;

use std::time::Duration;

pub use self::socket::Socket;
pub(super) use self::{
    handshake::{Refusal, is_upgrade, response},
    hub::{Hub, Place},
    relay::{Relay, Step},
    session::serve,
    socket::Origin,
    thread::Thread,
};

/// Limits and times of WebSocket connections.
#[derive(Clone, Debug)]
pub struct WebSocketOptions {
    /// How long peers are asked to wait between announces; `None` for a fifth of the interval of the
    /// other transports, as in the original: a browser's offers live for 50 s only.
    pub interval: Option<Duration>,
    /// Longest message, in bytes.
    pub max_message: usize,
    /// Offers of an announce that are passed on; more are left out.
    pub max_offers: usize,
    /// Torrents and peer ids that one socket may announce; more are refused.
    pub max_info_hashes: usize,
    /// Most sockets, and no more than half of the descriptors that the process may have; more are
    /// refused with status 503.
    pub max_sockets: usize,
    /// Most sockets of one IPv4 address or IPv6 /64; more are refused with status 429. `None` for
    /// 1000, and no limit for this machine itself, where a reverse proxy may be.
    pub max_sockets_per_ip: Option<usize>,
    /// Bytes that may wait for a socket; one that reads too slowly is closed.
    pub max_queue: usize,
    /// Time between pings; a socket that sent nothing since the last one is closed.
    pub ping_interval: Duration,
    /// A socket that sent no message for this long is closed. `None` for ten minutes, or twice the
    /// interval if that is longer: who comes when it was asked to is not idle.
    pub idle_timeout: Option<Duration>,
    /// The `Origin`s that may connect; `None` for all. Those without one (no browser) may always.
    pub origins: Option<Vec<String>>,
}

/// The least time without a message that makes a socket idle, where the options don't say.
const LEAST_IDLE: Duration = Duration::from_secs(600);

impl WebSocketOptions {
    /// The time without a message after which a socket is closed, given the announce interval.
    fn idle_after(&self, interval: Duration) -> Duration {
        self.idle_timeout
            .unwrap_or(LEAST_IDLE.max(interval.saturating_mul(2)))
    }
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            interval: None,
            max_message: 64 * 1024,
            max_offers: 20,
            max_info_hashes: 20_000,
            max_sockets: 100_000,
            max_sockets_per_ip: None,
            max_queue: 1 << 20,
            ping_interval: Duration::from_secs(60),
            idle_timeout: None,
            origins: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_to_the_interval_is_not_idle() {
        let secs = Duration::from_secs;
        let default = WebSocketOptions::default();
        assert_eq!(default.idle_after(secs(120)), secs(600));
        assert_eq!(default.idle_after(secs(3600)), secs(7200));
        let given = WebSocketOptions {
            idle_timeout: Some(secs(5)),
            ..default
        };
        assert_eq!(given.idle_after(secs(3600)), secs(5));
    }
}

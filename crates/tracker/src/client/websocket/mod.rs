//! WebTorrent trackers: one WebSocket per tracker, shared by all clients of the process.
//!
//! What is said is JSON that the caller makes and reads; here messages find their way, by info hash,
//! and the socket is kept up: connecting, pings, reconnecting.

mod backoff;
mod connect;
mod socket;
mod task;
mod url;

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::runtime::Handle;

use self::{
    connect::Connector,
    socket::{Sink, Socket},
    task::Task,
};
pub use self::{
    socket::{MAX_OUTBOX, SendError, WebSocketEvent},
    url::WebSocketUrl,
};
use super::{
    proxy::Proxy,
    request::{ClientConfig, Families},
    resolve::Resolver,
    tls::TlsRoots,
};
use crate::types::{InfoHash, PeerId};

/// Bytes of a message from a tracker. Session descriptions have 1 to 5 KiB.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Which socket is wanted. Targets that are equal but for the timing share one.
#[derive(Clone, Debug)]
pub struct WebSocketTarget {
    /// The tracker.
    pub url: WebSocketUrl,
    /// Needed for `wss:`.
    pub tls_roots: Option<TlsRoots>,
    /// Over which of the tracker's addresses; [`Families::Both`] is [`Families::Ipv4First`] here.
    pub families: Families,
    /// The one way to the tracker, if set; its name is the proxy's to resolve then.
    pub proxy: Option<Proxy>,
    /// Of the first that asks for the socket.
    pub timing: WebSocketTiming,
}

/// The clocks of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketTiming {
    /// Name resolution, TCP, TLS and the upgrade together: 30 s.
    pub connect: Duration,
    /// A tracker that is silent this long is pinged, and given up after as long again: 30 s. Below
    /// the minute after which many proxies and routers forget a connection.
    pub ping: Duration,
    /// The wait before the first new attempt; it doubles with each that fails: 10 s.
    pub reconnect_min: Duration,
    /// What it does not grow beyond: 1 h.
    pub reconnect_max: Duration,
    /// Up to this much is added at random, so that the clients of a tracker that was restarted do
    /// not come all at once: 5 min.
    pub reconnect_jitter: Duration,
    /// How long a socket that nobody needs any more may take to say goodbye: 1 s.
    pub close: Duration,
}

impl Default for WebSocketTiming {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            ping: Duration::from_secs(30),
            reconnect_min: Duration::from_secs(10),
            reconnect_max: Duration::from_secs(60 * 60),
            reconnect_jitter: Duration::from_secs(5 * 60),
            close: Duration::from_secs(1),
        }
    }
}

/// A client's share of a socket. Dropping it leaves; the last one that leaves closes the socket,
/// after what was sent has gone out.
#[derive(Debug)]
pub struct WebSocketHandle {
    socket: Arc<Socket>,
    info_hash: InfoHash,
    id: u64,
}

impl WebSocketHandle {
    /// Sends a message, in order, if the socket is open.
    pub fn send(&self, message: String) -> Result<(), SendError> {
        self.socket.send(message)
    }

    /// Sends a scrape; its answer, as far as can be told, comes to this client alone.
    pub fn scrape(&self, message: String, info_hashes: Vec<InfoHash>) -> Result<(), SendError> {
        self.socket.scrape(message, self.id, info_hashes)
    }
}

impl Drop for WebSocketHandle {
    fn drop(&mut self) {
        self.socket.leave(&self.info_hash, self.id);
    }
}

/// The sockets in use.
pub(super) struct WebSocketTransport {
    handle: Handle,
    resolver: Arc<Resolver>,
    config: Arc<ClientConfig>,
    sockets: Mutex<Vec<Entry>>,
}

struct Entry {
    target: WebSocketTarget,
    socket: Weak<Socket>,
}

impl WebSocketTransport {
    pub(super) fn new(handle: Handle, resolver: Arc<Resolver>, config: Arc<ClientConfig>) -> Self {
        Self {
            handle,
            resolver,
            config,
            sockets: Mutex::default(),
        }
    }

    /// Joins the socket of this target, which is opened if there is none.
    pub(super) fn join(
        &self,
        target: &WebSocketTarget,
        info_hash: InfoHash,
        peer_id: PeerId,
        sink: Sink,
    ) -> WebSocketHandle {
        let handle = |socket, id| WebSocketHandle {
            socket,
            info_hash,
            id,
        };
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in sockets.iter().filter(|entry| entry.target.shares(target)) {
            // One that is closing takes nobody any more.
            if let Some(socket) = entry.socket.upgrade()
                && let Some(id) = socket.join(info_hash, peer_id, &sink)
            {
                return handle(socket, id);
            }
        }
        let (socket, id) = Socket::new(info_hash, peer_id, sink);
        let socket = Arc::new(socket);
        sockets.retain(|entry| entry.socket.strong_count() > 0);
        sockets.push(Entry {
            target: target.clone(),
            socket: Arc::downgrade(&socket),
        });
        let task = Task {
            socket: Arc::clone(&socket),
            connector: Connector {
                url: target.url.clone(),
                families: target.families,
                proxy: target.proxy.clone(),
                tls_roots: target.tls_roots.clone(),
                resolver: Arc::clone(&self.resolver),
                connect_timeout: self.config.connect_timeout,
            },
            timing: target.timing,
        };
        self.handle.spawn(task.run());
        handle(socket, id)
    }
}

impl WebSocketTarget {
    fn shares(&self, other: &Self) -> bool {
        self.url == other.url
            && self.families == other.families
            && self.proxy == other.proxy
            && match (&self.tls_roots, &other.tls_roots) {
                (Some(ours), Some(theirs)) => ours.is_same(theirs),
                (None, None) => true,
                // Not looked at without TLS.
                _ => !self.url.is_tls(),
            }
    }
}

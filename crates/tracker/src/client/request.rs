//! What the engine is asked to do, and how.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use super::{address, proxy::Proxy, schedule::IntervalLimits, tls::TlsRoots, url::TrackerUrl};
use crate::types::{AnnounceEvent, InfoHash, PeerId};

/// The time that a request may take, from its turn to its answer; the original's.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// One announce or scrape at one tracker.
#[derive(Clone, Debug)]
pub struct TrackerRequest {
    /// The tracker.
    pub url: TrackerUrl,
    /// What is asked.
    pub kind: RequestKind,
    /// The `User-Agent` header over HTTP; `None` sends an empty one, as the original does.
    pub user_agent: Option<String>,
    /// Needed when the URL is `https:`, or redirects to such a one. Without it that fails with
    /// [`ClientError::TlsRoots`](super::ClientError::TlsRoots), and can be tried again with it.
    pub tls_roots: Option<TlsRoots>,
    /// The time budget: name resolution, connecting, TLS, the body and retransmissions, but not
    /// the wait for a turn. 15 s by default. A scrape that is split has it for each part.
    pub timeout: Duration,
    /// The one way to the tracker, if set. Its name is the proxy's to resolve then, and `families`
    /// says nothing.
    pub proxy: Option<Proxy>,
    /// Over which of the tracker's addresses.
    pub families: Families,
    /// The range into which the intervals of the reply are forced.
    pub intervals: IntervalLimits,
}

impl TrackerRequest {
    /// A request with the defaults.
    pub fn new(url: TrackerUrl, kind: RequestKind) -> Self {
        Self {
            url,
            kind,
            user_agent: None,
            tls_roots: None,
            timeout: DEFAULT_TIMEOUT,
            proxy: None,
            families: Families::default(),
            intervals: IntervalLimits::default(),
        }
    }

    /// The same request for something else.
    #[must_use]
    pub fn with_kind(&self, kind: RequestKind) -> Self {
        Self {
            kind,
            url: self.url.clone(),
            user_agent: self.user_agent.clone(),
            tls_roots: self.tls_roots.clone(),
            proxy: self.proxy.clone(),
            ..*self
        }
    }
}

/// What is asked of a tracker.
#[derive(Clone, Debug)]
pub enum RequestKind {
    /// Takes part in a swarm, and gets peers.
    Announce(Box<AnnounceParams>),
    /// Gets the counts of some torrents. As many requests are made as it takes.
    Scrape {
        /// The torrents; none at all is a full scrape over HTTP, and an error over UDP.
        info_hashes: Vec<InfoHash>,
    },
}

/// An announce, in the form of either transport.
#[derive(Clone, Debug)]
pub struct AnnounceParams {
    /// HTTP: the whole query, escaped, without a question mark. In the order in which it is sent: the
    /// user's keys first, then `compact`, `info_hash`, `peer_id`, `port`, `left`, `trackerid`.
    pub query: String,
    /// UDP: the torrent.
    pub info_hash: InfoHash,
    /// UDP: this peer.
    pub peer_id: PeerId,
    /// UDP: bytes.
    pub downloaded: u64,
    /// UDP: bytes. `None`, unknown, is sent as 2^64 - 1.
    pub left: Option<u64>,
    /// UDP: bytes.
    pub uploaded: u64,
    /// UDP: why.
    pub event: AnnounceEvent,
    /// UDP: stable and random, so that a tracker knows this peer after its address has changed.
    pub key: u32,
    /// UDP: peers wanted; -1 leaves it to the tracker.
    pub num_want: i32,
    /// UDP: where this peer listens.
    pub port: u16,
}

impl AnnounceParams {
    /// What the announce is called in errors.
    pub(super) fn what(&self) -> &'static str {
        self.event.wire_name().unwrap_or("update")
    }

    /// An announce that goes over HTTP alone.
    pub fn of_query(query: String) -> Self {
        Self {
            query,
            info_hash: InfoHash([0; 20]),
            peer_id: PeerId([0; 20]),
            downloaded: 0,
            left: None,
            uploaded: 0,
            event: AnnounceEvent::default(),
            key: 0,
            num_want: -1,
            port: 0,
        }
    }
}

/// Over which of a tracker's addresses a request is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// IPv4, and IPv6 if there is no IPv4 address or nothing was heard over it.
    #[default]
    Ipv4First,
    /// Both at once (BEP 7): two announces, one reply with the peers of both. The second answer
    /// is waited for no longer than 2 s.
    Both,
    /// IPv4 only.
    Ipv4Only,
    /// IPv6 only.
    Ipv6Only,
}

/// Limits of the whole engine. The defaults suit a client with thousands of torrents.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// HTTP requests under way at once: 256.
    pub http_total: usize,
    /// HTTP requests under way at once to one host and port: 16.
    pub http_per_host: usize,
    /// UDP requests awaiting an answer at once; those that share a connect do not count: 512.
    pub udp_total: usize,
    /// Of those, to one tracker: 128. A burst of 300 announces overflows the receive buffer that
    /// a socket has by default on Linux (208 KiB, with 768 bytes for a small packet).
    pub udp_per_host: usize,
    /// Bytes of an HTTP body after inflation: 1 MiB.
    pub max_body: usize,
    /// Redirects followed: 5.
    pub max_redirects: usize,
    /// Time for TCP and TLS to one address family, within a request's budget: 8 s, so that the
    /// other family has time left.
    pub connect_timeout: Duration,
    /// Names in lower case with fixed addresses, as in a hosts file; looked up before the system's resolver.
    pub hosts: HashMap<String, Vec<IpAddr>>,
    /// Which addresses are on the internet. Redirects from those to others are refused.
    pub is_public: fn(IpAddr) -> bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            http_total: 256,
            http_per_host: 16,
            udp_total: 512,
            udp_per_host: 128,
            max_body: 1 << 20,
            max_redirects: 5,
            connect_timeout: Duration::from_secs(8),
            hosts: HashMap::new(),
            is_public: address::is_public,
        }
    }
}

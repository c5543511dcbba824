use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    events::{Event, EventQueue, want},
    proxy::TrustProxy,
    questions::Questions,
    websocket::{Hub, WebSocketOptions},
};
use crate::{net, protocol::connection_id::ConnectionIds, tracker::Tracker, types::InfoHash};

/// What all threads of a server share.
pub(super) struct Context {
    pub(super) tracker: Arc<Tracker>,
    pub(super) events: Arc<EventQueue>,
    pub(super) options: ServerOptions,
    /// The announce interval as it is sent, in seconds.
    pub(super) interval_secs: u32,
    /// The least time between announces, likewise.
    pub(super) min_interval_secs: Option<u32>,
    /// The announce interval of WebSocket peers.
    pub(super) websocket_interval_secs: u32,
    /// The WebSocket connections, those too that the user's code serves.
    pub(super) hub: Arc<Hub>,
    /// What the user's code is asked about.
    pub(super) questions: Questions,
    /// Of all UDP threads, and of those who answer for them.
    pub(super) connection_ids: ConnectionIds,
    /// Connections are to end with their next answer: others accept from now on.
    pub(super) handed_over: AtomicBool,
}

impl Context {
    pub(super) fn new(
        tracker: Arc<Tracker>,
        events: Arc<EventQueue>,
        options: ServerOptions,
    ) -> io::Result<Self> {
        let config = tracker.config();
        let websocket = options.websocket.clone().unwrap_or_default();
        let websocket_interval = websocket.interval.unwrap_or(config.interval / 5);
        let ids = ConnectionIds::new(random()?, options.connection_id_lifetime);
        let interval_secs = wire_secs(config.interval);
        let min_interval_secs = config.min_interval.map(wire_secs);
        Ok(Self {
            tracker,
            events,
            options,
            interval_secs,
            min_interval_secs,
            websocket_interval_secs: wire_secs(websocket_interval),
            hub: Hub::new(within_descriptors(websocket)),
            questions: Questions::default(),
            connection_ids: ids,
            handed_over: AtomicBool::new(false),
        })
    }

    /// Whether the user's code is asked about the announces of this torrent.
    pub(super) fn asks_about(&self, info_hash: &InfoHash) -> bool {
        self.events.wants(want::ASK_ANNOUNCE) || self.tracker.store().is_watched(info_hash)
    }

    /// One small step of housekeeping; whether more are due.
    pub(super) fn housekeep(&self, uptime: Duration) -> bool {
        let due = self.tracker.housekeep(uptime);
        if self.tracker.store().has_evicted() {
            self.tell_evicted();
        }
        due
    }

    /// Tells who watches swarms whom they have lost.
    pub(super) fn tell_evicted(&self) {
        let evicted = self.tracker.store().take_evicted();
        self.events
            .append_now(&mut evicted.into_iter().map(Event::Evicted).collect());
    }

    pub(super) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Relaxed)
    }

    /// The seed of a thread's random numbers.
    pub(super) fn seed(&self) -> io::Result<u64> {
        match self.options.seed {
            Some(seed) => Ok(seed),
            None => random().map(u64::from_ne_bytes),
        }
    }
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// `WebSocket`s may take half of all descriptors: there are HTTP connections as well, and the program
/// that we are a guest of.
fn within_descriptors(mut options: WebSocketOptions) -> WebSocketOptions {
    let fair = net::max_descriptors().map_or(usize::MAX, |most| most / 2);
    options.max_sockets = options.max_sockets.min(fair);
    options
}

/// An interval as it is sent: a part of a second counts as one, as in the original. Never 0, which
/// clients take for "at once", and a signed number in most of them.
fn wire_secs(interval: Duration) -> u32 {
    let secs = interval.as_secs() + u64::from(interval.subsec_nanos() > 0);
    u32::try_from(secs)
        .unwrap_or(u32::MAX)
        .clamp(1, i32::MAX as u32)
}

/// How a server treats its transports.
#[expect(
    clippy::struct_excessive_bools,
    reason = "options that are on or off, each by itself"
)]
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Threads per transport, 1 to 64.
    pub threads: usize,
    /// Uses the portable sockets even where there are better ones.
    pub portable: bool,
    /// Whose `X-Forwarded-For` is believed.
    pub trust_proxy: TrustProxy,
    /// Believes the address in a UDP announce. Anyone can then announce anybody else.
    pub trust_udp_ip: bool,
    /// How long a UDP connection id is good for.
    pub connection_id_lifetime: Duration,
    /// Most HTTP connections at a time; more are closed as they come.
    pub max_connections: usize,
    /// How long an HTTP connection may stay open without a finished request.
    pub idle_timeout: Duration,
    /// What comes before `/announce` and `/scrape` in the path: empty, or `/prefix`.
    pub path_prefix: String,
    /// Answers announces and scrapes over HTTP; without it only WebSocket is served on that port.
    pub http: bool,
    /// WebSocket, if that transport is on.
    pub websocket: Option<WebSocketOptions>,
    /// Answers `/stats` and `/stats.json`, with what the user's code makes of the numbers.
    pub stats: bool,
    /// Makes the choice of peers repeatable. For tests: whoever knows it can foretell the choice.
    pub seed: Option<u64>,
    /// Kernel buffers of each UDP socket, in bytes: receive, send.
    pub udp_buffers: (usize, usize),
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            threads: default_threads(),
            portable: false,
            trust_proxy: TrustProxy::No,
            trust_udp_ip: false,
            connection_id_lifetime: Duration::from_secs(120),
            max_connections: 20_000,
            idle_timeout: Duration::from_secs(60),
            path_prefix: String::new(),
            http: true,
            websocket: None,
            stats: false,
            seed: None,
            udp_buffers: (8 << 20, 4 << 20),
        }
    }
}

/// As many as the process may use (affinity and cgroups count), but at most 8: an addon is a guest.
fn default_threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8)
}

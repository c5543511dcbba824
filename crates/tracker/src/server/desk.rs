//! Where the user's code deals with the engine: it gives verdicts here, announces peers itself, and
//! serves connections of its own with what the engine knows.
//!
//! All of it may be called by a thread that must not wait: locks are held for no I/O but a datagram's
//! that the kernel takes or drops.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use socket2::Socket;

use super::{
    context::Context,
    events::{self, EventQueue, HttpRequest},
    http::{self, Action, CARRIES, Head, Prepared},
    peer_rows::Rows,
    proxy::TrustProxy,
    questions::{Asker, Verdict},
    udp::{UdpHandler, carries},
    websocket::{Origin, Place, Relay, Step},
};
use crate::{
    clock,
    net::udp::Handler,
    protocol::udp,
    swarm::{Announce, SocketAnnounce, Wanted},
    tracker::{FullScrapeRefused, Tracker},
    types::{AnnounceEvent, InfoHash, PeerAddr, PeerId, SocketId, Timestamp},
};

/// See the [module](self).
pub struct Desk {
    context: Arc<Context>,
    state: Mutex<State>,
}

struct State {
    rng: fastrand::Rng,
    udp: UdpHandler,
    udp_v4: Option<Socket>,
    udp_v6: Option<Socket>,
    externals: HashMap<SocketId, External, ahash::RandomState>,
    reply: Vec<u8>,
}

/// A connection that the user's code serves.
struct External {
    relay: Arc<Relay>,
    _place: Place,
}

/// An announce that the user's code makes.
#[derive(Clone, Copy, Debug)]
pub struct DirectAnnounce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// What the peer calls itself.
    pub peer_id: PeerId,
    /// Whose it is, and by which transport.
    pub sender: Sender,
    /// Why.
    pub event: AnnounceEvent,
    /// Bytes left, if known.
    pub left: Option<u64>,
    /// Peers wanted; `None` for the default.
    pub numwant: Option<i64>,
}

/// Who announces.
#[derive(Clone, Copy, Debug)]
pub enum Sender {
    /// By HTTP.
    Http(PeerAddr),
    /// By UDP; whether over IPv4.
    Udp(PeerAddr, bool),
    /// By WebSocket.
    Socket(SocketId),
}

/// What an announce is answered with.
#[derive(Debug, Default)]
pub struct AnnounceAnswer {
    /// Seeders.
    pub complete: u32,
    /// Leechers.
    pub incomplete: u32,
    /// Peers.
    pub peers: Vec<PeerRow>,
}

/// A peer in an answer.
#[derive(Clone, Copy, Debug)]
pub struct PeerRow {
    /// What it calls itself.
    pub peer_id: PeerId,
    /// Where it takes connections, or the address of its socket.
    pub addr: Option<SocketAddr>,
    /// Over WebSocket.
    pub socket: Option<SocketId>,
    /// Whether it is a seeder; not known of WebSocket peers.
    pub complete: bool,
}

/// What an HTTP request asks for.
#[derive(Debug)]
pub enum HttpParsed {
    /// It gets this failure reason; the code is that of the warning.
    Refused {
        /// `ERR_TRACKER_...`.
        code: &'static str,
        /// For the client.
        reason: String,
    },
    /// An announce from this address.
    Announce(PeerAddr),
    /// A scrape of these torrents; none at all for all.
    Scrape(Vec<InfoHash>),
    /// The statistics, as JSON or not.
    Stats {
        /// Whether as JSON.
        json: bool,
    },
}

/// What a datagram asks for.
#[derive(Debug)]
pub enum UdpParsed {
    /// It has been dealt with.
    Done,
    /// A connect, and its answer.
    Connect(Vec<u8>),
    /// An announce of this peer.
    Announce(PeerAddr),
    /// A scrape of these torrents.
    Scrape(Vec<InfoHash>),
}

/// Why a connection cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many sockets")]
pub struct OpenError;

impl Desk {
    /// The desk of a tracker that listens nowhere yet.
    pub fn new(
        tracker: Arc<Tracker>,
        events: Arc<EventQueue>,
        options: super::ServerOptions,
    ) -> io::Result<Self> {
        let context = Arc::new(Context::new(tracker, events, options)?);
        let seed = context.seed()?;
        let state = State {
            rng: fastrand::Rng::with_seed(seed),
            udp: UdpHandler::new(Arc::clone(&context), seed),
            udp_v4: None,
            udp_v6: None,
            externals: HashMap::default(),
            reply: Vec::new(),
        };
        Ok(Self {
            context,
            state: Mutex::new(state),
        })
    }

    pub(super) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Datagrams leave through these from now on.
    pub(super) fn send_through(&self, v4: Option<Socket>, v6: Option<Socket>) {
        let mut state = self.lock();
        (state.udp_v4, state.udp_v6) = (v4, v6);
    }

    /// Nothing leaves any more.
    pub fn close(&self) {
        self.context.events.close();
        self.context.questions.close();
        let mut state = self.lock();
        (state.udp_v4, state.udp_v6) = (None, None);
        let externals = std::mem::take(&mut state.externals);
        drop(state);
        for external in externals.into_values() {
            external.relay.leave(clock::timestamp());
        }
    }

    /// Goes on with a request that was asked about. Nothing happens if it has been settled already, or
    /// was given up.
    pub fn settle(&self, question: u64, verdict: Verdict) {
        match self.context.questions.take(question) {
            // Whoever waited may be gone.
            Some(Asker::Task(task)) => drop(task.send(verdict)),
            Some(Asker::Udp { packet, from }) => self.settle_udp(&packet, from, verdict),
            Some(Asker::External { socket, message }) => {
                let mut state = self.lock();
                let Some(external) = state.externals.get(&socket) else {
                    return;
                };
                let relay = Arc::clone(&external.relay);
                let event = relay.settled(&message, verdict, clock::timestamp(), &mut state.rng);
                drop(state);
                self.context
                    .events
                    .append_now(&mut event.into_iter().collect());
            }
            None => {}
        }
    }

    fn settle_udp(&self, packet: &[u8], from: SocketAddr, verdict: Verdict) {
        let mut state = self.lock();
        let mut reply = std::mem::take(&mut state.reply);
        reply.clear();
        match verdict {
            Verdict::Allow => state.udp.allowed(packet, from, &mut reply),
            Verdict::Refuse(reason) => {
                if let Some(id) = packet.get(12..16).and_then(|id| id.try_into().ok()) {
                    udp::write_error(&mut reply, u32::from_be_bytes(id), &reason);
                }
            }
            Verdict::Reply(answer) => reply.extend_from_slice(&answer.body),
        }
        state.send(&reply, from);
        state.reply = reply;
        let mut events = std::mem::take(&mut state.udp.events);
        drop(state);
        self.context.events.append_now(&mut events);
    }

    /// Sends a datagram from the tracker's port, if it has one. One that the kernel has no room for is
    /// dropped.
    pub fn send_udp(&self, packet: &[u8], to: SocketAddr) {
        self.lock().send(packet, to);
    }

    /// Reads a datagram; one that gets no answer is dealt with.
    pub fn parse_udp(&self, packet: &[u8], from: SocketAddr) -> UdpParsed {
        let mut state = self.lock();
        state.udp.tick();
        let ids = &self.context.connection_ids;
        let valid = |id| ids.is_valid(id, from.ip(), clock::timestamp());
        match udp::parse_request(packet) {
            Ok(udp::Request::Connect { transaction_id }) => {
                let mut reply = Vec::new();
                let id = ids.issue(from.ip(), clock::timestamp());
                udp::write_connect_response(&mut reply, transaction_id, id);
                return UdpParsed::Connect(reply);
            }
            Ok(udp::Request::Announce(request)) if valid(request.connection_id) => {
                return UdpParsed::Announce(state.udp.peer_addr(&request, from));
            }
            Ok(udp::Request::Scrape(request)) if valid(request.connection_id) => {
                return UdpParsed::Scrape(request.info_hashes().collect());
            }
            Ok(_) => state.udp.reject_connection_id(from),
            Err(error) => state.udp.reject(error, from),
        }
        UdpParsed::Done
    }

    /// Reads an HTTP request. `target` is the path and query, `forwarded` the header
    /// `X-Forwarded-For`; `trust_all` overrides the server's option.
    pub fn parse_http(
        &self,
        target: &str,
        action: Option<Action>,
        remote: SocketAddr,
        forwarded: Option<&str>,
        trust_all: Option<bool>,
        accept: (bool, bool),
    ) -> HttpParsed {
        let trust = self.trust(trust_all);
        let (is_get, wants_json) = accept;
        let head = Head {
            target,
            remote,
            is_get,
            wants_json,
        };
        let lines = forwarded.map(str::as_bytes).into_iter();
        match http::prepare(&self.context, &head, action, trust, lines) {
            Ok(Prepared::Announce(query, ip)) => {
                HttpParsed::Announce(PeerAddr::new(ip, query.port))
            }
            Ok(Prepared::Scrape(info_hashes)) => HttpParsed::Scrape(info_hashes),
            Ok(Prepared::Stats(kind)) => HttpParsed::Stats {
                json: kind == events::Inquiry::StatsJson,
            },
            Err(refused) => HttpParsed::Refused {
                code: refused.code,
                reason: refused.reason,
            },
        }
    }

    /// Whose a connection is; `None` for a header that is believed and names no address.
    pub fn client_ip(
        &self,
        remote: SocketAddr,
        forwarded: Option<&str>,
        trust_all: Option<bool>,
    ) -> Option<IpAddr> {
        let lines = forwarded.map(str::as_bytes).into_iter();
        self.trust(trust_all).client_ip(remote, lines).ok()
    }

    fn trust(&self, all: Option<bool>) -> &TrustProxy {
        match all {
            Some(true) if !matches!(self.context.options.trust_proxy, TrustProxy::Proxies(_)) => {
                &TrustProxy::First
            }
            Some(false) => &TrustProxy::No,
            _ => &self.context.options.trust_proxy,
        }
    }

    /// Warns of a request, within the limits that hold for all warnings.
    pub fn warn(&self, code: &'static str, from: Option<SocketAddr>, message: &str) {
        self.context
            .events
            .warn(clock::timestamp(), code, from, || message.to_owned());
    }

    /// Takes an announce in and answers it. Fails where a socket announces too many torrents.
    pub fn announce(&self, announce: &DirectAnnounce) -> Result<AnnounceAnswer, &'static str> {
        let mut state = self.lock();
        let now = clock::timestamp();
        let mut rows = Rows::new(&self.context.hub);
        let (addr, carries, rng) = match announce.sender {
            Sender::Socket(socket) => {
                let wanted = announce
                    .numwant
                    .and_then(|count| usize::try_from(count).ok());
                let wanted = wanted
                    .unwrap_or(0)
                    .min(self.context.tracker.config().max_numwant);
                let Some(shared) = self.context.hub.get(socket) else {
                    return Ok(rows.answer);
                };
                let relay = Relay::new(
                    Arc::clone(&self.context),
                    Arc::clone(&self.context.hub),
                    shared,
                );
                let announce = SocketAnnounce {
                    info_hash: announce.info_hash,
                    peer_id: announce.peer_id,
                    socket,
                    event: announce.event,
                    left: announce.left,
                };
                relay.announce_to_store(&announce, wanted, now, &mut state.rng, &mut rows)?;
                return Ok(rows.answer);
            }
            Sender::Http(addr) => (addr, CARRIES, &mut state.rng),
            Sender::Udp(addr, v4) => (addr, carries(v4), state.udp.rng()),
        };
        let request = Announce {
            info_hash: announce.info_hash,
            peer_id: announce.peer_id,
            addr,
            event: announce.event,
            left: announce.left,
        };
        let tracker = &self.context.tracker;
        tracker.announce(&request, announce.numwant, carries, now, rng, &mut rows);
        Ok(rows.answer)
    }

    /// Draws peers as the answer to an announce would have them, without one.
    pub fn select(
        &self,
        info_hash: &InfoHash,
        own: Option<PeerId>,
        numwant: usize,
    ) -> AnnounceAnswer {
        let mut state = self.lock();
        let mut rows = Rows::new(&self.context.hub);
        let store = self.context.tracker.store();
        let rng = &mut state.rng;
        let count = numwant.min(self.context.tracker.config().max_numwant);
        if let Some(own) = own {
            store.select_sockets(info_hash, own, count, rng, &mut rows);
        } else {
            let wanted = Wanted {
                v4: true,
                v6: true,
                count,
            };
            store.select(info_hash, wanted, rng, &mut rows);
        }
        rows.answer
    }

    /// All torrents, sorted, if so many may be listed.
    pub fn full_scrape(&self) -> Result<Vec<InfoHash>, FullScrapeRefused> {
        let mut info_hashes = self.context.tracker.full_scrape()?;
        info_hashes.sort_unstable();
        Ok(info_hashes)
    }

    /// Opens a connection that the user's code serves: what it is to send comes as
    /// [`Event::Deliver`].
    pub fn open_socket(&self, request: HttpRequest) -> Result<SocketId, OpenError> {
        let mut place = self.context.hub.enter(request.ip).map_err(|_| OpenError)?;
        let origin = Origin {
            ip: request.ip,
            remote: request.remote,
            request: Arc::new(request),
        };
        let events = Arc::clone(&self.context.events);
        let socket = place.open_external(origin, events);
        let id = socket.id();
        let relay = Relay::new(
            Arc::clone(&self.context),
            Arc::clone(&self.context.hub),
            socket,
        );
        let external = External {
            relay: Arc::new(relay),
            _place: place,
        };
        self.lock().externals.insert(id, external);
        Ok(id)
    }

    /// Handles a message of such a connection; `None` for one that is no text.
    pub fn message(&self, socket: SocketId, text: Option<&str>) {
        let mut state = self.lock();
        let Some(external) = state.externals.get(&socket) else {
            return;
        };
        let relay = Arc::clone(&external.relay);
        let now = clock::timestamp();
        let Some(text) = text else {
            return relay.not_text(now);
        };
        let step = relay.message(text, now, &mut state.rng);
        drop(state);
        match step {
            Step::Done(event) => self
                .context
                .events
                .append_now(&mut event.into_iter().collect()),
            Step::Ask(question) => {
                let asker = Asker::External {
                    socket,
                    message: text.into(),
                };
                match self.context.questions.ask(asker, now) {
                    Some(id) => self.context.events.append_now(&mut vec![question(id)]),
                    None => relay.busy(now),
                }
            }
        }
    }

    /// Such a connection is gone, and its peers with it.
    pub fn closed(&self, socket: SocketId) {
        // Outside of the lock: it leaves its swarms.
        let external = self.lock().externals.remove(&socket);
        if let Some(external) = external {
            external.relay.leave(clock::timestamp());
        }
    }

    /// How many WebSocket connections there are.
    pub fn sockets(&self) -> usize {
        self.context.hub.len()
    }

    /// Where a WebSocket connection comes from: its address as trusted, and its own port.
    pub fn socket_addr(&self, socket: SocketId) -> Option<SocketAddr> {
        self.context.hub.addr(socket)
    }

    /// Sends a text to a WebSocket connection, if it is still there.
    pub fn send(&self, socket: SocketId, text: &str) {
        self.context.hub.send(socket, text);
    }

    /// Closes a WebSocket connection, if it is still there.
    pub fn close_socket(&self, socket: SocketId) {
        self.context.hub.close(socket);
    }

    /// Housekeeping, for a tracker that listens nowhere itself.
    pub fn housekeep(&self) {
        while self.context.housekeep(clock::uptime()) {}
    }

    /// Seconds between announces as they are sent: over WebSocket.
    pub fn websocket_interval_secs(&self) -> u32 {
        self.context.websocket_interval_secs
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every method leaves it whole at each step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(&self, packet: &[u8], to: SocketAddr) {
        if packet.is_empty() {
            return;
        }
        let socket = match to.ip() {
            IpAddr::V4(_) => &self.udp_v4,
            IpAddr::V6(_) => &self.udp_v6,
        };
        if let Some(socket) = socket {
            // As any datagram it may get lost. The UDP threads wait a while for room in the kernel's
            // buffer; whoever sends from here must not, though the socket is the same.
            #[cfg(target_os = "linux")]
            let _ = socket.send_to_with_flags(packet, &to.into(), libc::MSG_DONTWAIT);
            #[cfg(not(target_os = "linux"))]
            let _ = socket.send_to(packet, &to.into());
        }
    }
}

/// The time, for who deals with the store itself.
pub fn now() -> Timestamp {
    clock::timestamp()
}

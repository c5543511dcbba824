//! What the user's code is told, or asked.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

pub use super::{headers::Headers, websocket::Socket};
use crate::{
    swarm::Evicted,
    types::{AnnounceEvent, PeerAddr, PeerId, SocketId},
};

/// Something that a listener may want to know.
#[derive(Debug)]
pub enum Event {
    /// A peer's announce was answered.
    Announce(Announced),
    /// Somebody sent something bad, or something is not as it should be; the server goes on.
    Warning(Warning),
    /// A socket or a thread failed.
    Error(Failure),
    /// An announce is asked about before it is answered.
    Question {
        /// For the verdict.
        id: u64,
        /// The announce.
        announced: Announced,
    },
    /// Another request is: a scrape, or the statistics.
    Inquiry {
        /// For the verdict.
        id: u64,
        /// What is asked for.
        kind: Inquiry,
        /// The request.
        request: Request,
        /// Where it came from.
        from: SocketAddr,
    },
    /// A datagram that the user's code is to handle.
    Packet {
        /// As it came.
        packet: Box<[u8]>,
        /// Whose.
        from: SocketAddr,
    },
    /// A text for a socket that the user's code serves.
    Deliver {
        /// The socket.
        socket: Arc<Socket>,
        /// JSON.
        message: Vec<u8>,
    },
    /// A socket that the user's code serves is to be closed.
    Close {
        /// The socket.
        socket: SocketId,
        /// It read too slowly.
        too_slow: bool,
    },
    /// A socket is gone; told where [`want::GONE`](super::events::want::GONE) is.
    Gone {
        /// The socket.
        socket: SocketId,
    },
    /// A peer left a swarm that somebody watches, without having said so.
    Evicted(Evicted),
}

/// What is asked for that is no announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inquiry {
    /// The numbers of some torrents.
    Scrape,
    /// The statistics as a page.
    Stats,
    /// The statistics as JSON.
    StatsJson,
}

impl Event {
    /// What it holds on the heap, about, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Announce(announced) | Self::Question { announced, .. } => {
                announced.request.size()
            }
            Self::Warning(warning) => warning.message.len(),
            Self::Error(failure) => failure.message.len(),
            Self::Inquiry { request, .. } => request.size(),
            Self::Packet { packet, .. } => packet.len(),
            Self::Deliver { message, .. } => message.len(),
            Self::Close { .. } | Self::Gone { .. } | Self::Evicted(_) => 0,
        }
    }
}

/// An answered announce.
#[derive(Debug)]
pub struct Announced {
    /// What the peer said; listeners hear of that, whatever the swarm made of it.
    pub event: AnnounceEvent,
    /// Who announced.
    pub peer: PeerName,
    /// The request, for whoever wants its parameters.
    pub request: Request,
}

/// What a peer goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerName {
    /// Over UDP and HTTP: the address as stored.
    Addr(PeerAddr),
    /// Over WebSocket: the peer id.
    Id(PeerId),
}

/// An announce as it came in; decoded only where somebody looks.
#[derive(Debug)]
pub enum Request {
    /// The datagram.
    Udp(Box<[u8]>),
    /// The request line and headers.
    Http(Box<HttpRequest>),
    /// The message, and where it came from.
    WebSocket {
        /// JSON.
        message: Box<str>,
        /// The socket, for whoever wants to send to it.
        socket: SocketId,
        /// The request that became the socket.
        upgrade: Arc<HttpRequest>,
    },
}

impl Request {
    fn size(&self) -> usize {
        match self {
            Self::Udp(packet) => packet.len(),
            Self::Http(request) => request.target.len() + request.headers.size(),
            Self::WebSocket { message, .. } => message.len(),
        }
    }
}

/// An HTTP request's head.
#[derive(Debug)]
pub struct HttpRequest {
    /// `GET`, as a rule.
    pub method: String,
    /// Path and query as sent.
    pub target: Vec<u8>,
    /// Header names and values.
    pub headers: Headers,
    /// Where the connection came from.
    pub remote: SocketAddr,
    /// The client's address as trusted: the connection's, or a proxy's word.
    pub ip: IpAddr,
}

/// A warning, for the `warning` event.
#[derive(Debug)]
pub struct Warning {
    /// A stable `ERR_TRACKER_...` code.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// Who sent it.
    pub from: Option<SocketAddr>,
    /// How many warnings were left out before this one since the last.
    pub left_out: u64,
}

/// A failure, for the `error` event.
#[derive(Debug)]
pub struct Failure {
    /// A stable `ERR_TRACKER_...` code where the system gives none.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// The system's error.
    pub source: Option<io::Error>,
}

impl Failure {
    /// A failure that the system reports; `what` says at which call.
    pub(super) fn system(what: &str, source: io::Error) -> Self {
        Self {
            code: "ERR_TRACKER_SYSTEM",
            message: format!("{what}: {source}"),
            source: Some(source),
        }
    }
}

//! The tracker client: announces and scrapes at other people's trackers.
//!
//! [`ClientEngine`] is one per process. A [`TrackerRequest`] goes in, one callback comes out;
//! over a WebSocket, messages go in and out.
//! The parts:
//!
//! - [`schedule`]: when to announce and to send again. Pure.
//! - `udp`: BEP 15 over one socket per address family.
//! - `http`: one bounded GET request over pooled connections.
//! - `websocket`: one socket per tracker, which many share.
//! - `proxy`: SOCKS and HTTP proxies, for the three of them.
//! - `resolve`, `slots`: look-ups and turns that all requests share.
//!
//! Whatever a tracker does, a request ends once, within its time, and costs bounded memory.

mod address;
mod engine;
mod error;
mod http;
mod os_error;
mod proxy;
mod reply;
mod request;
mod resolve;
pub mod schedule;
mod slots;
mod tls;
mod udp;
mod url;
mod websocket;

pub use address::is_public;
pub use engine::{ClientEngine, DESTROY_TIMEOUT, Outcome, RequestHandle};
pub use error::{ClientError, Failure, MAX_TEXT};
pub use http::{CarriedHttp, MAX_BODY, MAX_REDIRECTS};
pub use os_error::{Cause, OsError};
pub use proxy::{Proxy, ProxyError, ProxyScheme};
pub use reply::{AnnounceReply, Peer, RawDict, RawValue, ScrapeReply, ScrapeRow, TrackerReply};
pub use request::{
    AnnounceParams, ClientConfig, DEFAULT_TIMEOUT, Families, RequestKind, TrackerRequest,
};
pub use tls::TlsRoots;
pub use url::{TrackerUrl, UrlError};
pub use websocket::{
    MAX_MESSAGE, MAX_OUTBOX, SendError, WebSocketEvent, WebSocketHandle, WebSocketTarget,
    WebSocketTiming, WebSocketUrl,
};

//! The servers: sockets, wire formats and the tracker's policy, joined.

mod context;
mod desk;
mod event;
pub mod events;
mod headers;
mod http;
mod listeners;
mod peer_rows;
mod proxy;
mod questions;
mod running;
mod udp;
mod udp_seen;
mod websocket;

pub use context::ServerOptions;
pub use desk::{
    AnnounceAnswer, Desk, DirectAnnounce, HttpParsed, OpenError, PeerRow, Sender, UdpParsed, now,
};
pub use http::Action;
pub use listeners::HandOver;
pub use proxy::{Cidr, ParseCidrError, TrustProxy};
pub use questions::{Reply, Verdict};
pub use running::{Addrs, Bindings, Server, StartError};
pub use websocket::WebSocketOptions;

//! The servers: sockets, wire formats and the tracker's policy, joined.

mod context;
pub mod events;
mod http;
mod proxy;
mod running;
mod udp;
mod websocket;

pub use context::ServerOptions;
pub use proxy::{Cidr, ParseCidrError, TrustProxy};
pub use running::{Addrs, Bindings, Server, StartError};
pub use websocket::WebSocketOptions;

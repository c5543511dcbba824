//! The servers: sockets, wire formats and the tracker's policy, joined.

mod context;
pub mod events;
mod http;
mod running;
mod udp;

pub use context::ServerOptions;
pub use running::{Addrs, Bindings, Server, StartError};

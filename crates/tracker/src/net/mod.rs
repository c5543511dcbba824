//! Sockets: binding groups of them, moving datagrams in batches, accepting connections.
//!
//! Knows nothing of BitTorrent. The only part of the engine with `unsafe` code, and that only in
//! `udp/linux.rs` and `udp/linux_burst.rs`, where the batched system calls are.

mod bind;
mod descriptors;
pub mod udp;

pub use bind::{BindError, FamilyAddrs, PortSockets, Transport, bind_tcp, bind_udp};
pub use descriptors::max_descriptors;

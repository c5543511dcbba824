//! A BitTorrent tracker and tracker client as a plain Rust library.
//!
//! The layers, each using only those above it in this list:
//!
//! - [`types`]: info hashes, peer ids, addresses, events.
//! - [`bencode`]: a bounded decoder and an append-only encoder.
//! - [`protocol`]: the wire formats as pure functions over bytes.
//! - [`swarm`]: the store of torrents and peers.
//! - [`tracker`]: policy, from a request to an answer.
//! - [`net`]: sockets; knows nothing of the above.
//! - [`server`] and [`client`]: joins all of them.
//!
//! Nothing up to and including `tracker` does I/O, reads a clock or makes its own random numbers.

pub mod bencode;
pub mod client;
pub mod clock;
pub mod net;
mod prefetch;
pub mod protocol;
pub mod server;
pub mod swarm;
pub mod tracker;
pub mod types;

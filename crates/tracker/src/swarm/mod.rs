//! The store of torrents and their peers.
//!
//! [`Store`] keeps one swarm per info hash, whatever transport its peers use. It knows no wire format
//! beyond the compact addresses that it keeps, reads no clock and makes no random numbers: both are
//! arguments. All methods take `&self` and may be called from any number of threads.
//!
//! - A peer is known by its address and port. Its peer id is what it last called itself.
//! - An answer is copied out of the store by the caller's [`PeerSink`], while the swarm is locked.
//! - No lock is held when a method returns, and none while waiting for another.
//! - Time never goes by inside a call: what is silent for too long goes in [`Store::expire`], a small
//!   step at a time.

mod announce;
mod config;
mod counters;
mod eviction;
mod expiry;
mod heap;
mod index;
mod inline;
mod large;
mod newcomers;
mod order;
mod peers;
mod rank;
mod select;
mod sink;
mod store;
mod torrent;

pub use announce::{Announce, Effect, Outcome, PeerSnapshot, SwarmStats, Wanted};
pub use config::SwarmConfig;
pub use counters::StoreCounts;
pub use expiry::Expired;
pub use sink::{PeerMeta, PeerSink, Run};
pub use store::Store;

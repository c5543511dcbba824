//! The store of torrents and their peers.
//!
//! [`Store`] keeps one swarm per info hash, whatever transport its peers use. It knows no wire format
//! beyond the compact addresses that it keeps, reads no clock and makes no random numbers: both are
//! arguments. All methods take `&self` and may be called from any number of threads.
//!
//! - A peer over HTTP or UDP is known by its address and port. Its peer id is what it last called itself.
//! - A peer over a WebSocket is known by its peer id and the socket that it announced by, which owns it:
//!   no address and no other socket can speak for it.
//! - Peers of both sorts count together, by the same rules. Neither is handed to the other, which has no
//!   way to connect to it.
//! - An answer is copied out of the store by the caller's [`PeerSink`] or [`SocketSink`], while the swarm is locked.
//! - No lock is held when a method returns. That of a torrent is taken before those of what is kept over
//!   all torrents, and no two torrents are locked at once.
//! - Time never goes by inside a call: what is silent for too long goes in [`Store::expire`], a small
//!   step at a time.

mod announce;
mod answer;
mod census;
mod clients;
mod config;
mod counters;
mod eviction;
mod expiry;
mod heap;
mod index;
mod inline;
mod key;
mod large;
mod lookahead;
mod lookup;
mod newcomers;
mod observers;
mod order;
mod peers;
mod rank;
mod removal;
mod select;
mod sink;
mod slots;
mod store;
mod table;
mod torrent;
mod watch;

pub use announce::{
    Announce, Effect, Outcome, PeerSnapshot, PeerSource, SocketAnnounce, SwarmStats, Wanted,
};
pub use census::CensusSnapshot;
pub use config::SwarmConfig;
pub use counters::StoreCounts;
pub use expiry::Expired;
pub use lookahead::Expected;
pub use sink::{PeerMeta, PeerSink, Run, SocketSink};
pub use store::Store;
pub use watch::Evicted;

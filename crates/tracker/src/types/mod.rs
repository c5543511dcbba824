//! The words of the field as small `Copy` types.

mod addr;
mod event;
mod id;
mod socket;
mod timestamp;

pub use addr::{PeerAddr, PeerAddrV4, PeerAddrV6};
pub use event::AnnounceEvent;
pub use id::{InfoHash, ParseIdError, PeerId};
pub use socket::SocketId;
pub use timestamp::Timestamp;

//! What a peer is known by in its swarm.

use super::{PeerMeta, PeerSnapshot, PeerSource};
use crate::types::{PeerAddr, PeerAddrV4, PeerAddrV6, PeerId, SocketId};

/// The key of a peer of any kind. Kinds never meet: an address cannot name a peer of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerKey {
    V4(PeerAddrV4),
    V6(PeerAddrV6),
    Socket(SocketKey),
}

/// The key of a WebSocket peer. Bytes alone, so that it has no padding beside other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SocketKey {
    socket: [u8; 8],
    peer_id: PeerId,
}

impl From<PeerAddr> for PeerKey {
    fn from(addr: PeerAddr) -> Self {
        match addr {
            PeerAddr::V4(addr) => Self::V4(addr),
            PeerAddr::V6(addr) => Self::V6(addr),
        }
    }
}

impl From<PeerAddrV4> for PeerKey {
    fn from(addr: PeerAddrV4) -> Self {
        Self::V4(addr)
    }
}

impl From<PeerAddrV6> for PeerKey {
    fn from(addr: PeerAddrV6) -> Self {
        Self::V6(addr)
    }
}

impl From<SocketKey> for PeerKey {
    fn from(key: SocketKey) -> Self {
        Self::Socket(key)
    }
}

impl PeerKey {
    /// The key of the peer that is reached in this way. `peer_id` is part of it for a socket alone.
    pub(super) fn new(source: PeerSource, peer_id: PeerId) -> Self {
        match source {
            PeerSource::Addr(addr) => addr.into(),
            PeerSource::Socket(socket) => Self::Socket(SocketKey::new(socket, peer_id)),
        }
    }

    pub(super) const fn snapshot(self, meta: PeerMeta) -> PeerSnapshot {
        PeerSnapshot {
            peer_id: meta.peer_id,
            source: self.source(),
            complete: meta.is_seeder(),
        }
    }

    pub(super) const fn source(self) -> PeerSource {
        match self {
            Self::V4(addr) => PeerSource::Addr(PeerAddr::V4(addr)),
            Self::V6(addr) => PeerSource::Addr(PeerAddr::V6(addr)),
            Self::Socket(key) => PeerSource::Socket(key.socket()),
        }
    }
}

impl SocketKey {
    pub(super) const fn new(socket: SocketId, peer_id: PeerId) -> Self {
        Self {
            socket: socket.0.to_ne_bytes(),
            peer_id,
        }
    }

    pub(super) const fn socket(&self) -> SocketId {
        SocketId(u64::from_ne_bytes(self.socket))
    }

    pub(super) const fn peer_id(&self) -> PeerId {
        self.peer_id
    }
}

use super::Outcome;
use crate::types::{PeerAddrV4, PeerAddrV6, PeerId, SocketId};

/// Takes the answer to an announce over HTTP or UDP.
///
/// All methods are called while the swarm is locked: they may copy bytes and nothing else. They must
/// not call the store, wait, or run anyone else's code.
pub trait PeerSink {
    /// Called once and first: the swarm after the announce, and how many peers of each family follow.
    fn begin(&mut self, outcome: &Outcome, v4: usize, v6: usize);

    /// Some of the IPv4 peers; all of them come before the first IPv6 one. Called any number of times.
    fn v4(&mut self, run: Run<'_, PeerAddrV4>);

    /// Some of the IPv6 peers.
    fn v6(&mut self, run: Run<'_, PeerAddrV6>);
}

/// Takes nothing: for an announce whose answer nobody reads.
impl PeerSink for () {
    fn begin(&mut self, _outcome: &Outcome, _v4: usize, _v6: usize) {}

    fn v4(&mut self, _run: Run<'_, PeerAddrV4>) {}

    fn v6(&mut self, _run: Run<'_, PeerAddrV6>) {}
}

/// Takes the answer to an announce over a WebSocket.
///
/// All methods are called while the swarm is locked, as those of [`PeerSink`] are.
pub trait SocketSink {
    /// Called once and first: the swarm after the announce, and how many peers follow.
    fn begin(&mut self, outcome: &Outcome, peers: usize);

    /// One of the peers. None comes twice; two may have the same socket, or the same peer id.
    fn peer(&mut self, socket: SocketId, peer_id: PeerId);
}

/// Takes nothing.
impl SocketSink for () {
    fn begin(&mut self, _outcome: &Outcome, _peers: usize) {}

    fn peer(&mut self, _socket: SocketId, _peer_id: PeerId) {}
}

/// Peers that lie side by side in the store. Both slices have the same length, never 0.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a, A> {
    /// Compact addresses: as bytes, just what goes into an answer.
    pub addrs: &'a [A],
    /// The rest of each, in the same order.
    pub peers: &'a [PeerMeta],
}

/// What the store knows of a peer besides its address and the time of its last announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerMeta {
    /// What it last called itself.
    pub peer_id: PeerId,
    flags: u8,
}

const SEEDER: u8 = 1;
const SEEN_AGAIN: u8 = 2;

impl PeerMeta {
    /// Whether it is a seeder.
    pub const fn is_seeder(&self) -> bool {
        self.flags & SEEDER != 0
    }

    /// A peer at its first announce.
    pub(super) const fn new(peer_id: PeerId, seeder: bool) -> Self {
        Self {
            peer_id,
            flags: if seeder { SEEDER } else { 0 },
        }
    }

    pub(super) const fn set_seeder(&mut self, seeder: bool) {
        if seeder {
            self.flags |= SEEDER;
        } else {
            self.flags &= !SEEDER;
        }
    }

    /// Whether it has announced more than once. One that has not is the first to go when the store is
    /// full, since that is what a flood of made-up announces looks like.
    pub(super) const fn is_seen_again(&self) -> bool {
        self.flags & SEEN_AGAIN != 0
    }

    pub(super) const fn set_seen_again(&mut self) {
        self.flags |= SEEN_AGAIN;
    }
}

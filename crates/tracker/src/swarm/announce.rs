use super::key::{PeerKey, SocketKey};
use crate::types::{AnnounceEvent, InfoHash, PeerAddr, PeerId, SocketId};

/// What a peer says of itself over HTTP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// What the peer calls itself. A later announce from the same address may change it: the client
    /// was restarted.
    pub peer_id: PeerId,
    /// Where the peer takes connections; its key in the swarm.
    pub addr: PeerAddr,
    /// Why it announces.
    pub event: AnnounceEvent,
    /// Bytes that it still has to download. `None` when it did not say or does not know (a magnet
    /// link before its metadata): such a peer is never taken for a seeder.
    pub left: Option<u64>,
}

/// What a WebTorrent peer says of itself over a WebSocket. It takes no connections at an address: others
/// meet it through its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketAnnounce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// What the peer calls itself; with the socket, its key in the swarm.
    pub peer_id: PeerId,
    /// The socket that the announce came in by, which owns the peer: the same peer id from another
    /// socket is another peer.
    pub socket: SocketId,
    /// Why it announces.
    pub event: AnnounceEvent,
    /// Bytes that it still has to download, as in [`Announce::left`].
    pub left: Option<u64>,
}

/// Which peers an announce asks for, and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// IPv4 peers may be among them.
    pub v4: bool,
    /// IPv6 peers may be among them.
    pub v6: bool,
    /// How many in all, both families together. The answer has exactly this many, or all there are.
    pub count: usize,
}

/// What an announce did, and the swarm after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Seeders now.
    pub complete: u32,
    /// Leechers now.
    pub incomplete: u32,
    /// Peers that went from leecher to seeder by a `completed` announce, ever.
    pub downloaded: u32,
    /// The event of the announce, as it is told to the user's listeners. It is the one the peer sent,
    /// whatever came of it: `bittorrent-tracker` emits `stop` for a peer that it has never seen, and
    /// `complete` for one that is complete already. What came of it is in [`Self::effect`].
    pub event: AnnounceEvent,
    /// What the announce changed.
    pub effect: Effect,
}

/// What an announce changed in the swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing: `stopped` from a peer that is not in the swarm.
    None,
    /// The peer was not in the swarm and is now, whatever event but `stopped` it sent.
    Joined,
    /// The peer was in the swarm already and still is. It may have become a seeder (`left` is 0) or a
    /// leecher again (`left` is above 0), but not by way of `completed`.
    Updated,
    /// A leecher of the swarm became a seeder by `completed`: one more download.
    Completed,
    /// The peer has left.
    Left,
}

/// The numbers of one swarm, as a scrape reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwarmStats {
    /// Seeders.
    pub complete: u32,
    /// Leechers.
    pub incomplete: u32,
    /// Peers that went from leecher to seeder by a `completed` announce, ever.
    pub downloaded: u32,
}

/// A copy of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// What it last called itself.
    pub peer_id: PeerId,
    /// How it is reached.
    pub source: PeerSource,
    /// Whether it is a seeder.
    pub complete: bool,
}

/// How a peer is reached; also, whose announces speak for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerSource {
    /// By connecting to this address.
    Addr(PeerAddr),
    /// Through this WebSocket.
    Socket(SocketId),
}

/// An announce of a peer of any kind: they all go by the same rules.
#[derive(Clone, Copy)]
pub(super) struct AnyAnnounce {
    pub(super) info_hash: InfoHash,
    pub(super) peer_id: PeerId,
    pub(super) key: PeerKey,
    pub(super) event: AnnounceEvent,
    pub(super) left: Option<u64>,
}

impl From<&Announce> for AnyAnnounce {
    fn from(announce: &Announce) -> Self {
        Self {
            info_hash: announce.info_hash,
            peer_id: announce.peer_id,
            key: announce.addr.into(),
            event: announce.event,
            left: announce.left,
        }
    }
}

impl From<&SocketAnnounce> for AnyAnnounce {
    fn from(announce: &SocketAnnounce) -> Self {
        let key = SocketKey::new(announce.socket, announce.peer_id);
        Self {
            info_hash: announce.info_hash,
            peer_id: announce.peer_id,
            key: PeerKey::Socket(key),
            event: announce.event,
            left: announce.left,
        }
    }
}

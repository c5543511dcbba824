use crate::types::{AnnounceEvent, InfoHash, PeerAddr, PeerId};

/// What a peer says of itself.
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
    /// Where it takes connections.
    pub addr: PeerAddr,
    /// Whether it is a seeder.
    pub complete: bool,
}

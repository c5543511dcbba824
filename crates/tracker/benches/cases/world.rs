//! Torrents and peers by number. All peers are behind one address, as those of a load generator are, so that
//! one connection id is good for all of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tracker::{
    swarm::{Announce, SwarmConfig, Wanted},
    tracker::{Tracker, TrackerConfig},
    types::{AnnounceEvent, InfoHash, PeerAddr, PeerId, Timestamp},
};

/// When the peers came.
const BEFORE: Timestamp = Timestamp::from_secs(100_000);
/// When they come again.
pub(super) const NOW: Timestamp = Timestamp::from_secs(100_600);

pub(super) const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(super) const PEER_ID: PeerId = PeerId(*b"-TR4080-abcdefghijkl");
/// An answer's seconds between announces.
pub(super) const INTERVAL: u32 = 600;

pub(super) fn info_hash(torrent: u32) -> InfoHash {
    let mut hash = [0x5a; 20];
    hash[..4].copy_from_slice(&torrent.to_be_bytes());
    InfoHash(hash)
}

/// Where one of up to 64,511 peers is.
pub(super) fn peer(number: u16) -> SocketAddr {
    SocketAddr::new(IP, 1024 + number)
}

/// Every second peer is a seeder.
pub(super) fn announce(torrent: u32, number: u16, event: AnnounceEvent) -> Announce {
    let addr = peer(number);
    Announce {
        info_hash: info_hash(torrent),
        peer_id: PEER_ID,
        addr: PeerAddr::new(addr.ip(), addr.port()),
        event,
        left: Some(u64::from(number % 2)),
    }
}

/// A tracker that knows so many torrents, each with so many peers.
pub(super) fn tracker_with(torrents: u32, peers: u16) -> Tracker {
    let swarm = SwarmConfig {
        max_peers: usize::MAX,
        ..SwarmConfig::default()
    };
    let tracker = Tracker::new(TrackerConfig {
        swarm,
        ..TrackerConfig::default()
    });
    let mut rng = fastrand::Rng::with_seed(1);
    for torrent in 0..torrents {
        for number in 0..peers {
            let announce = announce(torrent, number, AnnounceEvent::Started);
            let wanted = Wanted::default();
            let store = tracker.store();
            store.announce(&announce, wanted, BEFORE, &mut rng, &mut ());
        }
    }
    tracker
}

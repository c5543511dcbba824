//! Removal of peers and torrents that somebody names.

use super::{
    PeerSource, Store,
    counters::Tally,
    key::{PeerKey, SocketKey},
    observers::Why,
    store::Located,
};
use crate::types::{InfoHash, PeerId, SocketId, Timestamp};

impl Store {
    /// Removes the peer of a socket that was closed. False if it was not there.
    pub fn leave_socket(
        &self,
        info_hash: &InfoHash,
        peer_id: PeerId,
        socket: SocketId,
        now: Timestamp,
    ) -> bool {
        let key = PeerKey::Socket(SocketKey::new(socket, peer_id));
        self.remove_peer(info_hash, key, now, Why::Asked)
    }

    /// Removes one peer, as a [`PeerSnapshot`](super::PeerSnapshot) names it. False if it was not there.
    /// An address names its peer by itself: what that calls itself by now does not matter.
    pub fn remove_source(
        &self,
        info_hash: &InfoHash,
        source: PeerSource,
        peer_id: PeerId,
        now: Timestamp,
    ) -> bool {
        let key = PeerKey::new(source, peer_id);
        self.remove_peer(info_hash, key, now, Why::Asked)
    }

    /// Removes all peers of a swarm; false if it has none. Its download count, if it has one, stays for
    /// as long as that of any swarm without peers.
    pub fn clear(&self, info_hash: &InfoHash, now: Timestamp) -> bool {
        let Located { part, tag } = self.locate(info_hash);
        let mut table = self.parts[part].lock();
        let Some(place) = table.find(tag, info_hash) else {
            return false;
        };
        let swarm = table.get_mut(place);
        if swarm.is_empty() {
            return false;
        }
        self.all_gone(Why::Asked, info_hash, swarm);
        let before = swarm.tally();
        swarm.clear(now);
        self.counters.changed(before, swarm.tally());
        if swarm.is_worthless() {
            self.counters.torrent_removed();
            table.remove(place);
        } else {
            self.torrent_bounds.note(part, swarm.torrent_rank());
        }
        true
    }

    /// Forgets a swarm, peers, download count and all. False if there was none.
    pub fn remove(&self, info_hash: &InfoHash) -> bool {
        self.remove_torrent(info_hash, Why::Asked)
    }

    pub(super) fn remove_torrent(&self, info_hash: &InfoHash, why: Why) -> bool {
        let Located { part, tag } = self.locate(info_hash);
        let mut table = self.parts[part].lock();
        let Some(place) = table.find(tag, info_hash) else {
            return false;
        };
        let swarm = table.get(place);
        self.all_gone(why, info_hash, swarm);
        self.counters.changed(swarm.tally(), Tally::default());
        self.counters.torrent_removed();
        table.remove(place);
        true
    }

    /// Removes one peer, silent for too long or not; false if it was not there.
    pub(super) fn remove_peer(
        &self,
        info_hash: &InfoHash,
        key: PeerKey,
        now: Timestamp,
        why: Why,
    ) -> bool {
        let Located { part, tag } = self.locate(info_hash);
        let mut table = self.parts[part].lock();
        let Some(place) = table.find(tag, info_hash) else {
            return false;
        };
        let swarm = table.get_mut(place);
        let before = swarm.tally();
        let Some(meta) = swarm.remove_peer(key, now) else {
            return false;
        };
        self.counters.changed(before, swarm.tally());
        self.gone(why, info_hash, swarm.observers, key, meta);
        if swarm.is_worthless() {
            self.counters.torrent_removed();
            table.remove(place);
        } else {
            self.torrent_bounds.note(part, swarm.torrent_rank());
        }
        true
    }
}

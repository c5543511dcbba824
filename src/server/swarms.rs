use std::{sync::Arc, thread};

use napi::{
    Result,
    bindgen_prelude::{Buffer, Function},
};
use napi_derive::napi;
use tracker::{server::now, swarm::PeerSource};

use super::{NativeServer, records};
use crate::doorbell::{doorbell, ring};

/// Counts over all torrents; see `CensusSnapshot` of the engine.
#[napi(object)]
pub struct NativeCensus {
    pub torrents: u32,
    pub active_torrents: u32,
    pub peers: u32,
    pub seeders_only: u32,
    pub leechers_only: u32,
    pub both: u32,
    pub v4: u32,
    pub v6: u32,
    pub clients: Vec<NativeClientCount>,
    pub other_clients: u32,
}

/// Peers of one client.
#[napi(object)]
pub struct NativeClientCount {
    /// One such id, as an example.
    pub peer_id: String,
    pub count: u32,
}

#[napi]
impl NativeServer {
    /// Begins to keep the counts, off this thread since every peer is looked at once; then rings.
    #[napi(catch_unwind)]
    pub fn begin_census(&self, done: Function<'_, (), ()>) -> Result<()> {
        let done = Arc::new(doorbell(&done)?);
        let (tracker, told) = (Arc::clone(&self.tracker), Arc::clone(&done));
        let spawned = thread::Builder::new()
            .name("tracker-census".to_owned())
            .spawn(move || {
                tracker.store().census();
                ring(&told);
            });
        if spawned.is_err() {
            // No thread is to be had; then whoever asks waits for it.
            ring(&done);
        }
        Ok(())
    }

    /// The counts. They are kept from the first call on.
    #[napi(catch_unwind)]
    pub fn census(&self) -> NativeCensus {
        let census = self.tracker.store().census();
        let clients = census
            .clients
            .iter()
            .map(|(peer_id, count)| NativeClientCount {
                peer_id: peer_id.to_string(),
                count: *count as u32,
            });
        NativeCensus {
            torrents: census.torrents as u32,
            active_torrents: census.active_torrents as u32,
            peers: census.peers as u32,
            seeders_only: census.seeders_only as u32,
            leechers_only: census.leechers_only as u32,
            both: census.both as u32,
            v4: census.v4 as u32,
            v6: census.v6 as u32,
            clients: clients.collect(),
            other_clients: census.other_clients as u32,
        }
    }

    /// Reports evictions of this swarm from now on.
    #[napi(catch_unwind)]
    pub fn watch(&self, info_hash: String) -> bool {
        info_hash
            .parse()
            .is_ok_and(|info_hash| self.tracker.store().watch(info_hash))
    }

    /// No more.
    #[napi(catch_unwind)]
    pub fn unwatch(&self, info_hash: String) -> bool {
        info_hash
            .parse()
            .is_ok_and(|info_hash| self.tracker.store().unwatch(&info_hash))
    }

    /// Evictions that have not been told yet, as event records.
    #[napi(catch_unwind)]
    pub fn take_evicted(&self) -> Buffer {
        let store = self.tracker.store();
        if store.has_evicted() {
            records::encode_all_evicted(&store.take_evicted()).into()
        } else {
            Vec::new().into()
        }
    }

    /// Removes the peer of this key; false if it is not there.
    #[napi(catch_unwind)]
    pub fn remove_peer(&self, info_hash: String, key: String) -> bool {
        let Ok(hash) = info_hash.parse() else {
            return false;
        };
        let store = self.tracker.store();
        let named = |peer: &tracker::swarm::PeerSnapshot| match peer.source {
            PeerSource::Addr(addr) => addr.to_string() == key,
            PeerSource::Socket(_) => peer.peer_id.to_string() == key,
        };
        let peer = store.peers_of(&hash).into_iter().find(named);
        peer.is_some_and(|peer| store.remove_source(&hash, peer.source, peer.peer_id, now()))
    }

    /// Removes all peers of a swarm.
    #[napi(catch_unwind)]
    pub fn clear_swarm(&self, info_hash: String) -> bool {
        info_hash
            .parse()
            .is_ok_and(|info_hash| self.tracker.store().clear(&info_hash, now()))
    }
}

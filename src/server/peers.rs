use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
};

use tracker::{
    server::Desk,
    swarm::{PeerSnapshot, PeerSource},
    types::SocketId,
};

use super::NativePeer;

/// The peers as JavaScript sees them: by key, and of two sockets with one peer id the newer one.
pub(super) fn views(peers: Vec<PeerSnapshot>, desk: &Desk) -> Vec<NativePeer> {
    let mut views: Vec<NativePeer> = Vec::with_capacity(peers.len());
    let mut by_peer_id: HashMap<_, (SocketId, usize)> = HashMap::new();
    for peer in peers {
        let socket = match peer.source {
            PeerSource::Addr(addr) => {
                views.push(view(&peer, addr.to_string(), Some(addr.into()), None));
                continue;
            }
            PeerSource::Socket(socket) => socket,
        };
        let addr = desk.socket_addr(socket);
        let view = view(&peer, peer.peer_id.to_string(), addr, Some(socket));
        match by_peer_id.entry(peer.peer_id) {
            Entry::Vacant(entry) => {
                entry.insert((socket, views.len()));
                views.push(view);
            }
            // Numbers grow.
            Entry::Occupied(mut entry) if entry.get().0 < socket => {
                entry.get_mut().0 = socket;
                let index = entry.get().1;
                views[index] = view;
            }
            Entry::Occupied(_) => {}
        }
    }
    views
}

#[expect(
    clippy::cast_precision_loss,
    reason = "below 2^53, as we gave them out"
)]
fn view(
    peer: &PeerSnapshot,
    key: String,
    addr: Option<SocketAddr>,
    socket: Option<SocketId>,
) -> NativePeer {
    NativePeer {
        key,
        peer_id: peer.peer_id.to_string(),
        complete: peer.complete,
        ip: addr.map(|addr| addr.ip().to_string()),
        port: addr.map(|addr| addr.port()),
        socket: socket.map(|socket| socket.0 as f64),
    }
}

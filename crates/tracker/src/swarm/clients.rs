//! How many different peers each client has, by the first bytes of peer ids.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ahash::RandomState;
use dashmap::{DashMap, Entry};

use crate::types::PeerId;

/// Most clients that are told apart. There are some hundreds, and their versions; more than this is
/// what made-up peer ids look like.
const MAX: usize = 10_000;

/// Client and version in the usual forms (`-qB5000-`, `-WW0091-`), and all there is to see of others.
type Key = [u8; 8];

/// What a peer is counted as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Client {
    /// Not yet.
    #[default]
    None,
    /// A client.
    Of(Key),
    /// One of those that there was no room for.
    Other,
}

#[derive(Default)]
pub(super) struct Clients {
    /// A peer id of each, and how many peers it has.
    counts: DashMap<Key, (PeerId, usize), RandomState>,
    /// How many are in `counts`, and those who are trying to be.
    keys: AtomicUsize,
    others: AtomicUsize,
}

impl Clients {
    /// A peer has said what it is.
    pub(super) fn seen(&self, client: &mut Client, peer_id: PeerId) {
        let key = key_of(peer_id);
        if *client != Client::Of(key) {
            self.leave(client);
            *client = self.join(key, peer_id);
        }
    }

    /// A peer is nobody's any more.
    pub(super) fn leave(&self, client: &mut Client) {
        match *client {
            Client::None => {}
            Client::Other => {
                self.others.fetch_sub(1, Relaxed);
            }
            Client::Of(key) => {
                if let Entry::Occupied(mut entry) = self.counts.entry(key) {
                    entry.get_mut().1 -= 1;
                    if entry.get().1 == 0 {
                        entry.remove();
                        self.keys.fetch_sub(1, Relaxed);
                    }
                }
            }
        }
        *client = Client::None;
    }

    /// In no order.
    pub(super) fn list(&self) -> Vec<(PeerId, usize)> {
        self.counts.iter().map(|entry| *entry.value()).collect()
    }

    pub(super) fn others(&self) -> usize {
        self.others.load(Relaxed)
    }

    fn join(&self, key: Key, peer_id: PeerId) -> Client {
        match self.counts.entry(key) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().1 += 1;
                Client::Of(key)
            }
            Entry::Vacant(entry) => {
                if self.keys.fetch_add(1, Relaxed) < MAX {
                    entry.insert((peer_id, 1));
                    return Client::Of(key);
                }
                self.keys.fetch_sub(1, Relaxed);
                self.others.fetch_add(1, Relaxed);
                Client::Other
            }
        }
    }
}

fn key_of(peer_id: PeerId) -> Key {
    let mut key = Key::default();
    let len = key.len();
    key.copy_from_slice(&peer_id.0[..len]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(client: usize, peer: u8) -> PeerId {
        let mut id = PeerId([peer; 20]);
        id.0[..8].copy_from_slice(&(client as u64).to_be_bytes());
        id
    }

    #[test]
    fn what_comes_beyond_the_limit_is_counted_together() {
        let clients = Clients::default();
        let mut peers = vec![Client::None; MAX + 3];
        for (number, client) in peers.iter_mut().enumerate() {
            clients.seen(client, id(number, 1));
        }
        assert_eq!((clients.list().len(), clients.others()), (MAX, 3));
        // A known one has room for more, and no peer counts twice.
        let mut second = Client::None;
        clients.seen(&mut second, id(0, 2));
        clients.seen(&mut second, id(0, 3));
        assert!(clients.list().contains(&(id(0, 1), 2)));
        // Room that was given back is taken by whoever says something next.
        clients.leave(&mut peers[1]);
        assert_eq!((clients.list().len(), clients.others()), (MAX - 1, 3));
        clients.seen(&mut peers[MAX], id(MAX, 1));
        assert_eq!((clients.list().len(), clients.others()), (MAX, 2));
        clients.leave(&mut second);
        for client in &mut peers {
            clients.leave(client);
        }
        assert_eq!((clients.list().len(), clients.others()), (0, 0));
        assert_eq!(clients.keys.load(Relaxed), 0);
    }
}

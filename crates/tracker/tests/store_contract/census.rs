//! The census against a look at every peer, over random histories.

use std::collections::{BTreeMap, HashMap};

use proptest::{collection::vec, prelude::*};
use tracker::{
    swarm::{CensusSnapshot, PeerSnapshot, PeerSource, Store, SwarmConfig},
    types::{AnnounceEvent, PeerAddr, PeerId},
};

use crate::{
    history::{History, Step, step},
    support::{ALL, Fixture, Peer, SwarmStore, announce, config, hash, on_socket, v4, v6, ws},
};

/// A name and what is known of it.
#[derive(Default)]
struct Counted {
    seeding: usize,
    leeching: usize,
    v4: bool,
    v6: bool,
    client: [u8; 8],
}

/// What a peer is known by in all swarms.
fn name(peer: &PeerSnapshot) -> (Option<PeerAddr>, Option<PeerId>) {
    match peer.source {
        PeerSource::Addr(addr) => (Some(addr), None),
        PeerSource::Socket(_) => (None, Some(peer.peer_id)),
    }
}

fn client(peer_id: PeerId) -> [u8; 8] {
    peer_id.0[..8].try_into().expect("8 bytes")
}

/// Clients by the bytes that tell them apart: which id stands for one is not laid down.
type Clients = BTreeMap<[u8; 8], usize>;

/// The numbers as a look at every peer finds them. Every address must be of one client.
fn count_all(store: &Store) -> (CensusSnapshot, Clients) {
    let mut names: HashMap<_, Counted> = HashMap::new();
    let swarms = store.swarms();
    let mut census = CensusSnapshot {
        torrents: swarms.len(),
        ..CensusSnapshot::default()
    };
    for (hash, _) in swarms {
        let peers = store.peers_of(&hash);
        census.active_torrents += usize::from(!peers.is_empty());
        for peer in peers {
            let counted = names.entry(name(&peer)).or_default();
            counted.seeding += usize::from(peer.complete);
            counted.leeching += usize::from(!peer.complete);
            counted.client = client(peer.peer_id);
            let is_v6 = match peer.source {
                PeerSource::Addr(addr) => matches!(addr, PeerAddr::V6(_)),
                PeerSource::Socket(socket) => socket.is_v6(),
            };
            counted.v4 |= !is_v6;
            counted.v6 |= is_v6;
        }
    }
    census.peers = names.len();
    let mut clients = Clients::new();
    for counted in names.into_values() {
        match (counted.seeding > 0, counted.leeching > 0) {
            (true, true) => census.both += 1,
            (true, false) => census.seeders_only += 1,
            _ => census.leechers_only += 1,
        }
        census.v4 += usize::from(counted.v4);
        census.v6 += usize::from(counted.v6);
        *clients.entry(counted.client).or_default() += 1;
    }
    (census, clients)
}

pub(crate) fn assert_census(store: &Store) {
    let mut census = store.census();
    let clients: Clients = census
        .clients
        .drain(..)
        .map(|(id, count)| (client(id), count))
        .collect();
    assert_eq!((census, clients), count_all(store));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn census_is_what_a_look_at_every_peer_finds(
        (before, after) in (vec(step(), 0..40), vec(step(), 1..100)),
        max_peers_per_swarm in prop::option::of(1..40_usize),
        (max_torrents, max_peers) in (2..6_usize, prop_oneof![20..60_usize, Just(10_000)]),
    ) {
        let mut history = History::new(SwarmConfig {
            max_peers_per_swarm,
            max_torrents,
            max_peers,
            ..config()
        });
        for step in &before {
            history.take(step);
        }
        assert_census(&history.store);
        for step in &after {
            history.take(step);
            assert_census(&history.store);
        }
        history.take(&Step::Advance { secs: 1_000_000 });
        history.take(&Step::ExpireAll);
        // Kept for their download counts.
        let torrents = history.store.torrents();
        let expected = CensusSnapshot { torrents, ..CensusSnapshot::default() };
        assert_eq!(history.store.census(), expected);
    }
}

fn fixture() -> Fixture<Store> {
    let fixture = Fixture::<Store>::new();
    assert_eq!(fixture.store.census(), CensusSnapshot::default());
    fixture
}

/// An announce for any torrent.
fn join(fixture: &mut Fixture<Store>, torrent: u32, peer: impl Into<Peer>, left: u64) {
    let mut call = announce(peer, AnnounceEvent::Started, Some(left));
    call.info_hash = hash(torrent);
    SwarmStore::announce(
        &mut fixture.store,
        &call,
        ALL,
        crate::support::START,
        &mut fixture.rng,
    );
}

#[test]
fn a_peer_of_several_swarms_is_one() {
    let mut fixture = fixture();
    for torrent in 0..5 {
        join(&mut fixture, torrent, v4(1), u64::from(torrent));
        join(&mut fixture, torrent, v6(1), 0);
        join(&mut fixture, torrent, ws(1), 1);
    }
    let census = fixture.store.census();
    let numbers = [
        census.peers,
        census.both,
        census.seeders_only,
        census.leechers_only,
    ];
    assert_eq!(numbers, [3, 1, 1, 1]);
    assert_eq!((census.torrents, census.active_torrents), (5, 5));
    // The socket of number 1 is one over IPv6.
    assert_eq!((census.v4, census.v6), (1, 2));
    assert_census(&fixture.store);
}

#[test]
fn a_peer_id_on_sockets_of_both_families_is_one() {
    let mut fixture = fixture();
    let id = PeerId([9; 20]);
    join(&mut fixture, 1, on_socket(2, id), 1);
    join(&mut fixture, 1, on_socket(3, id), 1);
    let census = fixture.store.census();
    assert_eq!((census.peers, census.v4, census.v6), (1, 1, 1));
    assert!(fixture.leave(on_socket(2, id)));
    let census = fixture.store.census();
    assert_eq!((census.peers, census.v4, census.v6), (1, 0, 1));
}

#[test]
fn the_client_of_an_address_is_the_last_that_was_seen() {
    let mut fixture = fixture();
    let peer = |client: u8| Peer {
        peer_id: PeerId([client; 20]),
        ..v4(1).into()
    };
    let clients = |fixture: &Fixture<Store>| fixture.store.census().clients;
    join(&mut fixture, 1, peer(1), 1);
    join(&mut fixture, 2, peer(1), 1);
    assert_eq!(clients(&fixture), [(PeerId([1; 20]), 1)]);
    join(&mut fixture, 1, peer(2), 1);
    assert_eq!(clients(&fixture), [(PeerId([2; 20]), 1)]);
    join(&mut fixture, 2, peer(2), 1);
    fixture.store.remove(&hash(1));
    assert_eq!(clients(&fixture), [(PeerId([2; 20]), 1)]);
    fixture.store.remove(&hash(2));
    assert_eq!(clients(&fixture), []);
}

//! Reports of who left a watched swarm unasked. `census.rs` has them over random histories.

use tracker::{
    swarm::{Store, SwarmConfig, Wanted},
    types::{AnnounceEvent, InfoHash},
};

use crate::{
    answer::answer_of,
    support::{Call, Fixture, Peer, START, after, config, hash, v4},
};

fn evicted(store: &Store) -> Vec<(InfoHash, Peer)> {
    let evicted = store.take_evicted();
    evicted
        .iter()
        .map(|evicted| (evicted.info_hash, Peer::from(&evicted.peer)))
        .collect()
}

#[test]
fn who_makes_room_in_a_full_swarm_is_reported() {
    let mut fixture = Fixture::<Store>::limited(2);
    assert!(fixture.store.watch(hash(1)));
    for number in 0..4 {
        fixture.announce(v4(number), AnnounceEvent::Started, Some(1));
    }
    fixture.announce(v4(3), AnnounceEvent::Stopped, Some(1));
    assert!(fixture.store.has_evicted());
    let expected = [v4(0), v4(1)].map(|peer| (hash(1), peer.into()));
    assert_eq!(evicted(&fixture.store), expected);
    assert!(!fixture.store.has_evicted());
}

#[test]
fn an_expired_peer_is_reported_once_whoever_finds_it() {
    let mut fixture = Fixture::<Store>::new();
    fixture.announce(v4(1), AnnounceEvent::Started, Some(1));
    fixture.announce(v4(2), AnnounceEvent::Started, Some(1));
    assert!(fixture.store.watch(hash(1)));
    fixture.secs = 1201;
    fixture.announce(v4(1), AnnounceEvent::Update, Some(1));
    assert_eq!(evicted(&fixture.store), [(hash(1), v4(1).into())]);
    fixture.store.expire_all(after(1201));
    assert_eq!(evicted(&fixture.store), [(hash(1), v4(2).into())]);
}

#[test]
fn a_torrent_that_goes_for_another_takes_its_peers_along() {
    let mut fixture = Fixture::<Store>::with(SwarmConfig {
        max_torrents: 1,
        ..config()
    });
    assert!(fixture.store.watch(hash(1)));
    for torrent in [1, 2, 1] {
        let call = Call {
            info_hash: hash(torrent),
            peer: v4(1).into(),
            event: AnnounceEvent::Started,
            left: Some(1),
        };
        let wanted = Wanted::default();
        answer_of(&fixture.store, &call, wanted, START, &mut fixture.rng);
    }
    assert_eq!(evicted(&fixture.store), [(hash(1), v4(1).into())]);
    // It is watched still, as a torrent that has come back.
    fixture.store.expire_all(after(1201));
    assert_eq!(evicted(&fixture.store), [(hash(1), v4(1).into())]);
}

#[test]
fn watched_swarms_are_bounded() {
    let store = Store::new(config());
    assert!((0..100_000).all(|torrent| store.watch(hash(torrent))));
    assert!(!store.watch(hash(100_000)) && !store.is_watched(&hash(100_000)));
    assert!(store.watch(hash(7)), "it is one of them");
    assert!(store.unwatch(&hash(7)) && !store.unwatch(&hash(7)));
    assert!(store.watch(hash(100_000)) && !store.is_watched(&hash(7)));
}

#[test]
fn reports_that_nobody_fetches_are_bounded() {
    let mut fixture = Fixture::<Store>::limited(1);
    assert!(fixture.store.watch(hash(1)));
    for number in 0..=100_003_u32 {
        let peer = v4((number % 50_000) as u16);
        fixture.ask(peer, AnnounceEvent::Started, Some(1), Wanted::default());
    }
    assert_eq!(fixture.store.unreported_evictions(), 3);
    assert_eq!(fixture.store.take_evicted().len(), 100_000);
    fixture.announce(v4(60_000), AnnounceEvent::Started, Some(1));
    assert_eq!(fixture.store.take_evicted().len(), 1);
}

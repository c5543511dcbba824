//! Draws without an announce.

use tracker::{
    swarm::{Effect, Outcome, Store, Wanted},
    types::{AnnounceEvent, PeerId},
};

use crate::{
    answer::{select_from, select_sockets_from},
    support::{ALL, Fixture, KINDS, hash, keys, on_socket, v4, v6, ws},
};

fn outcome(complete: u32, incomplete: u32) -> Outcome {
    Outcome {
        complete,
        incomplete,
        downloaded: 0,
        event: AnnounceEvent::Update,
        effect: Effect::None,
    }
}

#[test]
fn a_selection_is_an_answer_without_an_announce() {
    for size in [1, 2, 60] {
        let mut fixture = Fixture::<Store>::new();
        for number in 0..size {
            for kind in KINDS {
                fixture.announce(
                    kind(number),
                    AnnounceEvent::Started,
                    Some(u64::from(number)),
                );
            }
        }
        let numbers = outcome(3, 3 * u32::from(size) - 3);
        let counts = fixture.store.counts();
        let (store, rng) = (&fixture.store, &mut fixture.rng);
        let answer = select_from(store, &hash(1), ALL, rng);
        let all = (0..size).flat_map(|number| [v4(number), v6(number)]);
        assert_eq!((answer.outcome, answer.keys()), (numbers, keys(all)));
        let few = Wanted {
            v4: false,
            v6: true,
            count: 7,
        };
        let answer = select_from(store, &hash(1), few, rng);
        assert_eq!(answer.peers.len(), usize::from(size.min(7)));
        assert!(answer.keys().is_subset(&keys((0..size).map(v6))));
        let own = ws(0).peer_id;
        let answer = select_sockets_from(store, &hash(1), own, 100, rng);
        assert_eq!(answer.keys(), keys((1..size).map(ws)));
        assert_eq!(answer.outcome, numbers);
        assert_eq!(store.counts(), counts);
    }
}

#[test]
fn a_selection_of_no_swarm_is_empty_and_makes_none() {
    let mut fixture = Fixture::<Store>::new();
    let (store, rng) = (&fixture.store, &mut fixture.rng);
    let answer = select_from(store, &hash(1), ALL, rng);
    assert_eq!((answer.outcome, answer.peers.len()), (outcome(0, 0), 0));
    let answer = select_sockets_from(store, &hash(1), PeerId([1; 20]), 9, rng);
    assert_eq!((answer.outcome, answer.sockets.len()), (outcome(0, 0), 0));
    assert_eq!(store.torrents(), 0);
}

#[test]
fn a_peer_is_found_by_its_address() {
    let mut fixture = Fixture::<Store>::new();
    assert_eq!(fixture.store.peer_of(&hash(1), v4(1)), None);
    for number in 0..100 {
        fixture.announce(v4(number), AnnounceEvent::Started, Some(u64::from(number)));
        fixture.announce(
            on_socket(number.into(), PeerId([7; 20])),
            AnnounceEvent::Started,
            None,
        );
    }
    let peer = fixture.store.peer_of(&hash(1), v4(0));
    assert!(peer.is_some_and(|peer| peer.complete));
    let peer = fixture.store.peer_of(&hash(1), v4(99));
    assert!(peer.is_some_and(|peer| !peer.complete));
    assert_eq!(fixture.store.peer_of(&hash(1), v4(100)), None);
    assert_eq!(fixture.store.peer_of(&hash(1), v6(1)), None);
    assert_eq!(fixture.store.peer_of(&hash(2), v4(1)), None);
}

//! The contract of WebSocket peers, where it differs from that of all peers.

use std::collections::BTreeSet;

use tracker::{
    swarm::{Effect, Store, StoreCounts, Wanted},
    types::{
        AnnounceEvent::{Completed, Started, Stopped, Update},
        PeerId,
    },
};

use crate::{
    model::Model,
    support::{ALL, Fixture, Peer, SwarmStore, config, keys, on_socket, v4, v6, ws},
};

conformance! {
    sockets_and_addresses_count_together,
    sockets_and_addresses_are_not_handed_to_each_other,
    nobody_of_the_announcers_peer_id_is_handed_out,
    the_same_peer_id_on_another_socket_is_another_peer,
    no_address_speaks_for_a_socket,
    a_socket_has_a_peer_for_each_peer_id,
    numwant_is_exact,
    a_closed_socket_leaves_at_once,
    downloads_outlive_a_closed_socket,
    a_silent_socket_leaves_too,
}

const ID: PeerId = PeerId([7; 20]);

fn sockets_and_addresses_count_together<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    fixture.announce(ws(1), Started, Some(5));
    fixture.announce(v4(1), Started, Some(0));
    fixture.announce(v6(1), Started, Some(5));
    let answer = fixture.announce(ws(2), Started, Some(0));
    assert_eq!((answer.outcome.complete, answer.outcome.incomplete), (2, 2));
    let answer = fixture.announce(ws(1), Completed, Some(0));
    assert_eq!(answer.outcome.effect, Effect::Completed);
    assert_eq!(fixture.numbers(), Some((3, 1, 1)));
    let answer = fixture.announce(v4(2), Update, Some(5));
    assert_eq!((answer.outcome.complete, answer.outcome.incomplete), (3, 2));
    let expected = StoreCounts {
        torrents: 1,
        peers_v4: 2,
        peers_v6: 1,
        peers_ws: 2,
        seeders: 3,
    };
    assert_eq!(fixture.store.counts(), expected);
    assert_eq!(expected.peers(), 5);
}

fn sockets_and_addresses_are_not_handed_to_each_other<S: SwarmStore>() {
    for size in [1, 2, 40] {
        let mut fixture = Fixture::<S>::new();
        for peer in 0..size {
            fixture.announce(ws(peer), Started, Some(5));
            fixture.announce(v4(peer), Started, Some(5));
            fixture.announce(v6(peer), Started, Some(5));
        }
        let answer = fixture.announce(v4(0), Update, Some(5));
        let addrs = (0..size).flat_map(|peer| [v4(peer), v6(peer)]);
        assert_eq!(answer.keys(), keys(addrs));
        let answer = fixture.announce(ws(0), Update, Some(5));
        assert_eq!(answer.keys(), keys((1..size).map(ws)));
    }
}

fn nobody_of_the_announcers_peer_id_is_handed_out<S: SwarmStore>() {
    for others in [0, 1, 5, 60] {
        let mut fixture = Fixture::<S>::new();
        (0..others).for_each(|peer| drop(fixture.announce(ws(peer), Started, Some(5))));
        for socket in 1000..1003 {
            let answer = fixture.announce(on_socket(socket, ID), Started, Some(5));
            assert_eq!(answer.keys(), keys((0..others).map(ws)));
        }
        let answer = fixture.announce(ws(0), Update, Some(5));
        let namesakes = (1000..1003).map(|socket| on_socket(socket, ID));
        let expected = keys((1..others).map(ws).chain(namesakes));
        assert_eq!(answer.keys(), expected, "others meet them all");
    }
}

fn the_same_peer_id_on_another_socket_is_another_peer<S: SwarmStore>() {
    let (first, second) = (on_socket(1, ID), on_socket(2, ID));
    for limit in [None, Some(10)] {
        let mut fixture = limit.map_or_else(Fixture::<S>::new, Fixture::limited);
        fixture.announce(first, Started, Some(5));
        let answer = fixture.announce(second, Stopped, Some(5));
        assert_eq!(answer.outcome.effect, Effect::None);
        assert!(!fixture.leave(second));
        let answer = fixture.announce(second, Completed, Some(0));
        assert_eq!(answer.outcome.effect, Effect::Joined);
        assert_eq!(fixture.numbers(), Some((1, 1, 0)));
        assert_eq!(fixture.keys(), keys([first, second]));
        fixture.announce(second, Stopped, Some(0));
        assert_eq!(fixture.keys(), keys([first]));
        assert_eq!(fixture.numbers(), Some((0, 1, 0)));
    }
}

fn no_address_speaks_for_a_socket<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    fixture.announce(on_socket(1, ID), Started, Some(5));
    for addr in [v4(1), v6(1)] {
        let speaker = Peer {
            peer_id: ID,
            ..addr.into()
        };
        let answer = fixture.announce(speaker, Stopped, Some(5));
        assert_eq!(answer.outcome.effect, Effect::None);
        let answer = fixture.announce(speaker, Completed, Some(0));
        assert_eq!(answer.outcome.effect, Effect::Joined);
        let answer = fixture.announce(on_socket(1, ID), Update, Some(5));
        assert_eq!(answer.outcome.effect, Effect::Updated);
        assert_eq!(fixture.numbers(), Some((1, 1, 0)));
        fixture.announce(speaker, Stopped, Some(0));
        assert_eq!(fixture.keys(), keys([on_socket(1, ID)]));
    }
}

fn a_socket_has_a_peer_for_each_peer_id<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    let peers = [1, 2, 3].map(|id| on_socket(9, PeerId([id; 20])));
    for peer in peers {
        fixture.announce(peer, Started, Some(5));
    }
    let answer = fixture.announce(peers[0], Update, Some(5));
    assert_eq!(answer.keys(), keys([peers[1], peers[2]]));
    assert!(fixture.leave(peers[1]));
    assert_eq!(fixture.keys(), keys([peers[0], peers[2]]));
}

fn numwant_is_exact<S: SwarmStore>() {
    for size in [0_u16, 1, 2, 3, 33, 150] {
        for namesakes in [0_u16, 1, 16] {
            let mut fixture = Fixture::<S>::new();
            for peer in 0..size {
                fixture.announce(ws(peer), Started, Some(5));
            }
            for socket in 0..namesakes {
                fixture.announce(on_socket(socket.into(), ID), Started, Some(5));
            }
            for count in [0, 1, 2, 10, 49, 149, 150, 151, usize::MAX] {
                let wanted = Wanted { count, ..ALL };
                let answer = fixture.ask(on_socket(9999, ID), Stopped, None, wanted);
                assert_eq!(answer.keys().len(), count.min(size.into()));
                assert!(answer.peers.is_empty());
            }
        }
    }
}

fn a_closed_socket_leaves_at_once<S: SwarmStore>() {
    for size in [1, 2, 40] {
        for limit in [None, Some(100)] {
            let mut fixture = limit.map_or_else(Fixture::<S>::new, Fixture::limited);
            assert!(!fixture.leave(ws(0)), "there is no such swarm");
            for peer in 0..size {
                fixture.announce(ws(peer), Started, Some(u64::from(peer % 2)));
            }
            assert!(!fixture.leave(ws(999)));
            assert!(!fixture.leave(on_socket(0, ID)));
            for peer in 0..size {
                assert!(fixture.leave(ws(peer)));
                assert!(!fixture.leave(ws(peer)), "it has left");
                assert_eq!(fixture.keys(), keys((peer + 1..size).map(ws)));
            }
            assert_eq!(fixture.numbers(), None);
            assert_eq!(fixture.store.counts(), StoreCounts::default());
        }
    }
}

fn downloads_outlive_a_closed_socket<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    fixture.announce(ws(1), Started, Some(5));
    fixture.announce(ws(1), Completed, Some(0));
    assert!(fixture.leave(ws(1)));
    assert_eq!(fixture.numbers(), Some((0, 0, 1)));
    assert_eq!(fixture.keys(), BTreeSet::new());
}

fn a_silent_socket_leaves_too<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    fixture.announce(ws(1), Started, Some(5));
    fixture.secs = config().peer_ttl.as_secs() + 1;
    assert!(fixture.leave(ws(1)), "it was counted until now");
    assert_eq!(fixture.numbers(), None);
}

/// The answer stays cheap: it looks no further than a little beyond what is wanted.
#[test]
fn a_crowd_of_one_peer_id_is_never_handed_to_that_id() {
    let mut fixture = Fixture::<Store>::new();
    for socket in 0..2000 {
        fixture.announce(on_socket(socket, ID), Started, Some(5));
    }
    fixture.announce(ws(1), Started, Some(5));
    let wanted = Wanted { count: 10, ..ALL };
    for socket in 0..100 {
        let answer = fixture.ask(on_socket(socket, ID), Update, Some(5), wanted);
        assert!(answer.keys().is_subset(&keys([ws(1)])));
    }
    let answer = fixture.ask(ws(1), Update, Some(5), wanted);
    assert_eq!(answer.keys().len(), 10);
}

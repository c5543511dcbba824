//! The contract, case by case, for any store.

use std::collections::BTreeSet;
use tracker::{
    swarm::{Effect, Store, StoreCounts, SwarmStats},
    types::{
        AnnounceEvent::{Completed, Paused, Started, Stopped, Update},
        PeerAddr, PeerId,
    },
};

use crate::{
    answer::Answer,
    model::Model,
    support::{
        ALL, Fixture, KINDS, START, SwarmStore, after, announce, config, hash, keys, v4, v6, ws,
    },
};

conformance! {
    any_first_event_but_stopped_joins,
    stopped_from_an_unknown_peer_does_nothing,
    started_from_a_known_peer_is_an_update,
    completed_counts_one_download,
    a_seeder_that_joins_is_no_download,
    update_without_bytes_left_makes_a_seeder_but_no_download,
    a_seeder_with_bytes_left_is_a_leecher_again,
    unknown_left_makes_no_seeder_and_unmakes_none,
    paused_is_an_update,
    stopped_removes_and_the_empty_swarm_goes,
    downloads_keep_an_empty_swarm_for_a_while,
    the_same_ip_with_another_port_is_another_peer,
    the_last_peer_id_is_kept,
    the_answer_has_the_announcing_peer,
    silence_ends_a_peer,
    an_announce_after_expiry_is_a_new_peers,
    full_swarm_drops_the_peer_silent_longest,
    full_swarm_of_one,
    remove_forgets_all,
    counts_follow,
}

fn numbers(answer: &Answer) -> (Effect, u32, u32, u32) {
    let outcome = answer.outcome;
    (
        outcome.effect,
        outcome.complete,
        outcome.incomplete,
        outcome.downloaded,
    )
}

fn any_first_event_but_stopped_joins<S: SwarmStore>() {
    for event in [Started, Update, Completed, Paused] {
        for peer in KINDS {
            let mut fixture = Fixture::<S>::new();
            let answer = fixture.announce(peer(1), event, Some(5));
            assert_eq!(numbers(&answer), (Effect::Joined, 0, 1, 0), "{event:?}");
            assert_eq!(fixture.keys(), keys([peer(1)]));
            let mut fixture = Fixture::<S>::new();
            let answer = fixture.announce(peer(1), event, Some(0));
            assert_eq!(numbers(&answer), (Effect::Joined, 1, 0, 0), "{event:?}");
        }
    }
}

fn stopped_from_an_unknown_peer_does_nothing<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        let answer = fixture.announce(peer(1), Stopped, Some(5));
        assert_eq!(numbers(&answer), (Effect::None, 0, 0, 0));
        assert_eq!(answer.keys(), BTreeSet::new());
        assert_eq!(fixture.numbers(), None, "it makes no swarm");
        fixture.announce(peer(2), Started, Some(0));
        let answer = fixture.announce(peer(1), Stopped, Some(5));
        assert_eq!(numbers(&answer), (Effect::None, 1, 0, 0));
        assert_eq!(answer.keys(), keys([peer(2)]));
    }
}

fn started_from_a_known_peer_is_an_update<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        fixture.announce(peer(1), Started, Some(5));
        let answer = fixture.announce(peer(1), Started, Some(5));
        assert_eq!(numbers(&answer), (Effect::Updated, 0, 1, 0));
        let answer = fixture.announce(peer(1), Started, Some(0));
        assert_eq!(numbers(&answer), (Effect::Updated, 1, 0, 0));
    }
}

fn completed_counts_one_download<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        fixture.announce(peer(1), Started, Some(5));
        let answer = fixture.announce(peer(1), Completed, Some(0));
        assert_eq!(numbers(&answer), (Effect::Completed, 1, 0, 1));
        let answer = fixture.announce(peer(1), Completed, Some(0));
        assert_eq!(numbers(&answer), (Effect::Updated, 1, 0, 1));
        fixture.announce(peer(2), Started, Some(5));
        // Clients that do not know how much is left (16384, or nothing at all) say `completed` all the same.
        let answer = fixture.announce(peer(2), Completed, Some(16384));
        assert_eq!(numbers(&answer), (Effect::Completed, 2, 0, 2));
        fixture.announce(peer(3), Started, None);
        let answer = fixture.announce(peer(3), Completed, None);
        assert_eq!(numbers(&answer), (Effect::Completed, 3, 0, 3));
    }
}

fn a_seeder_that_joins_is_no_download<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        fixture.announce(peer(1), Started, Some(0));
        let answer = fixture.announce(peer(2), Completed, Some(0));
        assert_eq!(numbers(&answer), (Effect::Joined, 2, 0, 0));
    }
}

fn update_without_bytes_left_makes_a_seeder_but_no_download<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        fixture.announce(peer(1), Started, Some(5));
        let answer = fixture.announce(peer(1), Update, Some(0));
        assert_eq!(numbers(&answer), (Effect::Updated, 1, 0, 0));
    }
}

fn a_seeder_with_bytes_left_is_a_leecher_again<S: SwarmStore>() {
    for peer in KINDS {
        for event in [Update, Started, Completed, Paused] {
            let mut fixture = Fixture::<S>::new();
            fixture.announce(peer(1), Started, Some(5));
            fixture.announce(peer(1), Completed, Some(0));
            let answer = fixture.announce(peer(1), event, Some(1));
            assert_eq!(numbers(&answer), (Effect::Updated, 0, 1, 1), "{event:?}");
            let answer = fixture.announce(peer(1), Completed, Some(0));
            assert_eq!(numbers(&answer), (Effect::Completed, 1, 0, 2));
        }
    }
}

fn unknown_left_makes_no_seeder_and_unmakes_none<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        let answer = fixture.announce(peer(1), Started, None);
        assert_eq!(numbers(&answer), (Effect::Joined, 0, 1, 0));
        let answer = fixture.announce(peer(1), Update, None);
        assert_eq!(numbers(&answer), (Effect::Updated, 0, 1, 0));
        fixture.announce(peer(1), Update, Some(0));
        let answer = fixture.announce(peer(1), Update, None);
        assert_eq!(numbers(&answer), (Effect::Updated, 1, 0, 0));
    }
}

fn paused_is_an_update<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        fixture.announce(peer(1), Started, Some(5));
        let answer = fixture.announce(peer(1), Paused, Some(5));
        assert_eq!(numbers(&answer), (Effect::Updated, 0, 1, 0));
        let answer = fixture.announce(peer(1), Paused, Some(0));
        assert_eq!(numbers(&answer), (Effect::Updated, 1, 0, 0));
    }
}

fn stopped_removes_and_the_empty_swarm_goes<S: SwarmStore>() {
    for peers in [1, 3, 50] {
        let mut fixture = Fixture::<S>::new();
        for peer in 0..peers {
            fixture.announce(v4(peer), Started, Some(u64::from(peer % 2)));
            fixture.announce(v6(peer), Started, Some(5));
            fixture.announce(ws(peer), Started, Some(5));
        }
        for number in 0..peers {
            for peer in KINDS {
                assert!(fixture.numbers().is_some());
                let answer = fixture.announce(peer(number), Stopped, Some(5));
                assert_eq!(answer.outcome.effect, Effect::Left);
                assert!(!answer.keys().contains(&peer(number).key()));
                assert!(!fixture.keys().contains(&peer(number).key()));
            }
        }
        assert_eq!(fixture.numbers(), None);
        assert_eq!(fixture.store.counts(), StoreCounts::default());
    }
}

fn downloads_keep_an_empty_swarm_for_a_while<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        fixture.announce(peer(1), Started, Some(5));
        fixture.announce(peer(1), Completed, Some(0));
        fixture.announce(peer(1), Stopped, Some(0));
        let day = config().completed_ttl.as_secs();
        fixture.store.expire_all(after(day));
        assert_eq!(fixture.numbers(), Some((0, 0, 1)));
        assert_eq!(fixture.store.counts().torrents, 1);
        fixture.store.expire_all(after(day + 1));
        assert_eq!(fixture.numbers(), None);
        assert_eq!(fixture.store.counts(), StoreCounts::default());

        let answer = fixture.announce(v6(1), Started, Some(5));
        assert_eq!(numbers(&answer), (Effect::Joined, 0, 1, 0));
    }
}

fn the_same_ip_with_another_port_is_another_peer<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    let at = |port| PeerAddr::new([192, 0, 2, 1].into(), port);
    fixture.announce(at(1), Started, Some(5));
    let answer = fixture.announce(at(2), Started, Some(5));
    assert_eq!(numbers(&answer), (Effect::Joined, 0, 2, 0));
    fixture.announce(at(1), Stopped, Some(5));
    let answer = fixture.announce(at(2), Update, Some(5));
    assert_eq!(answer.keys(), keys([at(2)]));
}

fn the_last_peer_id_is_kept<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    fixture.announce(v4(1), Started, Some(5));
    let mut restarted = announce(v4(1), Started, Some(5));
    restarted.peer.peer_id = PeerId([b'q'; 20]);
    let answer = fixture
        .store
        .announce(&restarted, ALL, START, &mut fixture.rng);
    let ids: Vec<_> = answer.peers.iter().map(|peer| peer.peer_id).collect();
    assert_eq!(ids, [restarted.peer.peer_id]);
}

fn the_answer_has_the_announcing_peer<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    for peer in 0..10 {
        let answer = fixture.announce(v4(peer), Started, Some(5));
        assert_eq!(answer.keys(), keys((0..=peer).map(v4)));
    }
}

fn silence_ends_a_peer<S: SwarmStore>() {
    for (size, stays) in [1, 3, 40]
        .into_iter()
        .flat_map(|size| KINDS.map(|kind| (size, kind)))
    {
        let mut fixture = Fixture::<S>::new();
        for peer in 0..size {
            fixture.announce(v4(peer), Started, Some(0));
            fixture.announce(v6(peer), Started, Some(5));
            fixture.announce(ws(peer), Started, Some(5));
        }
        let ttl = config().peer_ttl.as_secs();
        fixture.secs = ttl;
        fixture.announce(stays(0), Update, Some(0));
        assert_eq!(fixture.store.expire_all(after(ttl)), 0);
        let gone = usize::from(3 * size - 1);
        assert_eq!(fixture.store.expire_all(after(ttl + 1)), gone);
        assert_eq!(fixture.numbers(), Some((1, 0, 0)));
        assert_eq!(fixture.store.expire_all(after(2 * ttl + 1)), 1);
        assert_eq!(fixture.numbers(), None);
    }
}

fn an_announce_after_expiry_is_a_new_peers<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        fixture.announce(peer(1), Started, Some(5));
        fixture.announce(peer(2), Started, Some(5));
        fixture.secs = config().peer_ttl.as_secs() + 1;
        let answer = fixture.announce(peer(1), Completed, Some(0));
        assert_eq!(numbers(&answer), (Effect::Joined, 1, 1, 0));
        let answer = fixture.announce(peer(2), Stopped, Some(0));
        assert_eq!(numbers(&answer), (Effect::None, 1, 0, 0));
    }
}

fn full_swarm_drops_the_peer_silent_longest<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::limited(3);
    // All in one second: the order counts, not the clock.
    fixture.announce(v4(1), Started, Some(0));
    fixture.announce(v6(2), Started, Some(5));
    fixture.announce(v4(3), Started, Some(5));
    fixture.announce(v4(1), Update, Some(0));
    let answer = fixture.announce(v4(4), Started, Some(5));
    assert_eq!(numbers(&answer), (Effect::Joined, 1, 2, 0));
    assert_eq!(answer.keys(), keys([v4(1), v4(3), v4(4)]));
    let answer = fixture.announce(v6(5), Started, Some(5));
    assert_eq!(answer.keys(), keys([v4(1), v4(4), v6(5)]));
    let answer = fixture.announce(v6(6), Started, Some(5));
    assert_eq!(numbers(&answer), (Effect::Joined, 0, 3, 0));
    assert_eq!(answer.keys(), keys([v4(4), v6(5), v6(6)]));
    fixture.announce(ws(7), Started, Some(5));
    fixture.announce(ws(8), Started, Some(5));
    assert_eq!(fixture.keys(), keys([v6(6).into(), ws(7), ws(8)]));
    fixture.announce(v6(6), Update, Some(5));
    fixture.announce(ws(7), Update, Some(5));
    fixture.announce(v4(9), Started, Some(5));
    assert_eq!(fixture.keys(), keys([v6(6).into(), ws(7), v4(9).into()]));
    fixture.announce(ws(10), Started, Some(5));
    assert_eq!(fixture.keys(), keys([ws(7), v4(9).into(), ws(10)]));
    assert_eq!(fixture.store.counts().peers(), 3);
}

fn full_swarm_of_one<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::limited(1);
        fixture.announce(peer(1), Started, Some(0));
        let answer = fixture.announce(peer(2), Started, Some(5));
        assert_eq!(numbers(&answer), (Effect::Joined, 0, 1, 0));
        assert_eq!(fixture.keys(), keys([peer(2)]));
        let answer = fixture.announce(peer(1), Stopped, Some(5));
        assert_eq!(numbers(&answer), (Effect::None, 0, 1, 0));
        fixture.announce(peer(2), Stopped, Some(5));
        assert_eq!(fixture.numbers(), None);
    }
}

fn remove_forgets_all<S: SwarmStore>() {
    for peer in KINDS {
        let mut fixture = Fixture::<S>::new();
        assert!(!fixture.store.remove(&hash(1)));
        fixture.announce(peer(1), Started, Some(5));
        fixture.announce(peer(1), Completed, Some(0));
        assert!(fixture.store.remove(&hash(1)));
        assert_eq!(fixture.numbers(), None);
        assert_eq!(fixture.store.counts(), StoreCounts::default());
        assert_eq!(fixture.store.peers_of(&hash(1)), []);
    }
}

fn counts_follow<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    for torrent in 0..20 {
        for peer in 0..5 {
            for kind in KINDS {
                let mut announce = announce(kind(peer), Started, Some(u64::from(peer)));
                announce.info_hash = hash(torrent);
                fixture
                    .store
                    .announce(&announce, ALL, START, &mut fixture.rng);
            }
        }
    }
    let expected = StoreCounts {
        torrents: 20,
        peers_v4: 100,
        peers_v6: 100,
        peers_ws: 100,
        seeders: 60,
    };
    assert_eq!(fixture.store.counts(), expected);
    let mut swarms = fixture.store.swarms();
    swarms.sort_unstable_by_key(|&(hash, _)| hash);
    let stats = SwarmStats {
        complete: 3,
        incomplete: 12,
        downloaded: 0,
    };
    let expected: Vec<_> = (0..20).map(|torrent| (hash(torrent), stats)).collect();
    assert_eq!(swarms, expected);
}

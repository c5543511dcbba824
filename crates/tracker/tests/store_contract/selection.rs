//! The contract of which peers an answer has.

use tracker::{
    swarm::{PeerSource, Store, Wanted},
    types::{
        AnnounceEvent::{Started, Stopped, Update},
        PeerAddr,
    },
};

use crate::{
    model::Model,
    support::{ALL, Fixture, KINDS, SwarmStore, v4, v6},
};

conformance! {
    numwant_is_exact,
    families_are_kept_apart_and_shared_in_proportion,
    every_peer_is_as_likely,
}

fn numwant_is_exact<S: SwarmStore>() {
    for size in [0_u16, 1, 2, 3, 4, 33, 150] {
        let mut fixture = Fixture::<S>::new();
        for peer in 0..size {
            fixture.announce(v4(peer), Started, Some(5));
        }
        for count in [0, 1, 2, 3, 7, 50, 149, 150, 151, usize::MAX] {
            let wanted = Wanted { count, ..ALL };
            let answer = fixture.ask(v4(9999), Stopped, None, wanted);
            assert_eq!(answer.peers.len(), count.min(size.into()));
            assert_eq!(answer.keys().len(), answer.peers.len());
        }
    }
}

fn families_are_kept_apart_and_shared_in_proportion<S: SwarmStore>() {
    let mut fixture = Fixture::<S>::new();
    for peer in 0..90 {
        fixture.announce(v4(peer), Started, Some(5));
    }
    for peer in 0..10 {
        fixture.announce(v6(peer), Started, Some(5));
    }
    let mut ask = |v4, v6, count| {
        let wanted = Wanted { v4, v6, count };
        let peers = fixture.ask(self::v4(1), Update, Some(5), wanted).peers;
        let is_v4 = |source| matches!(source, PeerSource::Addr(PeerAddr::V4(_)));
        let of_v4 = peers.iter().filter(|peer| is_v4(peer.source)).count();
        (of_v4, peers.len() - of_v4)
    };
    assert_eq!(ask(true, false, 50), (50, 0));
    assert_eq!(ask(false, true, 50), (0, 10));
    assert_eq!(ask(false, false, 50), (0, 0));
    let (of_v4, of_v6) = ask(true, true, 95);
    assert_eq!(of_v4 + of_v6, 95);
    assert_eq!(ask(true, true, 100), (90, 10));
    let of_v6: usize = (0..1000).map(|_| ask(true, true, 20).1).sum();
    assert!(
        (1_700..2_300).contains(&of_v6),
        "a tenth of 20,000: {of_v6}"
    );
}

fn every_peer_is_as_likely<S: SwarmStore>() {
    let sizes = [3_u16, 10, 120].into_iter();
    for (size, kind) in sizes.flat_map(|size| KINDS.map(|kind| (size, kind))) {
        let mut fixture = Fixture::<S>::new();
        for peer in 0..size {
            fixture.announce(kind(peer), Started, Some(5));
        }
        let rounds = 6000;
        let mut hits = vec![0; size.into()];
        for round in 0..rounds {
            let wanted = Wanted { count: 2, ..ALL };
            let answer = fixture.ask(kind(round % size), Update, Some(5), wanted);
            for key in answer.keys() {
                let peer = (0..size).position(|peer| kind(peer).key() == key);
                hits[peer.expect("a peer of the swarm")] += 1;
            }
        }
        // Four standard deviations and a bit.
        let expected = f64::from(rounds) * 2.0 / f64::from(size);
        let margin = 5.0 * expected.sqrt();
        for (peer, hits) in hits.into_iter().enumerate() {
            let off = (f64::from(hits) - expected).abs();
            assert!(
                off < margin,
                "{peer} of {size}: {hits}, expected {expected}"
            );
        }
    }
}

//! Many threads at once.

use std::{collections::BTreeSet, sync::Barrier, thread};

use tracker::{
    swarm::{PeerSource, Store, StoreCounts, SwarmConfig, Wanted},
    types::AnnounceEvent,
};

use crate::{
    answer::answer_of,
    census::assert_census,
    support::{ALL, Call, Peer, START, SwarmStore, after, config, count_in, hash, v4, v6, ws},
};

const THREADS: u16 = 4;

/// Announces of one thread: its own peers, in swarms that all threads share.
fn announces(thread: u16, event: AnnounceEvent) -> impl Iterator<Item = Call> {
    (0..2000_u16).map(move |number| {
        let peer = thread * 2000 + number;
        Call {
            info_hash: hash(u32::from(number % 50)),
            peer: match number % 5 {
                0 => v6(peer).into(),
                1 => ws(peer),
                _ => v4(peer).into(),
            },
            event,
            left: Some(u64::from(number % 4)),
        }
    })
}

fn in_threads(work: impl Fn(u16, &mut fastrand::Rng) + Sync) {
    thread::scope(|scope| {
        for number in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(number, &mut fastrand::Rng::with_seed(number.into())));
        }
    });
}

/// Counters agree with what a look at every peer finds.
fn assert_consistent(store: &Store) {
    let swarms = store.swarms();
    let mut counted = StoreCounts {
        torrents: swarms.len(),
        ..StoreCounts::default()
    };
    for (hash, stats) in swarms {
        let peers = store.peers_of(&hash);
        let seeders = peers.iter().filter(|peer| peer.complete).count();
        assert_eq!(seeders, stats.complete as usize);
        assert_eq!(peers.len() - seeders, stats.incomplete as usize);
        counted.seeders += seeders;
        for peer in peers {
            count_in(&mut counted, peer.source);
        }
    }
    assert_eq!(store.counts(), counted);
}

#[test]
fn counts_are_right_after_announces_from_many_threads() {
    let store = Store::new(config());
    in_threads(|thread, rng| {
        for announce in announces(thread, AnnounceEvent::Started) {
            answer_of(&store, &announce, ALL, START, rng);
            answer_of(&store, &announce, ALL, START, rng);
        }
    });
    let threads = usize::from(THREADS);
    let expected = StoreCounts {
        torrents: 50,
        peers_v4: threads * 1200,
        peers_v6: threads * 400,
        peers_ws: threads * 400,
        seeders: threads * 500,
    };
    assert_eq!(store.counts(), expected);
    assert_consistent(&store);
    in_threads(|thread, rng| {
        for announce in announces(thread, AnnounceEvent::Stopped) {
            answer_of(&store, &announce, ALL, START, rng);
        }
    });
    assert_eq!(store.counts(), StoreCounts::default());
}

#[test]
fn expiry_ceilings_and_removal_run_beside_announces() {
    let store = Store::new(SwarmConfig {
        max_torrents: 40,
        max_peers: 1000,
        ..config()
    });
    in_threads(|thread, rng| {
        for (step, announce) in announces(thread, AnnounceEvent::Update).enumerate() {
            let now = after(step as u64 * 2);
            answer_of(&store, &announce, ALL, now, rng);
            // A call may be one over per thread, as its documentation says.
            assert!(store.peers() <= 1000 + usize::from(THREADS));
            assert!(store.torrents() <= 40 + usize::from(THREADS));
            match step % 49 {
                0 => {
                    store.expire(now, 100);
                }
                1 => {
                    store.remove(&announce.info_hash);
                }
                2 => {
                    if let PeerSource::Socket(socket) = announce.peer.source {
                        let Peer { peer_id, .. } = announce.peer;
                        store.leave_socket(&announce.info_hash, peer_id, socket, now);
                    }
                }
                3 => {
                    store.scrape(&announce.info_hash);
                    store.page(step % store.pages());
                }
                _ => {}
            }
        }
    });
    assert_consistent(&store);
    store.expire_all(after(1_000_000));
    assert_eq!(store.counts(), StoreCounts::default());
}

#[test]
fn a_census_that_begins_among_announces_counts_everyone_once() {
    let store = Store::new(SwarmConfig {
        max_torrents: 45,
        max_peers: 3000,
        max_peers_per_swarm: Some(100),
        ..config()
    });
    in_threads(|thread, rng| {
        for (step, announce) in announces(thread, AnnounceEvent::Update).enumerate() {
            let now = after(step as u64);
            answer_of(&store, &announce, ALL, now, rng);
            // All at once, the first to ask and those who wait for it.
            if step == 600 || step % 500 == 499 {
                let census = store.census();
                assert!(census.peers <= 3000 + usize::from(THREADS));
            }
            match step % 61 {
                0 => {
                    store.expire(now, 100);
                }
                1 => {
                    store.remove(&announce.info_hash);
                }
                2 => {
                    store.clear(&announce.info_hash, now);
                }
                3 => {
                    let Peer { source, peer_id } = announce.peer;
                    store.remove_source(&announce.info_hash, source, peer_id, now);
                }
                _ => {}
            }
        }
    });
    assert_consistent(&store);
    assert_census(&store);
    store.expire_all(after(1_000_000));
    assert_census(&store);
    assert_eq!(store.census().clients, []);
}

/// Enough torrents that others are made, and go, while the census goes over them.
#[test]
fn torrents_that_come_and_go_while_a_census_begins_are_counted_once() {
    let store = Store::new(SwarmConfig::default());
    let update = |torrent: u32, peer: u16, event, rng: &mut fastrand::Rng| {
        let call = Call {
            info_hash: hash(torrent),
            peer: v4(peer).into(),
            event,
            left: Some(u64::from(torrent % 2)),
        };
        answer_of(&store, &call, Wanted::default(), START, rng);
    };
    let mut rng = fastrand::Rng::with_seed(5);
    for torrent in 0..20_000 {
        update(torrent, torrent as u16, AnnounceEvent::Started, &mut rng);
    }
    let begin = Barrier::new(THREADS.into());
    in_threads(|thread, rng| {
        begin.wait();
        if thread == 0 {
            store.census();
            return;
        }
        for number in 0..3000_u16 {
            let torrent = 20_000 + u32::from(number);
            update(torrent, thread * 10_000, AnnounceEvent::Started, rng);
            update(
                torrent,
                thread * 10_000 + number,
                AnnounceEvent::Started,
                rng,
            );
            update(number.into(), number, AnnounceEvent::Stopped, rng);
        }
    });
    assert_census(&store);
    assert_eq!(store.census().active_torrents, 20_000);
    // Who was counted twice would stay.
    store.expire_all(after(1_000_000));
    assert_census(&store);
}

#[test]
fn who_is_evicted_among_announces_is_reported_once() {
    let store = Store::new(SwarmConfig {
        max_peers_per_swarm: Some(60),
        max_peers: 2000,
        max_torrents: 45,
        ..config()
    });
    assert!((0..50).all(|torrent| store.watch(hash(torrent))));
    in_threads(|thread, rng| {
        // Every peer joins once and never leaves by itself.
        for announce in announces(thread, AnnounceEvent::Started) {
            answer_of(&store, &announce, ALL, START, rng);
        }
    });
    let swarms = store.swarms();
    let present = swarms.iter().flat_map(|(hash, _)| store.peers_of(hash));
    let evicted = store.take_evicted();
    let gone = evicted.iter().map(|evicted| evicted.peer);
    let all: Vec<Peer> = present.chain(gone).map(|peer| Peer::from(&peer)).collect();
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(all.len(), usize::from(THREADS) * 2000);
    assert_eq!(different.len(), all.len());
}

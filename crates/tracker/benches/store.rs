//! The cost of an announce in the store. `cargo bench -p tracker --bench store`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tracker::{
    swarm::{Announce, Outcome, PeerSink, Run, Store, SwarmConfig, Wanted},
    types::{AnnounceEvent, InfoHash, PeerAddr, PeerAddrV4, PeerAddrV6, PeerId, Timestamp},
};

const NOW: Timestamp = Timestamp::from_secs(100_000);
const LATER: Timestamp = Timestamp::from_secs(100_600);

/// Copies addresses as an answer does.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl PeerSink for Bytes {
    fn begin(&mut self, _outcome: &Outcome, _v4: usize, _v6: usize) {
        self.0.clear();
    }

    fn v4(&mut self, run: Run<'_, PeerAddrV4>) {
        run.addrs
            .iter()
            .for_each(|addr| self.0.extend_from_slice(&addr.0));
    }

    fn v6(&mut self, run: Run<'_, PeerAddrV6>) {
        run.addrs
            .iter()
            .for_each(|addr| self.0.extend_from_slice(&addr.0));
    }
}

fn announce(torrent: u32, peer: u32, event: AnnounceEvent) -> Announce {
    let mut hash = [0x5a; 20];
    hash[..4].copy_from_slice(&torrent.to_be_bytes());
    let [a, b, c, d] = peer.to_be_bytes();
    Announce {
        info_hash: InfoHash(hash),
        peer_id: PeerId([b'p'; 20]),
        addr: PeerAddr::new([a, b, c, d].into(), 6881),
        event,
        left: Some(u64::from(peer % 2)),
    }
}

fn wanted(count: usize) -> Wanted {
    Wanted {
        v4: true,
        v6: false,
        count,
    }
}

fn store_with(torrents: u32, peers: u32, config: SwarmConfig) -> Store {
    let store = Store::new(config);
    let mut rng = fastrand::Rng::with_seed(1);
    for torrent in 0..torrents {
        for peer in 0..peers {
            let announce = announce(torrent, peer, AnnounceEvent::Started);
            store.announce(&announce, wanted(0), NOW, &mut rng, &mut ());
        }
    }
    store
}

/// Regular announces of peers that are known, in random order.
fn known_peers(c: &mut Criterion, name: &str, torrents: u32, peers: u32, count: usize) {
    let store = store_with(torrents, peers, SwarmConfig::default());
    let mut rng = fastrand::Rng::with_seed(2);
    let mut sink = Bytes::default();
    c.bench_function(name, |bencher| {
        bencher.iter(|| {
            let (torrent, peer) = (rng.u32(..torrents), rng.u32(..peers));
            let announce = announce(torrent, peer, AnnounceEvent::Update);
            let outcome = store.announce(&announce, wanted(count), LATER, &mut rng, &mut sink);
            black_box((outcome, sink.0.len()))
        });
    });
}

fn store(c: &mut Criterion) {
    known_peers(
        c,
        "announce: 1 of 2 peers in a million swarms",
        1_000_000,
        2,
        50,
    );
    known_peers(
        c,
        "announce: 200,000 peers in one swarm, none wanted",
        1,
        200_000,
        0,
    );
    known_peers(c, "select: 50 of 200,000 peers", 1, 200_000, 50);
    known_peers(
        c,
        "select: 50 of 100 peers in 10,000 swarms",
        10_000,
        100,
        50,
    );
    comings_and_goings(c);
    full_store(c);
    expiry(c);
}

fn comings_and_goings(c: &mut Criterion) {
    let store = store_with(1, 200_000, SwarmConfig::default());
    let mut rng = fastrand::Rng::with_seed(3);
    let mut peer = 200_000;
    c.bench_function("join and leave: 200,000 peers in one swarm", |bencher| {
        bencher.iter(|| {
            peer += 1;
            for event in [AnnounceEvent::Started, AnnounceEvent::Stopped] {
                let announce = announce(0, peer, event);
                store.announce(&announce, wanted(0), LATER, &mut rng, &mut ());
            }
        });
    });
}

/// The worst case of eviction: the newcomer is the only peer that was seen once.
fn full_store(c: &mut Criterion) {
    let config = SwarmConfig {
        max_peers: 1_000_000,
        ..SwarmConfig::default()
    };
    let store = store_with(500_000, 2, config);
    let mut rng = fastrand::Rng::with_seed(4);
    for torrent in 0..500_000 {
        for peer in 0..2 {
            let announce = announce(torrent, peer, AnnounceEvent::Update);
            store.announce(&announce, wanted(0), NOW, &mut rng, &mut ());
        }
    }
    let mut torrent = 500_000;
    c.bench_function("flood: a new swarm in a full store", |bencher| {
        bencher.iter(|| {
            torrent += 1;
            let announce = announce(torrent, 1, AnnounceEvent::Started);
            store.announce(&announce, wanted(50), LATER, &mut rng, &mut ())
        });
    });
}

fn expiry(c: &mut Criterion) {
    let store = store_with(500_000, 2, SwarmConfig::default());
    c.bench_function(
        "expire: one step, a million peers, none expired",
        |bencher| {
            bencher.iter(|| store.expire(LATER, 4096));
        },
    );
}

criterion_group!(benches, store);
criterion_main!(benches);

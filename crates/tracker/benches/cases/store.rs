//! The store alone, few enough torrents that they stay in the cache: what is counted here are instructions.
//! `benches/store.rs` has the large stores.

use std::hint::black_box;

use tracker::{
    swarm::{Expected, Outcome, PeerSink, Run, Wanted},
    types::{AnnounceEvent, PeerAddrV4, PeerAddrV6},
};

use super::{
    Case, Group, Operation,
    world::{self, NOW},
};

pub(super) const CASES: &[Case] = &[
    Case {
        group: Group::Store,
        name: "store announce, one of 2 peers, none wanted",
        set_up: || announce(1000, 2, 0),
    },
    Case {
        group: Group::Store,
        name: "store announce, one of 100 peers, none wanted",
        set_up: || announce(100, 100, 0),
    },
    Case {
        group: Group::Store,
        name: "store announce, one of 100 peers, 30 wanted",
        set_up: || announce(100, 100, 30),
    },
    Case {
        group: Group::Store,
        name: "store prefetch for 64 announces, 2 peers each",
        set_up: prefetch,
    },
    Case {
        group: Group::Store,
        name: "store scrape",
        set_up: scrape,
    },
];

fn announce(torrents: u32, peers: u16, count: usize) -> Operation {
    let tracker = world::tracker_with(torrents, peers);
    let wanted = Wanted {
        v4: true,
        v6: false,
        count,
    };
    let mut choose = fastrand::Rng::with_seed(3);
    let mut rng = fastrand::Rng::with_seed(4);
    let mut sink = Bytes(Vec::new());
    Box::new(move || {
        let (torrent, peer) = (choose.u32(..torrents), choose.u16(..peers));
        let announce = world::announce(torrent, peer, AnnounceEvent::Update);
        let store = tracker.store();
        black_box(store.announce(&announce, wanted, NOW, &mut rng, &mut sink));
    })
}

fn prefetch() -> Operation {
    let tracker = world::tracker_with(1000, 2);
    let batch: Vec<_> = (0..64)
        .map(|number| world::announce(number * 13, 1, AnnounceEvent::Update))
        .map(|announce| Expected {
            info_hash: announce.info_hash,
            addr: announce.addr,
            wanted: Wanted {
                v4: true,
                v6: false,
                count: 30,
            },
        })
        .collect();
    let rng = fastrand::Rng::with_seed(4);
    Box::new(move || {
        tracker
            .store()
            .prefetch(black_box(&batch).iter().copied(), &rng);
    })
}

fn scrape() -> Operation {
    let tracker = world::tracker_with(1000, 2);
    let mut choose = fastrand::Rng::with_seed(3);
    Box::new(move || {
        black_box(tracker.scrape(&world::info_hash(choose.u32(..1000))));
    })
}

/// Copies addresses as an answer does.
struct Bytes(Vec<u8>);

impl PeerSink for Bytes {
    fn begin(&mut self, _outcome: &Outcome, _v4: usize, _v6: usize) {
        self.0.clear();
    }

    fn v4(&mut self, run: Run<'_, PeerAddrV4>) {
        PeerAddrV4::append_all(run.addrs, &mut self.0);
    }

    fn v6(&mut self, run: Run<'_, PeerAddrV6>) {
        PeerAddrV6::append_all(run.addrs, &mut self.0);
    }
}

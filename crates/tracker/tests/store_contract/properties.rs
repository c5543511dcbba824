//! The store against the model, over random histories.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use tracker::{
    swarm::{PeerSnapshot, PeerSource, Store, SwarmConfig, Wanted},
    types::{AnnounceEvent, PeerAddr, PeerId, SocketId, Timestamp},
};

use crate::{
    model::Model,
    support::{Call, KINDS, Key, Peer, START, SwarmStore, config, hash, on_socket, v4, v6},
};

const TORRENTS: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Announce(Call, Wanted),
    /// A socket is closed.
    Leave {
        torrent: u32,
        socket: u64,
        peer_id: PeerId,
    },
    /// Many peers at once, so that swarms grow past every change of form.
    Burst {
        torrent: u32,
        first: u16,
        peers: u16,
        kind: usize,
    },
    Advance {
        secs: u32,
    },
    /// Some steps of expiry, which may end in the middle of a swarm.
    Expire {
        steps: usize,
        budget: usize,
    },
    ExpireAll,
    Remove {
        torrent: u32,
    },
}

/// Few peer ids on few sockets: most ids are on several of them, one on more than an answer makes up for.
fn socket() -> impl Strategy<Value = (u64, PeerId)> {
    let id = prop_oneof![1 => Just(0_u8), 2 => 0..8_u8].prop_map(|id| PeerId([id; 20]));
    (0..30_u64, id)
}

fn peer() -> impl Strategy<Value = Peer> {
    let addr = (0..60_u16, any::<bool>())
        .prop_map(|(peer, is_v6)| if is_v6 { v6(peer) } else { v4(peer) });
    prop_oneof![
        (addr, 0..3_u8).prop_map(|(addr, id)| Peer {
            source: PeerSource::Addr(addr),
            peer_id: PeerId([id; 20]),
        }),
        socket().prop_map(|(socket, peer_id)| on_socket(socket, peer_id)),
    ]
}

fn announce() -> impl Strategy<Value = Call> {
    let event =
        (0..5_u32).prop_map(|number| AnnounceEvent::from_udp(number).expect("0 to 4 are events"));
    let left = prop::option::of(0..2_u64);
    (0..TORRENTS, peer(), event, left).prop_map(|(torrent, peer, event, left)| Call {
        info_hash: hash(torrent),
        peer,
        event,
        left,
    })
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (any::<bool>(), any::<bool>(), 0..80_usize).prop_map(|(v4, v6, count)| Wanted { v4, v6, count })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (announce(), wanted()).prop_map(|(announce, wanted)| Step::Announce(announce, wanted)),
        3 => (0..TORRENTS, socket())
            .prop_map(|(torrent, (socket, peer_id))| Step::Leave { torrent, socket, peer_id }),
        2 => (0..TORRENTS, 0..60_u16, 1..60_u16, 0..KINDS.len())
            .prop_map(|(torrent, first, peers, kind)| Step::Burst { torrent, first, peers, kind }),
        2 => (0..900_u32).prop_map(|secs| Step::Advance { secs }),
        2 => (1..8_usize, 1..40_usize).prop_map(|(steps, budget)| Step::Expire { steps, budget }),
        1 => Just(Step::ExpireAll),
        1 => (0..TORRENTS).prop_map(|torrent| Step::Remove { torrent }),
    ]
}

struct Pair {
    store: Store,
    model: Model,
    rng: fastrand::Rng,
    now: Timestamp,
}

impl Pair {
    fn new(config: &SwarmConfig) -> Self {
        Self {
            store: Store::with(config.clone()),
            model: Model::with(config.clone()),
            rng: fastrand::Rng::with_seed(11),
            now: START,
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Announce(announce, wanted) => self.announce(&announce, wanted),
            Step::Leave {
                torrent,
                socket,
                peer_id,
            } => {
                let (hash, socket) = (hash(torrent), SocketId(socket));
                let expected = self.model.leave_socket(&hash, peer_id, socket, self.now);
                let left = self.store.leave_socket(&hash, peer_id, socket, self.now);
                assert_eq!(left, expected);
            }
            Step::Burst {
                torrent,
                first,
                peers,
                kind,
            } => {
                for peer in first..first + peers {
                    let announce = Call {
                        info_hash: hash(torrent),
                        peer: KINDS[kind](peer),
                        event: AnnounceEvent::Started,
                        left: Some(u64::from(peer % 3)),
                    };
                    self.announce(
                        &announce,
                        Wanted {
                            v4: true,
                            v6: true,
                            count: 9,
                        },
                    );
                }
            }
            Step::Advance { secs } => self.now = Timestamp::from_secs(self.now.as_secs() + secs),
            Step::Expire { steps, budget } => {
                for _ in 0..steps {
                    self.store.expire(self.now, budget);
                }
                self.reconcile();
            }
            Step::ExpireAll => {
                let expected = self.model.expire_all(self.now);
                assert_eq!(SwarmStore::expire_all(&mut self.store, self.now), expected);
            }
            Step::Remove { torrent } => {
                let expected = self.model.remove(&hash(torrent));
                assert_eq!(
                    SwarmStore::remove(&mut self.store, &hash(torrent)),
                    expected
                );
            }
        }
        self.compare();
    }

    fn announce(&mut self, announce: &Call, wanted: Wanted) {
        let rng = &mut self.rng;
        let answer = SwarmStore::announce(&mut self.store, announce, wanted, self.now, rng);
        let expected = self.model.announce(announce, wanted, self.now, rng);
        assert_eq!(answer.outcome, expected.outcome);
        assert_eq!(answer.peers.len(), expected.peers.len());
        answer.keys();
        let known = self.model.peers_of(&announce.info_hash);
        for peer in &answer.peers {
            assert!(known.contains(peer), "{peer:?}");
            match peer.source {
                PeerSource::Addr(PeerAddr::V4(_)) => assert!(wanted.v4),
                PeerSource::Addr(PeerAddr::V6(_)) => assert!(wanted.v6),
                PeerSource::Socket(_) => panic!("{peer:?} was handed to an address"),
            }
        }
        let known: BTreeSet<_> = known.iter().map(Peer::from).collect();
        for peer in &answer.sockets {
            assert!(known.contains(peer), "{peer:?}");
            assert_ne!(peer.peer_id, announce.peer.peer_id);
        }
        let is_namesake =
            |peer: &&Peer| peer.key().1.is_some() && peer.peer_id == announce.peer.peer_id;
        if known.iter().filter(is_namesake).count() <= 16 {
            assert_eq!(answer.sockets.len(), expected.sockets.len());
        } else {
            assert!(answer.sockets.len() <= expected.sockets.len());
        }
    }

    /// A part of a round lets go some of those that are expired, and nobody else.
    fn reconcile(&mut self) {
        for torrent in 0..TORRENTS {
            let hash = hash(torrent);
            let left = sorted(&self.store.peers_of(&hash));
            for peer in self.model.peers_of(&hash) {
                let key = Peer::from(&peer).key();
                if !left.iter().any(|&(left, ..)| left == key) {
                    self.model.forget_expired(&hash, key, self.now);
                }
            }
            if self.store.scrape(&hash).is_none() && self.model.scrape(&hash).is_some() {
                self.model.forget_empty(&hash, self.now);
            }
        }
    }

    fn compare(&self) {
        assert_eq!(self.store.counts(), self.model.counts());
        for torrent in 0..TORRENTS {
            let hash = hash(torrent);
            assert_eq!(self.store.scrape(&hash), self.model.scrape(&hash));
            assert_eq!(
                sorted(&self.store.peers_of(&hash)),
                sorted(&self.model.peers_of(&hash))
            );
        }
    }
}

fn sorted(peers: &[PeerSnapshot]) -> BTreeSet<(Key, PeerId, bool)> {
    peers
        .iter()
        .map(|peer| (Peer::from(peer).key(), peer.peer_id, peer.complete))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn store_does_as_the_model(steps in vec(step(), 1..120)) {
        let config = SwarmConfig { completed_ttl: std::time::Duration::from_secs(3000), ..config() };
        let mut pair = Pair::new(&config);
        for step in &steps {
            pair.take(step);
        }
    }

    #[test]
    fn store_with_limited_swarms_does_as_the_model(
        steps in vec(step(), 1..120),
        max in prop_oneof![1..5_usize, 30..70_usize],
    ) {
        let mut pair = Pair::new(&SwarmConfig { max_peers_per_swarm: Some(max), ..config() });
        for step in &steps {
            pair.take(step);
        }
    }
}

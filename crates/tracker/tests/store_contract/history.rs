//! Random histories of a store with ceilings, in which it is known who is evicted.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use tracker::{
    swarm::{Effect, Evicted, PeerSnapshot, PeerSource, Store, SwarmConfig, Wanted},
    types::{AnnounceEvent, InfoHash, PeerId, Timestamp},
};

use crate::{
    answer::answer_of,
    support::{Call, KINDS, Key, Peer, START, SwarmStore, hash, on_socket, v4, v6},
};

const TORRENTS: u32 = 6;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Announce(Call),
    /// Many peers at once, so that swarms grow past every change of form.
    Burst {
        torrent: u32,
        first: u16,
        peers: u16,
        kind: usize,
    },
    /// The user removes a peer, or its socket is closed.
    RemovePeer(u32, Peer),
    Clear(u32),
    Remove(u32),
    Advance {
        secs: u32,
    },
    /// Some steps of expiry, which may end in the middle of a swarm.
    Expire {
        steps: usize,
        budget: usize,
    },
    ExpireAll,
    Watch(u32, bool),
}

/// Addresses that are of one client each, whatever their ids; few peer ids on few sockets.
fn peer() -> impl Strategy<Value = Peer> {
    let addr = (0..40_u16, any::<bool>(), 0..3_u8).prop_map(|(number, is_v6, restart)| {
        let addr = if is_v6 { v6(number) } else { v4(number) };
        let mut peer_id = PeerId([(number % 5) as u8; 20]);
        peer_id.0[19] = restart;
        Peer {
            peer_id,
            ..addr.into()
        }
    });
    let socket = (0..20_u64, 0..8_u8).prop_map(|(socket, id)| on_socket(socket, PeerId([id; 20])));
    prop_oneof![2 => addr, 1 => socket]
}

fn call() -> impl Strategy<Value = Call> {
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

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => call().prop_map(Step::Announce),
        2 => (0..TORRENTS, 50..90_u16, 1..50_u16, 0..KINDS.len())
            .prop_map(|(torrent, first, peers, kind)| Step::Burst { torrent, first, peers, kind }),
        3 => (0..TORRENTS, peer()).prop_map(|(torrent, peer)| Step::RemovePeer(torrent, peer)),
        1 => (0..TORRENTS).prop_map(Step::Clear),
        1 => (0..TORRENTS).prop_map(Step::Remove),
        3 => (0..1500_u32).prop_map(|secs| Step::Advance { secs }),
        2 => (1..8_usize, 1..40_usize).prop_map(|(steps, budget)| Step::Expire { steps, budget }),
        1 => Just(Step::ExpireAll),
        3 => (0..TORRENTS, any::<bool>()).prop_map(|(torrent, on)| Step::Watch(torrent, on)),
    ]
}

type Peers = HashMap<(InfoHash, Key), PeerSnapshot>;

pub(crate) struct History {
    pub(crate) store: Store,
    config: SwarmConfig,
    rng: fastrand::Rng,
    now: Timestamp,
    /// Last announces, of peers that have left as well.
    last: HashMap<(InfoHash, Key), Timestamp>,
    watched: BTreeSet<InfoHash>,
}

impl History {
    pub(crate) fn new(config: SwarmConfig) -> Self {
        Self {
            store: Store::with(config.clone()),
            config,
            rng: fastrand::Rng::with_seed(17),
            now: START,
            last: HashMap::new(),
            watched: BTreeSet::new(),
        }
    }

    /// Takes a step, and asserts that just those peers were reported as evicted who should be.
    pub(crate) fn take(&mut self, step: &Step) {
        match *step {
            Step::Announce(call) => self.announce(&call),
            Step::Burst {
                torrent,
                first,
                peers,
                kind,
            } => {
                for peer in first..first + peers {
                    self.announce(&Call {
                        info_hash: hash(torrent),
                        peer: KINDS[kind](peer),
                        event: AnnounceEvent::Started,
                        left: Some(u64::from(peer % 3)),
                    });
                }
            }
            Step::RemovePeer(torrent, peer) => self.remove_peer(hash(torrent), peer),
            Step::Clear(torrent) => {
                let had_peers = !self.store.peers_of(&hash(torrent)).is_empty();
                let downloaded = |store: &Store| {
                    let downloaded = store.scrape(&hash(torrent))?.downloaded;
                    (downloaded > 0).then_some(downloaded)
                };
                let before = downloaded(&self.store);
                assert_eq!(self.store.clear(&hash(torrent), self.now), had_peers);
                assert_eq!(self.store.peers_of(&hash(torrent)), []);
                assert_eq!(downloaded(&self.store), before);
                if before.is_none() {
                    assert_eq!(self.store.scrape(&hash(torrent)), None);
                }
            }
            Step::Remove(torrent) => {
                self.store.remove(&hash(torrent));
            }
            Step::Advance { secs } => self.now = Timestamp::from_secs(self.now.as_secs() + secs),
            Step::Expire { steps, budget } => {
                let before = self.peers();
                for _ in 0..steps {
                    self.store.expire(self.now, budget);
                }
                self.assert_evicted(&before, None);
            }
            Step::ExpireAll => {
                let before = self.peers();
                self.store.expire_all(self.now);
                self.assert_evicted(&before, None);
            }
            Step::Watch(torrent, on) => {
                let hash = hash(torrent);
                if on {
                    assert!(self.store.watch(hash));
                    self.watched.insert(hash);
                } else {
                    assert_eq!(self.store.unwatch(&hash), self.watched.remove(&hash));
                }
            }
        }
        assert!(!self.store.has_evicted() && self.store.take_evicted().is_empty());
        for torrent in 0..TORRENTS {
            let hash = hash(torrent);
            assert_eq!(self.store.is_watched(&hash), self.watched.contains(&hash));
        }
    }

    fn announce(&mut self, call: &Call) {
        let own = (call.info_hash, call.peer.key());
        let before = self.peers();
        let was_expired = self
            .last
            .insert(own, self.now)
            .is_some_and(|last| self.now.since(last) > self.config.peer_ttl);
        let wanted = Wanted::default();
        let answer = answer_of(&self.store, call, wanted, self.now, &mut self.rng);
        if was_expired && before.contains_key(&own) {
            assert!(matches!(
                answer.outcome.effect,
                Effect::Joined | Effect::None
            ));
            self.assert_evicted(&before, Some((own, true)));
        } else {
            self.assert_evicted(&before, Some((own, false)));
        }
    }

    fn remove_peer(&mut self, info_hash: InfoHash, peer: Peer) {
        let known = self.peers().contains_key(&(info_hash, peer.key()));
        let (source, peer_id, now) = (peer.source, peer.peer_id, self.now);
        if let PeerSource::Addr(addr) = source {
            let found = self.store.peer_of(&info_hash, addr);
            let peers = self.store.peers_of(&info_hash);
            let expected = peers.into_iter().find(|peer| peer.source == source);
            assert_eq!(found, expected);
        }
        assert_eq!(
            self.store.remove_source(&info_hash, source, peer_id, now),
            known
        );
        assert!(!self.store.remove_source(&info_hash, source, peer_id, now));
    }

    fn peers(&self) -> Peers {
        let hashes = (0..TORRENTS).map(hash);
        hashes
            .flat_map(|hash| {
                self.store
                    .peers_of(&hash)
                    .into_iter()
                    .map(move |peer| (hash, peer))
            })
            .map(|(hash, peer)| ((hash, Peer::from(&peer).key()), peer))
            .collect()
    }

    /// Those who were in watched swarms and are not any more went unasked; of who announced it is said
    /// whether it did.
    fn assert_evicted(&self, before: &Peers, own: Option<((InfoHash, Key), bool)>) {
        let after = self.peers();
        let mut expected: Vec<_> = before
            .iter()
            .filter(|(place, _)| self.watched.contains(&place.0))
            .filter(|&(place, _)| match own {
                Some((own, evicted)) if own == *place => evicted,
                _ => !after.contains_key(place),
            })
            .map(|(place, peer)| Evicted {
                info_hash: place.0,
                peer: *peer,
            })
            .collect();
        assert_eq!(self.store.has_evicted(), !expected.is_empty());
        let mut evicted = self.store.take_evicted();
        for list in [&mut expected, &mut evicted] {
            list.sort_by_key(|evicted| (evicted.info_hash, Peer::from(&evicted.peer)));
        }
        assert_eq!(evicted, expected);
    }
}

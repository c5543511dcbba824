//! Ceilings on torrents and peers in all.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use tracker::{
    swarm::{Effect, Store, SwarmConfig, Wanted},
    types::{AnnounceEvent, InfoHash, Timestamp},
};

use crate::{
    answer::answer_of,
    support::{Call, KINDS, Key, Peer, START, after, announce, config, hash, keys, v4, ws},
};

const NONE: Wanted = Wanted {
    v4: false,
    v6: false,
    count: 0,
};

/// Seen again or not, and the minute of the last announce: who is lowest goes.
type Rank = (bool, u32);

/// A store, and what the test knows of each peer that should be in it.
struct Watched {
    store: Store,
    peers: BTreeMap<(InfoHash, Key), Rank>,
    rng: fastrand::Rng,
}

impl Watched {
    fn new(max_torrents: usize, max_peers: usize) -> Self {
        Self {
            store: Store::new(SwarmConfig {
                max_torrents,
                max_peers,
                // Nobody expires: whoever goes was evicted.
                peer_ttl: std::time::Duration::from_secs(100_000),
                ..config()
            }),
            peers: BTreeMap::new(),
            rng: fastrand::Rng::with_seed(5),
        }
    }

    fn announce(&mut self, torrent: u32, peer: impl Into<Peer>, now: Timestamp) -> Effect {
        let call = update(torrent, peer);
        let answer = answer_of(&self.store, &call, NONE, now, &mut self.rng);
        answer.outcome.effect
    }

    /// Announces; returns the peers that had to go, with their ranks.
    fn announce_and_look(
        &mut self,
        torrent: u32,
        peer: Peer,
        now: Timestamp,
    ) -> Vec<(InfoHash, Rank)> {
        let effect = self.announce(torrent, peer, now);
        let seen_again = effect == Effect::Updated;
        let key = (hash(torrent), peer.key());
        assert_eq!(seen_again, self.peers.contains_key(&key));
        self.peers.insert(key, (seen_again, now.as_secs() / 60));
        assert!(self.holds(&key), "the newcomer is in");
        let gone: Vec<_> = self
            .peers
            .iter()
            .filter(|(key, _)| !self.holds(key))
            .map(|(&key, &rank)| (key, rank))
            .collect();
        for (key, _) in &gone {
            self.peers.remove(key);
        }
        assert_eq!(self.store.peers(), self.peers.len());
        gone.into_iter()
            .map(|((hash, _), rank)| (hash, rank))
            .collect()
    }

    fn holds(&self, (info_hash, key): &(InfoHash, Key)) -> bool {
        let peers = self.store.peers_of(info_hash);
        peers.iter().any(|peer| Peer::from(peer).key() == *key)
    }

    /// The rank of the torrent that goes first.
    fn lowest_torrent(&self) -> Option<Rank> {
        let mut torrents = BTreeMap::<_, Vec<Rank>>::new();
        for (&(hash, _), &rank) in &self.peers {
            torrents.entry(hash).or_default().push(rank);
        }
        torrents.into_values().filter_map(together).min()
    }
}

/// A torrent was seen again if one of its peers was, and is silent since the last announce by anyone.
fn together(peers: Vec<Rank>) -> Option<Rank> {
    let seen_again = peers.iter().any(|&(seen_again, _)| seen_again);
    let minutes = peers.into_iter().map(|(_, minute)| minute);
    minutes.max().map(|minute| (seen_again, minute))
}

fn update(torrent: u32, peer: impl Into<Peer>) -> Call {
    Call {
        info_hash: hash(torrent),
        ..announce(peer, AnnounceEvent::Update, Some(5))
    }
}

/// Peers of all kinds by turns.
fn mixed(number: u16) -> Peer {
    KINDS[usize::from(number) % KINDS.len()](number)
}

#[test]
fn a_flood_of_random_hashes_evicts_no_real_swarm() {
    let mut watched = Watched::new(1000, 100_000);
    for torrent in 0..900 {
        let peer = mixed(torrent as u16);
        watched.announce(torrent, peer, START);
        watched.announce(torrent, peer, after(5));
    }
    for torrent in 0..5000 {
        let peer = mixed(torrent as u16);
        watched.announce(10_000 + torrent, peer, after(60 + u64::from(torrent) / 100));
    }
    assert_eq!(watched.store.torrents(), 1000);
    for torrent in 0..900 {
        let key = mixed(torrent as u16).key();
        assert!(watched.holds(&(hash(torrent), key)), "{torrent}");
    }
}

#[test]
fn a_flood_of_peers_evicts_at_most_one_that_was_seen_again() {
    let mut watched = Watched::new(1000, 500);
    for peer in 0..500 {
        watched.announce(1, mixed(peer), START);
        watched.announce(1, mixed(peer), after(5));
    }
    for peer in 500..1500 {
        watched.announce(u32::from(peer % 7), mixed(peer), after(60));
    }
    assert_eq!(watched.store.peers(), 500);
    let real = (0..500).filter(|&peer| watched.holds(&(hash(1), mixed(peer).key())));
    assert_eq!(real.count(), 499);
}

/// With many parts the store cannot look everywhere for who was seen once; it must find them still.
#[test]
fn a_flood_is_told_from_real_peers_in_a_store_of_many_parts() {
    let store = Store::new(SwarmConfig {
        max_peers: 3000,
        shards: 2048,
        ..SwarmConfig::default()
    });
    let mut rng = fastrand::Rng::with_seed(5);
    let mut join = |torrent, now| {
        answer_of(&store, &update(torrent, ws(1)), NONE, now, &mut rng);
    };
    (0..3000).for_each(|torrent| join(torrent, START));
    (0..3000).for_each(|torrent| join(torrent, after(60)));
    (3000..8000).for_each(|torrent| join(torrent, after(120)));
    assert_eq!(store.peers(), 3000);
    let real = (0..3000).filter(|&torrent| store.scrape(&hash(torrent)).is_some());
    assert_eq!(real.count(), 2999);
}

/// A swarm too large for an eviction to look at every peer.
#[test]
fn the_longest_silent_of_a_very_large_swarm_go() {
    let mut watched = Watched::new(1000, 40_000);
    for peer in 0..40_000 {
        let minute = u64::from(peer / 20_000);
        watched.announce(1, v4(peer), after(minute * 60));
    }
    for peer in 40_000..41_000 {
        watched.announce(1, v4(peer), after(180));
    }
    assert!((39_900..=40_000).contains(&watched.store.peers()));
    let peers = watched.store.peers_of(&hash(1));
    let left = keys(&peers);
    assert!(keys((20_000..41_000).map(v4)).is_subset(&left));
}

#[test]
fn torrents_kept_for_their_downloads_go_first() {
    let store = Store::new(SwarmConfig {
        max_torrents: 2,
        ..config()
    });
    let mut rng = fastrand::Rng::with_seed(5);
    let mut take = |torrent, event| {
        let left = u64::from(event == AnnounceEvent::Started);
        let call = Call {
            info_hash: hash(torrent),
            ..announce(v4(1), event, Some(left))
        };
        answer_of(&store, &call, NONE, START, &mut rng);
    };
    take(1, AnnounceEvent::Started);
    take(1, AnnounceEvent::Completed);
    take(2, AnnounceEvent::Started);
    take(2, AnnounceEvent::Completed);
    take(1, AnnounceEvent::Stopped);
    take(3, AnnounceEvent::Started);
    assert_eq!(store.torrents(), 2);
    assert_eq!(store.scrape(&hash(1)), None);
    assert!(store.scrape(&hash(2)).is_some());
}

/// Whatever form its peers are kept in: both of one kind, or of two.
#[test]
fn a_torrent_is_as_recent_as_its_last_announce_by_anyone() {
    for newcomer in KINDS {
        let mut watched = Watched::new(2, 1000);
        for torrent in [1, 2] {
            watched.announce(torrent, v4(1), START);
        }
        watched.announce(1, v4(1), after(60));
        watched.announce(2, v4(1), after(180));
        watched.announce(1, newcomer(2), after(300));
        watched.announce(3, v4(1), after(360));
        assert!(watched.store.scrape(&hash(1)).is_some());
        assert_eq!(watched.store.scrape(&hash(2)), None);
    }
}

#[test]
fn ceilings_of_zero_count_as_one() {
    let mut watched = Watched::new(0, 0);
    watched.announce(1, v4(1), START);
    watched.announce(2, v4(2), START);
    watched.announce(2, ws(3), START);
    assert_eq!((watched.store.torrents(), watched.store.peers()), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_lowest_peer_goes(
        max in 1..40_usize,
        steps in vec((0..6_u32, 0..30_u16, 0..40_u64, 0..20_u8), 1..200),
    ) {
        let mut watched = Watched::new(1000, max);
        let mut secs = 0;
        for (torrent, peer, passed, expire) in steps {
            secs += passed;
            if expire == 0 {
                watched.store.expire(after(secs), 3);
            }
            let lowest = watched.peers.values().min().copied();
            let before = watched.peers.len();
            let gone = watched.announce_and_look(torrent, mixed(peer), after(secs));
            prop_assert!(watched.peers.len() <= max);
            prop_assert!(gone.len() <= 1 && (gone.is_empty() || before == max));
            for (_, rank) in gone {
                prop_assert_eq!(Some(rank), lowest);
            }
        }
    }

    #[test]
    fn the_lowest_torrent_goes(
        max in 1..20_usize,
        steps in vec((0..40_u32, 0..5_u16, 0..20_u64), 1..200),
    ) {
        let mut watched = Watched::new(max, 1000);
        let mut secs = 0;
        for (torrent, peer, passed) in steps {
            secs += passed;
            let lowest = watched.lowest_torrent();
            let gone = watched.announce_and_look(torrent, mixed(peer), after(secs));
            prop_assert!(watched.store.torrents() <= max);
            let torrents: std::collections::BTreeSet<_> = gone.iter().map(|&(hash, _)| hash).collect();
            prop_assert!(torrents.len() <= 1);
            let best = together(gone.into_iter().map(|(_, rank)| rank).collect());
            prop_assert!(best.is_none() || best == lowest, "{:?}, not {:?}", best, lowest);
        }
    }
}

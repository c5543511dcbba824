//! Which peers announce: the same ones whenever the numbers are the same.

use std::io;

use super::packet::Announce;
use crate::settings::Settings;

const SEEDER_SHARE: f32 = 0.75;

/// Ports below this one are used by no client.
const FIRST_PORT: u16 = 1024;
const PORTS: u64 = (u16::MAX - FIRST_PORT) as u64;

/// A prime above all numbers of peers: its multiples, modulo such a number, reach all that are below it.
const STRIDE: u64 = 4_294_967_311;

/// Peers in torrents. All come from one address, so it is the port that tells those of a torrent apart.
#[derive(Clone, Copy)]
pub(super) struct Population {
    torrents: u64,
    peers: u64,
    /// Other numbers, other torrents.
    seed: u64,
    /// Each torrent has one peer, and those beyond are spread as in real life: most torrents get none
    /// of them, some very many. Else all torrents have equally many.
    is_skewed: bool,
}

impl Population {
    /// From `torrents`, `peers`, `seed` and `skewed`, which is 0 or 1 and may be left out.
    pub(super) fn new(settings: &Settings) -> io::Result<Self> {
        let population = Self {
            torrents: settings.get("torrents")?,
            peers: settings.get("peers")?,
            seed: settings.get("seed")?,
            is_skewed: settings.get("skewed").is_ok_and(|skewed| skewed != 0),
        };
        let most = population.torrents.saturating_mul(PORTS).min(1 << 31);
        if population.torrents == 0 || !(1..=most).contains(&population.peers) {
            return Err(io::Error::other(
                "so many peers do not fit into the torrents",
            ));
        }
        Ok(population)
    }

    pub(super) fn torrents(&self) -> u64 {
        self.torrents
    }

    pub(super) fn peers(&self) -> u64 {
        self.peers
    }

    pub(super) fn info_hash(&self, torrent: u64) -> [u8; 20] {
        bytes(&mut self.rng(torrent))
    }

    /// What one of the peers, from 0 on, announces. Neighbours are in different torrents.
    pub(super) fn announce(&self, peer: u64) -> Announce {
        let (torrent, port) = self.place(peer);
        let mut rng = self.rng(!peer);
        let mut peer_id = bytes(&mut rng);
        peer_id[..8].copy_from_slice(b"-BN0001-");
        Announce {
            info_hash: self.info_hash(torrent),
            peer_id,
            port: FIRST_PORT + port as u16,
            left: if rng.f32() < SEEDER_SHARE { 0 } else { 1 << 20 },
        }
    }

    /// The torrent of a peer, and the number of its port.
    fn place(&self, peer: u64) -> (u64, u64) {
        if !self.is_skewed || peer < self.torrents {
            return (peer % self.torrents, peer / self.torrents);
        }
        // Those of a torrent have neighbouring ranks, so that their ports differ; their announces are far
        // from each other. The largest of a million torrents gets a thousandth of a million peers.
        let count = self.peers - self.torrents;
        let rank = (peer - self.torrents) * STRIDE % count;
        let torrent =
            u128::from(rank * rank) * u128::from(self.torrents) / u128::from(count * count);
        (torrent as u64, 1 + rank % (PORTS - 1))
    }

    fn rng(&self, number: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed.rotate_left(32) ^ number)
    }
}

fn bytes<const N: usize>(rng: &mut fastrand::Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const EVEN: Population = Population {
        torrents: 100,
        peers: 5000,
        seed: 1,
        is_skewed: false,
    };

    /// How many peers the torrents have, the largest first.
    fn sizes(population: Population) -> Vec<usize> {
        let mut ports: HashMap<_, Vec<u16>> = HashMap::new();
        let mut seeders = 0;
        for peer in 0..population.peers() {
            let announce = population.announce(peer);
            ports
                .entry(announce.info_hash)
                .or_default()
                .push(announce.port);
            seeders += u64::from(announce.left == 0);
        }
        let share = population.peers() / 20;
        assert!(
            (14 * share..16 * share).contains(&seeders),
            "{seeders} seeders"
        );
        let size = |mut ports: Vec<u16>| {
            let count = ports.len();
            ports.sort_unstable();
            ports.dedup();
            assert_eq!(ports.len(), count, "two peers are the same");
            count
        };
        let mut sizes: Vec<_> = ports.into_values().map(size).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    }

    #[test]
    fn even_torrents_have_equally_many_peers() {
        assert_eq!(sizes(EVEN), [50; 100]);
    }

    #[test]
    fn skewed_torrents_have_one_or_many() {
        let sizes = sizes(Population {
            torrents: 20_000,
            peers: 40_000,
            is_skewed: true,
            ..EVEN
        });
        assert_eq!(sizes.len(), 20_000);
        assert_eq!(sizes.iter().sum::<usize>(), 40_000);
        assert!((50..200).contains(&sizes[0]), "{}", sizes[0]);
        assert_eq!(sizes[19_999], 1);
    }

    #[test]
    fn another_seed_means_other_torrents() {
        let other = Population { seed: 2, ..EVEN };
        assert_ne!(EVEN.info_hash(3), other.info_hash(3));
    }
}

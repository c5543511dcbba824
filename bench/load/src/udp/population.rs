//! Which peers announce: the same ones whenever the numbers are the same.

use std::io;

use super::packet::Announce;
use crate::settings::Settings;

const SEEDER_SHARE: f32 = 0.75;

/// Ports below this one are used by no client.
const FIRST_PORT: u64 = 1024;

/// Peers in torrents, each torrent with as many as the others. All come from one address, so it is the
/// port that tells those of a torrent apart.
#[derive(Clone, Copy)]
pub(super) struct Population {
    torrents: u64,
    peers: u64,
    /// Other numbers, other torrents.
    seed: u64,
}

impl Population {
    /// From `torrents`, `peers` and `seed`.
    pub(super) fn new(settings: &Settings) -> io::Result<Self> {
        let population = Self {
            torrents: settings.get("torrents")?,
            peers: settings.get("peers")?,
            seed: settings.get("seed")?,
        };
        let most = population.torrents * (u64::from(u16::MAX) - FIRST_PORT);
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
        let torrent = peer % self.torrents;
        let ports = u64::from(u16::MAX) - FIRST_PORT;
        let mut rng = self.rng(!peer);
        let mut peer_id = bytes(&mut rng);
        peer_id[..8].copy_from_slice(b"-BN0001-");
        Announce {
            info_hash: self.info_hash(torrent),
            peer_id,
            port: (FIRST_PORT + (torrent + peer / self.torrents) % ports) as u16,
            left: if rng.f32() < SEEDER_SHARE { 0 } else { 1 << 20 },
        }
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
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_peers_of_a_torrent_are_the_same() {
        let population = Population {
            torrents: 100,
            peers: 5000,
            seed: 1,
        };
        let announces: Vec<_> = (0..5000).map(|peer| population.announce(peer)).collect();
        let addresses: HashSet<_> = announces.iter().map(|a| (a.info_hash, a.port)).collect();
        let ids: HashSet<_> = announces.iter().map(|a| a.peer_id).collect();
        let torrents: HashSet<_> = announces.iter().map(|a| a.info_hash).collect();
        assert_eq!(
            (addresses.len(), ids.len(), torrents.len()),
            (5000, 5000, 100)
        );
        let seeders = announces.iter().filter(|a| a.left == 0).count();
        assert!((3500..4000).contains(&seeders), "{seeders} seeders");
    }

    #[test]
    fn another_seed_means_other_torrents() {
        let of = |seed| Population {
            torrents: 10,
            peers: 10,
            seed,
        };
        assert_ne!(of(1).info_hash(3), of(2).info_hash(3));
        assert_eq!(of(1).info_hash(3), of(1).info_hash(3));
    }
}

//! Policy: what a tracker answers, whatever the transport.
//!
//! Between the wire formats and the store: how many peers an announce gets, how often peers may
//! come, what is listed in a full scrape. Knows no bytes and no sockets.

mod config;
mod pace;

pub use config::TrackerConfig;

use std::time::Duration;

use self::pace::Pace;
use crate::{
    swarm::{Announce, Outcome, PeerSink, Store, SwarmStats, Wanted},
    types::{InfoHash, Timestamp},
};

/// Peers of large swarms that one housekeeping step looks at, at most: some microseconds, or a few tens if
/// all of them go.
const EXPIRE_BUDGET: usize = 512;

/// A tracker: its rules and its store.
pub struct Tracker {
    config: TrackerConfig,
    store: Store,
    pace: Pace,
}

/// Which peers the transport of an announce can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carries {
    /// IPv4 peers.
    pub v4: bool,
    /// IPv6 peers.
    pub v6: bool,
    /// Most peers that fit in an answer.
    pub most: usize,
}

/// Why a full scrape is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("full scrape is not available; name at least one info_hash")]
pub struct FullScrapeRefused;

impl Tracker {
    /// An empty tracker.
    pub fn new(config: TrackerConfig) -> Self {
        let store = Store::new(config.swarm.clone());
        let pace = Pace::new(store.steps_a_round(), config.swarm.peer_ttl);
        Self {
            config,
            store,
            pace,
        }
    }

    /// Its rules.
    pub fn config(&self) -> &TrackerConfig {
        &self.config
    }

    /// Its torrents and peers.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Answers an announce: the store is changed, and `sink` gets the peers.
    ///
    /// `numwant` is as the peer said it; absent or negative means the default, 0 means none.
    pub fn announce(
        &self,
        announce: &Announce,
        numwant: Option<i64>,
        carries: Carries,
        now: Timestamp,
        rng: &mut fastrand::Rng,
        sink: &mut impl PeerSink,
    ) -> Outcome {
        let wanted = self.wanted(numwant, carries);
        self.store.announce(announce, wanted, now, rng, sink)
    }

    /// What an announce is answered with at most. `numwant` is as in [`announce`](Self::announce).
    pub fn wanted(&self, numwant: Option<i64>, carries: Carries) -> Wanted {
        Wanted {
            v4: carries.v4,
            v6: carries.v6,
            count: self.peers_wanted(numwant).min(carries.most),
        }
    }

    /// The numbers of one torrent; zeros if it is not known.
    pub fn scrape(&self, info_hash: &InfoHash) -> SwarmStats {
        self.store.scrape(info_hash).unwrap_or_default()
    }

    /// All torrents, as a scrape without a hash asks for, if the rules allow so many.
    pub fn full_scrape(&self) -> Result<Vec<InfoHash>, FullScrapeRefused> {
        let limit = self.config.full_scrape_limit;
        if self.store.torrents() > limit {
            return Err(FullScrapeRefused);
        }
        let mut info_hashes = self.info_hashes();
        // Others announce meanwhile.
        info_hashes.truncate(limit);
        Ok(info_hashes)
    }

    /// All torrents, in no order.
    pub fn info_hashes(&self) -> Vec<InfoHash> {
        let pages = 0..self.store.pages();
        pages
            .flat_map(|page| self.store.page(page))
            .map(|(info_hash, _)| info_hash)
            .collect()
    }

    /// One small step of dropping silent peers, if one is due; whether more are. Called by every
    /// thread between its batches, so that there is never a pause in which announces wait.
    pub fn housekeep(&self, uptime: Duration) -> bool {
        if !self.pace.is_due(uptime) {
            return false;
        }
        let now = Timestamp::from_uptime(uptime);
        // Counted by who has the turn: two threads at it would use each other's steps up.
        self.store
            .expire_if(|| self.pace.take(uptime), now, EXPIRE_BUDGET)
            .is_some()
    }

    fn peers_wanted(&self, numwant: Option<i64>) -> usize {
        match numwant.map(usize::try_from) {
            Some(Ok(count)) => count.min(self.config.max_numwant),
            // Negative, and whatever does not fit 64 bits on a small machine.
            None | Some(Err(_)) => self.config.default_numwant.min(self.config.max_numwant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numwant_rules() {
        let tracker = Tracker::new(TrackerConfig::default());
        for (numwant, peers) in [
            (None, 50),
            (Some(-1), 50),
            (Some(0), 0),
            (Some(1), 1),
            (Some(82), 82),
            (Some(83), 82),
            (Some(i64::MAX), 82),
        ] {
            assert_eq!(tracker.peers_wanted(numwant), peers, "{numwant:?}");
        }
    }

    #[test]
    fn full_scrape_is_refused_over_its_limit() {
        let tracker = Tracker::new(TrackerConfig {
            full_scrape_limit: 1,
            ..TrackerConfig::default()
        });
        let mut rng = fastrand::Rng::with_seed(1);
        let now = Timestamp::from_secs(10);
        for number in 0..2_u8 {
            assert_eq!(tracker.full_scrape().unwrap().len(), usize::from(number));
            let announce = Announce {
                info_hash: InfoHash([number; 20]),
                peer_id: crate::types::PeerId([1; 20]),
                addr: crate::types::PeerAddr::new([192, 0, 2, 1].into(), 6881),
                event: crate::types::AnnounceEvent::Started,
                left: Some(1),
            };
            let carries = Carries {
                v4: true,
                v6: true,
                most: 50,
            };
            tracker.announce(&announce, None, carries, now, &mut rng, &mut ());
        }
        assert_eq!(tracker.full_scrape(), Err(FullScrapeRefused));
    }
}

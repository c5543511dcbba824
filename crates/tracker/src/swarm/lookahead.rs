//! What announces will look at, fetched ahead.

use super::{
    Store, Wanted, answer,
    key::PeerKey,
    store::Located,
    table::{Place, Table},
};
use crate::{
    prefetch::{self, Lines, prefetch_lock},
    types::{InfoHash, PeerAddr, PeerAddrV4},
};

/// Most announces that are looked at ahead: a batch of packets.
const MAX: usize = 64;

/// An announce that will come.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The peer.
    pub addr: PeerAddr,
    /// What it will ask for.
    pub wanted: Wanted,
}

/// An announce that is looked at ahead.
struct Ahead {
    at: Located,
    key: PeerKey,
    wanted: Wanted,
    draws: fastrand::Rng,
    /// Where its torrent most likely is.
    place: Place,
}

impl Store {
    /// Has what announces by these peers will look at on its way into the cache, for up to 64 of them. A
    /// large store is far larger than any cache, so an announce waits for memory again and again, each
    /// time for what tells where to look next; announces that are known ahead wait at the same time.
    ///
    /// `rng` is what the first of them will be given. All are taken, whether there is something to be done or
    /// not.
    pub fn prefetch(&self, announces: impl Iterator<Item = Expected>, rng: &fastrand::Rng) {
        if !prefetch::WORKS {
            return announces.for_each(drop);
        }
        let mut rng = rng.clone();
        let mut all = [const { Ahead::NONE }; MAX];
        let mut count = 0;
        for (expected, ahead) in announces.zip(&mut all) {
            *ahead = Ahead {
                at: self.locate(&expected.info_hash),
                key: expected.addr.into(),
                wanted: expected.wanted,
                draws: Draws::new(&mut rng).answer,
                ..Ahead::NONE
            };
            // The locks themselves: one that is not here yet holds up all that comes after it.
            prefetch_lock(&self.parts[ahead.at.part]);
            count += 1;
        }
        // Each round reads what the one before has had fetched, and leaves out those that need no more.
        let mut lines = Lines::new();
        let mut round = |more: fn(&Table, &mut Ahead, &mut Lines) -> bool| {
            count = self.look_ahead(&mut all[..count], |table, ahead| {
                more(table, ahead, &mut lines)
            });
            lines.fetch();
        };
        round(|table, ahead, lines| {
            table.expect_index(ahead.at.tag, lines);
            true
        });
        round(|table, ahead, lines| {
            let place = table.expect_torrent(ahead.at.tag, lines);
            place.map(|place| ahead.place = place).is_some()
        });
        round(|table, ahead, lines| {
            let torrent = table.likely_torrent(ahead.place);
            torrent.is_some_and(|torrent| torrent.expect_peers(lines))
        });
        round(|table, ahead, lines| {
            let Some(torrent) = table.likely_torrent(ahead.place) else {
                return false;
            };
            torrent.expect_peer(ahead.key, lines);
            answer::expect_addrs(torrent, ahead.wanted, &mut ahead.draws, lines);
            true
        });
        round(|table, ahead, lines| {
            if let Some(torrent) = table.likely_torrent(ahead.place) {
                torrent.expect_row(ahead.key, lines);
            }
            false
        });
    }

    /// Has a look at the table of each, unless it is locked. How many need another look: they are the first then.
    fn look_ahead(
        &self,
        all: &mut [Ahead],
        mut more: impl FnMut(&Table, &mut Ahead) -> bool,
    ) -> usize {
        let mut kept = 0;
        for index in 0..all.len() {
            let ahead = &mut all[index];
            if self.parts[ahead.at.part].look(|table| more(table, ahead)) == Some(true) {
                all.swap(kept, index);
                kept += 1;
            }
        }
        kept
    }
}

impl Ahead {
    const NONE: Self = Self {
        at: Located { part: 0, tag: 0 },
        key: PeerKey::V4(PeerAddrV4([0; 6])),
        wanted: Wanted {
            v4: false,
            v6: false,
            count: 0,
        },
        draws: fastrand::Rng::with_seed(0),
        place: Place::FIRST,
    };
}

/// The random numbers of an announce.
pub(super) struct Draws {
    /// What its swarm is changed with.
    pub(super) change: fastrand::Rng,
    /// What it is answered with.
    pub(super) answer: fastrand::Rng,
}

impl Draws {
    /// Takes one number, however many the announce draws: those of the announces after it are then known before. (In
    /// a full store an announce tries more than once, and what is fetched for those after it is for nothing.)
    pub(super) fn new(rng: &mut fastrand::Rng) -> Self {
        let mut change = rng.fork();
        let answer = change.fork();
        Self { change, answer }
    }
}

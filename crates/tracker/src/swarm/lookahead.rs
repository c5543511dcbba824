//! What announces will look at, fetched ahead.

use super::{
    Store,
    key::PeerKey,
    store::Located,
    table::{Place, Table},
};
use crate::{
    prefetch::{self, prefetch},
    types::{InfoHash, PeerAddr, PeerAddrV4},
};

/// Most announces that are looked at ahead: a batch of packets.
const MAX: usize = 64;

/// An announce that will come.
#[derive(Clone, Copy)]
struct Expected {
    at: Located,
    key: PeerKey,
    /// Where its torrent most likely is.
    place: Option<Place>,
}

impl Store {
    /// Has what announces by these peers will look at on its way into the cache, for up to 64 of them. A
    /// large store is far larger than any cache, so an announce waits for memory again and again, each
    /// time for what tells where to look next; announces that are known ahead wait at the same time.
    pub fn prefetch(&self, announces: impl Iterator<Item = (InfoHash, PeerAddr)>) {
        const NONE: Expected = Expected {
            at: Located { part: 0, tag: 0 },
            key: PeerKey::V4(PeerAddrV4([0; 6])),
            place: None,
        };
        if !prefetch::WORKS {
            return;
        }
        let mut expected = [NONE; MAX];
        let mut count = 0;
        for ((info_hash, addr), expected) in announces.zip(&mut expected) {
            expected.at = self.locate(&info_hash);
            expected.key = addr.into();
            // The locks themselves: one that is not here yet holds up all that comes after it.
            prefetch(&self.parts[expected.at.part]);
            count += 1;
        }
        let expected = &mut expected[..count];
        // Each round reads what the one before has asked for, and drops those that need no more.
        let expected = self.look_ahead(expected, |table, peer| {
            table.expect_index(peer.at.tag);
            true
        });
        let expected = self.look_ahead(expected, |table, peer| {
            peer.place = table.expect_torrent(peer.at.tag);
            peer.place.is_some()
        });
        let expected = self.look_ahead(expected, |table, peer| {
            let torrent = peer.place.and_then(|place| table.likely_torrent(place));
            torrent.is_some_and(|torrent| torrent.expect_peers())
        });
        let expected = self.look_ahead(expected, |table, peer| {
            let torrent = peer.place.and_then(|place| table.likely_torrent(place));
            torrent.inspect(|torrent| torrent.expect_peer(peer.key)).is_some()
        });
        self.look_ahead(expected, |table, peer| {
            let torrent = peer.place.and_then(|place| table.likely_torrent(place));
            torrent.inspect(|torrent| torrent.expect_row(peer.key)).is_some()
        });
    }

    /// A round: has a look at the table of each that is not locked, and returns those for which there is more
    /// to look at.
    fn look_ahead<'a>(
        &self,
        expected: &'a mut [Expected],
        more: impl Fn(&Table, &mut Expected) -> bool,
    ) -> &'a mut [Expected] {
        let mut kept = 0;
        for index in 0..expected.len() {
            let mut next = expected[index];
            let part = &self.parts[next.at.part];
            if part.look(|table| more(table, &mut next)) == Some(true) {
                expected[kept] = next;
                kept += 1;
            }
        }
        &mut expected[..kept]
    }
}

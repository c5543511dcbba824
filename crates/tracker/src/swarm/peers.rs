//! The forms that the peers of a torrent are kept in.

use super::{PeerMeta, heap::Rows, inline::Inline, large::Large};
use crate::types::{PeerAddrV4, PeerAddrV6, Timestamp};

/// Small forms are in place in the table of torrents and cost no more than their bytes; they hold one
/// family, as nearly every small swarm does.
pub(super) enum Peers {
    None {
        /// The time of the last announce or removal.
        since: Timestamp,
    },
    V4(Inline<PeerAddrV4, 3>),
    V6(Inline<PeerAddrV6, 2>),
    Large(Box<Large>),
}

/// A large swarm that expiry left with this many peers becomes small again.
const SMALL_AGAIN: usize = 2;

const NO_V4: Rows<'_, PeerAddrV4> = Rows {
    addrs: &[],
    metas: &[],
    last: &[],
};
const NO_V6: Rows<'_, PeerAddrV6> = Rows {
    addrs: &[],
    metas: &[],
    last: &[],
};

impl Peers {
    pub(super) fn v4(&self) -> Rows<'_, PeerAddrV4> {
        match self {
            Self::V4(peers) => peers.rows(),
            Self::Large(large) => large.v4().rows(),
            Self::None { .. } | Self::V6(_) => NO_V4,
        }
    }

    pub(super) fn v6(&self) -> Rows<'_, PeerAddrV6> {
        match self {
            Self::V6(peers) => peers.rows(),
            Self::Large(large) => large.v6().rows(),
            Self::None { .. } | Self::V4(_) => NO_V6,
        }
    }

    /// As a large swarm, whatever its form.
    pub(super) fn into_large(self, ordered: bool) -> Box<Large> {
        if let Self::Large(large) = self {
            return large;
        }
        let mut large = Box::new(Large::new(ordered));
        for_each(self.v4(), |addr, meta, last| {
            large.insert(addr, meta, last, None);
        });
        for_each(self.v6(), |addr, meta, last| {
            large.insert(addr, meta, last, None);
        });
        large
    }

    /// Gives up the form of a large swarm if it has become small.
    pub(super) fn make_small(&mut self) {
        let Self::Large(large) = self else {
            return;
        };
        if large.len() > SMALL_AGAIN || large.is_ordered() {
            return;
        }
        let small = if large.v6().len() == 0 {
            let mut small = Inline::new();
            for_each(large.v4().rows(), |addr, meta, last| {
                small.push(addr, meta, last);
            });
            Self::V4(small)
        } else if large.v4().len() == 0 {
            let mut small = Inline::new();
            for_each(large.v6().rows(), |addr, meta, last| {
                small.push(addr, meta, last);
            });
            Self::V6(small)
        } else {
            return;
        };
        *self = small;
    }
}

fn for_each<A: Copy>(rows: Rows<'_, A>, mut take: impl FnMut(A, PeerMeta, Timestamp)) {
    for ((&addr, &meta), &last) in rows.addrs.iter().zip(rows.metas).zip(rows.last) {
        take(addr, meta, last);
    }
}

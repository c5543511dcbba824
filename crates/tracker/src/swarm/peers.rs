//! The forms that the peers of a torrent are kept in.

use super::{
    heap::Rows,
    inline::{Filler, Inline},
    key::SocketKey,
    large::{Keyed, Large},
};
use crate::types::{PeerAddrV4, PeerAddrV6, Timestamp};

/// Small forms are in place in the table of torrents and cost no more than their bytes; they hold one
/// kind, as nearly every small swarm does.
pub(super) enum Peers {
    None {
        /// The time of the last announce or removal.
        since: Timestamp,
    },
    V4(Inline<PeerAddrV4, 3>),
    V6(Inline<PeerAddrV6, 2>),
    Socket(Inline<SocketKey, 1>),
    Large(Box<Large>),
}

/// A large swarm that expiry left with this many peers becomes small again.
const SMALL_AGAIN: usize = 2;

impl Peers {
    pub(super) fn v4(&self) -> Rows<'_, PeerAddrV4> {
        match self {
            Self::V4(peers) => peers.rows(),
            Self::Large(large) => large.v4(),
            Self::None { .. } | Self::V6(_) | Self::Socket(_) => Rows::NONE,
        }
    }

    pub(super) fn v6(&self) -> Rows<'_, PeerAddrV6> {
        match self {
            Self::V6(peers) => peers.rows(),
            Self::Large(large) => large.v6(),
            Self::None { .. } | Self::V4(_) | Self::Socket(_) => Rows::NONE,
        }
    }

    pub(super) fn sockets(&self) -> Rows<'_, SocketKey> {
        match self {
            Self::Socket(peers) => peers.rows(),
            Self::Large(large) => large.sockets(),
            Self::None { .. } | Self::V4(_) | Self::V6(_) => Rows::NONE,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.v4().len() + self.v6().len() + self.sockets().len()
    }

    /// As a large swarm, whatever its form.
    pub(super) fn into_large(self, ordered: bool) -> Box<Large> {
        if let Self::Large(large) = self {
            return large;
        }
        let mut large = Box::new(Large::new(ordered));
        insert_all(self.v4(), &mut large);
        insert_all(self.v6(), &mut large);
        insert_all(self.sockets(), &mut large);
        large
    }

    /// Gives up the form of a large swarm if it has become small.
    pub(super) fn make_small(&mut self) {
        let Self::Large(large) = self else {
            return;
        };
        let len = large.len();
        if len > SMALL_AGAIN || large.is_ordered() {
            return;
        }
        let (v4, v6, sockets) = (large.v4(), large.v6(), large.sockets());
        let small = if v4.len() == len {
            inline(v4).map(Self::V4)
        } else if v6.len() == len {
            inline(v6).map(Self::V6)
        } else if sockets.len() == len {
            inline(sockets).map(Self::Socket)
        } else {
            None
        };
        if let Some(small) = small {
            *self = small;
        }
    }
}

fn insert_all<A: Keyed>(rows: Rows<'_, A>, large: &mut Large) {
    for (&addr, meta, last) in rows.iter() {
        large.insert(addr, meta, last, None);
    }
}

/// The same peers in place, if there is room.
fn inline<A: Copy + Eq + Filler, const N: usize>(rows: Rows<'_, A>) -> Option<Inline<A, N>> {
    let mut small = Inline::new();
    let fit = rows
        .iter()
        .all(|(&addr, meta, last)| small.push(addr, meta, last));
    fit.then_some(small)
}

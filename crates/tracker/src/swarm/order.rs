//! The order in which the peers of a swarm last announced.

/// A peer of a swarm: its kind, and its place among the peers of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle(u32);

impl Handle {
    const NONE: Self = Self(u32::MAX);
    const KIND: u32 = 0b11 << 30;
    const V6: u32 = 0b01 << 30;
    const SOCKET: u32 = 0b10 << 30;

    pub(super) const fn v4(place: usize) -> Self {
        Self(place as u32)
    }

    pub(super) const fn v6(place: usize) -> Self {
        Self(place as u32 | Self::V6)
    }

    pub(super) const fn socket(place: usize) -> Self {
        Self(place as u32 | Self::SOCKET)
    }

    pub(super) const fn kind(self) -> Kind {
        match self.0 & Self::KIND {
            Self::SOCKET => Kind::Socket,
            Self::V6 => Kind::V6,
            _ => Kind::V4,
        }
    }

    pub(super) const fn place(self) -> usize {
        (self.0 & !Self::KIND) as usize
    }
}

/// The kinds of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    V4,
    V6,
    Socket,
}

/// A doubly linked list through the peers of all kinds. It exists only where a swarm's size is
/// limited: the one silent longest then makes room for a new one.
pub(super) struct Order {
    newest: Handle,
    oldest: Handle,
    /// One per peer, in the places of the peers.
    v4: Vec<Link>,
    v6: Vec<Link>,
    /// Boxed, since most swarms have no such peers.
    sockets: Option<Box<SocketLinks>>,
}

#[derive(Default)]
struct SocketLinks(Vec<Link>);

#[derive(Clone, Copy)]
struct Link {
    newer: Handle,
    older: Handle,
}

impl Order {
    pub(super) const fn new() -> Self {
        Self {
            newest: Handle::NONE,
            oldest: Handle::NONE,
            v4: Vec::new(),
            v6: Vec::new(),
            sockets: None,
        }
    }

    /// The peer that has been silent longest.
    pub(super) fn oldest(&self) -> Option<Handle> {
        (self.oldest != Handle::NONE).then_some(self.oldest)
    }

    /// A peer was added after the last of its kind.
    pub(super) fn push(&mut self, peer: Handle) {
        self.links(peer.kind()).push(Link {
            newer: Handle::NONE,
            older: Handle::NONE,
        });
        self.attach(peer);
    }

    /// A peer announced again.
    pub(super) fn touch(&mut self, peer: Handle) {
        if self.newest != peer {
            self.detach(peer);
            self.attach(peer);
        }
    }

    /// A peer was removed, and the last of its kind took its place.
    pub(super) fn swap_remove(&mut self, peer: Handle) {
        self.detach(peer);
        let links = self.links(peer.kind());
        links.swap_remove(peer.place());
        if let Some(&moved) = links.get(peer.place()) {
            self.set_older_of(moved.newer, peer);
            self.set_newer_of(moved.older, peer);
        }
    }

    pub(super) fn shrink(&mut self) {
        if self
            .sockets
            .as_ref()
            .is_some_and(|links| links.0.is_empty())
        {
            self.sockets = None;
        }
        let sockets = self.sockets.as_mut().map(|links| &mut links.0);
        for links in [&mut self.v4, &mut self.v6].into_iter().chain(sockets) {
            if links.capacity() / 4 > links.len().max(4) {
                links.shrink_to(links.len() * 2);
            }
        }
    }

    fn attach(&mut self, peer: Handle) {
        let older = self.newest;
        *self.link(peer) = Link {
            newer: Handle::NONE,
            older,
        };
        self.set_newer_of(older, peer);
        self.newest = peer;
    }

    fn detach(&mut self, peer: Handle) {
        let Link { newer, older } = *self.link(peer);
        self.set_older_of(newer, older);
        self.set_newer_of(older, newer);
    }

    /// `older` now follows `peer`; with no `peer` it is the newest.
    fn set_older_of(&mut self, peer: Handle, older: Handle) {
        if peer == Handle::NONE {
            self.newest = older;
        } else {
            self.link(peer).older = older;
        }
    }

    /// `newer` now precedes `peer`; with no `peer` it is the oldest.
    fn set_newer_of(&mut self, peer: Handle, newer: Handle) {
        if peer == Handle::NONE {
            self.oldest = newer;
        } else {
            self.link(peer).newer = newer;
        }
    }

    fn link(&mut self, peer: Handle) -> &mut Link {
        &mut self.links(peer.kind())[peer.place()]
    }

    fn links(&mut self, kind: Kind) -> &mut Vec<Link> {
        match kind {
            Kind::V4 => &mut self.v4,
            Kind::V6 => &mut self.v6,
            Kind::Socket => &mut self.sockets.get_or_insert_default().0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Order {
        fn in_order(&mut self) -> Vec<Handle> {
            let mut peers = Vec::new();
            let mut next = self.oldest;
            while next != Handle::NONE {
                peers.push(next);
                next = self.link(next).newer;
            }
            peers
        }
    }

    #[test]
    fn keeps_the_order_over_all_kinds() {
        let mut order = Order::new();
        assert_eq!(order.oldest(), None);
        for peer in [Handle::v4(0), Handle::v6(0), Handle::v4(1), Handle::v4(2)] {
            order.push(peer);
        }
        order.touch(Handle::v4(0));
        order.touch(Handle::v4(0));
        let expected = [Handle::v6(0), Handle::v4(1), Handle::v4(2), Handle::v4(0)];
        assert_eq!(order.in_order(), expected);
        // Number 2, second newest, takes the place of number 0, the newest.
        order.swap_remove(Handle::v4(0));
        let expected = [Handle::v6(0), Handle::v4(1), Handle::v4(0)];
        assert_eq!(order.in_order(), expected);
        order.swap_remove(Handle::v6(0));
        order.swap_remove(Handle::v4(1));
        assert_eq!(order.in_order(), [Handle::v4(0)]);
        order.swap_remove(Handle::v4(0));
        assert_eq!(order.oldest(), None);
        order.push(Handle::v6(0));
        order.push(Handle::socket(0));
        order.push(Handle::socket(1));
        order.push(Handle::v4(0));
        order.swap_remove(Handle::socket(0));
        let expected = [Handle::v6(0), Handle::socket(0), Handle::v4(0)];
        assert_eq!(order.in_order(), expected);
        order.touch(Handle::v6(0));
        assert_eq!(order.oldest(), Some(Handle::socket(0)));
        order.swap_remove(Handle::socket(0));
        order.shrink();
        assert!(order.sockets.is_none());
        assert_eq!(order.in_order(), [Handle::v4(0), Handle::v6(0)]);
    }
}

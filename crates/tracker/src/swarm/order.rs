//! The order in which the peers of a swarm last announced.

/// A peer of a swarm: its family, and its place among the peers of that family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle(u32);

impl Handle {
    const NONE: Self = Self(u32::MAX);
    const V6: u32 = 1 << 31;

    pub(super) const fn v4(place: usize) -> Self {
        Self(place as u32)
    }

    pub(super) const fn v6(place: usize) -> Self {
        Self(place as u32 | Self::V6)
    }

    pub(super) const fn is_v6(self) -> bool {
        self.0 & Self::V6 != 0
    }

    pub(super) const fn place(self) -> usize {
        (self.0 & !Self::V6) as usize
    }
}

/// A doubly linked list through the peers of both families. It exists only where a swarm's size is
/// limited: the one silent longest then makes room for a new one.
pub(super) struct Order {
    newest: Handle,
    oldest: Handle,
    /// One per peer, in the places of the peers: IPv4, IPv6.
    links: [Vec<Link>; 2],
}

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
            links: [Vec::new(), Vec::new()],
        }
    }

    /// The peer that has been silent longest.
    pub(super) fn oldest(&self) -> Option<Handle> {
        (self.oldest != Handle::NONE).then_some(self.oldest)
    }

    /// A peer was added after the last of its family.
    pub(super) fn push(&mut self, peer: Handle) {
        self.links[usize::from(peer.is_v6())].push(Link {
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

    /// A peer was removed, and the last of its family took its place.
    pub(super) fn swap_remove(&mut self, peer: Handle) {
        self.detach(peer);
        let links = &mut self.links[usize::from(peer.is_v6())];
        links.swap_remove(peer.place());
        if let Some(&moved) = links.get(peer.place()) {
            self.set_older_of(moved.newer, peer);
            self.set_newer_of(moved.older, peer);
        }
    }

    pub(super) fn shrink(&mut self) {
        for links in &mut self.links {
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
        &mut self.links[usize::from(peer.is_v6())][peer.place()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Order {
        fn in_order(&self) -> Vec<Handle> {
            let mut peers = Vec::new();
            let mut next = self.oldest;
            while next != Handle::NONE {
                peers.push(next);
                next = self.links[usize::from(next.is_v6())][next.place()].newer;
            }
            peers
        }
    }

    #[test]
    fn keeps_the_order_over_both_families() {
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
        assert_eq!(order.in_order(), [Handle::v6(0)]);
    }
}

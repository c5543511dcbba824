//! All sockets of a server, by number.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use ahash::RandomState;
use dashmap::{DashMap, Entry};

use super::{
    WebSocketOptions,
    handshake::Refusal,
    socket::{OfferKey, Origin, Socket},
};
use crate::{
    protocol::websocket::OfferId,
    server::events::EventQueue,
    types::{InfoHash, PeerId, SocketId},
};

/// Most sockets of one address where the options don't say.
const DEFAULT_PER_IP: usize = 1000;

/// The sockets of a server, whatever thread serves them.
pub(crate) struct Hub {
    sockets: DashMap<SocketId, Arc<Socket>, RandomState>,
    /// Counts of addresses that have any.
    per_ip: DashMap<IpAddr, usize, RandomState>,
    open: AtomicUsize,
    next: AtomicU64,
    /// The keys of [`OfferKey`]s.
    offers: RandomState,
    options: WebSocketOptions,
}

/// A place among the sockets of a server, given back when it is dropped.
pub(crate) struct Place {
    hub: Arc<Hub>,
    network: IpAddr,
    /// The socket that fills it, until that is closed.
    socket: Option<SocketId>,
}

impl Hub {
    pub(crate) fn new(options: WebSocketOptions) -> Arc<Self> {
        Arc::new(Self {
            sockets: DashMap::with_hasher(RandomState::new()),
            per_ip: DashMap::with_hasher(RandomState::new()),
            open: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            offers: RandomState::new(),
            options,
        })
    }

    pub(crate) fn options(&self) -> &WebSocketOptions {
        &self.options
    }

    /// How many sockets there are.
    pub(crate) fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a place for a socket from this address, if the limits allow it.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Result<Place, Refusal> {
        let network = network(ip);
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.options.max_sockets {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::TooMany);
        }
        *self.per_ip.entry(network).or_default() += 1;
        let place = Place {
            hub: Arc::clone(self),
            network,
            socket: None,
        };
        let most = match self.options.max_sockets_per_ip {
            Some(most) => most,
            None if ip.is_loopback() => usize::MAX,
            None => DEFAULT_PER_IP,
        };
        let count = self.per_ip.get(&network).map_or(0, |count| *count);
        if count > most {
            Err(Refusal::TooManyFromIp)
        } else {
            Ok(place)
        }
    }

    pub(crate) fn get(&self, id: SocketId) -> Option<Arc<Socket>> {
        self.sockets.get(&id).map(|socket| Arc::clone(&socket))
    }

    /// What an answer has to repeat of an offer.
    pub(super) fn offer_key(
        &self,
        offer_id: &OfferId<'_>,
        info_hash: InfoHash,
        peer_id: PeerId,
    ) -> OfferKey {
        OfferKey(self.offers.hash_one((info_hash, peer_id, offer_id)))
    }

    /// Where a socket comes from.
    pub(crate) fn addr(&self, id: SocketId) -> Option<SocketAddr> {
        let socket = self.get(id)?;
        Some(SocketAddr::new(
            socket.origin.ip,
            socket.origin.remote.port(),
        ))
    }

    /// Sends a text to a socket, if it is still there.
    pub(crate) fn send(&self, id: SocketId, text: &str) {
        if let Some(socket) = self.get(id) {
            socket.push(text.len(), |out| out.extend_from_slice(text.as_bytes()));
        }
    }

    /// Closes a socket, if it is still there.
    pub(crate) fn close(&self, id: SocketId) {
        if let Some(socket) = self.get(id) {
            socket.close();
        }
    }
}

impl Place {
    /// Makes the socket that fills the place.
    pub(super) fn open(&mut self, origin: Origin) -> Arc<Socket> {
        let max_queue = self.hub.options.max_queue;
        let is_v6 = origin.ip.to_canonical().is_ipv6();
        self.fill(is_v6, |id| Socket::new(id, origin, max_queue))
    }

    /// Makes a socket that the user's code serves.
    pub(crate) fn open_external(&mut self, origin: Origin, events: Arc<EventQueue>) -> Arc<Socket> {
        let max_queue = self.hub.options.max_queue;
        let is_v6 = origin.ip.to_canonical().is_ipv6();
        self.fill(is_v6, |id| Socket::external(id, origin, max_queue, events))
    }

    fn fill(&mut self, is_v6: bool, make: impl FnOnce(SocketId) -> Socket) -> Arc<Socket> {
        let serial = self.hub.next.fetch_add(1, Ordering::Relaxed);
        let id = SocketId::new(serial, is_v6);
        let socket = Arc::new(make(id));
        self.hub.sockets.insert(id, Arc::clone(&socket));
        self.socket = Some(id);
        socket
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Nothing more is to be sent to the socket. The place is still taken.
    pub(super) fn closed(&mut self) {
        if let Some(id) = self.socket.take() {
            self.hub.sockets.remove(&id);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Where a panic has ended the session, or its whole thread.
        self.closed();
        self.hub.open.fetch_sub(1, Ordering::Relaxed);
        if let Entry::Occupied(mut entry) = self.hub.per_ip.entry(self.network) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// What counts as one address: who has an IPv6 address has the 2^64 around it as well.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(options: WebSocketOptions) -> Arc<Hub> {
        Hub::new(options)
    }

    #[test]
    fn counts_addresses_and_networks() {
        let hub = hub(WebSocketOptions {
            max_sockets_per_ip: Some(1),
            max_sockets: 3,
            ..WebSocketOptions::default()
        });
        let enter = |ip: &str| hub.enter(ip.parse().unwrap());
        let first = enter("2001:db8::1").unwrap();
        assert_eq!(enter("2001:db8::2").err(), Some(Refusal::TooManyFromIp));
        let _second = enter("2001:db8:0:1::1").unwrap();
        let _third = enter("127.0.0.1").unwrap();
        assert_eq!(enter("127.0.0.2").err(), Some(Refusal::TooMany));
        assert_eq!(hub.len(), 3);
        drop(first);
        assert!(enter("2001:db8::2").is_ok());
        assert_eq!(
            hub.per_ip.len(),
            2,
            "what was refused or has left is not kept"
        );
    }

    #[test]
    fn an_answer_has_to_repeat_all_of_its_offer() {
        let hub = hub(WebSocketOptions::default());
        let key = |id, info_hash, peer_id| {
            let id = OfferId::parse(id).unwrap();
            hub.offer_key(&id, InfoHash([info_hash; 20]), PeerId([peer_id; 20]))
        };
        assert_eq!(key(r#""ab""#, 1, 2), key(r#""\u0061b""#, 1, 2));
        for other in [
            key(r#""abc""#, 1, 2),
            key(r#""ab""#, 2, 2),
            key(r#""ab""#, 1, 1),
        ] {
            assert_ne!(key(r#""ab""#, 1, 2), other);
        }
    }

    #[test]
    fn a_socket_is_gone_with_its_place() {
        let hub = hub(WebSocketOptions::default());
        let mut place = hub.enter([127, 0, 0, 1].into()).unwrap();
        let socket = place.open(Origin::of_test());
        assert!(hub.get(socket.id).is_some());
        drop(place);
        assert!(hub.get(socket.id).is_none());
    }

    #[test]
    fn numbers_of_sockets_rise_and_tell_the_family() {
        let hub = hub(WebSocketOptions::default());
        let sockets = ["::ffff:192.0.2.1", "2001:db8::1", "192.0.2.1"].map(|ip| {
            let ip = ip.parse().unwrap();
            let mut place = hub.enter(ip).unwrap();
            let origin = Origin {
                ip,
                ..Origin::of_test()
            };
            place.open(origin).id
        });
        assert!(sockets.is_sorted_by(|a, b| a < b), "{sockets:?}");
        assert_eq!(sockets.map(SocketId::is_v6), [false, true, false]);
    }

    #[test]
    fn this_machine_has_no_limit_of_its_own() {
        let hub = hub(WebSocketOptions::default());
        let places: Vec<_> = (0..=DEFAULT_PER_IP)
            .map(|_| hub.enter([127, 0, 0, 1].into()))
            .collect();
        assert!(places.iter().all(Result::is_ok));
        let places: Vec<_> = (0..=DEFAULT_PER_IP)
            .map(|_| hub.enter([192, 0, 2, 1].into()))
            .collect();
        assert_eq!(places.iter().filter(|place| place.is_err()).count(), 1);
    }
}

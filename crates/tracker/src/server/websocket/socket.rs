//! The shared half of a connection: what waits to be sent to it, and which offers it was given.

use std::{
    collections::{HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::super::events::{Event, EventQueue, HttpRequest};
use crate::{
    protocol::websocket::OfferId,
    types::{InfoHash, PeerId, SocketId, Timestamp},
};

/// How long an offer may be answered. The original's client drops one after 50 s.
const OFFER_LIFETIME: Duration = Duration::from_secs(120);

/// Offers that one socket may have to answer; the oldest make room. A peer gets some ten in the two
/// minutes that they live.
const MAX_EXPECTED: usize = 256;

/// Of those, what makes room first: the offers of a socket that has so many. One that floods its swarm
/// must not take from others the answers that are under way.
const CROWD: usize = MAX_EXPECTED / 8;

/// So many offers make room unseen once nobody was found to have a crowd: looking at each cost a busy
/// socket more than half of its time, and in so few a crowd is only beginning.
const CALM: u8 = 16;

/// Where a connection came from.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The client's address, as trusted.
    pub(crate) ip: IpAddr,
    /// The connection's own address.
    pub(crate) remote: SocketAddr,
    /// The request that was upgraded.
    pub(crate) request: Arc<HttpRequest>,
}

/// A connection, for all threads.
pub struct Socket {
    pub(crate) id: SocketId,
    pub(crate) origin: Origin,
    /// Where its messages go if it is the user's code that serves it.
    external: Option<Arc<EventQueue>>,
    state: Mutex<State>,
    max_queue: usize,
    /// Something waits to be sent, or the socket is to be closed.
    pub(super) wake: Notify,
    /// The socket is to be closed, whatever it is at.
    pub(super) kill: Notify,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.id.fmt(f)
    }
}

#[derive(Default)]
struct State {
    /// The peers that this socket announced: it speaks for these and no others.
    owned: HashSet<(InfoHash, PeerId), ahash::RandomState>,
    left: bool,
    outbox: Vec<Vec<u8>>,
    queued: usize,
    ending: Option<Ending>,
    expected: VecDeque<Expected>,
    /// Offers for which nobody is looked for who has a crowd of them.
    calm: u8,
}

/// Why a socket is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Somebody asked for it.
    Closed,
    /// It reads too slowly.
    TooSlow,
}

/// An offer that this socket was given, and may answer.
struct Expected {
    offer_id: OfferId,
    offer: OfferOf,
    given: Timestamp,
}

/// Whose offer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OfferOf {
    pub(super) info_hash: InfoHash,
    pub(super) peer_id: PeerId,
    pub(super) socket: SocketId,
}

impl Socket {
    pub(super) fn new(id: SocketId, origin: Origin, max_queue: usize) -> Self {
        Self {
            id,
            origin,
            external: None,
            state: Mutex::default(),
            max_queue,
            wake: Notify::new(),
            kill: Notify::new(),
        }
    }

    /// One that the user's code serves: what it is sent becomes events.
    pub(super) fn external(
        id: SocketId,
        origin: Origin,
        max_queue: usize,
        events: Arc<EventQueue>,
    ) -> Self {
        Self {
            external: Some(events),
            ..Self::new(id, origin, max_queue)
        }
    }

    /// Takes a peer as this socket's own, of `most` in all.
    pub(super) fn own(&self, key: (InfoHash, PeerId), most: usize) -> Result<(), NotOwned> {
        let mut state = self.lock();
        if state.left {
            return Err(NotOwned::Left);
        }
        if state.owned.len() >= most && !state.owned.contains(&key) {
            return Err(NotOwned::TooMany);
        }
        state.owned.insert(key);
        Ok(())
    }

    pub(super) fn disown(&self, key: &(InfoHash, PeerId)) {
        self.lock().owned.remove(key);
    }

    pub(super) fn has_left(&self) -> bool {
        self.lock().left
    }

    /// The peers that leave with it. It takes no more.
    pub(super) fn leave(&self) -> HashSet<(InfoHash, PeerId), ahash::RandomState> {
        let mut state = self.lock();
        state.left = true;
        std::mem::take(&mut state.owned)
    }

    /// Queues a message. Never waits: a peer that does not read is closed instead.
    pub(super) fn push(self: &Arc<Self>, message: Vec<u8>) {
        let mut state = self.lock();
        if state.ending.is_some() {
            return;
        }
        state.queued += footprint(&message);
        if state.queued > self.max_queue {
            state.ending = Some(Ending::TooSlow);
            state.outbox = Vec::new();
            drop(state);
            self.kill.notify_one();
            self.tell_close(true);
            return;
        }
        if let Some(events) = &self.external {
            drop(state);
            let socket = Arc::clone(self);
            return events.append_now(&mut vec![Event::Deliver { socket, message }]);
        }
        state.outbox.push(message);
        let first = state.outbox.len() == 1;
        drop(state);
        if first {
            self.wake.notify_one();
        }
    }

    /// Queues an offer, and notes that its answer may come from here.
    pub(super) fn offer(
        self: &Arc<Self>,
        message: Vec<u8>,
        offer_id: Option<OfferId>,
        offer: OfferOf,
        now: Timestamp,
    ) {
        if let Some(offer_id) = offer_id {
            let mut state = self.lock();
            drop_stale(&mut state.expected, now);
            if state.expected.len() >= MAX_EXPECTED {
                state.make_room();
            }
            state.expected.push_back(Expected {
                offer_id,
                offer,
                given: now,
            });
        }
        self.push(message);
    }

    /// Whose offer it was that this socket answers; each can be answered once.
    pub(super) fn take_expected(
        &self,
        offer_id: &OfferId,
        info_hash: InfoHash,
        peer_id: PeerId,
        now: Timestamp,
    ) -> Option<OfferOf> {
        let mut state = self.lock();
        drop_stale(&mut state.expected, now);
        // From the back: an answer follows its offer within seconds, and most offers are never answered.
        let index = state.expected.iter().rposition(|expected| {
            expected.offer_id == *offer_id
                && expected.offer.info_hash == info_hash
                && expected.offer.peer_id == peer_id
        })?;
        state.expected.remove(index).map(|expected| expected.offer)
    }

    /// All that waits. What is taken counts as queued until [`Self::sent`].
    pub(super) fn take_outbox(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.lock().outbox)
    }

    /// Room is made for a message that the user's code has taken.
    pub fn delivered(&self, message: &Vec<u8>) {
        self.sent(footprint(message));
    }

    fn tell_close(&self, too_slow: bool) {
        if let Some(events) = &self.external {
            let socket = self.id;
            events.append_now(&mut vec![Event::Close { socket, too_slow }]);
        }
    }

    /// So many bytes, by [`footprint`], have been handed to the kernel.
    pub(super) fn sent(&self, bytes: usize) {
        let mut state = self.lock();
        state.queued = state.queued.saturating_sub(bytes);
    }

    /// Ends the connection after what is queued.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.ending.get_or_insert(Ending::Closed);
        drop(state);
        self.wake.notify_one();
        self.tell_close(false);
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.lock().ending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a peer is not a socket's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotOwned {
    /// The socket has too many.
    TooMany,
    /// The socket is gone.
    Left,
}

impl Socket {
    /// Its number.
    pub fn id(&self) -> SocketId {
        self.id
    }
}

/// What a message takes while it waits: small ones take more than they say.
pub(super) fn footprint(message: &Vec<u8>) -> usize {
    /// The `Vec` itself, at most half of the places in a list that has just grown, and the allocation.
    const OVERHEAD: usize = 64;
    /// What a large one has reserved and does not use is no concern: a reply may be as long as the limit.
    const MAX_ROOM: usize = 256;
    message.capacity().min(message.len() + MAX_ROOM) + OVERHEAD
}

impl State {
    /// Drops the oldest offer of a socket that has a crowd of them, else the oldest of all.
    fn make_room(&mut self) {
        if self.calm > 0 {
            self.calm -= 1;
            self.expected.pop_front();
            return;
        }
        let crowd = crowd(&self.expected);
        if crowd.is_none() {
            self.calm = CALM;
        }
        let mut sockets = self.expected.iter().map(|expected| expected.offer.socket);
        let index = crowd.and_then(|crowd| sockets.position(|socket| socket == crowd));
        self.expected.remove(index.unwrap_or_default());
    }
}

/// A socket that has a crowd of the offers.
fn crowd(expected: &VecDeque<Expected>) -> Option<SocketId> {
    let mut sockets: Vec<_> = expected
        .iter()
        .map(|expected| expected.offer.socket)
        .collect();
    sockets.sort_unstable();
    let mut same = sockets.chunk_by(|a, b| a == b);
    same.find(|same| same.len() >= CROWD)?.first().copied()
}

fn drop_stale(expected: &mut VecDeque<Expected>, now: Timestamp) {
    while expected
        .front()
        .is_some_and(|offer| now.since(offer.given) > OFFER_LIFETIME)
    {
        expected.pop_front();
    }
    if expected.is_empty() && expected.capacity() > 8 {
        expected.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Origin {
        pub(crate) fn of_test() -> Self {
            let remote = SocketAddr::from(([192, 0, 2, 1], 1));
            let request = Arc::new(HttpRequest {
                method: "GET".to_owned(),
                target: b"/".to_vec(),
                headers: Vec::new(),
                remote,
                ip: remote.ip(),
            });
            Self {
                ip: remote.ip(),
                remote,
                request,
            }
        }
    }

    fn socket(max_queue: usize) -> Arc<Socket> {
        Arc::new(Socket::new(SocketId(1), Origin::of_test(), max_queue))
    }

    fn offer_of(socket: u64) -> OfferOf {
        OfferOf {
            info_hash: InfoHash([1; 20]),
            peer_id: PeerId([2; 20]),
            socket: SocketId(socket),
        }
    }

    #[test]
    fn an_offer_is_answered_once_in_time_by_whom_it_was_given_to() {
        let socket = socket(1000);
        let id = |text: &str| OfferId::parse(&format!("\"{text}\"")).unwrap();
        let at = Timestamp::from_secs;
        let take = |text, peer, now| {
            socket.take_expected(&id(text), InfoHash([1; 20]), PeerId([peer; 20]), at(now))
        };
        socket.offer(Vec::new(), Some(id("a")), offer_of(7), at(100));
        socket.offer(Vec::new(), Some(id("b")), offer_of(8), at(110));
        assert_eq!(take("c", 2, 111), None);
        assert_eq!(take("a", 3, 111), None);
        assert_eq!(take("a", 2, 111), Some(offer_of(7)));
        assert_eq!(take("a", 2, 111), None);
        assert_eq!(take("b", 2, 231), None, "too late");
    }

    #[test]
    fn a_full_outbox_ends_the_socket() {
        let socket = socket(footprint(&vec![0; 10]));
        socket.push(vec![0; 10]);
        let taken = socket.take_outbox();
        // Taken is not sent: it still counts.
        socket.push(vec![0; 1]);
        assert_eq!(socket.ending(), Some(Ending::TooSlow));
        assert!(socket.take_outbox().is_empty());
        assert_eq!(taken.len(), 1);
    }

    #[test]
    fn small_messages_count_for_what_they_take() {
        let socket = socket(1000);
        for _ in 0..100 {
            socket.push(b"{}".to_vec());
        }
        assert_eq!(socket.ending(), Some(Ending::TooSlow));
    }

    #[test]
    fn a_flood_of_offers_drops_its_own() {
        let socket = socket(usize::MAX);
        let id = |number: u64| OfferId::parse(&format!("\"{number}\"")).unwrap();
        let now = Timestamp::from_secs(1);
        let give = |number, from| socket.offer(Vec::new(), Some(id(number)), offer_of(from), now);
        give(1, 1);
        (1000..2000).for_each(|number| give(number, 9));
        give(2, 2);
        (2000..3000).for_each(|number| give(number, 9));
        for (number, from) in [(1, 1), (2, 2), (2999, 9)] {
            let taken = socket.take_expected(&id(number), InfoHash([1; 20]), PeerId([2; 20]), now);
            assert_eq!(taken, Some(offer_of(from)));
        }
    }

    #[test]
    fn expected_offers_are_bounded() {
        let socket = socket(usize::MAX);
        for number in 0..2 * MAX_EXPECTED {
            let id = OfferId::parse(&format!("\"{number}\""));
            socket.offer(Vec::new(), id, offer_of(1), Timestamp::from_secs(1));
        }
        assert_eq!(socket.lock().expected.len(), MAX_EXPECTED);
    }
}

//! The shared half of a connection: what waits to be sent to it, and which offers it was given.

use std::{
    collections::{HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;

use super::{
    super::events::{Event, EventQueue, HttpRequest},
    spare,
};
use crate::{
    protocol::websocket::frame,
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
    /// Wakes its task: something waits to be sent, or the socket is to be closed.
    waker: AtomicWaker,
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
    /// Frames, ready to be written.
    outbox: Vec<u8>,
    /// What counts as waiting to be sent: messages by their [`footprint`].
    queued: usize,
    /// So much of it was taken out of the outbox.
    taken: usize,
    ending: Option<Ending>,
    expected: VecDeque<Expected>,
    /// Offers for which nobody is looked for who has a crowd of them.
    calm: u8,
}

/// What a socket's task is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Something waits to be sent, or the connection is to end after it.
    Outbox,
    /// The socket is to be closed, whatever it is at.
    TooSlow,
}

/// Why a socket is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Somebody asked for it.
    Closed,
    /// It reads too slowly.
    TooSlow,
}

/// An offer that this socket was given, and may answer. Every socket has some ten of them.
struct Expected {
    offer: OfferKey,
    /// Where it came from.
    from: SocketId,
    given: Timestamp,
}

/// What an answer must repeat of its offer: id, torrent and peer, as a hash whose key nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OfferKey(pub(super) u64);

impl Socket {
    pub(super) fn new(id: SocketId, origin: Origin, max_queue: usize) -> Self {
        Self {
            id,
            origin,
            external: None,
            state: Mutex::default(),
            max_queue,
            waker: AtomicWaker::new(),
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

    /// Queues a message, which `write` appends. Never waits: a peer that does not read is closed instead.
    pub(super) fn push(self: &Arc<Self>, room: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.push_locked(self.lock(), room, write);
    }

    fn push_locked(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        room: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if state.ending.is_some() {
            return;
        }
        let mut message = Vec::new();
        let before = state.outbox.len();
        let length = if self.external.is_some() {
            message.reserve(room);
            write(&mut message);
            message.len()
        } else {
            if state.outbox.capacity() == 0 {
                state.outbox = spare::take();
            }
            state.outbox.reserve(room);
            frame::write_text(&mut state.outbox, write);
            state.outbox.len() - before
        };
        state.queued += footprint(length);
        if state.queued > self.max_queue {
            state.ending = Some(Ending::TooSlow);
            state.outbox = Vec::new();
            drop(state);
            self.waker.wake();
            self.tell_close(true);
            return;
        }
        drop(state);
        if let Some(events) = &self.external {
            let socket = Arc::clone(self);
            return events.append_now(&mut vec![Event::Deliver { socket, message }]);
        }
        if before == 0 {
            self.waker.wake();
        }
    }

    /// Puts a control frame behind what waits. Only the socket's own task does, which bounds them.
    pub(super) fn push_control(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        if state.ending.is_none() {
            write(&mut state.outbox);
        }
    }

    /// Queues an offer of another socket, and notes that its answer may come from here.
    pub(super) fn offer(
        self: &Arc<Self>,
        offer: Option<OfferKey>,
        from: SocketId,
        now: Timestamp,
        room: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut state = self.lock();
        if let Some(offer) = offer {
            drop_stale(&mut state.expected, now);
            if state.expected.len() >= MAX_EXPECTED {
                state.make_room();
            }
            let given = now;
            state.expected.push_back(Expected { offer, from, given });
        }
        self.push_locked(state, room, write);
    }

    /// Whose offer it was that this socket answers; each can be answered once.
    pub(super) fn take_expected(&self, offer: OfferKey, now: Timestamp) -> Option<SocketId> {
        let mut state = self.lock();
        drop_stale(&mut state.expected, now);
        // From the back: an answer follows its offer within seconds, and most offers are never answered.
        let mut expected = state.expected.iter();
        let index = expected.rposition(|expected| expected.offer == offer)?;
        state.expected.remove(index).map(|expected| expected.from)
    }

    /// Waits for something to do for the socket's task, which alone may call this.
    pub(super) fn poll_wake(&self, cx: &Context<'_>) -> Poll<Wake> {
        // Registered before the look, so that nothing in between is missed.
        self.waker.register(cx.waker());
        let state = self.lock();
        match state.ending {
            Some(Ending::TooSlow) => Poll::Ready(Wake::TooSlow),
            None if state.outbox.is_empty() => Poll::Pending,
            Some(Ending::Closed) | None => Poll::Ready(Wake::Outbox),
        }
    }

    /// All that waits. What is taken counts as queued until [`Self::sent`].
    pub(super) fn take_outbox(&self) -> Vec<u8> {
        let mut state = self.lock();
        state.taken = state.queued;
        std::mem::take(&mut state.outbox)
    }

    /// Room is made for a message that the user's code has taken.
    pub fn delivered(&self, message: &[u8]) {
        let mut state = self.lock();
        state.queued = state.queued.saturating_sub(footprint(message.len()));
    }

    fn tell_close(&self, too_slow: bool) {
        if let Some(events) = &self.external {
            let socket = self.id;
            events.append_now(&mut vec![Event::Close { socket, too_slow }]);
        }
    }

    /// What was taken has been handed to the kernel.
    pub(super) fn sent(&self) {
        let mut state = self.lock();
        state.queued -= std::mem::take(&mut state.taken);
    }

    /// Ends the connection after what is queued.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.ending.get_or_insert(Ending::Closed);
        drop(state);
        self.waker.wake();
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

/// What a message of so many bytes takes while it waits: small ones take more than they say.
fn footprint(length: usize) -> usize {
    /// The event of one for the user's code, or its header in a buffer that has just grown.
    const OVERHEAD: usize = 64;
    length + OVERHEAD
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
        let mut sockets = self.expected.iter().map(|expected| expected.from);
        let index = crowd.and_then(|crowd| sockets.position(|socket| socket == crowd));
        self.expected.remove(index.unwrap_or_default());
    }
}

/// A socket that has a crowd of the offers.
fn crowd(expected: &VecDeque<Expected>) -> Option<SocketId> {
    let mut sockets: Vec<_> = expected.iter().map(|expected| expected.from).collect();
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
    use crate::server::events::Headers;

    impl Origin {
        pub(crate) fn of_test() -> Self {
            let remote = SocketAddr::from(([192, 0, 2, 1], 1));
            let request = Arc::new(HttpRequest {
                method: "GET".to_owned(),
                target: b"/".to_vec(),
                headers: Headers::default(),
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

    fn take(socket: &Socket, offer: u64, secs: u32) -> Option<SocketId> {
        socket.take_expected(OfferKey(offer), Timestamp::from_secs(secs))
    }

    fn give(socket: &Arc<Socket>, offer: u64, from: u64, secs: u32) {
        let now = Timestamp::from_secs(secs);
        socket.offer(Some(OfferKey(offer)), SocketId(from), now, 0, |_| {});
    }

    fn push(socket: &Arc<Socket>, message: &[u8]) {
        socket.push(0, |out| out.extend_from_slice(message));
    }

    #[test]
    fn an_offer_is_answered_once_in_time() {
        let socket = socket(1000);
        give(&socket, 1, 7, 100);
        give(&socket, 2, 8, 110);
        assert_eq!(take(&socket, 3, 111), None);
        assert_eq!(take(&socket, 1, 111), Some(SocketId(7)));
        assert_eq!(take(&socket, 1, 111), None);
        assert_eq!(take(&socket, 2, 231), None, "too late");
    }

    #[test]
    fn a_full_outbox_ends_the_socket() {
        let socket = socket(footprint(2 + 10));
        push(&socket, &[b'x'; 10]);
        let taken = socket.take_outbox();
        // Taken is not sent: it still counts.
        push(&socket, b"x");
        assert_eq!(socket.ending(), Some(Ending::TooSlow));
        assert!(socket.take_outbox().is_empty());
        assert_eq!(taken, b"\x81\x0axxxxxxxxxx");
    }

    #[test]
    fn what_was_sent_makes_room() {
        let socket = socket(footprint(2 + 10));
        for _ in 0..10 {
            push(&socket, &[b'x'; 10]);
            assert_eq!(socket.take_outbox().len(), 12);
            socket.sent();
        }
        assert_eq!(socket.ending(), None);
    }

    #[test]
    fn small_messages_count_for_what_they_take() {
        let socket = socket(1000);
        for _ in 0..100 {
            push(&socket, b"{}");
        }
        assert_eq!(socket.ending(), Some(Ending::TooSlow));
    }

    #[test]
    fn a_flood_of_offers_drops_its_own() {
        let socket = socket(usize::MAX);
        give(&socket, 1, 1, 1);
        (1000..2000).for_each(|number| give(&socket, number, 9, 1));
        give(&socket, 2, 2, 1);
        (2000..3000).for_each(|number| give(&socket, number, 9, 1));
        for (number, from) in [(1, 1), (2, 2), (2999, 9)] {
            assert_eq!(take(&socket, number, 1), Some(SocketId(from)));
        }
    }

    #[test]
    fn expected_offers_are_bounded() {
        let socket = socket(usize::MAX);
        for number in 0..2 * MAX_EXPECTED {
            give(&socket, number as u64, 1, 1);
        }
        assert_eq!(socket.lock().expected.len(), MAX_EXPECTED);
    }
}

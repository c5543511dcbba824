//! What the user's listeners are told, gathered so that they can be told in batches.
//!
//! A call into JavaScript for every announce would cost more than the announce. The threads append
//! to one bounded queue; the first event after empty rings a doorbell, and whoever answers it takes
//! hundreds at once.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::sync::Notify;

pub use super::event::{
    Announced, Event, Failure, Headers, HttpRequest, Inquiry, PeerName, Request, Socket, Warning,
};
use crate::types::Timestamp;

/// Events that may wait to be taken. At a listener's 300,000 a second it is a pause of 30 ms.
const CAPACITY: usize = 10_000;

/// Bytes that they may hold, about: an HTTP request's head may be 16 KiB.
const MAX_BYTES: usize = 16 << 20;

/// Warnings a second that get through: a flood of bad packets must not become a flood of events.
const WARNINGS_PER_SEC: u32 = 100;

/// The way from the engine to the user's code.
pub trait EventSink: Send + Sync + 'static {
    /// Events wait: call [`EventQueue::take`] soon, from wherever you like. Must not block.
    fn ring(&self);
}

/// Bits of [`EventQueue::want`].
pub mod want {
    use crate::types::AnnounceEvent;

    /// Warnings.
    pub const WARNING: u32 = 1 << 16;

    /// Announces that came to this event.
    pub const fn announce(event: AnnounceEvent) -> u32 {
        1 << event as u32
    }

    /// Announces of any kind.
    pub const ANNOUNCES: u32 = 0b1_1111;

    /// To be asked about every announce before it is answered.
    pub const ASK_ANNOUNCE: u32 = 1 << 17;

    /// Likewise about every scrape.
    pub const ASK_SCRAPE: u32 = 1 << 18;

    /// The end of each WebSocket.
    pub const GONE: u32 = 1 << 20;

    /// All datagrams, unread.
    pub const PACKETS: u32 = 1 << 19;
}

/// The bounded queue of one server.
pub struct EventQueue {
    state: Mutex<State>,
    /// A UDP thread waits here while the queue is full; the kernel then sheds its load.
    space: Condvar,
    /// HTTP tasks wait here.
    space_async: Notify,
    wanted: AtomicU32,
    sink: Box<dyn EventSink>,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// What they hold, about.
    bytes: usize,
    /// The doorbell has been rung and not been answered yet.
    rung: bool,
    closed: bool,
    warnings: WarningBudget,
}

impl State {
    fn is_full(&self) -> bool {
        self.events.len() >= CAPACITY || self.bytes >= MAX_BYTES
    }

    fn push(&mut self, event: Event) {
        self.bytes += event.size();
        self.events.push_back(event);
    }
}

#[derive(Default)]
struct WarningBudget {
    second: Timestamp,
    used: u32,
    left_out: u64,
}

impl EventQueue {
    /// An empty queue for listeners behind `sink`.
    pub fn new(sink: Box<dyn EventSink>) -> Self {
        Self {
            state: Mutex::default(),
            space: Condvar::new(),
            space_async: Notify::new(),
            wanted: AtomicU32::new(0),
            sink,
        }
    }

    /// Sets which kinds have listeners: bits of [`want`]. No others are produced; errors always.
    pub fn set_wanted(&self, mask: u32) {
        self.wanted.store(mask, Ordering::Relaxed);
    }

    /// Whether any of these kinds has a listener.
    pub fn wants(&self, mask: u32) -> bool {
        self.wanted.load(Ordering::Relaxed) & mask != 0
    }

    /// Appends all of `events`, waiting for room, and leaves it empty. For threads that may block;
    /// closing the queue ends the wait.
    pub fn append_blocking(&self, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let mut state = self.lock();
        while state.is_full() && !state.closed {
            state = self
                .space
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            events.clear();
            return;
        }
        for event in events.drain(..) {
            state.push(event);
        }
        self.ring(state);
    }

    /// Appends an event, waiting for room; closing the queue ends the wait.
    pub async fn append(&self, event: Event) {
        let mut event = Some(event);
        loop {
            let room = self.space_async.notified();
            tokio::pin!(room);
            // Registered before the look, so that a take in between is not missed.
            room.as_mut().enable();
            {
                let mut state = self.lock();
                if state.closed {
                    return;
                }
                if !state.is_full() {
                    event.take().into_iter().for_each(|event| state.push(event));
                    self.ring(state);
                    return;
                }
            }
            room.await;
        }
    }

    /// Appends all of `events` whether there is room or not, and leaves it empty. For what is bounded
    /// elsewhere, from a thread that must not wait.
    pub fn append_now(&self, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return events.clear();
        }
        for event in events.drain(..) {
            state.push(event);
        }
        self.ring(state);
    }

    /// Appends a warning if somebody listens, the budget of this second allows it and there is
    /// room; otherwise it is counted and the next one says so. Never waits.
    pub fn warn(
        &self,
        now: Timestamp,
        code: &'static str,
        from: Option<SocketAddr>,
        message: impl FnOnce() -> String,
    ) {
        if !self.wants(want::WARNING) {
            return;
        }
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let full = state.is_full();
        let budget = &mut state.warnings;
        if budget.second != now {
            (budget.second, budget.used) = (now, 0);
        }
        if full || budget.used >= WARNINGS_PER_SEC {
            budget.left_out += 1;
            return;
        }
        budget.used += 1;
        let left_out = std::mem::take(&mut budget.left_out);
        state.push(Event::Warning(Warning {
            code,
            message: message(),
            from,
            left_out,
        }));
        self.ring(state);
    }

    /// Appends a failure, although the queue may be full: there are few, and none should get lost.
    /// Only a socket that fails over and over makes more than fit twice; those are dropped.
    pub fn fail(&self, failure: Failure) {
        let mut state = self.lock();
        if !state.closed && state.events.len() < 2 * CAPACITY {
            state.push(Event::Error(failure));
            self.ring(state);
        }
    }

    /// Takes up to `most` events. When this returns as many, there may be more: take again.
    pub fn take(&self, most: usize) -> Vec<Event> {
        let mut state = self.lock();
        let count = most.min(state.events.len());
        let taken: Vec<_> = state.events.drain(..count).collect();
        state.bytes -= taken.iter().map(Event::size).sum::<usize>();
        // Fewer than asked for: the caller won't come again by itself, so the next must ring.
        state.rung = count == most;
        drop(state);
        self.space.notify_all();
        self.space_async.notify_waiters();
        taken
    }

    /// Drops what is queued and lets nothing in again; wakes all that wait.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.events.clear();
        state.bytes = 0;
        drop(state);
        self.space.notify_all();
        self.space_async.notify_waiters();
    }

    fn ring(&self, mut state: MutexGuard<'_, State>) {
        let first = !std::mem::replace(&mut state.rung, true);
        drop(state);
        if first {
            self.sink.ring();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held cannot leave a deque half-changed in a way that matters here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::types::{AnnounceEvent, PeerAddr};

    struct Bell(Arc<AtomicUsize>);

    impl EventSink for Bell {
        fn ring(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn queue() -> (Arc<EventQueue>, Arc<AtomicUsize>) {
        let rings = Arc::new(AtomicUsize::new(0));
        (
            Arc::new(EventQueue::new(Box::new(Bell(Arc::clone(&rings))))),
            rings,
        )
    }

    fn announce() -> Event {
        Event::Announce(Announced {
            event: AnnounceEvent::Started,
            peer: PeerName::Addr(PeerAddr::new([192, 0, 2, 1].into(), 1)),
            request: Request::Udp(Box::default()),
        })
    }

    #[test]
    fn rings_once_until_emptied() {
        let (queue, rings) = queue();
        let mut events: Vec<_> = (0..3).map(|_| announce()).collect();
        queue.append_blocking(&mut events);
        queue.append_blocking(&mut vec![announce()]);
        assert_eq!(rings.load(Ordering::Relaxed), 1);
        assert_eq!(queue.take(4).len(), 4);
        // All that was asked for came: the taker comes again without a ring.
        queue.append_blocking(&mut vec![announce()]);
        assert_eq!(rings.load(Ordering::Relaxed), 1);
        assert_eq!(queue.take(4).len(), 1);
        queue.append_blocking(&mut vec![announce()]);
        assert_eq!(rings.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn full_queue_makes_threads_wait_until_taken() {
        let (queue, _) = queue();
        queue.append_blocking(&mut (0..CAPACITY).map(|_| announce()).collect());
        let thread = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.append_blocking(&mut vec![announce()])
        });
        assert_eq!(queue.take(CAPACITY).len(), CAPACITY);
        thread.join().unwrap();
        assert_eq!(queue.take(CAPACITY).len(), 1);
    }

    #[test]
    fn failures_pass_a_full_queue_but_are_bounded() {
        let (queue, _) = queue();
        queue.append_blocking(&mut (0..CAPACITY).map(|_| announce()).collect());
        for _ in 0..2 * CAPACITY {
            queue.fail(Failure::system("test", std::io::ErrorKind::Other.into()));
        }
        assert_eq!(queue.take(10 * CAPACITY).len(), 2 * CAPACITY);
    }

    #[test]
    fn large_events_fill_the_queue_sooner() {
        let (queue, _) = queue();
        let large = |bytes: usize| {
            Event::Announce(Announced {
                event: AnnounceEvent::Started,
                peer: PeerName::Addr(PeerAddr::new([192, 0, 2, 1].into(), 1)),
                request: Request::Udp(vec![0; bytes].into()),
            })
        };
        queue.append_blocking(&mut vec![large(MAX_BYTES)]);
        assert!(queue.lock().is_full());
        assert_eq!(queue.take(10).len(), 1);
        assert!(!queue.lock().is_full());
    }

    #[test]
    fn close_wakes_who_waits() {
        let (queue, _) = queue();
        queue.append_blocking(&mut (0..CAPACITY).map(|_| announce()).collect());
        let thread = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.append_blocking(&mut vec![announce()])
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let waiting = queue.append(announce());
            tokio::pin!(waiting);
            tokio::select! {
                biased;
                () = &mut waiting => panic!("there was no room"),
                () = std::future::ready(()) => {}
            }
            queue.close();
            waiting.await;
        });
        thread.join().unwrap();
        assert_eq!(queue.take(1).len(), 0);
    }

    #[test]
    fn warnings_are_limited_and_counted() {
        let (queue, _) = queue();
        let now = Timestamp::from_secs(5);
        queue.warn(now, "ERR_TRACKER_TEST", None, || {
            unreachable!("nobody listens")
        });
        queue.set_wanted(want::WARNING);
        for _ in 0..WARNINGS_PER_SEC + 7 {
            queue.warn(now, "ERR_TRACKER_TEST", None, || "bad".to_owned());
        }
        assert_eq!(queue.take(1000).len(), WARNINGS_PER_SEC as usize);
        queue.warn(Timestamp::from_secs(6), "ERR_TRACKER_TEST", None, || {
            "bad".to_owned()
        });
        match queue.take(1).pop() {
            Some(Event::Warning(warning)) => assert_eq!(warning.left_out, 7),
            other => panic!("{other:?}"),
        }
    }
}

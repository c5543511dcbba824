//! How many requests may be under way at once, in all and to one host.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hosts remembered before the idle ones are forgotten.
const SWEEP_AT: usize = 256;

/// Of the turns at a host, or in all, one in so many is waited for at once.
const SHARES: usize = 8;

/// Turns, first come first served. A request's clock starts when it has its turn: ten thousand
/// announces in one tick neither open ten thousand sockets nor time out in the queue.
pub(super) struct Slots {
    total: Arc<Semaphore>,
    per_host: usize,
    share: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A turn; ends when dropped.
pub(super) struct Slot {
    host: OwnedSemaphorePermit,
    total: OwnedSemaphorePermit,
}

/// The turns at one host of a task with many requests; those that it has end when dropped.
pub(super) struct Turns {
    host: Arc<Semaphore>,
    total: Arc<Semaphore>,
    held: usize,
    /// Turns waited for at once: few enough that those that are put by for one who waits are no loss.
    share: usize,
    /// A wait that was begun; it keeps its place among those who wait.
    wait: Option<Pin<Box<dyn Future<Output = Option<Slot>> + Send>>>,
}

impl Slots {
    pub(super) fn new(total: usize, per_host: usize) -> Self {
        Self {
            total: Arc::new(Semaphore::new(total.max(1))),
            per_host: per_host.max(1),
            share: (total.min(per_host) / SHARES).max(1),
            hosts: Mutex::default(),
        }
    }

    /// Waits for a turn. `None` never happens in practice: the semaphores are never closed.
    ///
    /// The host's turn comes first, so that those who wait for a slow host hold none of the
    /// others' places.
    pub(super) async fn acquire(&self, host: &str) -> Option<Slot> {
        let host = self.host(host).acquire_owned().await.ok()?;
        let total = Arc::clone(&self.total).acquire_owned().await.ok()?;
        Some(Slot { host, total })
    }

    /// The same for many requests to one host; none has its turn yet.
    pub(super) fn turns(&self, host: &str) -> Turns {
        Turns {
            host: self.host(host),
            total: Arc::clone(&self.total),
            held: 0,
            share: self.share,
            wait: None,
        }
    }

    fn host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= SWEEP_AT {
            // A waiter or a permit holds a reference.
            hosts.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        let turns = hosts
            .entry(host.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(self.per_host)));
        Arc::clone(turns)
    }
}

impl Turns {
    /// Takes up to `most` turns without waiting, and returns how many.
    pub(super) fn try_acquire(&mut self, most: usize) -> usize {
        let free = self.host.available_permits();
        let free = free.min(self.total.available_permits()).min(most);
        // Others may have been quicker.
        let Some(count) = u32::try_from(free).ok().filter(|count| *count > 0) else {
            return 0;
        };
        let Ok(host) = self.host.try_acquire_many(count) else {
            return 0;
        };
        let Ok(total) = self.total.try_acquire_many(count) else {
            return 0;
        };
        host.forget();
        total.forget();
        self.held += free;
        free
    }

    /// Waits for turns, up to `most`, after those who came before; returns how many. May be dropped and called
    /// again: it goes on to wait at the same place, and for as many as at first.
    pub(super) async fn acquire(&mut self, most: usize) -> usize {
        let count = most.min(self.share).max(1);
        let (host, total) = (&self.host, &self.total);
        let wait = self.wait.get_or_insert_with(|| {
            let (host, total) = (Arc::clone(host), Arc::clone(total));
            let count = u32::try_from(count).unwrap_or(1);
            Box::pin(async move {
                // They are never closed.
                Some(Slot {
                    host: host.acquire_many_owned(count).await.ok()?,
                    total: total.acquire_many_owned(count).await.ok()?,
                })
            })
        });
        let slot = wait.as_mut().await;
        self.wait = None;
        let Some(slot) = slot else { return 0 };
        let count = slot.host.num_permits();
        slot.host.forget();
        slot.total.forget();
        self.held += count;
        count
    }

    /// Nobody waits any longer.
    pub(super) fn leave(&mut self) {
        self.wait = None;
    }

    /// Gives a turn back.
    pub(super) fn release(&mut self) {
        self.give_back(1);
    }

    fn give_back(&mut self, count: usize) {
        let count = count.min(self.held);
        self.held -= count;
        self.host.add_permits(count);
        self.total.add_permits(count);
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.give_back(self.held);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Poll};

    use super::*;

    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        future.poll(&mut context)
    }

    fn try_acquire(slots: &Slots, host: &str) -> Option<Slot> {
        match poll(pin!(slots.acquire(host))) {
            Poll::Ready(slot) => slot,
            Poll::Pending => None,
        }
    }

    #[test]
    fn limits_hold() {
        let slots = Slots::new(3, 2);
        let first = try_acquire(&slots, "a").unwrap();
        let second = try_acquire(&slots, "a").unwrap();
        assert!(try_acquire(&slots, "a").is_none(), "two per host");
        let _third = try_acquire(&slots, "b").unwrap();
        assert!(try_acquire(&slots, "c").is_none(), "three in all");
        drop(first);
        let _fourth = try_acquire(&slots, "c").unwrap();
        assert!(try_acquire(&slots, "a").is_none(), "three in all again");
        drop(second);
        assert!(try_acquire(&slots, "a").is_some());
    }

    #[test]
    fn waiting_for_a_host_takes_no_place_from_others() {
        let slots = Slots::new(2, 1);
        let _held = try_acquire(&slots, "slow").unwrap();
        let mut waiting = pin!(slots.acquire("slow"));
        assert!(poll(waiting.as_mut()).is_pending());
        assert!(try_acquire(&slots, "quick").is_some());
    }

    #[test]
    fn a_task_takes_what_is_free() {
        let slots = Slots::new(5, 3);
        let mut many = slots.turns("a");
        assert_eq!(many.try_acquire(2), 2);
        assert_eq!(many.try_acquire(9), 1, "three per host");
        assert_eq!(many.try_acquire(9), 0);
        let mut others = slots.turns("b");
        assert_eq!(others.try_acquire(9), 2, "five in all");
        many.release();
        assert_eq!(others.try_acquire(9), 1);
        assert!(poll(pin!(many.acquire(9))).is_pending());
        drop(others);
        assert_eq!(poll(pin!(many.acquire(9))), Poll::Ready(1));
        assert_eq!(many.try_acquire(9), 0);
        drop(many);
        assert_eq!(slots.turns("a").try_acquire(9), 3);
    }

    #[test]
    fn a_task_that_looks_away_keeps_its_place() {
        let slots = Slots::new(100, 16);
        let mut all = slots.turns("a");
        assert_eq!(all.try_acquire(99), 16);
        let [mut first, mut second] = [slots.turns("a"), slots.turns("a")];
        assert!(poll(pin!(first.acquire(9))).is_pending());
        assert!(poll(pin!(second.acquire(9))).is_pending());
        assert!(poll(pin!(first.acquire(9))).is_pending());
        all.release();
        assert!(poll(pin!(second.acquire(9))).is_pending());
        all.release();
        assert_eq!(poll(pin!(first.acquire(9))), Poll::Ready(2), "an eighth");
        second.leave();
        all.release();
        assert_eq!(first.try_acquire(9), 1);
    }

    #[test]
    fn idle_hosts_are_forgotten() {
        let slots = Slots::new(1000, 1);
        let _held = try_acquire(&slots, "held").unwrap();
        for host in 0..10_000 {
            assert!(try_acquire(&slots, &host.to_string()).is_some());
        }
        assert!(slots.hosts.lock().unwrap().len() <= SWEEP_AT);
        assert!(try_acquire(&slots, "held").is_none());
    }
}

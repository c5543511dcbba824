//! How many requests may be under way at once, in all and to one host.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hosts remembered before the idle ones are forgotten.
const SWEEP_AT: usize = 256;

/// Turns, first come first served. A request's clock starts when it has its turn: ten thousand
/// announces in one tick neither open ten thousand sockets nor time out in the queue.
pub(super) struct Slots {
    total: Arc<Semaphore>,
    per_host: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A turn; ends when dropped.
pub(super) struct Slot {
    _host: OwnedSemaphorePermit,
    _total: OwnedSemaphorePermit,
}

/// The turns at one host of a task with many requests; those that it has end when dropped.
pub(super) struct Turns {
    host: Arc<Semaphore>,
    total: Arc<Semaphore>,
    held: usize,
}

impl Slots {
    pub(super) fn new(total: usize, per_host: usize) -> Self {
        Self {
            total: Arc::new(Semaphore::new(total.max(1))),
            per_host: per_host.max(1),
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
        Some(Slot {
            _host: host,
            _total: total,
        })
    }

    /// The same for many requests to one host; none has its turn yet.
    pub(super) fn turns(&self, host: &str) -> Turns {
        Turns {
            host: self.host(host),
            total: Arc::clone(&self.total),
            held: 0,
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

    /// Waits for one turn, after those who came before.
    pub(super) async fn acquire(&mut self) {
        // They are never closed.
        let Ok(host) = self.host.acquire().await else {
            return;
        };
        let Ok(total) = self.total.acquire().await else {
            return;
        };
        host.forget();
        total.forget();
        self.held += 1;
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

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
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
        assert!(poll(pin!(many.acquire())).is_pending());
        drop(others);
        assert!(poll(pin!(many.acquire())).is_ready());
        assert_eq!(many.try_acquire(9), 0);
        drop(many);
        assert_eq!(slots.turns("a").try_acquire(9), 3);
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

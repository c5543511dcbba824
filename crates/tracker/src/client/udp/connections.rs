//! Connection ids: one connect for all requests to a tracker, reused while the id is good.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    Fail,
    exchange::{Exchange, Reply, exchange},
    socket::{Action, Socket},
};
use crate::{
    client::proxy::socks5::Target,
    protocol::udp::{Response, parse_response, write_connect_request},
};

/// A client may use an id for a minute after it has received it (BEP 15).
const LIFE: Duration = Duration::from_secs(60);

/// A connect that ends together with those who wait for it still tells them why it failed.
const LAST_WORD: Duration = Duration::from_millis(50);

/// Trackers remembered before stale ids are swept out.
const SWEEP_AT: usize = 1024;

/// A connection id and how it was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) good_until: Instant,
    /// Whether another request may have used it before.
    pub(super) reused: bool,
}

impl Connection {
    /// Whether both come from one connect. A tracker may give the same id again.
    pub(super) fn is_that_of(self, other: Self) -> bool {
        self.id == other.id && self.good_until == other.good_until
    }
}

/// The connection ids of one socket: a tracker binds them to our address.
pub(super) struct Connections {
    handle: Handle,
    socket: Socket,
    trackers: Mutex<HashMap<Target, State>>,
}

type Outcome = Result<Connection, Fail>;

enum State {
    Connecting(Weak<watch::Sender<Option<Outcome>>>),
    Connected(Connection),
}

enum Look {
    Wait(watch::Receiver<Option<Outcome>>),
    Use(Connection),
}

impl Connections {
    pub(super) fn new(handle: Handle, socket: Socket) -> Arc<Self> {
        Arc::new(Self {
            handle,
            socket,
            trackers: Mutex::default(),
        })
    }

    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// A connection id of this tracker, within the time left until `deadline`.
    ///
    /// Whoever comes while a connect is under way waits for that one. If it runs out of its time
    /// before the waiting one has, another is made.
    pub(super) async fn get(self: &Arc<Self>, tracker: &Target, deadline: Instant) -> Outcome {
        loop {
            let mut outcome = match self.look(tracker, deadline) {
                Look::Use(connection) => return Ok(connection),
                Look::Wait(outcome) => outcome,
            };
            let settled = outcome.wait_for(Option::is_some);
            let fail = match timeout_at(deadline + LAST_WORD, settled).await {
                Err(_) => Fail::Silence(None),
                // It ended without a word; its task was cancelled.
                Ok(Err(_)) => continue,
                Ok(Ok(outcome)) => match &*outcome {
                    Some(Ok(connection)) => return Ok(*connection),
                    Some(Err(fail)) => fail.clone(),
                    None => continue,
                },
            };
            if !matches!(fail, Fail::Silence(_)) || Instant::now() >= deadline {
                return Err(fail);
            }
        }
    }

    /// Gives up an id that the tracker did not like, unless a newer one has taken its place.
    pub(super) fn forget(&self, tracker: &Target, id: u64) {
        let mut trackers = self.trackers();
        if matches!(trackers.get(tracker), Some(State::Connected(known)) if known.id == id) {
            trackers.remove(tracker);
        }
    }

    /// The id, or the connect under way, which is begun if there is none.
    fn look(self: &Arc<Self>, tracker: &Target, deadline: Instant) -> Look {
        let now = Instant::now();
        let mut trackers = self.trackers();
        match trackers.get(tracker) {
            Some(State::Connected(connection)) if connection.good_until > now => {
                return Look::Use(Connection {
                    reused: true,
                    ..*connection
                });
            }
            Some(State::Connecting(sender)) => {
                if let Some(sender) = sender.upgrade() {
                    return Look::Wait(sender.subscribe());
                }
            }
            _ => {}
        }
        if trackers.len() >= SWEEP_AT {
            trackers.retain(|_, state| match state {
                State::Connecting(sender) => sender.strong_count() > 0,
                State::Connected(connection) => connection.good_until > now,
            });
        }
        let (sender, outcome) = watch::channel(None);
        let sender = Arc::new(sender);
        trackers.insert(tracker.clone(), State::Connecting(Arc::downgrade(&sender)));
        drop(trackers);
        let tracker = tracker.clone();
        let connections = Arc::clone(self);
        self.handle.spawn(async move {
            tokio::select! {
                // Nobody waits any longer.
                () = sender.closed() => {}
                outcome = connect(&connections.socket, &tracker, deadline) => {
                    connections.settle(tracker, &sender, outcome);
                }
            }
        });
        Look::Wait(outcome)
    }

    fn settle(
        &self,
        tracker: Target,
        sender: &Arc<watch::Sender<Option<Outcome>>>,
        outcome: Outcome,
    ) {
        let mut trackers = self.trackers();
        match &outcome {
            Ok(connection) => {
                trackers.insert(tracker, State::Connected(*connection));
            }
            Err(_) => {
                trackers.remove(&tracker);
            }
        }
        // Under the lock: nobody may find the old state after the outcome is out.
        sender.send_replace(Some(outcome));
    }

    fn trackers(&self) -> MutexGuard<'_, HashMap<Target, State>> {
        self.trackers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(socket: &Socket, tracker: &Target, deadline: Instant) -> Outcome {
    let mut packet = Vec::with_capacity(16);
    let reply = exchange(
        Exchange {
            socket,
            tracker,
            action: Action::Connect,
            deadline,
            good_until: None,
        },
        |transaction_id| {
            packet.clear();
            write_connect_request(&mut packet, transaction_id);
            packet
        },
    )
    .await?;
    let Reply::Answer(answer) = reply else {
        return Err(Fail::Silence(None));
    };
    match parse_response(&answer.packet) {
        Ok(Response::Connect { connection_id, .. }) => Ok(Connection {
            id: connection_id,
            good_until: Instant::now() + LIFE,
            reused: false,
        }),
        Ok(Response::Error { message, .. }) => Err(Fail::Refused(message.to_vec())),
        Ok(_) => Err(Fail::Silence(None)),
        Err(fault) => Err(Fail::Silence(Some(fault))),
    }
}

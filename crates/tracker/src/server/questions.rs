//! What the user's code is asked about requests: a `filter`, or code of its own that answers.
//!
//! A request that is asked about waits here, the question goes the way of events, and the verdict
//! comes back under the question's number. Threads of the engine never wait for a verdict: a task
//! does, or the datagram lies here.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::types::{SocketId, Timestamp};

/// Questions that may be without a verdict.
const MAX_OPEN: usize = 10_000;

/// So long, in seconds, the user's code may take once there are too many; a callback that is never
/// called must not close the tracker.
const PATIENCE_SECS: u64 = 60;

/// What the user's code says.
#[derive(Debug)]
pub enum Verdict {
    /// The engine is to answer.
    Allow,
    /// The peer gets this failure reason.
    Refuse(String),
    /// The answer.
    Reply(Reply),
}

/// An answer that was made outside.
#[derive(Debug, Default)]
pub struct Reply {
    /// HTTP: the status.
    pub status: u16,
    /// HTTP: the type of the body.
    pub content_type: Option<String>,
    /// The body, datagram or message; nothing is sent of an empty datagram or message.
    pub body: Vec<u8>,
    /// WebSocket: who gets the offers, in their order.
    pub offers_to: Vec<Option<SocketId>>,
    /// WebSocket: whether an answer in the message is passed on.
    pub pass_on: bool,
}

/// The questions of a server that have no verdict yet.
#[derive(Default)]
pub(super) struct Questions {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Nobody gives verdicts any more.
    closed: bool,
    /// When those who do not wait any more were last looked for.
    swept: Timestamp,
    last: u64,
    asked: BTreeMap<u64, (Timestamp, Asker)>,
}

/// Who waits for a verdict.
pub(super) enum Asker {
    /// A task, over HTTP or WebSocket.
    Task(oneshot::Sender<Verdict>),
    /// A datagram.
    Udp { packet: Box<[u8]>, from: SocketAddr },
    /// A message of a socket that the user's code serves.
    External { socket: SocketId, message: Box<str> },
}

impl Asker {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Task(task) if task.is_closed())
    }
}

impl Questions {
    /// Keeps who asks, and numbers the question; `None` if there are too many.
    pub(super) fn ask(&self, asker: Asker, now: Timestamp) -> Option<u64> {
        let mut open = self.lock();
        if open.closed {
            return None;
        }
        if open.asked.len() >= MAX_OPEN && open.swept != now {
            open.swept = now;
            // Whose connection is gone has nobody to hear the verdict.
            open.asked.retain(|_, (_, asker)| !asker.is_gone());
        }
        if open.asked.len() >= MAX_OPEN {
            let (_, (since, _)) = open.asked.first_key_value()?;
            if now.since(*since).as_secs() < PATIENCE_SECS {
                return None;
            }
            open.asked.pop_first();
        }
        open.last += 1;
        let id = open.last;
        open.asked.insert(id, (now, asker));
        Some(id)
    }

    /// Asks for a task, which waits for the verdict.
    pub(super) fn ask_for_task(&self, now: Timestamp) -> Option<(u64, oneshot::Receiver<Verdict>)> {
        let (sender, receiver) = oneshot::channel();
        let id = self.ask(Asker::Task(sender), now)?;
        Some((id, receiver))
    }

    /// Who waits for the verdict on this question; each can be settled once.
    pub(super) fn take(&self, id: u64) -> Option<Asker> {
        self.lock().asked.remove(&id).map(|(_, asker)| asker)
    }

    /// There will be no more verdicts.
    pub(super) fn close(&self) {
        let mut open = self.lock();
        open.closed = true;
        let asked = std::mem::take(&mut open.asked);
        drop(open);
        drop(asked);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_questions_are_bounded_and_old_ones_make_room() {
        let questions = Questions::default();
        let at = Timestamp::from_secs;
        let mut first = None;
        let mut waiting = Vec::new();
        for number in 0..MAX_OPEN {
            let (_, receiver) = questions.ask_for_task(at(1)).unwrap();
            if number == 0 {
                first = Some(receiver);
            } else {
                waiting.push(receiver);
            }
        }
        assert!(questions.ask_for_task(at(60)).is_none());
        let (id, _receiver) = questions.ask_for_task(at(61)).unwrap();
        let mut first = first.unwrap();
        assert_eq!(
            first.try_recv().unwrap_err(),
            oneshot::error::TryRecvError::Closed
        );
        assert!(questions.take(id).is_some());
        assert!(questions.take(id).is_none());
        drop(waiting);
        let asked: Vec<_> = (0..MAX_OPEN)
            .map(|_| questions.ask_for_task(at(62)))
            .collect();
        assert!(asked.iter().all(Option::is_some), "who has gone makes room");
    }

    #[test]
    fn nothing_is_asked_after_the_end() {
        let questions = Questions::default();
        questions.close();
        assert!(questions.ask_for_task(Timestamp::from_secs(1)).is_none());
    }
}

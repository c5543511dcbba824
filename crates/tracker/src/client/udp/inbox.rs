//! What others have to say to a volley: answers from the socket, aborts from the program.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

use crate::client::RequestHandle;

/// Where it waits until the volley's task looks.
#[derive(Default)]
pub(in crate::client) struct Inbox {
    mail: Mutex<Mail>,
    news: Notify,
}

/// Bounded: a member has one answer, and is aborted as often as the program likes to.
#[derive(Default)]
struct Mail {
    letters: Letters,
    /// The requests of members that have gone on alone.
    gone: HashMap<usize, RequestHandle>,
}

#[derive(Default)]
pub(super) struct Letters {
    /// The packets, one after the other.
    bytes: Vec<u8>,
    /// Whose each is, and where it ends.
    answers: Vec<(usize, usize)>,
    /// When which members are to end.
    pub(super) aborts: Vec<(usize, Instant)>,
}

impl Inbox {
    /// The answer to a member's announce.
    pub(super) fn deliver(&self, member: usize, packet: &[u8]) {
        let mut mail = self.mail();
        let letters = &mut mail.letters;
        letters.bytes.extend_from_slice(packet);
        letters.answers.push((member, letters.bytes.len()));
        drop(mail);
        self.news.notify_one();
    }

    /// A member is to end then, if it is not done.
    pub(in crate::client) fn abort_at(&self, member: usize, at: Instant) {
        let mut mail = self.mail();
        if let Some(request) = mail.gone.get(&member) {
            return request.abort_after(at.saturating_duration_since(Instant::now()));
        }
        mail.letters.aborts.push((member, at));
        drop(mail);
        self.news.notify_one();
    }

    /// A member goes on alone, and is to end then if it is not done.
    pub(super) fn leave(&self, member: usize, request: RequestHandle, abort: Option<Instant>) {
        let mut mail = self.mail();
        let letters = &mail.letters.aborts;
        let unread = letters.iter().filter(|(who, _)| *who == member);
        if let Some(at) = unread.map(|(_, at)| *at).chain(abort).min() {
            request.abort_after(at.saturating_duration_since(Instant::now()));
        }
        mail.gone.insert(member, request);
    }

    /// Takes what has come in; leaves room of the same size.
    pub(super) fn take(&self, letters: &mut Letters) {
        letters.bytes.clear();
        letters.answers.clear();
        letters.aborts.clear();
        mem::swap(&mut self.mail().letters, letters);
    }

    /// Waits for something to come in that was not there when this was called last.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letters {
    /// The answers and whose they are.
    pub(super) fn answers(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let starts = [0]
            .into_iter()
            .chain(self.answers.iter().map(|(_, end)| *end));
        self.answers
            .iter()
            .zip(starts)
            .filter_map(|((member, end), start)| Some((*member, self.bytes.get(start..*end)?)))
    }
}

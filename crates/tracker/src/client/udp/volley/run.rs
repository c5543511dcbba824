//! A volley under way: who is sent, answered, sent again, given up, and who goes on alone.

use std::{future::pending, mem, net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Flight, Member, Volley};
use crate::{
    client::{
        AnnounceReply, ClientError, TrackerReply, TrackerRequest,
        os_error::Cause,
        proxy::socks5::Target,
        resolve::Family,
        slots::Turns,
        udp::{
            Course, Fail, UdpTransport, addresses,
            answers::{announce_answer, error_of, may_be_about_id, refused},
            ask::write_announce,
            connections::{Connection, Connections},
            host_of,
            inbox::Letters,
        },
        url::UdpUrl,
    },
    protocol::udp::{Response, ResponseError, parse_response},
};

/// Announces sent before what has come in meanwhile is looked at.
const BURST: usize = 128;

/// A volley under way.
pub(super) struct Run<'a> {
    transport: &'a UdpTransport,
    request: &'a TrackerRequest,
    url: &'a UdpUrl,
    volley: Volley,
    letters: Letters,
    /// Who is to end when.
    aborts: Vec<(usize, Instant)>,
    /// No abort and no packet is due before.
    due: Option<Instant>,
    /// Addresses of the tracker. The volley has the first, the others are for those who leave.
    targets: Vec<SocketAddr>,
    /// Of who waits for no turn; and when the first of several addresses has had its share of the time.
    deadline: Instant,
    until: Option<Instant>,
    over: Option<Over>,
}

/// What it goes over, once there is a connection id.
struct Over {
    tracker: SocketAddr,
    connections: Arc<Connections>,
    connection: Connection,
    since: Instant,
    /// What each has from its turn on.
    budget: Duration,
    /// The last turn that somebody had.
    turn: Instant,
    turns: Turns,
    /// Turns that nobody has used yet.
    spare: usize,
    /// The first who may not have had a turn.
    next: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        transport: &'a UdpTransport,
        request: &'a TrackerRequest,
        url: &'a UdpUrl,
        volley: Volley,
    ) -> Self {
        Self {
            transport,
            request,
            url,
            volley,
            letters: Letters::default(),
            aborts: Vec::new(),
            due: None,
            targets: Vec::new(),
            deadline: Instant::now() + request.timeout,
            until: None,
            over: None,
        }
    }

    pub(super) async fn resolve(mut self, families: &[Family]) {
        let lookup = self.transport.resolver.resolve(&self.url.host);
        let lookup = timeout_at(self.deadline, lookup);
        let fail = match self.meanwhile(lookup).await {
            None => return,
            Some(Ok(Ok(addresses))) => {
                self.targets = addresses::targets(families, &addresses, self.url.port);
                match self.targets.first().copied() {
                    Some(tracker) => return self.connect(tracker).await,
                    None => Fail::Send(Cause::no_address(&self.url.host.to_string())),
                }
            }
            Some(Ok(Err(cause))) => Fail::Send(cause),
            Some(Err(_)) => Fail::Silence(None),
        };
        self.fail_waiting(&fail);
    }

    async fn connect(mut self, tracker: SocketAddr) {
        let target = Target::from(tracker);
        let until = addresses::until(self.request, self.deadline, self.targets.len());
        let connections = match self.transport.connections(Family::of(tracker.ip())) {
            Ok(connections) => connections,
            Err(error) => {
                let cause = Cause::io(&error, "bind", None);
                return self.fail_waiting(&Fail::Send(cause));
            }
        };
        let connection = match self.meanwhile(connections.get(&target, until)).await {
            None => return,
            Some(Err(fail)) => return self.fail_waiting(&fail),
            Some(Ok(connection)) => connection,
        };
        let since = Instant::now();
        self.until = Some(until);
        self.over = Some(Over {
            tracker,
            connections: Arc::clone(&connections),
            connection,
            since,
            budget: until.saturating_duration_since(since),
            turn: since,
            turns: self.transport.turns.turns(&host_of(&target)),
            spare: 0,
            next: 0,
        });
        while let Some((count, deadline)) = self.turns().await {
            let again = connections.get(&target, deadline);
            match self.meanwhile(again).await {
                None => return,
                Some(Err(fail)) => self.fail_waiting(&fail),
                Some(Ok(connection)) => self.send_first(count, connection, deadline).await,
            }
        }
    }

    /// Waits until somebody has a turn; says how many have, and until when. `None` when nobody is left.
    async fn turns(&mut self) -> Option<(usize, Instant)> {
        loop {
            self.go_on().await;
            if self.volley.left == 0 {
                return None;
            }
            let waiting = self.waiting(BURST);
            let due = self.due;
            let over = self.over.as_mut()?;
            if waiting == 0 {
                over.turns.leave();
                (0..mem::take(&mut over.spare)).for_each(|_| over.turns.release());
            }
            let more = waiting.saturating_sub(over.spare);
            over.spare += over.turns.try_acquire(more);
            if waiting > 0 && over.spare > 0 {
                over.turn = Instant::now();
                return Some((waiting.min(over.spare), over.turn + over.budget));
            }
            tokio::select! {
                () = self.volley.inbox.news() => {}
                () = at(due) => {}
                count = over.turns.acquire(waiting), if waiting > 0 => over.spare += count,
            }
        }
    }

    /// How many, up to `most`, have not had a turn.
    fn waiting(&mut self, most: usize) -> usize {
        let Some(over) = &mut self.over else { return 0 };
        while over.next < self.volley.members.len() && self.volley.get(over.next).is_none() {
            over.next += 1;
        }
        let rest = self.volley.members.iter().skip(over.next);
        rest.flatten().take(most).count()
    }

    /// The first announces of so many, over this connection.
    async fn send_first(&mut self, count: usize, connection: Connection, deadline: Instant) {
        let Some(over) = &mut self.over else { return };
        // An id that the volley was given as a new one is new to all of its members.
        if !connection.is_that_of(over.connection) {
            over.connection = connection;
        }
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count && over.next < self.volley.members.len() {
            if self.volley.get(over.next).is_some() {
                chosen.push(over.next);
            }
            over.next += 1;
        }
        over.spare -= chosen.len();
        let start = Instant::now();
        let flight = Flight {
            transaction_id: None,
            connection: over.connection,
            waited: over.turn - over.since,
            start,
            budget: deadline.saturating_duration_since(start),
            again: 0,
        };
        let members = &mut self.volley.members;
        over.connections.socket().wait_for_members(
            &chosen,
            over.tracker,
            &self.volley.inbox,
            |index, transaction_id| {
                if let Some(Some(member)) = members.get_mut(index) {
                    member.flight = Some(Flight {
                        transaction_id: Some(transaction_id),
                        ..flight
                    });
                }
            },
        );
        self.note(flight.due(0));
        self.send(&chosen).await;
    }

    /// Sends the packets of those who have had their turns.
    async fn send(&mut self, indexes: &[usize]) {
        let Some(over) = &self.over else { return };
        let (connections, tracker) = (Arc::clone(&over.connections), over.tracker);
        let mut packets = Vec::with_capacity(128 * indexes.len());
        let mut sent = Vec::with_capacity(indexes.len());
        for index in indexes {
            if let Some(member) = self.volley.get(*index)
                && let Some(flight) = &member.flight
                && let Some(transaction_id) = flight.transaction_id
            {
                let url_data = &self.url.path_and_query;
                let id = flight.connection.id;
                write_announce(&mut packets, &member.params, url_data, id, transaction_id);
                sent.push(*index);
            }
        }
        if sent.is_empty() {
            return;
        }
        // They differ in ids and numbers alone.
        let length = packets.len() / sent.len();
        let mut refused = Vec::new();
        let sending = connections
            .socket()
            .send_all(&packets, length, tracker, |at, cause| {
                refused.push((at, cause));
            });
        sending.await;
        for (at, cause) in refused {
            if let Some(index) = sent.get(at) {
                self.fail(*index, &Fail::Send(cause));
            }
        }
    }

    /// Waits for something else and goes on meanwhile. `None` when nobody is left to wait for it.
    async fn meanwhile<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        let mut wait = std::pin::pin!(wait);
        loop {
            self.go_on().await;
            if self.volley.left == 0 {
                return None;
            }
            tokio::select! {
                biased;
                value = &mut wait => return Some(value),
                () = self.volley.inbox.news() => {}
                () = at(self.due) => {}
            }
        }
    }

    /// Deals with what has come in and what is due.
    async fn go_on(&mut self) {
        let mut letters = mem::take(&mut self.letters);
        self.volley.inbox.take(&mut letters);
        // Before the answers: with one of those a member may leave, and takes its abort along.
        for (index, at) in letters.aborts.drain(..) {
            self.aborts.push((index, at));
            self.note(Some(at));
        }
        for (index, packet) in letters.answers() {
            self.answered(index, packet);
        }
        self.letters = letters;
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            let again = self.expire(now);
            self.send(&again).await;
        }
    }

    fn answered(&mut self, index: usize, packet: &[u8]) {
        let (Some(flight), Some(over)) = (self.volley.flight(index), &self.over) else {
            return;
        };
        // It was taken out with the answer.
        flight.transaction_id = None;
        let flight = *flight;
        if let Ok(Response::Error { message, .. }) = parse_response(packet) {
            let target = over.tracker.into();
            over.connections.forget(&target, flight.connection.id);
            if may_be_about_id(message, flight.connection) {
                self.leave(index, 0, None, true);
            } else {
                self.finish(index, Err(refused(message)));
            }
            return;
        }
        let family = Family::of(over.tracker.ip());
        let answer = announce_answer(self.request, packet, family);
        self.finish(index, answer);
    }

    /// Ends whoever has had its time, and returns whose packets have to be sent again.
    fn expire(&mut self, now: Instant) -> Vec<usize> {
        let mut again = Vec::new();
        let ended: Vec<_> = self.aborts.extract_if(.., |(_, at)| *at <= now).collect();
        for (index, _) in ended {
            self.finish(index, Err(ClientError::Aborted));
        }
        self.due = self.aborts.iter().map(|(_, at)| *at).min();
        for index in 0..self.volley.members.len() {
            let Some(flight) = self.volley.flight(index) else {
                continue;
            };
            let due = flight.due(flight.again);
            if due.is_some_and(|due| due > now) {
                self.note(due);
                continue;
            }
            let next = flight.due(flight.again + 1);
            if next.is_none() {
                let fault = self.give_up(index);
                self.fail(index, &Fail::Silence(fault));
            } else if now >= flight.connection.good_until {
                self.leave(index, 0, None, false);
            } else {
                flight.again += 1;
                again.push(index);
                self.note(next);
            }
        }
        again
    }

    /// Something will be due then.
    fn note(&mut self, due: Option<Instant>) {
        self.due = match (self.due, due) {
            (Some(known), Some(due)) => Some(known.min(due)),
            (known, due) => known.or(due),
        };
    }

    /// There will be no answer over this address for those who have not had their turns.
    fn fail_waiting(&mut self, fail: &Fail) {
        for index in 0..self.volley.members.len() {
            if self
                .volley
                .get(index)
                .is_some_and(|member| member.flight.is_none())
            {
                self.fail(index, fail);
            }
        }
    }

    fn fail(&mut self, index: usize, fail: &Fail) {
        let Some(member) = self.volley.get(index) else {
            return;
        };
        let what = member.params.what();
        let error = match fail {
            Fail::Refused(message) => return self.finish(index, Err(refused(message))),
            fail => error_of(fail, what, self.request),
        };
        if self.targets.len() > 1 {
            return self.leave(index, 1, Some(error), false);
        }
        self.transport.resolver.forget(&self.url.host);
        self.finish(index, Err(error));
    }

    fn finish(&mut self, index: usize, outcome: Result<AnnounceReply, ClientError>) {
        if let Some((member, _)) = self.remove(index) {
            let outcome = outcome.map(|reply| TrackerReply::Announce(Box::new(reply)));
            (self.volley.done)(member.id, outcome);
        }
    }

    /// A member goes on alone, from this one of the addresses on.
    fn leave(&mut self, index: usize, first: usize, error: Option<ClientError>, over: bool) {
        let Some((member, waited)) = self.remove(index) else {
            return;
        };
        let course = Course {
            targets: self.targets.iter().skip(first).copied().collect(),
            deadline: self.deadline,
            queued: waited,
            until: self
                .until
                .filter(|_| first == 0)
                .map(|until| until + waited),
            error,
            started_over: over,
            _inbox: Some(Arc::clone(&self.volley.inbox)),
        };
        let handle = (self.volley.go_alone)(member.id, member.params, course);
        let aborts = self.aborts.extract_if(.., |(who, _)| *who == index);
        let abort = aborts.map(|(_, at)| at).min();
        self.volley.inbox.leave(index, handle, abort);
    }

    /// Takes a member out, and how long it waited for its turn.
    fn remove(&mut self, index: usize) -> Option<(Member, Duration)> {
        self.give_up(index);
        let member = self.volley.remove(index)?;
        let waited = match (&member.flight, &mut self.over) {
            (Some(flight), Some(over)) => {
                over.turns.release();
                flight.waited
            }
            (None, Some(over)) => over.turn - over.since,
            (_, None) => Duration::ZERO,
        };
        Some((member, waited))
    }

    /// Its answer is not waited for any longer. Returns what was wrong with what came instead.
    fn give_up(&mut self, index: usize) -> Option<ResponseError> {
        let transaction_id = self.volley.flight(index)?.transaction_id.take()?;
        let connections = &self.over.as_ref()?.connections;
        connections.socket().give_up(transaction_id)
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        for index in 0..self.volley.members.len() {
            self.give_up(index);
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

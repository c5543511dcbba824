//! Announces at one tracker that were asked for together, as one task.
//!
//! A program with ten thousand torrents announces them in one turn. A task, a channel and a timer for each of them
//! are 2.5 KB, and most of the time that an announce takes here. A volley has one of each, sends its packets in
//! bursts, and keeps the timetable of [`exchange`](super::exchange) for each of its members. Whoever meets with
//! something out of the ordinary leaves it and goes on alone.

mod run;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use self::run::Run;
use super::{Course, UdpTransport, connections::Connection, inbox::Inbox};
use crate::client::{
    AnnounceParams, ClientError, Outcome, RequestHandle, TrackerRequest, resolve::Family,
    schedule::retransmissions, url::UdpUrl,
};

/// Receives the outcome of each announce, under its number.
pub(in crate::client) type Done = Arc<dyn Fn(u32, Outcome) + Send + Sync>;

/// Starts the request of an announce that goes on alone, whose outcome it tells.
pub(in crate::client) type GoAlone =
    Box<dyn Fn(u32, AnnounceParams, Course) -> RequestHandle + Send + Sync>;

/// The announces whose outcome nobody has been told. Those left when this is dropped are aborted.
pub(in crate::client) struct Volley {
    members: Vec<Option<Member>>,
    left: usize,
    inbox: Arc<Inbox>,
    done: Done,
    go_alone: GoAlone,
}

struct Member {
    id: u32,
    params: AnnounceParams,
    /// None while it waits for its turn.
    flight: Option<Flight>,
}

/// An announce that was sent.
#[derive(Clone, Copy)]
struct Flight {
    /// None once nothing is waited for under it.
    transaction_id: Option<u32>,
    connection: Connection,
    /// How long it waited for its turn.
    waited: Duration,
    start: Instant,
    /// From then on.
    budget: Duration,
    /// How often it was sent again.
    again: usize,
}

impl Flight {
    /// When it is sent for this time, counted from 0, after the first; or given up, as what comes last.
    fn due(&self, again: usize) -> Option<Instant> {
        let mut ends = retransmissions(self.budget).chain([self.budget]);
        Some(self.start + ends.nth(again)?)
    }
}

impl Volley {
    pub(in crate::client) fn new(
        announces: Vec<(u32, AnnounceParams)>,
        done: Done,
        go_alone: GoAlone,
    ) -> Self {
        let member = |(id, params)| {
            Some(Member {
                id,
                params,
                flight: None,
            })
        };
        Self {
            left: announces.len(),
            members: announces.into_iter().map(member).collect(),
            inbox: Arc::default(),
            done,
            go_alone,
        }
    }

    pub(in crate::client) const fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    fn get(&self, index: usize) -> Option<&Member> {
        self.members.get(index)?.as_ref()
    }

    fn flight(&mut self, index: usize) -> Option<&mut Flight> {
        self.members.get_mut(index)?.as_mut()?.flight.as_mut()
    }

    fn remove(&mut self, index: usize) -> Option<Member> {
        let member = self.members.get_mut(index)?.take()?;
        self.left -= 1;
        Some(member)
    }
}

impl Drop for Volley {
    fn drop(&mut self) {
        for member in self.members.drain(..).flatten() {
            (self.done)(member.id, Err(ClientError::Aborted));
        }
    }
}

impl UdpTransport {
    /// Makes the announces of a volley.
    pub(in crate::client) async fn announce_all(
        &self,
        request: &TrackerRequest,
        url: &UdpUrl,
        families: &[Family],
        volley: Volley,
    ) {
        let run = Run::new(self, request, url, volley);
        run.resolve(families).await;
    }
}

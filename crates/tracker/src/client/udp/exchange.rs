//! One packet and its answer, sent again until there is one (BEP 15).

use tokio::time::{Instant, timeout_at};

use super::{
    Fail,
    socket::{Action, Answer, Socket},
};
use crate::client::{proxy::socks5::Target, schedule::retransmissions};

/// What is sent to whom, and for how long.
pub(super) struct Exchange<'a> {
    pub(super) socket: &'a Socket,
    pub(super) tracker: &'a Target,
    pub(super) action: Action,
    pub(super) deadline: Instant,
    /// When the connection id in the packet ends: no retransmission after it.
    pub(super) good_until: Option<Instant>,
}

pub(super) enum Reply {
    /// An answer of the wanted kind, or an error packet.
    Answer(Answer),
    /// The connection id ended before there was an answer.
    IdEnded,
}

/// Sends the packet that `write` makes for a transaction id, and again after the timetable for
/// the time that is left.
pub(super) async fn exchange(
    exchange: Exchange<'_>,
    write: impl FnOnce(u32) -> Vec<u8>,
) -> Result<Reply, Fail> {
    let Exchange {
        socket,
        tracker,
        action,
        deadline,
        good_until,
    } = exchange;
    let mut ticket = socket.wait_for(action, tracker.clone());
    let packet = write(ticket.transaction_id());
    let start = Instant::now();
    let budget = deadline.saturating_duration_since(start);
    let ends = retransmissions(budget)
        .map(|at| start + at)
        .chain([deadline]);
    for end in ends {
        if good_until.is_some_and(|good_until| Instant::now() >= good_until) {
            return Ok(Reply::IdEnded);
        }
        if let Err(cause) = socket.send(&packet, tracker).await {
            return Err(Fail::Send(cause));
        }
        match timeout_at(end, ticket.answer()).await {
            Ok(Some(answer)) => return Ok(Reply::Answer(answer)),
            Ok(None) => return Err(Fail::Lost),
            Err(_) => {}
        }
    }
    Err(Fail::Silence(ticket.fault()))
}

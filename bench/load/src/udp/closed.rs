//! A closed loop: requests with numbers from 0 on, a bounded count of them on their way at a time,
//! each sent until it is answered.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    batch::{BATCH, Batch},
    connection::{Connection, RESEND},
    packet::Answer,
};

/// A tracker that answers nothing for so long is not there.
const SILENCE: Duration = Duration::from_secs(10);

/// What is asked, and what becomes of the answers.
pub(super) trait Exchange {
    /// Writes the request; its length.
    fn write(&self, number: u64, output: &mut [u8], connection: u64, id: u32) -> usize;

    /// The answer to a request; it comes once. False if it is not what was asked for.
    fn answered(&mut self, answer: &Answer<'_>) -> bool;
}

/// Requests `0..total` over these sockets, until all are answered: how many were sent again.
pub(super) fn exchange(
    lines: &mut [Line],
    total: u64,
    exchange: &mut impl Exchange,
) -> io::Result<u64> {
    let mut batch = Batch::new();
    let (mut next, mut answered, mut resent) = (0, 0, 0);
    let mut last_answer = Instant::now();
    while answered < total {
        let before = answered;
        let now = Instant::now();
        for line in &mut *lines {
            answered += line.receive(&mut batch, exchange)?;
            resent += line.send(&mut batch, &mut next, total, exchange, now)?;
        }
        if answered > before {
            last_answer = now;
        } else if now.duration_since(last_answer) > SILENCE {
            return Err(io::Error::other(format!(
                "the tracker answered {answered} of {total} requests, then none for {} s",
                SILENCE.as_secs()
            )));
        }
    }
    Ok(resent)
}

/// A socket and its requests that are on their way.
pub(super) struct Line {
    connection: Connection,
    slots: Vec<Slot>,
    /// Which slots are free.
    free: Vec<u32>,
    searched: Instant,
}

/// A place for a request. Its transaction id is the place and how often it was used, so that what is
/// answered twice is not taken for the answer to the next one.
#[derive(Clone)]
struct Slot {
    used: u32,
    /// The number of the request, and when it was sent.
    request: Option<(u64, Instant)>,
}

/// Bits of a transaction id that say the place.
const PLACE_BITS: u32 = 16;

impl Line {
    /// `window` requests at most are on their way at a time.
    pub(super) fn open(port: u16, window: usize) -> io::Result<Self> {
        if !(1..1 << PLACE_BITS).contains(&window) {
            return Err(io::Error::other("no such window"));
        }
        let slot = Slot {
            used: 0,
            request: None,
        };
        Ok(Self {
            connection: Connection::open(port)?,
            slots: vec![slot; window],
            free: (0..window as u32).collect(),
            searched: Instant::now(),
        })
    }

    /// How many requests were answered.
    fn receive(&mut self, batch: &mut Batch, exchange: &mut impl Exchange) -> io::Result<u64> {
        let (mut answered, mut wrong) = (0, false);
        let (slots, free) = (&mut self.slots, &mut self.free);
        self.connection.receive(batch, |id, answer| {
            let place = id & ((1 << PLACE_BITS) - 1);
            let Some(slot) = slots.get_mut(place as usize) else {
                wrong = true;
                return;
            };
            if slot.id(place) != id || slot.request.take().is_none() {
                return;
            }
            slot.used = (slot.used + 1) % (1 << (31 - PLACE_BITS));
            free.push(place);
            answered += 1;
            wrong |= !exchange.answered(&answer);
        })?;
        if wrong {
            return Err(io::Error::other("the tracker answered what was not asked"));
        }
        Ok(answered)
    }

    /// Fills the window, and sends again what is lost: how many these are.
    fn send(
        &mut self,
        batch: &mut Batch,
        next: &mut u64,
        total: u64,
        exchange: &impl Exchange,
        now: Instant,
    ) -> io::Result<u64> {
        let Some(connection) = self.connection.id(batch, now)? else {
            return Ok(0);
        };
        for _ in 0..BATCH {
            if *next == total {
                break;
            }
            let Some(place) = self.free.pop() else {
                break;
            };
            let slot = &mut self.slots[place as usize];
            slot.request = Some((*next, now));
            batch.push(|output| exchange.write(*next, output, connection, slot.id(place)));
            *next += 1;
        }
        self.connection.send(batch)?;

        if now.duration_since(self.searched) < RESEND / 2 {
            return Ok(0);
        }
        self.searched = now;
        let mut resent = 0;
        for (place, slot) in self.slots.iter_mut().enumerate() {
            let id = slot.id(place as u32);
            let Some((number, sent)) = &mut slot.request else {
                continue;
            };
            if now.duration_since(*sent) < RESEND {
                continue;
            }
            *sent = now;
            batch.push(|output| exchange.write(*number, output, connection, id));
            self.connection.send(batch)?;
            resent += 1;
        }
        Ok(resent)
    }
}

impl Slot {
    fn id(&self, place: u32) -> u32 {
        self.used << PLACE_BITS | place
    }
}

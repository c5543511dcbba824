//! The busy load: each peer announces again as soon as its announce is answered, and answers a share
//! of the offers that it gets.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    LINGER,
    connection::{Connection, Output},
    message::{self, Message, read_bytes},
    peer::{Descriptions, Peer},
};
use crate::settings::Settings;

const READ_BUFFER: usize = 64 * 1024;

/// An announce that is not answered for this long at the end counts as never answered.
const LOST: Duration = Duration::from_secs(5);

/// What has come, over all connections.
#[derive(Default)]
struct Counts {
    responses: u64,
    offers: u64,
    answers: u64,
    /// Messages that went to the wrong peer, or came otherwise than they were sent.
    wrong: u64,
    /// One of them.
    example: Option<String>,
    dropped: u64,
    /// Of announces, in µs.
    latencies: Vec<u32>,
}

/// Runs until the measurement is over, and prints its begin and its end.
pub(crate) async fn run(settings: &Settings) -> io::Result<()> {
    let port = settings.get("port")? as u16;
    let (sockets, torrents, offers) = (
        settings.count("sockets")?,
        settings.count("torrents")?,
        settings.count("offers")?,
    );
    let answer_every = settings.get("answer_every")?;
    let counts = Rc::new(RefCell::new(Counts::default()));
    let descriptions = Rc::new(Descriptions::new());
    let waiting = Rc::new(RefCell::new(vec![None; sockets]));
    for number in 0..sockets {
        let connection = Connection::open(port, READ_BUFFER).await?;
        let mut session = Session {
            peer: Peer::new(number, torrents, offers, &descriptions),
            descriptions: Rc::clone(&descriptions),
            counts: Rc::clone(&counts),
            answer_every,
            // Not all at the same moment.
            offers_seen: number as u64,
            announced: Instant::now(),
            number,
            waiting: Rc::clone(&waiting),
        };
        tokio::task::spawn_local(async move {
            let error = session.run(connection).await;
            let mut counts = session.counts.borrow_mut();
            counts.dropped += 1;
            counts
                .example
                .get_or_insert(format!("a socket ended: {error}"));
        });
    }
    sleep(Duration::from_secs(settings.get("warm_up")?)).await;
    let dropped = std::mem::take(&mut *counts.borrow_mut()).dropped;
    println!("{{\"at\":\"begin\"}}");
    let began = Instant::now();
    sleep(Duration::from_secs(settings.get("seconds")?)).await;
    let elapsed = began.elapsed();
    let mut counts = std::mem::take(&mut *counts.borrow_mut());
    counts.dropped += dropped;
    let is_lost = |announced: &Option<Instant>| announced.is_some_and(|at| at.elapsed() > LOST);
    let lost = waiting
        .borrow()
        .iter()
        .filter(|announced| is_lost(announced))
        .count();
    counts.print_end(elapsed, lost);
    sleep(LINGER).await;
    Ok(())
}

impl Counts {
    fn print_end(&mut self, elapsed: Duration, lost: usize) {
        let Self {
            responses,
            offers,
            answers,
            wrong,
            dropped,
            ..
        } = self;
        let (responses, offers, answers, wrong, dropped) =
            (*responses, *offers, *answers, *wrong, *dropped);
        self.latencies.sort_unstable();
        let percentile = |share: usize| {
            let index =
                (self.latencies.len() * share / 1000).min(self.latencies.len().saturating_sub(1));
            self.latencies.get(index).copied().unwrap_or(0)
        };
        let (p50, p99, p999) = (percentile(500), percentile(990), percentile(999));
        let micros = elapsed.as_micros();
        if let Some(example) = &self.example {
            eprintln!("{example}");
        }
        println!(
            "{{\"at\":\"end\",\"micros\":{micros},\"responses\":{responses},\"offers\":{offers},\"answers\":{answers},\
             \"wrong\":{wrong},\"dropped\":{dropped},\"lost\":{lost},\"p50\":{p50},\"p99\":{p99},\"p999\":{p999}}}"
        );
    }
}

struct Session {
    peer: Peer,
    descriptions: Rc<Descriptions>,
    counts: Rc<RefCell<Counts>>,
    answer_every: u64,
    offers_seen: u64,
    announced: Instant,
    number: usize,
    /// When each peer sent the announce that it waits for.
    waiting: Rc<RefCell<Vec<Option<Instant>>>>,
}

impl Session {
    /// Ends only with the connection; the reason.
    async fn run(&mut self, mut connection: Connection) -> io::Error {
        self.announce(connection.output());
        loop {
            if let Err(error) = connection
                .exchange(|text, output| {
                    self.received(text, output);
                    Ok(())
                })
                .await
            {
                return error;
            }
        }
    }

    fn announce(&mut self, output: &mut Output) {
        output.text(self.peer.announce());
        self.announced = Instant::now();
        self.waiting.borrow_mut()[self.number] = Some(self.announced);
    }

    fn received(&mut self, text: &[u8], output: &mut Output) {
        let descriptions = Rc::clone(&self.descriptions);
        let known = [&descriptions.offer[..], &descriptions.answer[..]];
        let is_right =
            message::parse(text, &known).is_some_and(|message| self.message(&message, output));
        if !is_right {
            let mut counts = self.counts.borrow_mut();
            counts.wrong += 1;
            counts.example = Some(format!("wrong: {}", String::from_utf8_lossy(text)));
        }
    }

    /// Whether the message is as it should be.
    fn message(&mut self, message: &Message<'_>, output: &mut Output) -> bool {
        if message.info_hash.and_then(read_bytes) != Some(self.peer.info_hash) {
            return false;
        }
        if let (Some(offer), Some(offer_id), Some(from)) =
            (message.offer, message.offer_id, message.peer_id)
        {
            self.counts.borrow_mut().offers += 1;
            self.offers_seen += 1;
            if self.offers_seen.is_multiple_of(self.answer_every) {
                output.text(self.peer.answer(offer_id, from, &self.descriptions.answer));
            }
            return offer == self.descriptions.offer
                && read_bytes(from).is_some_and(|from| from != self.peer.id);
        }
        if let (Some(answer), Some(offer_id)) = (message.answer, message.offer_id) {
            self.counts.borrow_mut().answers += 1;
            return answer == self.descriptions.answer && self.peer.has_offered(offer_id);
        }
        if message.interval.is_none() {
            return false;
        }
        let latency = self.announced.elapsed().as_micros() as u32;
        let mut counts = self.counts.borrow_mut();
        counts.responses += 1;
        counts.latencies.push(latency);
        drop(counts);
        self.announce(output);
        true
    }
}

//! Announces at a fixed rate, whatever comes back (an open loop). Each has its time, and its latency
//! counts from there: where the tracker holds up the load, or the load itself is late, those that wait
//! to be sent are waiting all the same.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    batch::{BATCH, Batch},
    connection::Connection,
    histogram::Histogram,
    packet::{Answer, Event},
    population::Population,
};
use crate::settings::Settings;

/// What is not answered so long after the last one was sent is lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// For all sockets to get a connection id. No longer than that: the id has to last for the rest.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Announces of the `peers` in `torrents`, in a random order, over `sockets` sockets, `rate` a second:
/// for `warm_up` seconds, then for `seconds` that are measured: as a whole, and each for itself, which shows
/// what is at work all the time and what only now and then. All times that are printed are in µs.
pub(crate) fn latency(settings: &Settings) -> io::Result<()> {
    let rate = settings.get("rate")?.max(1);
    let warm_up = rate * settings.get("warm_up")?;
    let mut load = Load {
        population: Population::new(settings)?,
        numwant: settings.get("numwant")? as u32,
        connections: connect(settings)?,
        batch: Batch::new(),
        interval: Duration::from_secs(1).as_nanos() as u64 / rate,
        began: Instant::now(),
        warm_up,
        total: warm_up + rate * settings.get("seconds")?,
        sent: 0,
        answered: Answered::default(),
        rate,
        latencies: Histogram::new(),
        seconds: Vec::new(),
        late: Histogram::new(),
        peers: 0,
    };
    load.run()?;
    load.print();
    Ok(())
}

/// Sockets with their connection ids.
fn connect(settings: &Settings) -> io::Result<Vec<(Connection, u64)>> {
    let port = settings.port()?;
    let mut batch = Batch::new();
    let began = Instant::now();
    (0..settings.count("sockets")?)
        .map(|_| {
            let mut connection = Connection::open(port)?;
            loop {
                if let Some(id) = connection.id(&mut batch, Instant::now())? {
                    return Ok((connection, id));
                }
                connection.receive(&mut batch, |_, _| {})?;
                if began.elapsed() > CONNECT_LIMIT {
                    return Err(io::Error::other("the tracker does not answer"));
                }
            }
        })
        .collect()
}

struct Load {
    population: Population,
    numwant: u32,
    connections: Vec<(Connection, u64)>,
    batch: Batch,
    /// Nanoseconds from one announce to the next.
    interval: u64,
    began: Instant,
    /// So many announces do not count.
    warm_up: u64,
    total: u64,
    sent: u64,
    answered: Answered,
    /// Announces a second.
    rate: u64,
    latencies: Histogram,
    /// The same, by the second in which the announce was due.
    seconds: Vec<Histogram>,
    /// How much later than they should the announces were sent.
    late: Histogram,
    /// In all answers that count.
    peers: usize,
}

impl Load {
    fn run(&mut self) -> io::Result<()> {
        self.began = Instant::now();
        let (mut sender, mut receiver) = (0, 0);
        let mut is_begun = false;
        let end = self.time_of(self.total) + PATIENCE;
        while self.latencies.total() < self.total - self.warm_up {
            let now = Instant::now();
            if now > end {
                break;
            }
            if !is_begun && now >= self.time_of(self.warm_up) {
                println!("{{\"at\":\"begin\"}}");
                is_begun = true;
            }
            if self.send(sender, now)? {
                sender = (sender + 1) % self.connections.len();
            }
            // One of the sockets at a time, for the next announce may be due.
            self.receive(receiver)?;
            receiver = (receiver + 1) % self.connections.len();
        }
        Ok(())
    }

    /// When an announce is to be sent.
    fn time_of(&self, number: u64) -> Instant {
        self.began + Duration::from_nanos(number * self.interval)
    }

    /// Sends what is due, all by one socket; false if that is nothing.
    fn send(&mut self, socket: usize, now: Instant) -> io::Result<bool> {
        let (connection, id) = &self.connections[socket];
        let first = self.sent;
        while self.sent < self.total && self.sent < first + BATCH as u64 {
            let time = self.time_of(self.sent);
            if time > now {
                break;
            }
            if self.sent >= self.warm_up {
                self.late.add(now - time);
            }
            let peer = shuffle(self.sent) % self.population.peers();
            let announce = self.population.announce(peer);
            let (number, numwant) = (self.sent as u32, self.numwant);
            self.batch
                .push(|output| announce.write(output, *id, number, Event::None, numwant));
            self.sent += 1;
        }
        connection.send(&mut self.batch)?;
        Ok(self.sent > first)
    }

    fn receive(&mut self, socket: usize) -> io::Result<()> {
        let (began, interval) = (self.began, self.interval);
        let mut time = None;
        let mut is_wrong = false;
        let (sent, warm_up, rate) = (self.sent, self.warm_up, self.rate);
        let (answered, latencies, peers) =
            (&mut self.answered, &mut self.latencies, &mut self.peers);
        let seconds = &mut self.seconds;
        self.connections[socket]
            .0
            .receive(&mut self.batch, |id, answer| {
                let number = u64::from(id);
                let Answer::Announced(count) = answer else {
                    is_wrong = true;
                    return;
                };
                if number >= sent {
                    is_wrong = true;
                    return;
                }
                if number < warm_up || !answered.is_first(number) {
                    return;
                }
                // All of a batch came before this moment, if just.
                let now = *time.get_or_insert_with(Instant::now);
                let sent = began + Duration::from_nanos(number * interval);
                latencies.add(now - sent);
                let second = ((number - warm_up) / rate) as usize;
                if second >= seconds.len() {
                    seconds.resize_with(second + 1, Histogram::new);
                }
                seconds[second].add(now - sent);
                *peers += count;
            })?;
        if is_wrong {
            return Err(io::Error::other("the tracker answered what was not asked"));
        }
        Ok(())
    }

    fn print(&self) {
        let sent = self.sent - self.warm_up;
        let answered = self.latencies.total();
        let lost = sent - answered;
        let micros = |duration: Duration| format!("{:.1}", duration.as_secs_f64() * 1e6);
        let share = |histogram: &Histogram, share, lost| {
            let duration = histogram.per_mille(share, lost);
            duration.map_or("null".to_owned(), micros)
        };
        let of_seconds = |thousandths| {
            let each = self.seconds.iter().map(|second| {
                share(
                    second,
                    thousandths,
                    self.rate.saturating_sub(second.total()),
                )
            });
            each.collect::<Vec<_>>().join(",")
        };
        println!(
            "{{\"at\":\"end\",\"sent\":{sent},\"answered\":{answered},\"lost\":{lost},\"peers\":{},\
             \"p50\":{},\"p99\":{},\"p999\":{},\"max\":{},\"p99s\":[{}],\"p999s\":[{}],\
             \"late50\":{},\"late99\":{},\"late999\":{},\"lateMax\":{}}}",
            self.peers,
            share(&self.latencies, 500, lost),
            share(&self.latencies, 990, lost),
            share(&self.latencies, 999, lost),
            micros(self.latencies.max()),
            of_seconds(990),
            of_seconds(999),
            share(&self.late, 500, 0),
            share(&self.late, 990, 0),
            share(&self.late, 999, 0),
            micros(self.late.max()),
        );
    }
}

/// Which announces were answered, a bit each.
#[derive(Default)]
struct Answered(Vec<u64>);

impl Answered {
    /// Marks it; false if it was marked before.
    fn is_first(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_first = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_first
    }
}

/// Numbers that follow each other become numbers that do not.
fn shuffle(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

//! Many peers that announce, as quickly as the tracker answers; and what it says to have of them.

use std::{io, time::Instant};

use super::{
    closed::{Exchange, Line, exchange},
    packet::{Answer, Event, scraped_peers, write_scrape},
    population::Population,
};
use crate::settings::Settings;

const SOCKETS: usize = 16;

/// Requests of a socket that are on their way at a time. All of them fit into the kernel's default
/// buffer of a tracker's socket, hardly.
const WINDOW: usize = 16;

/// Torrents in a scrape: `aquatic_udp` takes no requests over some 460 bytes.
const SCRAPED: u64 = 20;

/// Announces `peers` peers in `torrents` torrents, each of them `rounds` times: in the first round as
/// started.
pub(crate) fn fill(settings: &Settings) -> io::Result<()> {
    let population = Population::new(settings)?;
    let total = population.peers() * settings.get("rounds")?;
    let mut announces = Announces {
        population,
        numwant: settings.get("numwant")? as u32,
        peers: 0,
    };
    let mut lines = lines(settings)?;
    println!("{{\"at\":\"begin\"}}");
    let began = Instant::now();
    let resent = exchange(&mut lines, total, &mut announces)?;
    println!(
        "{{\"at\":\"end\",\"micros\":{},\"announces\":{total},\"resent\":{resent},\"peers\":{}}}",
        began.elapsed().as_micros(),
        announces.peers
    );
    Ok(())
}

/// Scrapes all of the `torrents` and adds up their peers.
pub(crate) fn count(settings: &Settings) -> io::Result<()> {
    let population = Population::new(settings)?;
    let mut scrapes = Scrapes {
        population,
        peers: 0,
        torrents: 0,
    };
    let total = population.torrents().div_ceil(SCRAPED);
    exchange(&mut lines(settings)?, total, &mut scrapes)?;
    let Scrapes {
        peers, torrents, ..
    } = scrapes;
    println!("{{\"at\":\"end\",\"peers\":{peers},\"torrents\":{torrents}}}");
    Ok(())
}

fn lines(settings: &Settings) -> io::Result<Vec<Line>> {
    let port = settings.port()?;
    (0..SOCKETS).map(|_| Line::open(port, WINDOW)).collect()
}

struct Announces {
    population: Population,
    numwant: u32,
    /// In all answers.
    peers: usize,
}

impl Exchange for Announces {
    fn write(&self, number: u64, output: &mut [u8], connection: u64, id: u32) -> usize {
        let (population, numwant) = (self.population, self.numwant);
        let event = if number < population.peers() {
            Event::Started
        } else {
            Event::None
        };
        let announce = population.announce(number % population.peers());
        announce.write(output, connection, id, event, numwant)
    }

    fn answered(&mut self, answer: &Answer<'_>) -> bool {
        let Answer::Announced(peers) = answer else {
            return false;
        };
        self.peers += peers;
        true
    }
}

struct Scrapes {
    population: Population,
    peers: u64,
    /// Those with peers.
    torrents: usize,
}

impl Exchange for Scrapes {
    fn write(&self, number: u64, output: &mut [u8], connection: u64, id: u32) -> usize {
        let first = number * SCRAPED;
        let torrents = first..(first + SCRAPED).min(self.population.torrents());
        let info_hashes = torrents.map(|torrent| self.population.info_hash(torrent));
        write_scrape(output, connection, id, info_hashes)
    }

    fn answered(&mut self, answer: &Answer<'_>) -> bool {
        let Answer::Scraped(torrents) = answer else {
            return false;
        };
        for peers in scraped_peers(torrents) {
            self.peers += peers;
            self.torrents += usize::from(peers > 0);
        }
        true
    }
}

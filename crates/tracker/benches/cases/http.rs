//! From the query of an HTTP announce to the body of its answer: what `server/http` does but for HTTP.

use std::{hint::black_box, mem};

use tracker::{
    protocol::http::{self, AnnounceReply},
    swarm::{Announce, Outcome, PeerSink, Run},
    tracker::Carries,
    types::{InfoHash, PeerAddr, PeerAddrV4, PeerAddrV6},
};

use super::{
    Case, Group, Operation,
    world::{self, INTERVAL, IP, NOW},
};

pub(super) const CASES: &[Case] = &[
    Case {
        group: Group::Announce,
        name: "HTTP announce, one of 100 peers, 50 wanted",
        set_up: announce,
    },
    Case {
        group: Group::Announce,
        name: "HTTP scrape of 10 torrents",
        set_up: scrape,
    },
];

const CARRIES: Carries = Carries {
    v4: true,
    v6: true,
    most: 1000,
};

/// As clients send it: an info hash in percent signs, a peer id in letters.
pub(super) fn query(info_hash: InfoHash, port: u16) -> String {
    let mut hash = String::new();
    http::escape(&mut hash, &info_hash.0);
    format!(
        "info_hash={hash}&peer_id=-TR4080-abcdefghijkl&port={port}&uploaded=1024&downloaded=1048576\
         &left=1073741824&numwant=50&key=3a5bc01d&compact=1&supportcrypto=1"
    )
}

fn announce() -> Operation {
    const TORRENTS: u32 = 100;
    const PEERS: u16 = 100;
    let tracker = world::tracker_with(TORRENTS, PEERS);
    let queries: Vec<_> = (0..TORRENTS)
        .flat_map(|torrent| (0..PEERS).map(move |number| (torrent, number)))
        .map(|(torrent, number)| query(world::info_hash(torrent), world::peer(number).port()))
        .collect();
    let mut rng = fastrand::Rng::with_seed(3);
    let mut choose = fastrand::Rng::with_seed(4);
    let mut body = Vec::new();
    Box::new(move || {
        let query = &queries[choose.usize(..queries.len())];
        let query = http::parse_announce(query.as_bytes()).expect("a whole query");
        let announce = Announce {
            info_hash: query.info_hash,
            peer_id: query.peer_id,
            addr: PeerAddr::new(IP, query.port),
            event: query.event,
            left: query.left,
        };
        let mut answer = Answer {
            reply: AnnounceReply {
                interval: INTERVAL,
                ..AnnounceReply::default()
            },
            body: mem::take(&mut body),
        };
        tracker.announce(
            &announce,
            query.numwant,
            CARRIES,
            NOW,
            &mut rng,
            &mut answer,
        );
        body = black_box(answer.finish());
        body.clear();
    })
}

fn scrape() -> Operation {
    let tracker = world::tracker_with(1000, 2);
    let mut query = String::new();
    for number in 0..10 {
        query.push_str("&info_hash=");
        http::escape(&mut query, &world::info_hash(number * 97).0);
    }
    let mut body = Vec::new();
    Box::new(move || {
        let query = black_box(query.as_bytes());
        let hashes = http::parse_scrape(query).expect("whole hashes");
        http::begin_scrape(&mut body);
        for hash in hashes {
            let stats = tracker.scrape(&hash);
            http::write_scrape_file(
                &mut body,
                hash,
                stats.complete,
                stats.downloaded,
                stats.incomplete,
            );
        }
        http::end_scrape(&mut body, INTERVAL);
        black_box(&body);
        body.clear();
    })
}

/// Writes a compact answer as the store comes up with it. There is no peer over IPv6 here.
struct Answer {
    reply: AnnounceReply<'static>,
    body: Vec<u8>,
}

impl Answer {
    fn finish(mut self) -> Vec<u8> {
        http::begin_peers_v6(&mut self.body, 0);
        self.reply.write_tail(&mut self.body);
        self.body
    }
}

impl PeerSink for Answer {
    fn begin(&mut self, outcome: &Outcome, v4: usize, _v6: usize) {
        self.reply.complete = outcome.complete;
        self.reply.incomplete = outcome.incomplete;
        self.reply.write_head(&mut self.body);
        http::begin_peers_v4(&mut self.body, v4);
    }

    fn v4(&mut self, run: Run<'_, PeerAddrV4>) {
        PeerAddrV4::append_all(run.addrs, &mut self.body);
    }

    fn v6(&mut self, run: Run<'_, PeerAddrV6>) {
        PeerAddrV6::append_all(run.addrs, &mut self.body);
    }
}

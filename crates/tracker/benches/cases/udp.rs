//! Datagrams to the tracker and back, without a socket: what `server/udp.rs` does with each.

use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tracker::{
    protocol::{
        connection_id::ConnectionIds,
        udp::{self, AnnounceRequest, AnnounceResponseHead, Request},
    },
    swarm::{Announce, Outcome, PeerSink, Run},
    tracker::{Carries, Tracker},
    types::{AnnounceEvent, PeerAddr, PeerAddrV4, PeerAddrV6},
};

use super::{
    Case,
    Group::Announce as Announces,
    Operation,
    world::{self, INTERVAL, IP, NOW, PEER_ID},
};

pub(super) const CASES: &[Case] = &[
    Case {
        group: Announces,
        name: "UDP connect",
        set_up: connect,
    },
    Case {
        group: Announces,
        name: "UDP announce, one of 2 peers",
        set_up: || again(1000, 2),
    },
    Case {
        group: Announces,
        name: "UDP announce, one of 100 peers, 30 wanted",
        set_up: || again(100, 100),
    },
    Case {
        group: Announces,
        name: "UDP announces, two: a third peer joins and stops",
        set_up: || come_and_go(2),
    },
    Case {
        group: Announces,
        name: "UDP announces, two: the first peer of a torrent joins and stops",
        set_up: || come_and_go(0),
    },
    Case {
        group: Announces,
        name: "UDP scrape of 10 torrents",
        set_up: scrape,
    },
];

pub(crate) const CARRIES: Carries = Carries {
    v4: true,
    v6: false,
    most: 242,
};
const NUM_WANT: i32 = 30;

/// A tracker with the state of one UDP thread.
pub(crate) struct Endpoint {
    pub(crate) tracker: Tracker,
    ids: ConnectionIds,
    pub(crate) rng: fastrand::Rng,
    reply: Vec<u8>,
}

impl Endpoint {
    /// Of a tracker that knows so many torrents, each with so many peers.
    pub(crate) fn new(torrents: u32, peers: u16) -> Self {
        Self {
            tracker: world::tracker_with(torrents, peers),
            ids: ConnectionIds::new([7; 16], Duration::from_secs(120)),
            rng: fastrand::Rng::with_seed(2),
            reply: Vec::new(),
        }
    }

    /// An announce to be aimed at some torrent.
    pub(crate) fn packet(&self, event: AnnounceEvent) -> Packet {
        let request = AnnounceRequest {
            event,
            ..request(self.ids.issue(IP, NOW))
        };
        let mut bytes = Vec::new();
        udp::write_announce_request(&mut bytes, &request, b"");
        Packet(bytes)
    }

    /// Answers a datagram into its own buffer.
    pub(crate) fn answer(&mut self, packet: &[u8], from: SocketAddr) {
        self.reply.clear();
        let valid = |id| self.ids.is_valid(id, from.ip(), NOW);
        match udp::parse_request(packet) {
            Ok(Request::Connect { transaction_id }) => {
                let id = self.ids.issue(from.ip(), NOW);
                udp::write_connect_response(&mut self.reply, transaction_id, id);
            }
            Ok(Request::Announce(request)) if valid(request.connection_id) => {
                self.announce(&request, from);
            }
            Ok(Request::Scrape(request)) if valid(request.connection_id) => {
                udp::write_scrape_head(&mut self.reply, request.transaction_id);
                for info_hash in request.info_hashes() {
                    let stats = self.tracker.scrape(&info_hash);
                    udp::write_scrape_row(
                        &mut self.reply,
                        stats.complete,
                        stats.downloaded,
                        stats.incomplete,
                    );
                }
            }
            other => panic!("no answer to {other:?}"),
        }
        black_box(&self.reply);
    }

    fn announce(&mut self, request: &AnnounceRequest<'_>, from: SocketAddr) {
        let announce = Announce {
            info_hash: request.info_hash,
            peer_id: request.peer_id,
            addr: PeerAddr::new(from.ip(), request.port),
            event: request.event,
            left: (request.left != u64::MAX).then_some(request.left),
        };
        let mut answer = Answer {
            transaction_id: request.transaction_id,
            reply: &mut self.reply,
        };
        let wanted = Some(request.num_want.into());
        self.tracker
            .announce(&announce, wanted, CARRIES, NOW, &mut self.rng, &mut answer);
    }
}

/// The bytes of an announce.
pub(crate) struct Packet(pub(crate) Vec<u8>);

impl Packet {
    /// Makes it the announce of a peer to a torrent; where the peer sends it from.
    pub(crate) fn aim(&mut self, torrent: u32, peer: u16) -> SocketAddr {
        let from = world::peer(peer);
        self.0[16..20].copy_from_slice(&torrent.to_be_bytes());
        self.0[96..98].copy_from_slice(&from.port().to_be_bytes());
        from
    }
}

/// An announce to torrent 0 by the peer there.
pub(super) fn request(connection_id: u64) -> AnnounceRequest<'static> {
    AnnounceRequest {
        connection_id,
        transaction_id: 0x1234_5678,
        info_hash: world::info_hash(0),
        peer_id: PEER_ID,
        downloaded: 1 << 20,
        left: 1 << 30,
        uploaded: 1 << 10,
        event: AnnounceEvent::Update,
        ip: Ipv4Addr::UNSPECIFIED,
        key: 0x0abc_def0,
        num_want: NUM_WANT,
        port: world::peer(0).port(),
        options: b"",
    }
}

fn connect() -> Operation {
    let mut endpoint = Endpoint::new(0, 0);
    let mut packet = Vec::new();
    udp::write_connect_request(&mut packet, 0x1234_5678);
    let from = world::peer(0);
    Box::new(move || endpoint.answer(black_box(&packet), from))
}

/// Regular announces of peers at random.
fn again(torrents: u32, peers: u16) -> Operation {
    let mut endpoint = Endpoint::new(torrents, peers);
    let mut packet = endpoint.packet(AnnounceEvent::Update);
    let mut rng = fastrand::Rng::with_seed(3);
    Box::new(move || {
        let from = packet.aim(rng.u32(..torrents), rng.u16(..peers));
        endpoint.answer(&packet.0, from);
    })
}

/// A peer more in a swarm of so many, and then gone.
fn come_and_go(peers: u16) -> Operation {
    const TORRENTS: u32 = 1000;
    let mut endpoint = Endpoint::new(TORRENTS, peers);
    let mut start = endpoint.packet(AnnounceEvent::Started);
    let mut stop = endpoint.packet(AnnounceEvent::Stopped);
    let mut rng = fastrand::Rng::with_seed(3);
    Box::new(move || {
        let torrent = rng.u32(..TORRENTS);
        for packet in [&mut start, &mut stop] {
            let from = packet.aim(torrent, peers);
            endpoint.answer(&packet.0, from);
        }
    })
}

fn scrape() -> Operation {
    let mut endpoint = Endpoint::new(1000, 2);
    let hashes: Vec<_> = (0..10)
        .map(|number| world::info_hash(number * 97))
        .collect();
    let mut packet = Vec::new();
    let id = endpoint.ids.issue(IP, NOW);
    udp::write_scrape_request(&mut packet, id, 0x1234_5678, &hashes);
    let from = world::peer(0);
    Box::new(move || endpoint.answer(black_box(&packet), from))
}

/// Writes an announce's answer as the store comes up with it.
struct Answer<'a> {
    transaction_id: u32,
    reply: &'a mut Vec<u8>,
}

impl PeerSink for Answer<'_> {
    fn begin(&mut self, outcome: &Outcome, _v4: usize, _v6: usize) {
        AnnounceResponseHead {
            transaction_id: self.transaction_id,
            interval: INTERVAL,
            leechers: outcome.incomplete,
            seeders: outcome.complete,
        }
        .write(self.reply);
    }

    fn v4(&mut self, run: Run<'_, PeerAddrV4>) {
        PeerAddrV4::append_all(run.addrs, self.reply);
    }

    fn v6(&mut self, run: Run<'_, PeerAddrV6>) {
        PeerAddrV6::append_all(run.addrs, self.reply);
    }
}

//! UDP (BEP 15): datagrams to the tracker and back.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use super::{
    context::Context,
    events::{Announced, Event, Failure, Inquiry, PeerName, Request, want},
    questions::Asker,
    udp_seen::Seen,
};
use crate::{
    clock,
    net::udp::Handler,
    protocol::udp::{self, AnnounceRequest, AnnounceResponseHead, RequestError, ScrapeRequest},
    swarm::{Announce, Expected, Outcome, PeerSink, Run},
    tracker::Carries,
    types::{PeerAddr, PeerAddrV4, PeerAddrV6, Timestamp},
};

/// Most peers in an answer over IPv6, where 20 + 18 n bytes have to fit in the 1232 that the
/// smallest MTU (1280) leaves: a fragment lost is an answer lost.
const MAX_PEERS_V6: usize = 67;

/// Most peers in an answer over IPv4, by the same rule for an MTU of 1500.
const MAX_PEERS_V4: usize = 242;

/// What an answer over this family can carry.
pub(super) const fn carries(v4: bool) -> Carries {
    Carries {
        v4,
        v6: !v4,
        most: if v4 { MAX_PEERS_V4 } else { MAX_PEERS_V6 },
    }
}

/// Steps of housekeeping that a batch takes for each millisecond since the last one, beside the first: no
/// more than a busy thread can do without making anybody wait, and under little load, when the batch may be
/// the only one in a second and the thread is never idle, enough for all that are due.
const STEPS_A_MILLISECOND: u128 = 8;

/// A batch of so many packets shows that the thread is behind, or busy.
const BUSY_BATCH: usize = 16;

/// Most of them: some milliseconds of work in a store of millions, for which the next packets wait.
const MAX_STEPS: u128 = 512;

/// The state of one UDP thread.
pub(super) struct UdpHandler {
    context: Arc<Context>,
    rng: fastrand::Rng,
    /// Read once per batch.
    now: Timestamp,
    /// The same, finer.
    uptime: Duration,
    /// Steps of housekeeping that the batch may take.
    steps: u128,
    /// What is known of the batch before its packets are handled.
    seen: Seen,
    /// The batch's events, queued once its answers are out.
    pub(super) events: Vec<Event>,
}

impl UdpHandler {
    pub(super) fn new(context: Arc<Context>, seed: u64) -> Self {
        Self {
            context,
            rng: fastrand::Rng::with_seed(seed),
            now: clock::timestamp(),
            uptime: clock::uptime(),
            steps: 0,
            seen: Seen::default(),
            events: Vec::new(),
        }
    }

    pub(super) const fn rng(&mut self) -> &mut fastrand::Rng {
        &mut self.rng
    }

    /// Whose announce it is.
    pub(super) fn peer_addr(&self, request: &AnnounceRequest<'_>, from: SocketAddr) -> PeerAddr {
        let ip = if self.context.options.trust_udp_ip && !request.ip.is_unspecified() {
            request.ip.into()
        } else {
            from.ip()
        };
        let port = if request.port == 0 {
            from.port()
        } else {
            request.port
        };
        PeerAddr::new(ip, port)
    }

    fn announced(
        &self,
        request: &AnnounceRequest<'_>,
        packet: &[u8],
        from: SocketAddr,
    ) -> Announced {
        Announced {
            event: request.event,
            peer: PeerName::Addr(self.peer_addr(request, from)),
            request: Request::Udp(packet.into()),
        }
    }

    /// Puts the question to the user's code, if there are not too many; a datagram is dropped then.
    fn ask(&mut self, request: &AnnounceRequest<'_>, packet: &[u8], from: SocketAddr) {
        let asker = Asker::Udp {
            packet: packet.into(),
            from,
        };
        if let Some(id) = self.context.questions.ask(asker, self.now) {
            let announced = self.announced(request, packet, from);
            self.events.push(Event::Question { id, announced });
        }
    }

    fn ask_scrape(&mut self, packet: &[u8], from: SocketAddr) {
        let asker = Asker::Udp {
            packet: packet.into(),
            from,
        };
        if let Some(id) = self.context.questions.ask(asker, self.now) {
            self.events.push(Event::Inquiry {
                id,
                kind: Inquiry::Scrape,
                request: Request::Udp(packet.into()),
                from,
            });
        }
    }

    /// Answers a datagram that has been asked about, and was valid before that.
    pub(super) fn allowed(&mut self, packet: &[u8], from: SocketAddr, reply: &mut Vec<u8>) {
        self.now = clock::timestamp();
        match udp::parse_request(packet) {
            Ok(udp::Request::Announce(request)) => self.announce(&request, packet, from, reply),
            Ok(udp::Request::Scrape(request)) => self.scrape(&request, reply),
            _ => {}
        }
    }

    fn announce(
        &mut self,
        request: &AnnounceRequest<'_>,
        packet: &[u8],
        from: SocketAddr,
        reply: &mut Vec<u8>,
    ) {
        let announce = Announce {
            info_hash: request.info_hash,
            peer_id: request.peer_id,
            addr: self.peer_addr(request, from),
            event: request.event,
            // All ones is how a client without metadata says that it does not know.
            left: (request.left != u64::MAX).then_some(request.left),
        };
        let numwant = Some(i64::from(request.num_want));
        let mut sink = Answer {
            request,
            interval: self.context.interval_secs,
            reply,
        };
        self.context.tracker.announce(
            &announce,
            numwant,
            carries(from.is_ipv4()),
            self.now,
            &mut self.rng,
            &mut sink,
        );
        if self.context.events.wants(want::announce(request.event)) {
            let announced = self.announced(request, packet, from);
            self.events.push(Event::Announce(announced));
        }
    }

    fn scrape(&self, request: &ScrapeRequest<'_>, reply: &mut Vec<u8>) {
        udp::write_scrape_head(reply, request.transaction_id);
        for info_hash in request.info_hashes() {
            let stats = self.context.tracker.scrape(&info_hash);
            udp::write_scrape_row(reply, stats.complete, stats.downloaded, stats.incomplete);
        }
    }

    fn tick_at(&mut self, uptime: Duration) {
        let passed = uptime.saturating_sub(self.uptime).as_millis();
        self.steps = (1 + passed * STEPS_A_MILLISECOND).min(MAX_STEPS);
        self.set_time(uptime);
    }

    /// When the answers of the batch are out.
    fn keep_house(&mut self) {
        while self.steps > 0 && self.context.housekeep(self.uptime) {
            self.steps -= 1;
        }
    }

    fn set_time(&mut self, uptime: Duration) {
        self.uptime = uptime;
        self.now = Timestamp::from_uptime(uptime);
    }

    /// Silence: an answer to a packet whose sender may be forged hits somebody else.
    pub(super) fn reject(&self, error: RequestError, from: SocketAddr) {
        self.context
            .events
            .warn(self.now, "ERR_TRACKER_BAD_REQUEST", Some(from), || {
                error.to_string()
            });
    }

    pub(super) fn reject_connection_id(&self, from: SocketAddr) {
        self.context
            .events
            .warn(self.now, "ERR_TRACKER_CONNECTION_ID", Some(from), || {
                "received packet with invalid connection id".to_owned()
            });
    }
}

impl Handler for UdpHandler {
    fn tick(&mut self) {
        self.tick_at(clock::uptime());
    }

    fn idle(&mut self) {
        self.set_time(clock::uptime());
        while self.context.housekeep(self.uptime) {}
    }

    fn batch<'a>(&mut self, packets: impl Iterator<Item = (&'a [u8], SocketAddr)>) {
        self.seen = Seen::default();
        if self.context.events.wants(want::PACKETS) {
            return;
        }
        let mut seen = Seen::default();
        let announces = packets.filter_map(|(packet, from)| {
            let Ok(udp::Request::Announce(request)) = udp::parse_request(packet) else {
                seen.add(false);
                return None;
            };
            let ids = &self.context.connection_ids;
            let valid = ids.is_valid(request.connection_id, from.ip(), self.now);
            seen.add(valid);
            let numwant = Some(i64::from(request.num_want));
            // For what is forged no memory is fetched.
            valid.then(|| Expected {
                info_hash: request.info_hash,
                addr: self.peer_addr(&request, from),
                wanted: (self.context.tracker).wanted(numwant, carries(from.is_ipv4())),
            })
        });
        self.context.tracker.store().prefetch(announces, &self.rng);
        self.seen = seen;
        // More wait behind these: what is due can be done in smaller doses.
        if self.seen.count() >= BUSY_BATCH {
            self.steps = 1;
        }
    }

    fn packet(&mut self, packet: &[u8], from: SocketAddr, reply: &mut Vec<u8>) {
        // Before anything else: what was seen of this packet must never be taken for the next one's.
        let seen = self.seen.next();
        if self.context.events.wants(want::PACKETS) {
            let packet = packet.into();
            return self.events.push(Event::Packet { packet, from });
        }
        let ids = &self.context.connection_ids;
        let valid = |id| ids.is_valid(id, from.ip(), self.now);
        match udp::parse_request(packet) {
            Ok(udp::Request::Connect { transaction_id }) => {
                let id = ids.issue(from.ip(), self.now);
                udp::write_connect_response(reply, transaction_id, id);
            }
            Ok(udp::Request::Announce(request))
                if seen.unwrap_or_else(|| valid(request.connection_id)) =>
            {
                if self.context.asks_about(&request.info_hash) {
                    return self.ask(&request, packet, from);
                }
                self.announce(&request, packet, from, reply);
            }
            Ok(udp::Request::Scrape(request)) if valid(request.connection_id) => {
                if self.context.events.wants(want::ASK_SCRAPE) {
                    return self.ask_scrape(packet, from);
                }
                self.scrape(&request, reply);
            }
            Ok(_) => self.reject_connection_id(from),
            Err(error) => self.reject(error, from),
        }
    }

    fn sent(&mut self) {
        self.context.events.append_blocking(&mut self.events);
        self.keep_house();
    }

    fn error(&mut self, error: io::Error) {
        self.context.events.fail(Failure::system("recvmsg", error));
    }
}

/// Writes an announce's answer as the store comes up with it.
struct Answer<'a> {
    request: &'a AnnounceRequest<'a>,
    interval: u32,
    reply: &'a mut Vec<u8>,
}

impl PeerSink for Answer<'_> {
    fn begin(&mut self, outcome: &Outcome, _v4: usize, _v6: usize) {
        AnnounceResponseHead {
            transaction_id: self.request.transaction_id,
            interval: self.interval,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        server::{
            context::ServerOptions,
            events::{EventQueue, EventSink},
        },
        tracker::{Tracker, TrackerConfig},
    };

    struct Silent;

    impl EventSink for Silent {
        fn ring(&self) {}
    }

    #[test]
    fn one_packet_a_second_keeps_house_in_time() {
        let tracker = Arc::new(Tracker::new(TrackerConfig::default()));
        let context = Context::new(
            Arc::clone(&tracker),
            Arc::new(EventQueue::new(Box::new(Silent))),
            ServerOptions::default(),
        );
        let mut handler = UdpHandler::new(Arc::new(context.unwrap()), 1);
        for second in 10_000..10_120 {
            handler.tick_at(Duration::from_secs(second));
            handler.keep_house();
        }
        // Two rounds' time is enough for the round that was due at first and all since.
        assert!(!tracker.housekeep(Duration::from_secs(10_119)));
    }
}

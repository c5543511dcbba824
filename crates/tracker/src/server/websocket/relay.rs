//! The protocol of a connection: announces, offers to others, answers back, scrapes.

use std::sync::Arc;

use super::{
    hub::Hub,
    socket::{NotOwned, Socket},
};
use crate::{
    protocol::websocket::{
        self, Announce, Answer, Offer, OfferId, Request, RequestError, Scrape, Signature,
    },
    server::{
        context::Context,
        events::{self, Announced, Event, Inquiry, PeerName, want},
        questions::{Reply, Verdict},
    },
    swarm::{Outcome, SocketAnnounce, SocketSink},
    types::{AnnounceEvent, InfoHash, PeerId, SocketId, Timestamp},
};

/// What one connection has said so far.
pub(crate) struct Relay {
    context: Arc<Context>,
    hub: Arc<Hub>,
    socket: Arc<Socket>,
}

/// What a message comes to.
pub(crate) enum Step {
    /// It is done with; perhaps listeners are to hear of it.
    Done(Option<Event>),
    /// The user's code is to be asked first. The question, given its number.
    Ask(Box<dyn FnOnce(u64) -> Event + Send>),
}

/// A message that is refused.
struct Refused {
    code: &'static str,
    reason: String,
    info_hash: Option<InfoHash>,
    /// Whether the sender is told.
    reply: bool,
}

impl Relay {
    pub(crate) fn new(context: Arc<Context>, hub: Arc<Hub>, socket: Arc<Socket>) -> Self {
        Self {
            context,
            hub,
            socket,
        }
    }

    /// Handles one message, or has it asked about.
    pub(crate) fn message(&self, text: &str, now: Timestamp, rng: &mut fastrand::Rng) -> Step {
        match self.question(text) {
            Some(question) => Step::Ask(question),
            None => Step::Done(self.allowed(text, now, rng)),
        }
    }

    /// Handles one message that was asked about.
    pub(crate) fn settled(
        &self,
        text: &str,
        verdict: Verdict,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Option<Event> {
        match verdict {
            Verdict::Allow => self.allowed(text, now, rng),
            Verdict::Refuse(reason) => {
                let request = websocket::parse_request(text, self.hub.options().max_offers);
                let info_hash = match request {
                    Ok(Request::Announce(announce) | Request::Answer(announce, _)) => {
                        Some(announce.info_hash)
                    }
                    _ => None,
                };
                self.fail(&reason, info_hash);
                None
            }
            Verdict::Reply(reply) => self.replied(text, reply, now),
        }
    }

    /// There are too many questions for this one.
    pub(crate) fn busy(&self, now: Timestamp) {
        self.refuse(
            &Refused {
                code: "ERR_TRACKER_BUSY",
                reason: "tracker is busy".to_owned(),
                info_hash: None,
                reply: true,
            },
            now,
        );
    }

    /// The question about a message, if the user's code wants it asked.
    fn question(&self, text: &str) -> Option<Box<dyn FnOnce(u64) -> Event + Send>> {
        let asks = self
            .context
            .events
            .wants(want::ASK_ANNOUNCE | want::ASK_SCRAPE);
        if !asks && !self.context.tracker.store().is_watching() {
            return None;
        }
        let request = websocket::parse_request(text, self.hub.options().max_offers).ok()?;
        match request {
            Request::Announce(announce) | Request::Answer(announce, _) => {
                if !self.context.asks_about(&announce.info_hash) {
                    return None;
                }
                let announced = self.announced(&announce, text);
                Some(Box::new(move |id| Event::Question { id, announced }))
            }
            Request::Scrape(_) => {
                if !self.context.events.wants(want::ASK_SCRAPE) {
                    return None;
                }
                let from = self.socket.origin.remote;
                let request = self.request(text);
                Some(Box::new(move |id| Event::Inquiry {
                    id,
                    kind: Inquiry::Scrape,
                    request,
                    from,
                }))
            }
        }
    }

    /// Sends an answer that was made outside, and passes on what is in the message.
    fn replied(&self, text: &str, reply: Reply, now: Timestamp) -> Option<Event> {
        let request = websocket::parse_request(text, self.hub.options().max_offers);
        if !reply.body.is_empty() {
            let body = &reply.body;
            self.socket
                .push(body.len(), |out| out.extend_from_slice(body));
        }
        match request {
            Ok(Request::Announce(announce)) if announce.event != AnnounceEvent::Stopped => {
                let targets = announce.offers.iter().zip(reply.offers_to);
                let targets = targets.filter_map(|(offer, target)| Some((offer, target?)));
                self.pass_on(&announce, targets, now);
            }
            Ok(Request::Answer(announce, answer)) if reply.pass_on => {
                if let Err(refused) = self.pass_answer_on(&announce, &answer, now) {
                    self.refuse(&refused, now);
                }
            }
            _ => {}
        }
        None
    }

    fn allowed(&self, text: &str, now: Timestamp, rng: &mut fastrand::Rng) -> Option<Event> {
        let result = match websocket::parse_request(text, self.hub.options().max_offers) {
            Ok(Request::Announce(announce)) => self.announce(&announce, text, now, rng),
            Ok(Request::Answer(announce, answer)) => {
                self.answer(&announce, &answer, text, now, rng)
            }
            Ok(Request::Scrape(scrape)) => self.scrape(scrape).map(|()| None),
            Err(error) => Err(Refused::bad_message(&error, text)),
        };
        result.unwrap_or_else(|refused| {
            self.refuse(&refused, now);
            None
        })
    }

    /// A frame that is no message of the protocol.
    pub(crate) fn not_text(&self, now: Timestamp) {
        let error = RequestError::Json("binary frames are not understood".to_owned());
        self.refuse(&Refused::bad_request(&error), now);
    }

    /// The connection is gone, and with it its peers.
    pub(crate) fn leave(&self, now: Timestamp) {
        let store = self.context.tracker.store();
        for (info_hash, peer_id) in self.socket.leave() {
            store.leave_socket(&info_hash, peer_id, self.socket.id, now);
        }
    }

    fn announce(
        &self,
        announce: &Announce<'_>,
        text: &str,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Result<Option<Event>, Refused> {
        // Who leaves needs no peers.
        let leaves = announce.event == AnnounceEvent::Stopped;
        let offers = if leaves {
            &[][..]
        } else {
            &announce.offers[..]
        };
        let mut targets = Targets {
            outcome: None,
            peers: Vec::with_capacity(offers.len()),
        };
        self.store_announce(announce, offers.len(), now, rng, &mut targets)?;
        let (complete, incomplete) = targets
            .outcome
            .map_or((0, 0), |outcome| (outcome.complete, outcome.incomplete));
        let interval = self.context.websocket_interval_secs;
        let info_hash = announce.info_hash;
        self.socket.push(0, |out| {
            websocket::write_announce_response(out, complete, incomplete, interval, info_hash);
        });
        let targets = offers.iter().zip(targets.peers);
        let targets = targets.map(|(offer, (target, _))| (offer, target));
        self.pass_on(announce, targets, now);
        Ok(self.event(announce, text))
    }

    fn answer(
        &self,
        announce: &Announce<'_>,
        answer: &Answer<'_>,
        text: &str,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Result<Option<Event>, Refused> {
        let mut nobody = Targets {
            outcome: None,
            peers: Vec::new(),
        };
        self.store_announce(announce, 0, now, rng, &mut nobody)?;
        self.pass_answer_on(announce, answer, now)?;
        Ok(self.event(announce, text))
    }

    fn pass_answer_on(
        &self,
        announce: &Announce<'_>,
        answer: &Answer<'_>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let offer_id = answer.offer_id.and_then(OfferId::parse);
        let offer = offer_id.and_then(|id| {
            let info_hash = announce.info_hash;
            let key = self.hub.offer_key(&id, info_hash, answer.to_peer_id);
            self.socket.take_expected(key, now)
        });
        let Some(peer) = offer.and_then(|from| self.hub.get(from)) else {
            return Err(Refused {
                code: "ERR_TRACKER_UNKNOWN_OFFER",
                reason: "no peer with that `to_peer_id`".to_owned(),
                info_hash: None,
                reply: false,
            });
        };
        let signature = Signature::new(announce.peer_id, announce.info_hash);
        peer.push(answer.answer.len() + AROUND_SIGNAL, |out| {
            websocket::write_answer(out, answer.answer, answer.offer_id, &signature);
        });
        Ok(())
    }

    /// Changes the store, and what this socket owns.
    fn store_announce(
        &self,
        announce: &Announce<'_>,
        wanted: usize,
        now: Timestamp,
        rng: &mut fastrand::Rng,
        targets: &mut Targets,
    ) -> Result<(), Refused> {
        let announce = SocketAnnounce {
            info_hash: announce.info_hash,
            peer_id: announce.peer_id,
            socket: self.socket.id,
            event: announce.event,
            left: announce.left,
        };
        self.announce_to_store(&announce, wanted, now, rng, targets)
            .map_err(|_| Refused {
                code: "ERR_TRACKER_TOO_MANY_INFO_HASHES",
                reason: TOO_MANY.to_owned(),
                info_hash: Some(announce.info_hash),
                reply: true,
            })
    }

    /// Likewise; fails if this socket has too many peers.
    pub(crate) fn announce_to_store(
        &self,
        announce: &SocketAnnounce,
        wanted: usize,
        now: Timestamp,
        rng: &mut fastrand::Rng,
        sink: &mut impl SocketSink,
    ) -> Result<(), &'static str> {
        let key = (announce.info_hash, announce.peer_id);
        if announce.event == AnnounceEvent::Stopped {
            self.socket.disown(&key);
        } else {
            match self.socket.own(key, self.hub.options().max_info_hashes) {
                Ok(()) => {}
                Err(NotOwned::TooMany) => return Err(TOO_MANY),
                Err(NotOwned::Left) => return Ok(()),
            }
        }
        let store = self.context.tracker.store();
        store.announce_socket(announce, wanted, now, rng, sink);
        // Where another thread announces for it: it may have left just now, without this peer.
        if self.socket.has_left() {
            store.leave_socket(&announce.info_hash, announce.peer_id, announce.socket, now);
        }
        Ok(())
    }

    /// Gives offers of an announce to other sockets.
    fn pass_on<'a>(
        &self,
        announce: &Announce<'a>,
        offers: impl Iterator<Item = (&'a Offer<'a>, SocketId)>,
        now: Timestamp,
    ) {
        let Announce {
            info_hash, peer_id, ..
        } = *announce;
        let signature = Signature::new(peer_id, info_hash);
        for (offer, target) in offers {
            let Some(socket) = self.hub.get(target) else {
                continue;
            };
            let key = offer.offer_id.and_then(OfferId::parse);
            let key = key.map(|id| self.hub.offer_key(&id, info_hash, peer_id));
            let room = offer.offer.map_or(0, str::len) + AROUND_SIGNAL;
            socket.offer(key, self.socket.id, now, room, |out| {
                websocket::write_offer(out, offer.offer, offer.offer_id, &signature);
            });
        }
    }

    fn scrape(&self, scrape: Scrape) -> Result<(), Refused> {
        let tracker = &self.context.tracker;
        let mut info_hashes = scrape.info_hashes;
        if info_hashes.is_empty() {
            info_hashes = tracker.full_scrape().map_err(|error| Refused {
                code: "ERR_TRACKER_FULL_SCRAPE",
                reason: error.to_string(),
                info_hash: None,
                reply: true,
            })?;
        }
        let mut reply = Vec::new();
        websocket::begin_scrape(&mut reply);
        for info_hash in info_hashes {
            let stats = tracker.scrape(&info_hash);
            websocket::write_scrape_file(
                &mut reply,
                info_hash,
                stats.complete,
                stats.downloaded,
                stats.incomplete,
            );
        }
        websocket::end_scrape(&mut reply, self.context.interval_secs);
        self.socket
            .push(reply.len(), |out| out.extend_from_slice(&reply));
        Ok(())
    }

    fn refuse(&self, refused: &Refused, now: Timestamp) {
        if refused.reply {
            self.fail(&refused.reason, refused.info_hash);
        }
        let from = Some(self.socket.origin.remote);
        self.context
            .events
            .warn(now, refused.code, from, || refused.reason.clone());
    }

    fn fail(&self, reason: &str, info_hash: Option<InfoHash>) {
        self.socket.push(0, |out| {
            websocket::write_failure(out, reason, info_hash);
        });
    }

    fn event(&self, announce: &Announce<'_>, text: &str) -> Option<Event> {
        let heard = self.context.events.wants(want::announce(announce.event));
        heard.then(|| Event::Announce(self.announced(announce, text)))
    }

    fn announced(&self, announce: &Announce<'_>, text: &str) -> Announced {
        Announced {
            event: announce.event,
            peer: PeerName::Id(announce.peer_id),
            request: self.request(text),
        }
    }

    fn request(&self, text: &str) -> events::Request {
        events::Request::WebSocket {
            message: text.into(),
            socket: self.socket.id,
            upgrade: Arc::clone(&self.socket.origin.request),
        }
    }
}

/// What an offer or answer gets around it when it is passed on, as a rule.
const AROUND_SIGNAL: usize = 256;

/// A socket that announces more torrents than it may.
const TOO_MANY: &str = "too many info hashes on one socket";

impl Refused {
    /// Of an announce that is wrong in nothing but its event the sender is told which it was.
    fn bad_message(error: &RequestError, text: &str) -> Self {
        let info_hash = match error {
            RequestError::InvalidEvent => websocket::info_hash_of(text),
            _ => None,
        };
        Self {
            info_hash,
            ..Self::bad_request(error)
        }
    }

    fn bad_request(error: &RequestError) -> Self {
        Self {
            code: "ERR_TRACKER_BAD_REQUEST",
            reason: error.to_string(),
            info_hash: None,
            reply: true,
        }
    }
}

/// Who gets an announce's offers.
struct Targets {
    outcome: Option<Outcome>,
    peers: Vec<(SocketId, PeerId)>,
}

impl SocketSink for Targets {
    fn begin(&mut self, outcome: &Outcome, _count: usize) {
        self.outcome = Some(*outcome);
    }

    fn peer(&mut self, socket: SocketId, peer_id: PeerId) {
        self.peers.push((socket, peer_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        server::{
            context::ServerOptions,
            events::{EventQueue, EventSink},
            websocket::{Origin, WebSocketOptions},
        },
        tracker::{Tracker, TrackerConfig},
    };

    struct Deaf;

    impl EventSink for Deaf {
        fn ring(&self) {}
    }

    #[test]
    fn peers_leave_with_their_session_however_it_ends() {
        let tracker = Arc::new(Tracker::new(TrackerConfig::default()));
        let events = Arc::new(EventQueue::new(Box::new(Deaf)));
        let options = ServerOptions::default();
        let context = Context::new(Arc::clone(&tracker), events, options).unwrap();
        let context = Arc::new(context);
        let hub = Hub::new(WebSocketOptions::default());
        let mut place = hub.enter([192, 0, 2, 1].into()).unwrap();
        let socket = place.open(Origin::of_test());
        let relay = Relay::new(context, hub, socket);
        let id = "a".repeat(20);
        let message = format!(r#"{{"action":"announce","info_hash":"{id}","peer_id":"{id}"}}"#);
        let mut rng = fastrand::Rng::with_seed(1);
        relay.message(&message, Timestamp::from_secs(1), &mut rng);
        assert_eq!(tracker.store().peers(), 1);
        relay.leave(Timestamp::from_secs(2));
        assert_eq!(tracker.store().peers(), 0);
    }
}

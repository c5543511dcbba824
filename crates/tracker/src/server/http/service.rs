//! From an HTTP request to its answer.

use std::{
    any::Any,
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    http::request::Parts,
};
use tokio::sync::watch;

use super::{
    super::{
        context::Context,
        events::{self, Announced, Event, HttpRequest, Inquiry, PeerName, want},
        questions::{Reply, Verdict},
        running::panicked,
        websocket::{self, Hub, Origin},
    },
    answer::Answer,
    listener::Service,
    prepare::{Head, Prepared, Refused, prepare, scraped},
    regular::{RegularRequest, ResponseHead},
};
use crate::{
    clock,
    protocol::http::{self, AnnounceQuery, AnnounceReply},
    swarm::Announce,
    tracker::Carries,
    types::{InfoHash, PeerAddr, Timestamp},
};

/// Most peers in an answer, whatever the rules say: some 20 KiB.
const MAX_PEERS: usize = 1000;

/// A compact answer with 50 peers has some 370 bytes.
const TYPICAL_ANSWER: usize = 512;

/// Memory for an answer that is kept for the next one; a scrape of everything may take more.
const KEPT_BODY: usize = 64 * 1024;

/// Answers the requests of one thread.
pub(super) struct HttpService {
    context: Arc<Context>,
    rng: Rc<RefCell<fastrand::Rng>>,
    /// Where regular requests are answered into, one after the other.
    body: RefCell<Vec<u8>>,
    head: RefCell<ResponseHead>,
    /// For the WebSocket connections, which outlive the request that they began as.
    sockets: Rc<websocket::Thread>,
}

impl HttpService {
    pub(super) fn new(context: Arc<Context>, seed: u64, stop: watch::Receiver<bool>) -> Self {
        let rng = Rc::new(RefCell::new(fastrand::Rng::with_seed(seed)));
        let sockets = websocket::Thread::new(Arc::clone(&context), Rc::clone(&rng), stop);
        Self {
            context,
            rng,
            body: RefCell::default(),
            head: RefCell::default(),
            sockets,
        }
    }

    fn prepare(&self, head: &Parts, remote: SocketAddr) -> Result<Prepared, Refused> {
        let lines = head.headers.get_all("x-forwarded-for").into_iter();
        let wants_json = head.headers.get(header::ACCEPT);
        let target = head.uri.path_and_query();
        let prepared = prepare(
            &self.context,
            &Head {
                target: target.map_or("/", |target| target.as_str()),
                remote,
                is_get: head.method == hyper::Method::GET,
                wants_json: wants_json.is_some_and(|accept| accept == "application/json"),
            },
            None,
            &self.context.options.trust_proxy,
            lines.map(HeaderValue::as_bytes),
        )?;
        match prepared {
            Prepared::Stats(_) => Ok(prepared),
            _ if self.context.options.http => Ok(prepared),
            _ => Err(Refused::bad(&"")),
        }
    }

    /// The question about a request, if the user's code wants it asked.
    fn question(
        &self,
        prepared: &Prepared,
        head: &Parts,
        remote: SocketAddr,
    ) -> Option<Box<dyn FnOnce(u64) -> Event>> {
        if !self.is_asked_about(prepared) {
            return None;
        }
        Some(match prepared {
            Prepared::Announce(query, ip) => {
                let announced = announced(query, *ip, head, remote);
                Box::new(move |id| Event::Question { id, announced })
            }
            Prepared::Scrape(_) => inquiry(Inquiry::Scrape, head, remote),
            Prepared::Stats(kind) => inquiry(*kind, head, remote),
        })
    }

    /// Whether the user's code is to say what becomes of it.
    fn is_asked_about(&self, prepared: &Prepared) -> bool {
        match prepared {
            Prepared::Announce(query, _) => self.context.asks_about(&query.info_hash),
            Prepared::Scrape(_) => self.context.events.wants(want::ASK_SCRAPE),
            // Only the user's code can make a page of them.
            Prepared::Stats(_) => true,
        }
    }

    /// Whether anybody listens to such announces.
    fn is_heard(&self, query: &AnnounceQuery) -> bool {
        self.context.events.wants(want::announce(query.event))
    }

    /// Waits for the verdict on a request.
    async fn ask(
        &self,
        question: Box<dyn FnOnce(u64) -> Event>,
        now: Timestamp,
    ) -> Result<Verdict, Refused> {
        let busy = || Refused {
            code: "ERR_TRACKER_BUSY",
            reason: "tracker is busy".to_owned(),
        };
        let (id, verdict) = self.context.questions.ask_for_task(now).ok_or_else(busy)?;
        self.context.events.append(question(id)).await;
        verdict.await.map_err(|_| busy())
    }

    /// Appends the body of the answer.
    fn respond(
        &self,
        prepared: &Prepared,
        now: Timestamp,
        body: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        match prepared {
            Prepared::Announce(query, ip) => {
                self.announce(query, *ip, now, body);
                Ok(())
            }
            Prepared::Scrape(info_hashes) => self.scrape(info_hashes, body),
            // The question about them was answered by "allow".
            Prepared::Stats(_) => Err(Refused::bad(&"no statistics")),
        }
    }

    fn announce(&self, query: &AnnounceQuery, ip: IpAddr, now: Timestamp, body: &mut Vec<u8>) {
        let announce = Announce {
            info_hash: query.info_hash,
            peer_id: query.peer_id,
            addr: PeerAddr::new(ip, query.port),
            event: query.event,
            left: query.left,
        };
        let config = self.context.tracker.config();
        let reply = AnnounceReply {
            external_ip: config.external_ip.then_some(ip),
            interval: self.context.interval_secs,
            min_interval: self.context.min_interval_secs,
            tracker_id: config.tracker_id.as_deref().map(str::as_bytes),
            ..AnnounceReply::default()
        };
        let mut answer = Answer::new(query, reply, body);
        self.context.tracker.announce(
            &announce,
            query.numwant,
            CARRIES,
            now,
            &mut self.rng.borrow_mut(),
            &mut answer,
        );
        answer.finish();
    }

    fn scrape(&self, info_hashes: &[InfoHash], body: &mut Vec<u8>) -> Result<(), Refused> {
        let info_hashes = scraped(&self.context, info_hashes)?;
        body.reserve(64 + 80 * info_hashes.len());
        http::begin_scrape(body);
        for &info_hash in &*info_hashes {
            self.scrape_one(info_hash, body);
        }
        http::end_scrape(body, self.context.interval_secs);
        Ok(())
    }

    fn scrape_one(&self, info_hash: InfoHash, body: &mut Vec<u8>) {
        let stats = self.context.tracker.scrape(&info_hash);
        http::write_scrape_file(
            body,
            info_hash,
            stats.complete,
            stats.downloaded,
            stats.incomplete,
        );
    }

    /// Whose announce it is.
    fn client_ip(&self, head: &Parts, remote: SocketAddr) -> Result<IpAddr, Refused> {
        let lines = head.headers.get_all("x-forwarded-for").into_iter();
        self.context
            .options
            .trust_proxy
            .client_ip(remote, lines.map(HeaderValue::as_bytes))
            .map_err(|error| Refused::bad(&error))
    }

    /// Takes a request for WebSocket over, or refuses it.
    fn upgrade(
        &self,
        hub: &Arc<Hub>,
        mut request: Request<Incoming>,
        remote: SocketAddr,
    ) -> Response<Full<Bytes>> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (head, _body) = request.into_parts();
        let accepted =
            websocket::response(&head, hub.options().origins.as_deref()).and_then(|response| {
                let ip = self.client_ip(&head, remote);
                let ip = ip.map_err(|_| websocket::Refusal::BadHandshake)?;
                Ok((response, ip, hub.enter(ip)?))
            });
        let (response, ip, place) = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => {
                self.context.events.warn(
                    clock::timestamp(),
                    "ERR_TRACKER_WEBSOCKET_REFUSED",
                    Some(remote),
                    || refusal.to_string(),
                );
                return refusal.response();
            }
        };
        let origin = Origin {
            ip,
            remote,
            request: Arc::new(record(&head, remote, ip)),
        };
        tokio::task::spawn_local(websocket::serve(
            upgrade,
            origin,
            place,
            Rc::clone(&self.sockets),
        ));
        response
    }
}

impl Service for HttpService {
    async fn answer(
        &self,
        request: Request<Incoming>,
        remote: SocketAddr,
    ) -> Response<Full<Bytes>> {
        if self.context.options.websocket.is_some() && websocket::is_upgrade(request.headers()) {
            return self.upgrade(&self.context.hub, request, remote);
        }
        if !self.context.options.http && !self.context.options.stats {
            return not_found();
        }
        let now = clock::timestamp();
        let (head, _body) = request.into_parts();
        let mut response = self.answer_head(&head, remote, now).await;
        if self.context.is_handed_over() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }

    fn answer_at_once(
        &self,
        request: &RegularRequest<'_, '_>,
        remote: SocketAddr,
        out: &mut Vec<u8>,
    ) -> bool {
        if !self.context.options.http || self.context.is_handed_over() {
            return false;
        }
        let now = clock::timestamp();
        let mut body = self.body.borrow_mut();
        body.clear();
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.answer_regular(request, remote, now, &mut body)
        }));
        let is_answered = match result {
            Ok(is_answered) => is_answered,
            Err(panic) => {
                body.clear();
                body.extend_from_slice(&self.bug(&*panic));
                true
            }
        };
        if is_answered {
            let mut head = self.head.borrow_mut();
            head.write(out, body.len(), request.closes, now);
            out.extend_from_slice(&body);
        }
        body.clear();
        body.shrink_to(KEPT_BODY);
        is_answered
    }

    fn accept_failed(&self, error: io::Error) {
        // Mostly EMFILE, many times a second: a warning, which is limited.
        self.context
            .events
            .warn(clock::timestamp(), "ERR_TRACKER_ACCEPT", None, || {
                format!("a connection could not be accepted: {error}")
            });
    }

    fn housekeep(&self) -> bool {
        self.context.housekeep(clock::uptime())
    }
}

impl HttpService {
    async fn answer_head(
        &self,
        head: &Parts,
        remote: SocketAddr,
        now: Timestamp,
    ) -> Response<Full<Bytes>> {
        let result = catch_unwind(AssertUnwindSafe(|| self.prepare(head, remote)));
        let prepared = match result {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(_)) if !self.context.options.http => return not_found(),
            Ok(Err(refused)) => return plain(self.refuse(refused, remote, now)),
            Err(panic) => return plain(self.bug(&*panic)),
        };
        if let Some(question) = self.question(&prepared, head, remote) {
            match self.ask(question, now).await {
                Ok(Verdict::Allow) => {}
                Ok(Verdict::Refuse(reason)) => return plain(failure_body(&reason)),
                Ok(Verdict::Reply(reply)) => return replied(reply),
                Err(refused) => return plain(self.refuse(refused, remote, now)),
            }
        }
        let mut body = Vec::with_capacity(TYPICAL_ANSWER);
        let result = catch_unwind(AssertUnwindSafe(|| self.respond(&prepared, now, &mut body)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(refused)) => return plain(self.refuse(refused, remote, now)),
            Err(panic) => return plain(self.bug(&*panic)),
        }
        if let Prepared::Announce(query, ip) = &prepared
            && self.is_heard(query)
        {
            let announced = announced(query, *ip, head, remote);
            self.context.events.append(Event::Announce(announced)).await;
        }
        plain(body)
    }

    /// Appends the body of the answer, be it a refusal, unless the user's code takes part in it; whether it did.
    fn answer_regular(
        &self,
        request: &RegularRequest<'_, '_>,
        remote: SocketAddr,
        now: Timestamp,
        body: &mut Vec<u8>,
    ) -> bool {
        let head = Head {
            target: request.target,
            remote,
            is_get: true,
            // For statistics alone, and those are the user's code's.
            wants_json: false,
        };
        let trust_proxy = &self.context.options.trust_proxy;
        let prepared = prepare(&self.context, &head, None, trust_proxy, request.forwarded());
        let result = prepared.and_then(|prepared| {
            if self.is_asked_about(&prepared)
                || matches!(&prepared, Prepared::Announce(query, _) if self.is_heard(query))
            {
                return Ok(false);
            }
            self.respond(&prepared, now, body).map(|()| true)
        });
        result.unwrap_or_else(|refused| {
            body.extend_from_slice(&self.refuse(refused, remote, now));
            true
        })
    }

    fn bug(&self, panic: &(dyn Any + Send)) -> Vec<u8> {
        self.context.events.fail(panicked(panic));
        failure_body("internal error")
    }

    fn refuse(&self, refused: Refused, remote: SocketAddr, now: Timestamp) -> Vec<u8> {
        let body = failure_body(&refused.reason);
        self.context
            .events
            .warn(now, refused.code, Some(remote), || refused.reason);
        body
    }
}

/// What an answer over HTTP can carry.
pub(crate) const CARRIES: Carries = Carries {
    v4: true,
    v6: true,
    most: MAX_PEERS,
};

fn announced(query: &AnnounceQuery, ip: IpAddr, head: &Parts, remote: SocketAddr) -> Announced {
    Announced {
        event: query.event,
        peer: PeerName::Addr(PeerAddr::new(ip, query.port)),
        request: events::Request::Http(Box::new(record(head, remote, ip))),
    }
}

fn inquiry(kind: Inquiry, head: &Parts, remote: SocketAddr) -> Box<dyn FnOnce(u64) -> Event> {
    let request = events::Request::Http(Box::new(record(head, remote, remote.ip())));
    Box::new(move |id| Event::Inquiry {
        id,
        kind,
        request,
        from: remote,
    })
}

fn plain(body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// An answer that the user's code made.
fn replied(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = plain(reply.body);
    if let Ok(status) = StatusCode::from_u16(reply.status) {
        *response.status_mut() = status;
    }
    if let Some(content_type) = reply.content_type.and_then(|text| text.parse().ok()) {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
    }
    response
}

fn record(head: &Parts, remote: SocketAddr, ip: IpAddr) -> HttpRequest {
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    HttpRequest {
        method: head.method.as_str().to_owned(),
        target: target.as_bytes().to_vec(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect(),
        remote,
        ip,
    }
}

fn failure_body(reason: &str) -> Vec<u8> {
    let mut body = Vec::new();
    http::write_failure(&mut body, reason, None);
    body
}

/// To a request that is not for WebSocket, where nothing else is served.
fn not_found() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"404 Not Found")));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

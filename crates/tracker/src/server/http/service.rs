//! From an HTTP request to its answer.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    http::request::Parts,
};

use super::{
    super::{
        context::Context,
        events::{self, Announced, Event, HttpRequest, want},
        running::panicked,
    },
    listener::Service,
};
use crate::{
    clock,
    protocol::http::{self, AnnounceQuery, AnnounceReply},
    swarm::{Announce, Outcome, PeerSink, Run},
    tracker::Carries,
    types::{InfoHash, PeerAddr, PeerAddrV4, PeerAddrV6, Timestamp},
};

/// Most peers in an answer, whatever the rules say: some 20 KiB.
const MAX_PEERS: usize = 1000;

/// An echo of a bad request line is cut here.
const MAX_ECHO: usize = 1024;

/// A compact answer with 50 peers has some 370 bytes.
const TYPICAL_ANSWER: usize = 512;

/// Answers the requests of one thread.
pub(super) struct HttpService {
    context: Arc<Context>,
    rng: RefCell<fastrand::Rng>,
}

/// A request that gets a `failure reason`.
struct Refused {
    code: &'static str,
    reason: String,
}

impl HttpService {
    pub(super) fn new(context: Arc<Context>, seed: u64) -> Self {
        Self {
            context,
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// The body, and the announce that listeners are to hear of.
    fn respond(
        &self,
        head: &Parts,
        remote: SocketAddr,
        now: Timestamp,
    ) -> Result<(Vec<u8>, Option<Event>), Refused> {
        let query = head.uri.query().unwrap_or_default().as_bytes();
        match self.endpoint(head.uri.path()) {
            Some(Endpoint::Announce) => self.announce(head, query, remote, now),
            Some(Endpoint::Scrape) => self.scrape(query).map(|body| (body, None)),
            None => Err(Refused {
                code: "ERR_TRACKER_BAD_REQUEST",
                reason: format!(
                    "invalid action in HTTP request: {}",
                    head.uri
                        .to_string()
                        .chars()
                        .take(MAX_ECHO)
                        .collect::<String>()
                ),
            }),
        }
    }

    /// Which endpoint a path names. One slash at the end is forgiven: some clients add it.
    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        let path = path.strip_prefix(self.context.options.path_prefix.as_str())?;
        match path.strip_suffix('/').unwrap_or(path) {
            "/announce" => Some(Endpoint::Announce),
            "/scrape" => Some(Endpoint::Scrape),
            _ => None,
        }
    }

    fn announce(
        &self,
        head: &Parts,
        query: &[u8],
        remote: SocketAddr,
        now: Timestamp,
    ) -> Result<(Vec<u8>, Option<Event>), Refused> {
        let query = http::parse_announce(query).map_err(|error| Refused::bad_request(&error))?;
        let ip = self.client_ip(head, remote)?;
        let announce = Announce {
            info_hash: query.info_hash,
            peer_id: query.peer_id,
            addr: PeerAddr::new(ip, query.port),
            event: query.event,
            left: query.left,
        };
        let config = self.context.tracker.config();
        let mut answer = Answer {
            query: &query,
            reply: AnnounceReply {
                external_ip: config.external_ip.then_some(ip),
                interval: self.context.interval_secs,
                min_interval: self.context.min_interval_secs,
                tracker_id: config.tracker_id.as_deref().map(str::as_bytes),
                ..AnnounceReply::default()
            },
            body: Vec::with_capacity(TYPICAL_ANSWER),
            v6: 0,
            v6_begun: false,
        };
        self.context.tracker.announce(
            &announce,
            query.numwant,
            Carries {
                v4: true,
                v6: true,
                most: MAX_PEERS,
            },
            now,
            &mut self.rng.borrow_mut(),
            &mut answer,
        );
        let body = answer.finish();
        let heard = self.context.events.wants(want::announce(query.event));
        let event = heard.then(|| {
            Event::Announce(Announced {
                event: query.event,
                addr: announce.addr,
                request: events::Request::Http(Box::new(record(head, remote, ip))),
            })
        });
        Ok((body, event))
    }

    fn scrape(&self, query: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut info_hashes =
            http::parse_scrape(query).map_err(|error| Refused::bad_request(&error))?;
        if info_hashes.is_empty() {
            info_hashes = self
                .context
                .tracker
                .full_scrape()
                .map_err(|error| Refused {
                    code: "ERR_TRACKER_FULL_SCRAPE",
                    reason: error.to_string(),
                })?;
            info_hashes.sort_unstable();
        }
        let mut body = Vec::with_capacity(64 + 80 * info_hashes.len());
        http::begin_scrape(&mut body);
        for info_hash in info_hashes {
            self.scrape_one(info_hash, &mut body);
        }
        http::end_scrape(&mut body, self.context.interval_secs);
        Ok(body)
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

    /// Whose announce it is: the connection's address, or with `trust_proxy` the first in
    /// `X-Forwarded-For`, which the proxy in front must set itself.
    fn client_ip(&self, head: &Parts, remote: SocketAddr) -> Result<IpAddr, Refused> {
        let forwarded = head.headers.get("x-forwarded-for");
        let Some(forwarded) = forwarded.filter(|_| self.context.options.trust_proxy) else {
            return Ok(remote.ip().to_canonical());
        };
        let first = forwarded
            .to_str()
            .ok()
            .and_then(|list| list.split(',').next());
        first.and_then(parse_forwarded).ok_or_else(|| Refused {
            code: "ERR_TRACKER_BAD_REQUEST",
            reason: "invalid x-forwarded-for header".to_owned(),
        })
    }
}

impl Service for HttpService {
    async fn answer(
        &self,
        request: Request<Incoming>,
        remote: SocketAddr,
    ) -> Response<Full<Bytes>> {
        let now = clock::timestamp();
        let (head, _body) = request.into_parts();
        let result = catch_unwind(AssertUnwindSafe(|| self.respond(&head, remote, now)));
        let (body, event) = match result {
            Ok(Ok(answer)) => answer,
            Ok(Err(refused)) => (self.refuse(refused, remote, now), None),
            Err(panic) => {
                self.context.events.fail(panicked(&*panic));
                (failure_body("internal error"), None)
            }
        };
        if let Some(event) = event {
            self.context.events.append(event).await;
        }
        let mut response = Response::new(Full::new(Bytes::from(body)));
        let plain = HeaderValue::from_static("text/plain");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        response
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
        self.context.tracker.housekeep(clock::timestamp())
    }
}

impl HttpService {
    fn refuse(&self, refused: Refused, remote: SocketAddr, now: Timestamp) -> Vec<u8> {
        let body = failure_body(&refused.reason);
        self.context
            .events
            .warn(now, refused.code, Some(remote), || refused.reason);
        body
    }
}

impl Refused {
    fn bad_request(error: &impl ToString) -> Self {
        Self {
            code: "ERR_TRACKER_BAD_REQUEST",
            reason: error.to_string(),
        }
    }
}

enum Endpoint {
    Announce,
    Scrape,
}

/// Writes an announce's answer as the store comes up with it.
struct Answer<'a> {
    query: &'a AnnounceQuery,
    reply: AnnounceReply<'a>,
    body: Vec<u8>,
    /// How many IPv6 peers there will be.
    v6: usize,
    v6_begun: bool,
}

impl Answer<'_> {
    fn list<A: Copy>(&mut self, run: Run<'_, A>, addr: impl Fn(A) -> PeerAddr) {
        for (&peer, meta) in run.addrs.iter().zip(run.peers) {
            let id = (!self.query.no_peer_id).then_some(meta.peer_id);
            http::write_peer(&mut self.body, addr(peer), id);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if !self.query.compact {
            http::end_peer_list(&mut self.body);
        } else if !self.v6_begun {
            http::begin_peers_v6(&mut self.body, 0);
        }
        self.reply.write_tail(&mut self.body);
        self.body
    }
}

impl PeerSink for Answer<'_> {
    fn begin(&mut self, outcome: &Outcome, v4: usize, v6: usize) {
        self.reply.complete = outcome.complete;
        self.reply.incomplete = outcome.incomplete;
        self.reply.write_head(&mut self.body);
        if !self.query.compact {
            http::begin_peer_list(&mut self.body);
            return;
        }
        http::begin_peers_v4(&mut self.body, v4);
        self.v6 = v6;
    }

    fn v4(&mut self, run: Run<'_, PeerAddrV4>) {
        if self.query.compact {
            PeerAddrV4::append_all(run.addrs, &mut self.body);
        } else {
            self.list(run, PeerAddr::V4);
        }
    }

    fn v6(&mut self, run: Run<'_, PeerAddrV6>) {
        if !self.query.compact {
            return self.list(run, PeerAddr::V6);
        }
        if !self.v6_begun {
            http::begin_peers_v6(&mut self.body, self.v6);
            self.v6_begun = true;
        }
        PeerAddrV6::append_all(run.addrs, &mut self.body);
    }
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
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect(),
        remote,
        ip,
    }
}

/// An entry of `X-Forwarded-For`: an address, maybe in brackets, maybe with a port.
fn parse_forwarded(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let ip: IpAddr = entry
        .parse()
        .ok()
        .or_else(|| entry.parse::<SocketAddr>().ok().map(|addr| addr.ip()))
        .or_else(|| entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(ip.to_canonical())
}

fn failure_body(reason: &str) -> Vec<u8> {
    let mut body = Vec::new();
    http::write_failure(&mut body, reason, None);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_entries() {
        for (entry, ip) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1:99 ", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:99", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("", None),
        ] {
            let ip = ip.map(|ip| ip.parse().unwrap());
            assert_eq!(parse_forwarded(entry), ip, "{entry}");
        }
    }
}

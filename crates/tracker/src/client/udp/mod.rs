//! The UDP transport (BEP 15, BEP 41).

mod addresses;
mod answers;
mod ask;
mod associations;
mod connections;
mod exchange;
mod inbox;
mod socket;
mod volley;

use std::{
    io, mem,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, time::Instant};

use self::{
    addresses::targets,
    answers::{announce_answer, error_of, may_be_about_id, refused, unexpected},
    ask::{Ask, write},
    associations::Associations,
    connections::Connections,
    exchange::{Exchange, Reply, exchange},
    socket::{Answer, Socket},
};
pub(super) use self::{inbox::Inbox, volley::Volley};
use super::{
    error::ClientError,
    os_error::Cause,
    proxy::{Proxy, socks5::Target},
    reply::{AnnounceReply, ScrapeRow},
    request::{AnnounceParams, ClientConfig, TrackerRequest},
    resolve::{Family, Resolver},
    slots::Slots,
    url::UdpUrl,
};
use crate::{
    protocol::udp::{MAX_SCRAPE_HASHES, Response, ResponseError, parse_response, scrape_rows},
    types::InfoHash,
};

/// Relays that a request may lose before it is given up.
const MAX_LOST: usize = 2;

/// The shared sockets, bound at the first use of their family.
pub(super) struct UdpTransport {
    handle: Handle,
    resolver: Arc<Resolver>,
    turns: Slots,
    v4: Mutex<Option<Arc<Connections>>>,
    v6: Mutex<Option<Arc<Connections>>>,
    relays: Associations,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum Fail {
    /// Nothing came that was an answer, but perhaps something that was not.
    Silence(Option<ResponseError>),
    /// An error packet with this text.
    Refused(Vec<u8>),
    /// The system did not send.
    Send(Cause),
    /// The socket has ended: a proxy's relay.
    Lost,
}

/// How far a request has come.
pub(super) struct Course {
    /// The addresses where it has not been asked in vain.
    targets: Vec<SocketAddr>,
    /// Its end, but for the time that it waited for turns.
    deadline: Instant,
    queued: Duration,
    /// How long to ask at the first of them, if that has begun.
    until: Option<Instant>,
    /// What went wrong at the addresses before.
    error: Option<ClientError>,
    /// Whether an error packet was answered with a new connect.
    started_over: bool,
    /// Of the volley that it has left: its abort comes by way of that.
    _inbox: Option<Arc<Inbox>>,
}

impl UdpTransport {
    pub(super) fn new(handle: Handle, resolver: Arc<Resolver>, config: &ClientConfig) -> Self {
        let relays = Associations::new(
            handle.clone(),
            Arc::clone(&resolver),
            config.connect_timeout,
        );
        Self {
            handle,
            resolver,
            relays,
            turns: Slots::new(config.udp_total, config.udp_per_host),
            v4: Mutex::default(),
            v6: Mutex::default(),
        }
    }

    pub(super) async fn announce(
        &self,
        request: &TrackerRequest,
        url: &UdpUrl,
        params: &AnnounceParams,
        families: &[Family],
    ) -> Result<AnnounceReply, ClientError> {
        let ask = Ask::Announce(params, &url.path_and_query);
        let answer = self.ask(request, url, ask, params.what(), families).await?;
        announce_answer(request, &answer.packet, answer.family)
    }

    /// Goes on with an announce that has left a volley.
    pub(super) async fn announce_alone(
        &self,
        request: &TrackerRequest,
        url: &UdpUrl,
        params: &AnnounceParams,
        course: Course,
    ) -> Result<AnnounceReply, ClientError> {
        let ask = Ask::Announce(params, &url.path_and_query);
        let answer = self
            .ask_each(request, url, ask, params.what(), course)
            .await?;
        announce_answer(request, &answer.packet, answer.family)
    }

    pub(super) async fn scrape(
        &self,
        request: &TrackerRequest,
        url: &UdpUrl,
        info_hashes: &[InfoHash],
        families: &[Family],
    ) -> Result<Vec<ScrapeRow>, ClientError> {
        let mut rows = Vec::with_capacity(info_hashes.len());
        for part in info_hashes.chunks(MAX_SCRAPE_HASHES) {
            let ask = Ask::Scrape(part);
            let answer = self.ask(request, url, ask, "scrape", families).await?;
            let Ok(Response::Scrape { rows: answer, .. }) = parse_response(&answer.packet) else {
                return Err(unexpected(request));
            };
            // Rows have no names, they come in the order of the request; some may be missing.
            let answer = part.iter().zip(scrape_rows(answer));
            rows.extend(answer.map(|(info_hash, row)| ScrapeRow {
                info_hash: *info_hash,
                complete: Some(row.seeders.into()),
                incomplete: Some(row.leechers.into()),
                downloaded: Some(row.completed.into()),
                raw: None,
            }));
        }
        if rows.is_empty() {
            return Err(unexpected(request));
        }
        Ok(rows)
    }

    /// Asks over one family after the other, or by way of the proxy.
    async fn ask(
        &self,
        request: &TrackerRequest,
        url: &UdpUrl,
        ask: Ask<'_>,
        what: &'static str,
        families: &[Family],
    ) -> Result<Answer, ClientError> {
        if let Some(proxy) = &request.proxy {
            return Box::pin(self.ask_through(proxy, request, url, ask, what)).await;
        }
        let deadline = Instant::now() + request.timeout;
        let found = match tokio::time::timeout_at(deadline, self.resolver.resolve(&url.host)).await
        {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(cause)) => Err(Fail::Send(cause)),
            Err(_) => Err(Fail::Silence(None)),
        };
        let addresses = found.map_err(|fail| error_of(&fail, what, request))?;
        let course = Course {
            targets: targets(families, &addresses, url.port),
            deadline,
            queued: Duration::ZERO,
            until: None,
            error: None,
            started_over: false,
            _inbox: None,
        };
        self.ask_each(request, url, ask, what, course).await
    }

    /// Asks at one address after the other.
    async fn ask_each(
        &self,
        request: &TrackerRequest,
        url: &UdpUrl,
        ask: Ask<'_>,
        what: &'static str,
        mut course: Course,
    ) -> Result<Answer, ClientError> {
        let count = course.targets.len();
        for (index, tracker) in mem::take(&mut course.targets).iter().enumerate() {
            let deadline = course.deadline + course.queued;
            let until = course.until.take();
            let until = until.unwrap_or_else(|| addresses::until(request, deadline, count - index));
            let asked = match self.connections(Family::of(tracker.ip())) {
                Ok(connections) => {
                    let tracker = Target::from(*tracker);
                    let started_over = mem::take(&mut course.started_over);
                    let queued = &mut course.queued;
                    let ask = self.ask_at(&connections, &tracker, ask, until, queued, started_over);
                    ask.await
                }
                Err(error) => Err(Fail::Send(Cause::io(&error, "bind", None))),
            };
            let failed = match asked {
                Ok(answer) => return Ok(answer),
                Err(Fail::Refused(message)) => return Err(refused(&message)),
                Err(fail) => error_of(&fail, what, request),
            };
            // The preferred family's error tells more than that the other does not work either.
            course.error.get_or_insert(failed);
        }
        self.resolver.forget(&url.host);
        Err(course.error.unwrap_or_else(|| {
            let cause = Cause::no_address(&url.host.to_string());
            error_of(&Fail::Send(cause), what, request)
        }))
    }

    /// Asks by way of a proxy's relay, or not at all. A name is the proxy's to resolve.
    async fn ask_through(
        &self,
        proxy: &Proxy,
        request: &TrackerRequest,
        url: &UdpUrl,
        ask: Ask<'_>,
        what: &'static str,
    ) -> Result<Answer, ClientError> {
        let text = || request.url.as_str().to_owned();
        let failed = |cause| ClientError::Proxy { cause, url: text() };
        let deadline = Instant::now() + request.timeout;
        let tracker = Target {
            host: url.host.clone(),
            port: url.port,
        };
        let mut queued = Duration::ZERO;
        for _ in 0..=MAX_LOST {
            let until = deadline + queued;
            let connections = tokio::time::timeout_at(until, self.relays.get(proxy))
                .await
                .map_err(|_| failed(Cause::text("the proxy does not answer")))?
                .map_err(failed)?;
            let ask = self.ask_at(&connections, &tracker, ask, until, &mut queued, false);
            match ask.await {
                Ok(answer) => return Ok(answer),
                Err(Fail::Lost) => {}
                Err(Fail::Refused(message)) => return Err(refused(&message)),
                Err(Fail::Silence(Some(fault))) => {
                    return Err(ClientError::UdpReply { fault, url: text() });
                }
                Err(Fail::Silence(None)) => {
                    return Err(ClientError::UdpTimeout { what, url: text() });
                }
                Err(Fail::Send(cause)) => return Err(failed(cause)),
            }
        }
        Err(failed(Cause::text("the proxy ended the connection")))
    }

    /// Asks at one address: connects if need be, and starts over once after an error packet that
    /// may be about the connection id, or as often as time allows when the id has ended.
    async fn ask_at(
        &self,
        connections: &Arc<Connections>,
        tracker: &Target,
        ask: Ask<'_>,
        mut deadline: Instant,
        queued: &mut Duration,
        mut started_over: bool,
    ) -> Result<Answer, Fail> {
        loop {
            let first = connections.get(tracker, deadline).await?;
            let asked = Instant::now();
            let _turn = self.turns.acquire(&host_of(tracker)).await;
            // The wait for a turn is not the tracker's fault. The id may have ended meanwhile.
            let waited = asked.elapsed();
            deadline += waited;
            *queued += waited;
            let mut connection = connections.get(tracker, deadline).await?;
            if connection.is_that_of(first) {
                connection = first;
            }
            let (action, packet) = write(ask, connection.id);
            let reply = exchange(
                Exchange {
                    socket: connections.socket(),
                    tracker,
                    action,
                    deadline,
                    good_until: Some(connection.good_until),
                },
                packet,
            )
            .await?;
            let Reply::Answer(answer) = reply else {
                continue;
            };
            let Ok(Response::Error { message, .. }) = parse_response(&answer.packet) else {
                return Ok(answer);
            };
            connections.forget(tracker, connection.id);
            if started_over || !may_be_about_id(message, connection) {
                return Err(Fail::Refused(message.to_vec()));
            }
            started_over = true;
        }
    }

    fn connections(&self, family: Family) -> io::Result<Arc<Connections>> {
        let slot = match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = &*slot {
            return Ok(Arc::clone(connections));
        }
        let socket = Socket::bind(family, &self.handle)?;
        let connections = Connections::new(self.handle.clone(), socket);
        *slot = Some(Arc::clone(&connections));
        Ok(connections)
    }
}

/// The name under which requests to a tracker have their turns.
fn host_of(tracker: &Target) -> String {
    format!("{} {}", tracker.host, tracker.port)
}

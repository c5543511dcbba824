//! The engine: takes requests, runs each as a task, calls back once.

use std::{
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, time::Instant};

use super::{
    error::ClientError,
    http::HttpTransport,
    reply::{AnnounceReply, ScrapeReply, TrackerReply},
    request::{AnnounceParams, ClientConfig, Families, RequestKind, TrackerRequest},
    resolve::{Family, Resolver},
    udp::{Course, Inbox, UdpTransport, Volley},
    url::Parts,
    websocket::{WebSocketEvent, WebSocketHandle, WebSocketTarget, WebSocketTransport},
};
use crate::types::{InfoHash, PeerId};

/// How long the slower address family is waited for when both are asked.
const OTHER_FAMILY: Duration = Duration::from_secs(2);

/// How long a client that is being destroyed waits for its requests; the original's.
pub const DESTROY_TIMEOUT: Duration = Duration::from_secs(1);

/// What a request came to.
pub type Outcome = Result<TrackerReply, ClientError>;

/// The tracker client of a process: sockets, connections and name look-ups are shared by all who
/// hold a clone.
///
/// It lives on the runtime that it is given and starts nothing before the first request. It has
/// no timers of its own: when to announce again is the caller's decision.
#[derive(Clone)]
pub struct ClientEngine {
    inner: Arc<Inner>,
}

struct Inner {
    handle: Handle,
    http: HttpTransport,
    udp: UdpTransport,
    websocket: WebSocketTransport,
    /// Receives the end of all requests; its receivers are the requests under way.
    ending: watch::Sender<Ending>,
}

/// A request under way. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct RequestHandle {
    handle: Handle,
    abort: Abort,
}

#[derive(Clone, Debug)]
enum Abort {
    Request(Weak<watch::Sender<Ending>>),
    /// Of announces that were asked for together.
    Member(Weak<Inbox>, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    Now,
}

impl ClientEngine {
    /// An engine whose requests run on this runtime, which needs its I/O and time drivers.
    pub fn new(handle: Handle, config: ClientConfig) -> Self {
        let resolver = Resolver::new(handle.clone(), config.hosts.clone());
        let config = Arc::new(config);
        Self {
            inner: Arc::new(Inner {
                http: HttpTransport::new(Arc::clone(&resolver), Arc::clone(&config)),
                udp: UdpTransport::new(handle.clone(), Arc::clone(&resolver), &config),
                websocket: WebSocketTransport::new(handle.clone(), resolver, config),
                ending: watch::Sender::new(Ending::No),
                handle,
            }),
        }
    }

    /// Starts a request. `done` is called exactly once, on a thread of the runtime, whatever
    /// happens: also when the request is aborted, and when the runtime is dropped (then on the
    /// thread that drops it). It must not block and must not panic.
    pub fn submit(
        &self,
        request: TrackerRequest,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) -> RequestHandle {
        // A task has room for what it is made from and for what it becomes: so this is a pointer.
        let request = Box::new(request);
        let work = |inner: Arc<Inner>| async move { inner.run(&request).await };
        self.inner.start(work, done)
    }

    /// Starts announces at the tracker of `target`, whatever that asks for; `done` is called with the
    /// number and the outcome of each, as by [`Self::submit`]. Over UDP thousands cost a fraction of
    /// what they would one by one.
    pub fn announce_all(
        &self,
        target: &TrackerRequest,
        announces: Vec<(u32, AnnounceParams)>,
        done: impl Fn(u32, Outcome) + Send + Sync + 'static,
    ) -> Vec<(u32, RequestHandle)> {
        let done: Arc<dyn Fn(u32, Outcome) + Send + Sync> = Arc::new(done);
        // Over both families each announce is two.
        let is_plain = target.proxy.is_none() && target.families != Families::Both;
        let is_udp = matches!(target.url.parts(), Parts::Udp(_));
        if !(is_udp && is_plain && announces.len() > 1) {
            let one = |(id, params)| {
                let request = target.with_kind(RequestKind::Announce(Box::new(params)));
                let done = Arc::clone(&done);
                (id, self.submit(request, move |outcome| done(id, outcome)))
            };
            return announces.into_iter().map(one).collect();
        }
        let ids: Vec<_> = announces.iter().map(|(id, _)| *id).collect();
        let request = Arc::new(target.clone());
        let volley = {
            let (inner, request) = (Arc::clone(&self.inner), Arc::clone(&request));
            let to = Arc::clone(&done);
            let go_alone = move |id, params, course| {
                let (request, done) = (Arc::clone(&request), Arc::clone(&to));
                inner.go_alone(request, params, course, move |outcome| done(id, outcome))
            };
            Volley::new(announces, done, Box::new(go_alone))
        };
        let (tasks, inbox) = (self.inner.handle.clone(), Arc::clone(volley.inbox()));
        self.inner.start_volley(request, volley);
        let handle = |(member, id)| {
            let inbox = Arc::downgrade(&inbox);
            let handle = RequestHandle {
                handle: tasks.clone(),
                abort: Abort::Member(inbox, member),
            };
            (id, handle)
        };
        ids.into_iter().enumerate().map(handle).collect()
    }

    /// Takes part in a torrent over the WebSocket of a tracker, which is opened if nobody has done so.
    ///
    /// `on_event` is called in order, on threads of the runtime and on those that join and leave,
    /// under a lock: it must not block, panic or call the engine. The last event is
    /// [`WebSocketEvent::Closed`], after the handle was dropped.
    pub fn websocket(
        &self,
        target: &WebSocketTarget,
        info_hash: InfoHash,
        peer_id: PeerId,
        on_event: impl Fn(WebSocketEvent) + Send + Sync + 'static,
    ) -> WebSocketHandle {
        let sink = Arc::new(on_event);
        self.inner.websocket.join(target, info_hash, peer_id, sink)
    }

    /// The number of requests whose callbacks have not been called yet, give or take those being
    /// called at this moment. Those that were asked for together count as one.
    pub fn in_flight(&self) -> usize {
        self.inner.ending.receiver_count()
    }

    /// Waits until all requests are done, but no longer than `grace`; then aborts the rest. Later
    /// requests are aborted at once.
    pub async fn shutdown(&self, grace: Duration) {
        let ending = &self.inner.ending;
        if tokio::time::timeout(grace, ending.closed()).await.is_err() {
            ending.send_replace(Ending::Now);
            ending.closed().await;
        }
        ending.send_replace(Ending::Now);
    }
}

impl RequestHandle {
    /// Ends the request; its callback gets [`ClientError::Aborted`] unless it is done already.
    pub fn abort(&self) {
        match &self.abort {
            Abort::Request(abort) => {
                if let Some(abort) = abort.upgrade() {
                    abort.send_replace(Ending::Now);
                }
            }
            Abort::Member(inbox, member) => {
                if let Some(inbox) = inbox.upgrade() {
                    inbox.abort_at(*member, Instant::now());
                }
            }
        }
    }

    /// Ends the request when this time has passed, [`DESTROY_TIMEOUT`] when its client is being
    /// destroyed. The timer does not outlive the request.
    pub fn abort_after(&self, grace: Duration) {
        let abort = match &self.abort {
            Abort::Request(abort) => Weak::clone(abort),
            Abort::Member(inbox, member) => {
                if let Some(inbox) = inbox.upgrade() {
                    inbox.abort_at(*member, Instant::now() + grace);
                }
                return;
            }
        };
        self.handle.spawn(async move {
            let Some(sender) = abort.upgrade() else {
                return;
            };
            let mut end = sender.subscribe();
            drop(sender);
            // The channel closes with the request.
            if tokio::time::timeout(grace, end.changed()).await.is_err()
                && let Some(abort) = abort.upgrade()
            {
                abort.send_replace(Ending::Now);
            }
        });
    }
}

impl Inner {
    fn start<F>(
        self: &Arc<Self>,
        work: impl FnOnce(Arc<Self>) -> F + Send + 'static,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) -> RequestHandle
    where
        F: Future<Output = Outcome> + Send,
    {
        let done = Done(Some(Box::new(done)));
        let inner = Arc::clone(self);
        let mut all_end = self.ending.subscribe();
        let (abort, mut end) = watch::channel(Ending::No);
        let abort = Arc::new(abort);
        let handle = RequestHandle {
            handle: self.handle.clone(),
            abort: Abort::Request(Arc::downgrade(&abort)),
        };
        self.handle.spawn(async move {
            let outcome = tokio::select! {
                biased;
                () = ended(&mut end) => Err(ClientError::Aborted),
                () = ended(&mut all_end) => Err(ClientError::Aborted),
                outcome = work(inner) => outcome,
            };
            drop(abort);
            done.call(outcome);
            // What `shutdown` waits for.
            drop(all_end);
        });
        handle
    }

    fn start_volley(self: &Arc<Self>, request: Arc<TrackerRequest>, volley: Volley) {
        let inner = Arc::clone(self);
        let mut all_end = self.ending.subscribe();
        self.handle.spawn(async move {
            let work = async {
                if let Parts::Udp(url) = request.url.parts() {
                    let families = request.families.in_order();
                    inner
                        .udp
                        .announce_all(&request, url, families, volley)
                        .await;
                }
            };
            tokio::select! {
                biased;
                () = ended(&mut all_end) => {}
                () = work => {}
            }
            drop(all_end);
        });
    }

    fn go_alone(
        self: &Arc<Self>,
        request: Arc<TrackerRequest>,
        params: AnnounceParams,
        course: Course,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) -> RequestHandle {
        let work = |inner: Arc<Self>| async move {
            let Parts::Udp(url) = request.url.parts() else {
                return Err(ClientError::Aborted);
            };
            let alone = inner.udp.announce_alone(&request, url, &params, course);
            Ok(TrackerReply::Announce(Box::new(alone.await?)))
        };
        self.start(work, done)
    }

    /// What is rare has a box of its own: a task has room for the largest of what it may come to, and of
    /// ten thousand nearly all announce to one address.
    async fn run(&self, request: &TrackerRequest) -> Outcome {
        let families = match request.proxy {
            // A name of which the proxy alone knows the addresses is asked once.
            Some(_) => Families::Ipv4First,
            None => request.families,
        };
        match &request.kind {
            RequestKind::Announce(params) if families == Families::Both => {
                let v4 = self.announce(request, params, &[Family::V4]);
                let v6 = self.announce(request, params, &[Family::V6]);
                Box::pin(both(v4, v6)).await
            }
            RequestKind::Announce(params) => {
                self.announce(request, params, families.in_order()).await
            }
            RequestKind::Scrape { info_hashes } => {
                let families = families.in_order();
                let reply = match request.url.parts() {
                    Parts::Http { .. } => {
                        Box::pin(self.http.scrape(request, info_hashes, families)).await
                    }
                    Parts::Udp(url) => {
                        let scrape = self.udp.scrape(request, url, info_hashes, families);
                        Box::pin(scrape).await.map(|rows| ScrapeReply {
                            rows,
                            ..ScrapeReply::default()
                        })
                    }
                };
                return reply.map(TrackerReply::Scrape);
            }
        }
        .map(|reply| TrackerReply::Announce(Box::new(reply)))
    }

    async fn announce(
        &self,
        request: &TrackerRequest,
        params: &AnnounceParams,
        families: &[Family],
    ) -> Result<AnnounceReply, ClientError> {
        match request.url.parts() {
            Parts::Http { .. } => self.http.announce(request, params, families).await,
            Parts::Udp(url) => self.udp.announce(request, url, params, families).await,
        }
    }
}

/// The answers over both families as one. A family that fails does not matter if the other does
/// not; if both fail, the error of IPv4 tells more, for most trackers have no IPv6.
async fn both(
    v4: impl Future<Output = Result<AnnounceReply, ClientError>>,
    v6: impl Future<Output = Result<AnnounceReply, ClientError>>,
) -> Result<AnnounceReply, ClientError> {
    let mut v4 = std::pin::pin!(v4);
    let mut v6 = std::pin::pin!(v6);
    let (first, other) = tokio::select! {
        first = &mut v4 => match first {
            Ok(reply) => (reply, tokio::time::timeout(OTHER_FAMILY, v6).await),
            Err(error) => return v6.await.map_err(|_| error),
        },
        first = &mut v6 => match first {
            Ok(reply) => (reply, tokio::time::timeout(OTHER_FAMILY, v4).await),
            Err(_) => return v4.await,
        },
    };
    let mut reply = first;
    if let Ok(Ok(other)) = other {
        reply.merge(other);
    }
    Ok(reply)
}

/// Completes when the end has been called for; never, if it no longer can be.
async fn ended(end: &mut watch::Receiver<Ending>) {
    if end.wait_for(|ending| *ending == Ending::Now).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A callback that is called even if the task that holds it is dropped.
struct Done(Option<Box<dyn FnOnce(Outcome) + Send>>);

impl Done {
    fn call(mut self, outcome: Outcome) {
        if let Some(done) = self.0.take() {
            done(outcome);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(ClientError::Aborted));
        }
    }
}

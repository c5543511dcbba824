//! A thread's connections: accepting, limits, keep-alive, orderly end.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::LocalSet,
    time,
};

use super::{
    direct::{Buffers, Direct},
    prefixed::Prefixed,
    regular::RegularRequest,
};

/// Longest request head, in bytes. A scrape of 64 torrents has some 4 KiB.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// More headers than any client or chain of proxies sends.
pub(super) const MAX_HEADERS: usize = 64;

/// How long an answer under way may take once the server is closing.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Pause after the process ran out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time between rounds of housekeeping.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Answers one request; shared by the connections of a thread.
pub(super) trait Service: 'static {
    /// The answer to `request`, from the connection of `remote`.
    fn answer(
        &self,
        request: Request<Incoming>,
        remote: SocketAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>>;

    /// Appends the answer to a regular request, unless that takes time or the user's code takes part in it;
    /// whether it did.
    fn answer_at_once(
        &self,
        request: &RegularRequest<'_, '_>,
        remote: SocketAddr,
        out: &mut Vec<u8>,
    ) -> bool;

    /// A listening socket failed.
    fn accept_failed(&self, error: io::Error);

    /// One small step of housekeeping; whether more are due.
    fn housekeep(&self) -> bool;
}

/// What the threads of one server share about connections.
#[derive(Debug)]
pub(super) struct Connections {
    /// How many are open.
    open: AtomicUsize,
    /// How many may be.
    most: usize,
    /// A connection that finished no request for this long is closed: one limit for idle peers,
    /// for heads that drip in byte by byte and for peers that don't read their answers.
    idle: Duration,
}

impl Connections {
    pub(super) fn new(most: usize, idle: Duration) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            most,
            idle,
        })
    }
}

/// Where a thread's connections come from.
pub(super) enum Source {
    /// From listening sockets of its own.
    Listeners(Vec<socket2::Socket>),
    /// From its own listeners, each new one passed on to the next of these threads in turn: for
    /// systems that don't spread connections over sockets by themselves.
    Dealer(Vec<socket2::Socket>, Vec<mpsc::Sender<std::net::TcpStream>>),
    /// From a dealer.
    Dealt(mpsc::Receiver<std::net::TcpStream>),
}

/// What the connections of a thread share.
struct Thread<S> {
    connections: Arc<Connections>,
    service: Rc<S>,
    stop: watch::Receiver<bool>,
    buffers: RefCell<Buffers>,
}

/// Accepts until `accepting` is true or its sender is gone, serves what it has until the same is true of
/// `stop`, then lets answers under way finish.
pub(super) fn run<S: Service>(
    source: Source,
    connections: &Arc<Connections>,
    service: &Rc<S>,
    accepting: &watch::Receiver<bool>,
    stop: &watch::Receiver<bool>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let local = LocalSet::new();
    let until = accepting;
    let thread = Rc::new(Thread {
        connections: Arc::clone(connections),
        service: Rc::clone(service),
        stop: stop.clone(),
        buffers: RefCell::default(),
    });
    let accepting = async {
        let spawn = |stream: TcpStream| spawn(stream, &thread);
        match source {
            Source::Listeners(listeners) => accept_all(listeners, service, until, spawn).await,
            Source::Dealer(listeners, threads) => {
                let next = Cell::new(0);
                accept_all(listeners, service, until, |stream| {
                    let turn = next.get() % (threads.len() + 1);
                    next.set(turn + 1);
                    match threads.get(turn) {
                        // A thread that is 1000 connections behind loses this one.
                        Some(thread) => {
                            if let Ok(stream) = stream.into_std() {
                                let _ = thread.try_send(stream);
                            }
                        }
                        None => spawn(stream),
                    }
                })
                .await
            }
            Source::Dealt(mut dealt) => {
                // Ends with its dealer, so that nothing which was accepted is lost.
                while let Some(stream) = dealt.recv().await {
                    match TcpStream::from_std(stream) {
                        Ok(stream) => spawn(stream),
                        // No memory to watch it: the others must not end with it.
                        Err(error) => service.accept_failed(error),
                    }
                }
                Ok(())
            }
        }
    };
    runtime.block_on(local.run_until(async {
        let mut stop = stop.clone();
        let serving = async {
            accepting.await?;
            // Others accept now; what is here goes on.
            let _ = stop.wait_for(|&stop| stop).await;
            Ok::<(), io::Error>(())
        };
        tokio::select! {
            result = serving => result,
            () = housekeep(service) => Ok(()),
        }
    }))?;
    // What is left ends by itself within the grace: every connection watches `stop`.
    runtime.block_on(local);
    Ok(())
}

/// Keeps house once a second, letting connections in between the steps.
async fn housekeep<S: Service>(service: &Rc<S>) {
    let mut tick = time::interval(HOUSEKEEPING);
    tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        while service.housekeep() {
            tokio::task::yield_now().await;
        }
    }
}

async fn accept_all<S: Service>(
    listeners: Vec<socket2::Socket>,
    service: &Rc<S>,
    stop: &watch::Receiver<bool>,
    accepted: impl Fn(TcpStream),
) -> io::Result<()> {
    let mut sockets = Vec::new();
    for listener in listeners {
        listener.set_nonblocking(true)?;
        sockets.push(TcpListener::from_std(listener.into())?);
    }
    let mut sockets = sockets.into_iter();
    let (first, second) = (sockets.next(), sockets.next());
    let mut stop = stop.clone();
    loop {
        let result = tokio::select! {
            // First, so that nothing is accepted once others accept.
            biased;
            _ = stop.wait_for(|&stop| stop) => return Ok(()),
            result = accept(first.as_ref()) => result,
            result = accept(second.as_ref()) => result,
        };
        match result {
            Ok(stream) => accepted(stream),
            // The peer went away before we came to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                service.accept_failed(error);
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

fn spawn<S: Service>(stream: TcpStream, thread: &Rc<Thread<S>>) {
    let open = Open::new(&thread.connections);
    if open.0.open.load(Ordering::Relaxed) > open.0.most {
        return;
    }
    // Gone already, if this fails.
    let Ok(remote) = stream.peer_addr() else {
        return;
    };
    // An answer is one write, so there is nothing that Nagle's algorithm could gather.
    let _ = stream.set_nodelay(true);
    let thread = Rc::clone(thread);
    tokio::task::spawn_local(async move {
        let _open = open;
        serve(stream, remote, thread).await;
    });
}

/// Counts a connection for as long as it lives.
struct Open(Arc<Connections>);

impl Open {
    fn new(connections: &Arc<Connections>) -> Self {
        connections.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve<S: Service>(mut stream: TcpStream, remote: SocketAddr, thread: Rc<Thread<S>>) {
    let mut stop = thread.stop.clone();
    let idle = thread.connections.idle;
    let direct = Direct::new(&mut stream, remote, &*thread.service, &thread.buffers, idle);
    if let Some(rest) = direct.serve(&mut stop).await {
        let stream = Prefixed::new(rest.read, stream);
        let timer = time::sleep_until(rest.deadline);
        // In a box: most connections never come here, and it takes ten times as much memory.
        Box::pin(serve_any(
            stream,
            remote,
            timer,
            idle,
            &thread.service,
            stop,
        ))
        .await;
    }
}

/// Serves whatever comes, by hyper.
async fn serve_any<S: Service>(
    stream: Prefixed,
    remote: SocketAddr,
    timer: time::Sleep,
    idle: Duration,
    service: &Rc<S>,
    mut stop: watch::Receiver<bool>,
) {
    let finished = Rc::new(Cell::new(0_u64));
    let answer = service_fn(|request| {
        let (service, finished) = (Rc::clone(service), Rc::clone(&finished));
        async move {
            let response = service.answer(request, remote).await;
            finished.set(finished.get().wrapping_add(1));
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(true)
        // Not `pipeline_flush`: while a part of the next request is there it holds back all answers,
        // in a buffer without a limit, and never writes the one that accepts a WebSocket.
        .writev(false)
        .half_close(false)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    tokio::pin!(connection);
    let mut seen = finished.get();
    tokio::pin!(timer);
    loop {
        tokio::select! {
            // Errors are the peer's: a reset, a bad head (hyper has answered 400), a short body.
            _ = connection.as_mut() => return,
            () = timer.as_mut() => {
                if finished.get() == seen {
                    return;
                }
                seen = finished.get();
                let next = timer.deadline() + idle;
                timer.as_mut().reset(next);
            }
            _ = stop.wait_for(|&stop| stop) => break,
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = time::timeout(CLOSE_GRACE, connection).await;
}

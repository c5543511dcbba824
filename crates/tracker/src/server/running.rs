//! The life of a server: bind everything, start its threads, end them.

use std::{
    any::Any,
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
};

use socket2::Socket;
use tokio::sync::watch;

use super::{
    context::Context,
    desk::Desk,
    events::{EventQueue, Failure},
    http::HttpThread,
    listeners::{HandOver, Listeners},
    udp::UdpHandler,
};
use crate::net::{BindError, FamilyAddrs, PortSockets, bind_tcp, bind_udp, udp};

/// Where a server is to listen; a transport without an entry is off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bindings {
    /// HTTP: addresses and port, 0 for any.
    pub http: Option<(FamilyAddrs, u16)>,
    /// UDP: addresses and port, 0 for any.
    pub udp: Option<(FamilyAddrs, u16)>,
}

/// A server that could not be started; nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system has no more threads, descriptors or random numbers.
    #[error("{what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A listening server. Dropping it ends its threads without waiting for them.
pub struct Server {
    context: Arc<Context>,
    addrs: Addrs,
    stops: Vec<Stop>,
    listeners: Arc<Listeners>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addrs {
    /// HTTP over IPv4.
    pub http4: Option<SocketAddr>,
    /// HTTP over IPv6.
    pub http6: Option<SocketAddr>,
    /// UDP over IPv4.
    pub udp4: Option<SocketAddr>,
    /// UDP over IPv6.
    pub udp6: Option<SocketAddr>,
    /// IPv6 was wanted if there is any, and there is none.
    pub no_ipv6: bool,
}

enum Stop {
    Udp(udp::Stop),
    Http {
        accepting: watch::Sender<bool>,
        serving: watch::Sender<bool>,
    },
}

impl Server {
    /// Binds and starts. When this returns, the server answers.
    pub fn start(desk: &Desk, bindings: Bindings) -> Result<Self, StartError> {
        let context = Arc::clone(desk.context());
        let options = &context.options;
        let threads = options.threads.clamp(1, 64);
        // Elsewhere, and in the portable way, one socket per family serves all threads.
        let spread = if cfg!(target_os = "linux") && !options.portable {
            threads
        } else {
            1
        };
        let http = bindings
            .http
            .map(|(addrs, port)| bind_tcp(addrs, port, spread))
            .transpose()?;
        let udp = bindings
            .udp
            .map(|(addrs, port)| bind_udp(addrs, port, spread))
            .transpose()?;
        let addrs = addrs(http.as_ref(), udp.as_ref());
        let mut server = Self {
            context: Arc::clone(&context),
            addrs,
            stops: Vec::new(),
            listeners: Arc::new(Listeners::none()),
            threads: Mutex::default(),
        };
        if let Some(sockets) = udp {
            desk.send_through(clone_first(&sockets.v4)?, clone_first(&sockets.v6)?);
            server.start_udp(&context, sockets)?;
        }
        if let Some(sockets) = http {
            server.listeners.keep(&sockets).map_err(no_descriptor)?;
            server.start_http(&context, sockets, threads)?;
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn addrs(&self) -> Addrs {
        self.addrs
    }

    /// Ends HTTP and WebSocket, but for connections that there are, and gives up the listening sockets.
    /// `None` if there are none any more.
    pub fn hand_over(&self) -> Option<HandOver> {
        self.context.handed_over.store(true, Ordering::Relaxed);
        for stop in &self.stops {
            if let Stop::Http { accepting, .. } = stop {
                accepting.send_replace(true);
            }
        }
        self.listeners.hand_over()
    }

    /// Tells the threads to end. No event is queued after this.
    pub fn stop(&self) {
        self.context.events.close();
        self.context.questions.close();
        self.listeners.drop_all();
        for stop in &self.stops {
            match stop {
                Stop::Udp(stop) => stop.stop(),
                Stop::Http { accepting, serving } => {
                    accepting.send_replace(true);
                    serving.send_replace(true);
                }
            }
        }
    }

    /// Stops, and waits until all threads have ended: at most about a second. Not for a thread that
    /// has other work.
    pub fn join(&self) {
        self.stop();
        let threads = {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        for thread in threads {
            // Panics were reported where they happened.
            let _ = thread.join();
        }
    }

    fn start_udp(
        &mut self,
        context: &Arc<Context>,
        sockets: PortSockets,
    ) -> Result<(), StartError> {
        let options = &context.options;
        let (receive, send) = options.udp_buffers;
        let (mut v4, mut v6) = (sockets.v4.into_iter(), sockets.v6.into_iter());
        loop {
            let sockets = udp::Sockets {
                v4: v4.next(),
                v6: v6.next(),
            };
            if sockets.v4.is_none() && sockets.v6.is_none() {
                return Ok(());
            }
            for socket in [&sockets.v4, &sockets.v6].into_iter().flatten() {
                udp::set_buffer_sizes(socket, receive, send);
            }
            let stop = udp::Stop::new(options.portable).map_err(|source| StartError::System {
                what: "eventfd",
                source,
            })?;
            let seed = random_seed(context)?;
            let context = Arc::clone(context);
            self.stops.push(Stop::Udp(stop.clone()));
            self.spawn("tracker-udp", move || {
                let mut handler = UdpHandler::new(Arc::clone(&context), seed);
                supervise(&context.events, || {
                    udp::serve(&sockets, &stop, &mut handler)
                });
            })?;
        }
    }

    fn start_http(
        &mut self,
        context: &Arc<Context>,
        sockets: PortSockets,
        threads: usize,
    ) -> Result<(), StartError> {
        let (accepting, serving) = (watch::Sender::new(false), watch::Sender::new(false));
        let listeners = pair(sockets.v4, sockets.v6);
        let plan = HttpThread::plan(context, listeners, threads);
        for (index, thread) in plan.into_iter().enumerate() {
            let (accepting, serving) = (accepting.subscribe(), serving.subscribe());
            let seed = random_seed(context)?;
            let context = Arc::clone(context);
            let listeners = Arc::clone(&self.listeners);
            self.spawn("tracker-http", move || {
                // Its listeners go with it, so there is nothing to start again.
                match catch_unwind(AssertUnwindSafe(|| {
                    thread.run(&context, seed, &accepting, &serving)
                })) {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => context.events.fail(Failure::system("HTTP thread", error)),
                    Err(panic) => context.events.fail(panicked(&*panic)),
                }
                listeners.end(index);
            })?;
        }
        self.stops.push(Stop::Http { accepting, serving });
        Ok(())
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        let handle = thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(|source| StartError::System {
                what: "thread",
                source,
            })?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(handle);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a thread's loop; after a panic it is reported and the loop starts again.
fn supervise(events: &EventQueue, mut run: impl FnMut() -> io::Result<()>) {
    loop {
        match catch_unwind(AssertUnwindSafe(&mut run)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => return events.fail(Failure::system("UDP thread", error)),
            Err(panic) => events.fail(panicked(&*panic)),
        }
    }
}

/// A panic as a failure that names it.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Failure {
        code: "ERR_TRACKER_INTERNAL",
        message: format!("internal error, please report it: {text}"),
        source: None,
    }
}

/// The listeners of each thread: one of each family.
fn pair(v4: Vec<Socket>, v6: Vec<Socket>) -> Vec<Vec<Socket>> {
    let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
    std::iter::from_fn(|| {
        let both: Vec<_> = [v4.next(), v6.next()].into_iter().flatten().collect();
        (!both.is_empty()).then_some(both)
    })
    .collect()
}

fn addrs(http: Option<&PortSockets>, udp: Option<&PortSockets>) -> Addrs {
    Addrs {
        http4: http.and_then(|sockets| sockets.v4_addr),
        http6: http.and_then(|sockets| sockets.v6_addr),
        udp4: udp.and_then(|sockets| sockets.v4_addr),
        udp6: udp.and_then(|sockets| sockets.v6_addr),
        no_ipv6: [http, udp]
            .into_iter()
            .flatten()
            .any(|sockets| sockets.v6_missing.is_some()),
    }
}

fn random_seed(context: &Context) -> Result<u64, StartError> {
    context.seed().map_err(|source| StartError::System {
        what: "random numbers",
        source,
    })
}

fn no_descriptor(source: io::Error) -> StartError {
    StartError::System {
        what: "dup",
        source,
    }
}

fn clone_first(sockets: &[Socket]) -> Result<Option<Socket>, StartError> {
    sockets
        .first()
        .map(Socket::try_clone)
        .transpose()
        .map_err(no_descriptor)
}

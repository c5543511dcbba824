//! A connection's task: frames in, frames out, pings, the end.
//!
//! There are tens of thousands of them, nearly all of them idle, so a task keeps next to nothing while
//! it waits.

use std::{
    any::Any,
    future::poll_fn,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::upgrade::{OnUpgrade, Parts};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{
        oneshot::{self, error::RecvError},
        watch,
    },
    task,
    time::{self, Instant},
};

use super::{
    hub::Place,
    input::{Unread, poll_read},
    output::Output,
    relay::{Relay, Step},
    socket::{Ending, Origin, Socket, Wake},
    thread::Thread,
};
use crate::{
    clock,
    protocol::websocket::frame::{self, FrameError, FrameReader, Goodbye, Incoming, close_code},
    server::{
        events::{Event, want},
        http::Prefixed,
        questions::Verdict,
        running::panicked,
    },
    types::Timestamp,
};

/// A timer of no time at all would never let anything else have its turn.
const SHORTEST_PING: Duration = Duration::from_millis(1);

/// A close frame and what is queued before it have this long.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Time for the upgrade to come through once it has been accepted.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// As good as never, for times that a program may set to anything.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Serves a connection until it ends, and takes its peers out of their swarms.
pub(crate) async fn serve(upgrade: OnUpgrade, origin: Origin, place: Place, thread: Rc<Thread>) {
    let mut stop = thread.stop.clone();
    let upgraded = tokio::select! {
        upgraded = time::timeout(UPGRADE_TIMEOUT, upgrade) => upgraded,
        () = stopped(&mut stop) => return,
    };
    let Ok(Ok(upgraded)) = upgraded else { return };
    // The same type went in.
    let Ok(Parts { io, read_buf, .. }) = upgraded.downcast::<TokioIo<Prefixed>>() else {
        return;
    };
    let (unread, stream) = io.into_inner().into_parts();
    let read = [&read_buf[..], &unread].concat();
    let session = Session::new(stream, &read, origin, place, thread);
    // A task of its own, so that what only the beginning needs is given back.
    task::spawn_local(session.serve());
}

struct Session {
    stream: TcpStream,
    reader: FrameReader,
    unread: Unread,
    output: Output,
    socket: Arc<Socket>,
    relay: Relay,
    place: Place,
    thread: Rc<Thread>,
    /// A ping is out, and nothing has come in since.
    pinged: bool,
    left: bool,
    next_ping: Instant,
    last_message: Instant,
    /// A message that the user's code was asked about. No other is read until there is a verdict.
    asked: Option<Box<Asked>>,
}

struct Asked {
    text: Box<str>,
    verdict: oneshot::Receiver<Verdict>,
}

/// How a connection ends.
enum Ended {
    /// The other end is gone.
    Gone,
    /// The other end has said goodbye; this is the reply.
    Told(Vec<u8>),
    /// We say goodbye with this code and reason.
    Close(u16, &'static str),
}

/// How far reading has come.
enum Reading {
    /// All that was complete is done with.
    Done,
    /// Somebody is to hear of a message before the next is read.
    Tell(Event),
    Ended(Ended),
}

/// What a task has been woken for.
#[derive(Default)]
struct Ready {
    stopped: bool,
    wake: Option<Wake>,
    alarm: bool,
    verdict: Option<Result<Verdict, RecvError>>,
    input: Option<io::Result<usize>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Where a panic has ended the session, or its whole thread.
        self.leave();
    }
}

impl Session {
    fn new(
        stream: TcpStream,
        already_read: &[u8],
        origin: Origin,
        mut place: Place,
        thread: Rc<Thread>,
    ) -> Self {
        let socket = place.open(origin);
        let mut unread = Unread::default();
        unread.push(already_read);
        Self {
            stream,
            reader: FrameReader::new(place.hub().options().max_message),
            unread,
            output: Output::default(),
            relay: Relay::new(
                Arc::clone(&thread.context),
                Arc::clone(place.hub()),
                Arc::clone(&socket),
            ),
            socket,
            place,
            thread,
            pinged: false,
            left: false,
            next_ping: Instant::now(),
            last_message: Instant::now(),
            asked: None,
        }
    }

    /// Not an `async fn`: that would keep room for the session twice.
    #[expect(clippy::manual_async_fn, reason = "it is larger")]
    fn serve(mut self) -> impl Future<Output = ()> {
        async move {
            let ended = self.run().await;
            self.place.closed();
            self.leave();
            // In boxes, here and below, are states that few tasks are in: all have room for the largest.
            Box::pin(self.close(ended)).await;
        }
    }

    fn leave(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            self.relay.leave(clock::timestamp());
        }
    }

    async fn run(&mut self) -> Ended {
        self.next_ping = after(Instant::now(), self.ping_interval());
        let mut alarm = pin!(time::sleep_until(self.next_alarm()));
        let mut stop = self.thread.stop.clone();
        let mut stopped = pin!(stopped(&mut stop));
        if !self.unread.is_empty()
            && let ControlFlow::Break(ended) = self.read(0).await
        {
            return ended;
        }
        loop {
            let ready = poll_fn(|cx| self.poll(cx, alarm.as_mut(), stopped.as_mut())).await;
            if ready.stopped {
                return CLOSING;
            }
            if matches!(ready.wake, Some(Wake::TooSlow)) {
                return TOO_SLOW;
            }
            // First: what was read lies in the thread's buffer, which others use as soon as this one waits.
            let flow = match (ready.verdict, ready.input) {
                (Some(verdict), _) => Box::pin(self.settled(verdict.ok())).await,
                (None, Some(Ok(0))) => return self.failed(&ENDED_WITHOUT_GOODBYE),
                (None, Some(Ok(length))) => self.read(length).await,
                (None, Some(Err(_))) => return Ended::Gone,
                (None, None) => ControlFlow::Continue(()),
            };
            if let ControlFlow::Break(ended) = flow {
                return ended;
            }
            if ready.wake.is_some()
                && let ControlFlow::Break(ended) = self.flush().await
            {
                return ended;
            }
            if ready.alarm {
                if let ControlFlow::Break(ended) = self.alarm().await {
                    return ended;
                }
                alarm.as_mut().reset(self.next_alarm());
            }
        }
    }

    /// Looks at all that may wake the task, so that nothing keeps it from anything else.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        alarm: Pin<&mut time::Sleep>,
        stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<Ready> {
        let mut ready = Ready {
            stopped: stopped.poll(cx).is_ready(),
            wake: some(self.socket.poll_wake(cx)),
            alarm: alarm.poll(cx).is_ready(),
            ..Ready::default()
        };
        // A verdict is left where it is then: it is still said at the end.
        if ready.stopped || matches!(ready.wake, Some(Wake::TooSlow)) {
            return Poll::Ready(ready);
        }
        match &mut self.asked {
            Some(asked) => {
                ready.verdict = some(Pin::new(&mut asked.verdict).poll(cx));
            }
            None => {
                ready.input = some(poll_read(&mut self.stream, cx, &mut self.thread.input()));
            }
        }
        let is_ready =
            ready.alarm || ready.wake.is_some() || ready.verdict.is_some() || ready.input.is_some();
        if is_ready {
            Poll::Ready(ready)
        } else {
            Poll::Pending
        }
    }

    /// Handles what was read into the thread's buffer, then lets others have their turn.
    async fn read(&mut self, length: usize) -> ControlFlow<Ended> {
        let thread = Rc::clone(&self.thread);
        let mut reading = {
            let mut input = thread.input();
            let input = &mut input[..length];
            if self.unread.is_empty() {
                let mut used = 0;
                let reading = self.handle(input, &mut used);
                self.unread.push(&input[used..]);
                reading
            } else {
                self.unread.push(input);
                self.handle_unread()
            }
        };
        loop {
            match reading {
                Reading::Done => break,
                Reading::Tell(event) => Box::pin(thread.context.events.append(event)).await,
                Reading::Ended(ended) => return ControlFlow::Break(ended),
            }
            if self.asked.is_some() {
                break;
            }
            reading = self.handle_unread();
        }
        task::yield_now().await;
        ControlFlow::Continue(())
    }

    fn handle_unread(&mut self) -> Reading {
        let (mut bytes, mut used) = self.unread.take();
        let reading = self.handle(&mut bytes, &mut used);
        let is_all = matches!(reading, Reading::Done);
        self.unread.put_back(bytes, used, is_all);
        reading
    }

    /// Handles all that is complete in `bytes` from `used` on.
    fn handle(&mut self, bytes: &mut [u8], used: &mut usize) -> Reading {
        let now = clock::timestamp();
        loop {
            // One read may hold thousands of messages that each ask for much.
            match self.socket.ending() {
                Some(Ending::TooSlow) => return Reading::Ended(TOO_SLOW),
                Some(Ending::Closed) => {
                    return Reading::Ended(Ended::Close(close_code::NORMAL, ""));
                }
                None => {}
            }
            let incoming = match self.reader.next(bytes, used) {
                Ok(Some(incoming)) => incoming,
                Ok(None) => return Reading::Done,
                Err(error) => return Reading::Ended(self.failed(&error)),
            };
            self.pinged = false;
            match incoming {
                Incoming::Text(text) => match self.message(&text, now) {
                    ControlFlow::Continue(None) => {}
                    ControlFlow::Continue(Some(event)) => return Reading::Tell(event),
                    ControlFlow::Break(ended) => return Reading::Ended(ended),
                },
                Incoming::Binary => {
                    self.last_message = Instant::now();
                    self.relay.not_text(now);
                }
                // Not more bytes than were read, and no more than two reads come before they are written.
                Incoming::Ping(payload) => self
                    .socket
                    .push_control(|out| frame::write_pong(out, payload)),
                Incoming::Pong => {}
                Incoming::Close(goodbye) => {
                    let mut reply = Vec::new();
                    frame::write_close(&mut reply, goodbye);
                    return Reading::Ended(Ended::Told(reply));
                }
            }
        }
    }

    /// Handles a message; the event or question that is to be told of it.
    fn message(&mut self, text: &str, now: Timestamp) -> ControlFlow<Ended, Option<Event>> {
        self.last_message = Instant::now();
        // As for HTTP: a bug that one peer found is reported, and the peer still leaves its swarms.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let rng = &mut self.thread.rng.borrow_mut();
            self.relay.message(text, now, rng)
        }));
        match result {
            Ok(Step::Done(event)) => ControlFlow::Continue(event),
            Ok(Step::Ask(question)) => {
                let asked = self.thread.context.questions.ask_for_task(now);
                let Some((id, verdict)) = asked else {
                    self.relay.busy(now);
                    return ControlFlow::Continue(None);
                };
                let text = text.into();
                self.asked = Some(Box::new(Asked { text, verdict }));
                ControlFlow::Continue(Some(question(id)))
            }
            Err(panic) => ControlFlow::Break(self.bug(&*panic)),
        }
    }

    /// Goes on with the message that was asked about, and with what was read behind it.
    async fn settled(&mut self, verdict: Option<Verdict>) -> ControlFlow<Ended> {
        let Some(asked) = self.asked.take() else {
            return ControlFlow::Continue(());
        };
        // Nothing was read meanwhile: a pong may lie there.
        self.pinged = false;
        let now = clock::timestamp();
        if let Some(verdict) = verdict {
            let result = catch_unwind(AssertUnwindSafe(|| {
                let rng = &mut self.thread.rng.borrow_mut();
                self.relay.settled(&asked.text, verdict, now, rng)
            }));
            match result {
                Ok(Some(event)) => self.thread.context.events.append(event).await,
                Ok(None) => {}
                Err(panic) => return ControlFlow::Break(self.bug(&*panic)),
            }
        } else {
            self.relay.busy(now);
        }
        if self.unread.is_empty() {
            return ControlFlow::Continue(());
        }
        self.read(0).await
    }

    fn bug(&self, panic: &(dyn Any + Send)) -> Ended {
        self.thread.context.events.fail(panicked(panic));
        Ended::Close(close_code::ERROR, "internal error")
    }

    /// Writes all that waits, in as few system calls as it takes.
    async fn flush(&mut self) -> ControlFlow<Ended> {
        if self.socket.ending() == Some(Ending::Closed) {
            return ControlFlow::Break(Ended::Close(close_code::NORMAL, ""));
        }
        self.output.put(self.socket.take_outbox());
        match self.output.write_now(&self.stream) {
            Ok(true) => {}
            Ok(false) => Box::pin(self.flush_slowly()).await?,
            Err(_) => return ControlFlow::Break(Ended::Gone),
        }
        self.socket.sent();
        // Who is sent to without end, and takes it, must let others have their turn.
        task::coop::consume_budget().await;
        ControlFlow::Continue(())
    }

    /// A peer that does not take it within the time between pings is as dead as one that answers none:
    /// while this waits, none is sent.
    async fn flush_slowly(&mut self) -> ControlFlow<Ended> {
        let patience = self.place.hub().options().ping_interval;
        let mut stop = self.thread.stop.clone();
        tokio::select! {
            // First: what was taken from the outbox would be lost, an answer that was given just before the end.
            biased;
            result = time::timeout(patience, self.output.write_all(&self.stream)) => match result {
                Ok(Ok(())) => ControlFlow::Continue(()),
                Ok(Err(_)) | Err(_) => ControlFlow::Break(Ended::Gone),
            },
            // While the kernel's buffer is full, others go on filling the outbox.
            () = too_slow(&self.socket) => ControlFlow::Break(TOO_SLOW),
            () = stopped(&mut stop) => ControlFlow::Break(CLOSING),
        }
    }

    fn ping_interval(&self) -> Duration {
        self.place.hub().options().ping_interval.max(SHORTEST_PING)
    }

    /// When the connection is idle unless a message comes.
    fn idle_end(&self) -> Instant {
        let interval = self.thread.context.websocket_interval_secs;
        let interval = Duration::from_secs(interval.into());
        let options = self.place.hub().options();
        after(self.last_message, options.idle_after(interval))
    }

    /// When to look at the time again. Not moved with each message: that would cost more than a look now
    /// and then.
    fn next_alarm(&self) -> Instant {
        self.next_ping.min(self.idle_end())
    }

    async fn alarm(&mut self) -> ControlFlow<Ended> {
        let now = Instant::now();
        if self.idle_end() <= now {
            return ControlFlow::Break(Ended::Close(close_code::AWAY, "idle"));
        }
        if self.next_ping > now {
            return ControlFlow::Continue(());
        }
        self.next_ping = after(now, self.ping_interval());
        if self.pinged && self.asked.is_none() {
            // Half-open: nothing has come since the last ping.
            return ControlFlow::Break(Ended::Gone);
        }
        self.pinged = true;
        self.socket.push_control(frame::write_ping);
        self.flush().await
    }

    fn failed(&self, error: &FrameError) -> Ended {
        let from = Some(self.socket.origin.remote);
        let events = &self.thread.context.events;
        events.warn(clock::timestamp(), "ERR_TRACKER_WEBSOCKET", from, || {
            format!("WebSocket closed: {error}")
        });
        Ended::Close(error.close_code(), "")
    }

    /// Says what is still to be said, and tells whoever keeps swarms of their own.
    async fn close(mut self, ended: Ended) {
        let goodbye = self.goodbye(ended);
        if let Some(goodbye) = goodbye {
            self.output.put(self.socket.take_outbox());
            self.output.put(goodbye);
            let _ = time::timeout(CLOSE_GRACE, self.output.write_all(&self.stream)).await;
        }
        let events = &self.thread.context.events;
        if events.wants(want::GONE) {
            let socket = self.socket.id;
            events.append(Event::Gone { socket }).await;
        }
    }

    /// The close frame to end with; none where nobody would read it.
    fn goodbye(&mut self, ended: Ended) -> Option<Vec<u8>> {
        // What was answered before the end is still said.
        if let Some(mut asked) = self.asked.take()
            && let Ok(verdict @ Verdict::Reply(_)) = asked.verdict.try_recv()
        {
            let rng = &mut self.thread.rng.borrow_mut();
            let now = clock::timestamp();
            self.relay.settled(&asked.text, verdict, now, rng);
        }
        let status = match ended {
            Ended::Gone => return None,
            Ended::Told(reply) => return Some(reply),
            Ended::Close(code, reason) => Some((code, reason)),
        };
        if self.socket.ending() == Some(Ending::TooSlow) {
            let from = Some(self.socket.origin.remote);
            let now = clock::timestamp();
            let events = &self.thread.context.events;
            events.warn(now, "ERR_TRACKER_SLOW_SOCKET", from, || {
                "a WebSocket peer that reads too slowly was closed".to_owned()
            });
            return None;
        }
        let mut goodbye = Vec::new();
        frame::write_close(&mut goodbye, Goodbye { status });
        Some(goodbye)
    }
}

/// Waits until the server closes, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|&stop| stop).await;
}

/// Waits until more than is allowed waits for a socket.
async fn too_slow(socket: &Socket) {
    poll_fn(|cx| match socket.poll_wake(cx) {
        Poll::Ready(Wake::TooSlow) => Poll::Ready(()),
        Poll::Ready(Wake::Outbox) | Poll::Pending => Poll::Pending,
    })
    .await;
}

fn some<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn after(from: Instant, time: Duration) -> Instant {
    from.checked_add(time).unwrap_or_else(|| from + NEVER)
}

const ENDED_WITHOUT_GOODBYE: FrameError =
    FrameError::Protocol("connection reset without closing handshake");

const CLOSING: Ended = Ended::Close(close_code::AWAY, "tracker is closing");

const TOO_SLOW: Ended = Ended::Close(close_code::POLICY, "too slow");

#[cfg(test)]
mod tests {
    use super::*;

    /// What a task takes while it waits.
    fn size_of_task<F: Future>(_task: impl FnOnce(Session) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_task_is_small() {
        let size = size_of_task(Session::serve);
        assert!(size <= 1280, "{size} bytes");
    }
}

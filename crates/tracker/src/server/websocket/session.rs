//! A connection's task: frames in, frames out, pings, the end.

use std::{
    any::Any,
    cell::RefCell,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Parts};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{oneshot, watch},
    time,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

use super::{
    hub::Place,
    relay::{Relay, Step},
    socket::{Ending, Origin, Socket, footprint},
};
use crate::{
    clock,
    server::{
        context::Context,
        events::{Event, want},
        questions::Verdict,
        running::panicked,
    },
};

/// What is allocated for reading, per connection; a longer message grows it for a while. The
/// library's default of 128 KiB would be 1.3 GB for 10,000 idle peers.
const READ_BUFFER: usize = 4 * 1024;

/// Frames are gathered up to this many bytes before they are written.
const WRITE_BUFFER: usize = 16 * 1024;

/// A timer of no time at all would never let anything else have its turn.
const SHORTEST_PING: Duration = Duration::from_millis(1);

/// A close frame and what is queued before it have this long.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// Time for the upgrade to come through once it has been accepted.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

type Stream = WebSocketStream<TcpStream>;

/// Serves a connection until it ends, and takes its peers out of their swarms.
pub(crate) async fn serve(
    upgrade: OnUpgrade,
    origin: Origin,
    mut place: Place,
    context: Arc<Context>,
    rng: Rc<RefCell<fastrand::Rng>>,
    mut stop: watch::Receiver<bool>,
) {
    let upgraded = tokio::select! {
        upgraded = time::timeout(UPGRADE_TIMEOUT, upgrade) => upgraded,
        _ = stop.wait_for(|&stop| stop) => return,
    };
    let Ok(Ok(upgraded)) = upgraded else { return };
    // The same type went in.
    let Ok(Parts { io, read_buf, .. }) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        return;
    };
    let already_read = read_buf.to_vec();
    // However little is in it, it keeps the 8 KiB alive into which the request was read.
    drop(read_buf);
    let max_message = place.hub().options().max_message;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message));
    let stream = WebSocketStream::from_partially_read(
        io.into_inner(),
        already_read,
        Role::Server,
        Some(config),
    )
    .await;
    let socket = place.open(origin);
    let relay = Relay::new(
        Arc::clone(&context),
        Arc::clone(place.hub()),
        Arc::clone(&socket),
    );
    let mut session = Session {
        stream,
        socket,
        relay,
        context,
        rng,
        pinged: false,
        last_message: time::Instant::now(),
        asked: None,
        left: false,
        stop,
    };
    let ending = session.run(&place).await;
    place.closed();
    session.leave();
    session.close(ending).await;
    session.tell_gone().await;
}

struct Session {
    stream: Stream,
    socket: Arc<Socket>,
    relay: Relay,
    context: Arc<Context>,
    rng: Rc<RefCell<fastrand::Rng>>,
    /// A ping is out, and nothing has come in since.
    pinged: bool,
    last_message: time::Instant,
    /// A message that the user's code was asked about. No other is read until there is a verdict.
    asked: Option<(Utf8Bytes, oneshot::Receiver<Verdict>)>,
    left: bool,
    /// The server closes.
    stop: watch::Receiver<bool>,
}

/// How a connection ends.
enum Ended {
    /// The other end is gone.
    Gone,
    /// The other end has said goodbye, and the library has the reply ready.
    Told,
    /// We say goodbye with this code and reason.
    Close(CloseCode, &'static str),
}

impl Drop for Session {
    fn drop(&mut self) {
        // Where a panic has ended the session, or its whole thread.
        self.leave();
    }
}

impl Session {
    /// Tells whoever keeps swarms of their own.
    async fn tell_gone(&self) {
        if self.context.events.wants(want::GONE) {
            let socket = self.socket.id;
            self.context.events.append(Event::Gone { socket }).await;
        }
    }

    fn leave(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            self.relay.leave(clock::timestamp());
        }
    }

    async fn run(&mut self, place: &Place) -> Ended {
        let options = place.hub().options();
        let patience = options.ping_interval;
        let mut pings = time::interval(options.ping_interval.max(SHORTEST_PING));
        pings.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        // The first tick is at once.
        pings.tick().await;
        let interval = Duration::from_secs(self.context.websocket_interval_secs.into());
        let idle_after = options.idle_after(interval);
        let idle = time::sleep(idle_after);
        tokio::pin!(idle);
        loop {
            let flow = tokio::select! {
                frame = self.stream.next(), if self.asked.is_none() => self.received(frame, patience).await,
                verdict = verdict(&mut self.asked) => self.settled(verdict).await,
                () = self.socket.wake.notified() => self.flush(patience).await,
                () = self.socket.kill.notified() => ControlFlow::Break(TOO_SLOW),
                _ = pings.tick() => self.ping(patience).await,
                () = idle.as_mut() => {
                    // Not moved with each message: that would cost more than a look now and then.
                    let end = self.last_message + idle_after;
                    if end <= time::Instant::now() {
                        ControlFlow::Break(Ended::Close(CloseCode::Away, "idle"))
                    } else {
                        idle.as_mut().reset(end);
                        ControlFlow::Continue(())
                    }
                }
                () = stopped(&mut self.stop) => ControlFlow::Break(CLOSING),
            };
            if let ControlFlow::Break(ended) = flow {
                return ended;
            }
        }
    }

    async fn received(
        &mut self,
        frame: Option<Result<Message, tungstenite::Error>>,
        patience: Duration,
    ) -> ControlFlow<Ended> {
        self.pinged = false;
        match frame {
            Some(Ok(Message::Text(text))) => {
                self.last_message = time::Instant::now();
                return self.message(&text).await;
            }
            Some(Ok(Message::Binary(_))) => {
                self.last_message = time::Instant::now();
                self.relay.not_text(clock::timestamp());
            }
            // Pongs to their pings are queued by the library and leave with the next flush.
            Some(Ok(Message::Ping(_))) => return self.flush(patience).await,
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) => return ControlFlow::Break(Ended::Told),
            None => return ControlFlow::Break(Ended::Gone),
            Some(Err(error)) => return ControlFlow::Break(self.failed(&error)),
        }
        ControlFlow::Continue(())
    }

    async fn message(&mut self, text: &Utf8Bytes) -> ControlFlow<Ended> {
        let now = clock::timestamp();
        // As for HTTP: a bug that one peer found is reported, and the peer still leaves its swarms.
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.relay.message(text, now, &mut self.rng.borrow_mut())
        }));
        match result {
            Ok(Step::Done(event)) => self.tell(event).await,
            Ok(Step::Ask(question)) => {
                if let Some((id, verdict)) = self.context.questions.ask_for_task(now) {
                    self.asked = Some((text.clone(), verdict));
                    self.context.events.append(question(id)).await;
                } else {
                    self.relay.busy(now);
                }
            }
            Err(panic) => return self.bug(&*panic),
        }
        ControlFlow::Continue(())
    }

    /// Goes on with the message that was asked about.
    async fn settled(&mut self, verdict: Option<Verdict>) -> ControlFlow<Ended> {
        let Some((text, _)) = self.asked.take() else {
            return ControlFlow::Continue(());
        };
        // Nothing was read meanwhile: a pong may lie there.
        self.pinged = false;
        let now = clock::timestamp();
        let Some(verdict) = verdict else {
            self.relay.busy(now);
            return ControlFlow::Continue(());
        };
        let result = catch_unwind(AssertUnwindSafe(|| {
            let rng = &mut self.rng.borrow_mut();
            self.relay.settled(&text, verdict, now, rng)
        }));
        match result {
            Ok(event) => self.tell(event).await,
            Err(panic) => return self.bug(&*panic),
        }
        ControlFlow::Continue(())
    }

    async fn tell(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.context.events.append(event).await;
        }
    }

    fn bug(&self, panic: &(dyn Any + Send)) -> ControlFlow<Ended> {
        self.context.events.fail(panicked(panic));
        ControlFlow::Break(Ended::Close(CloseCode::Error, "internal error"))
    }

    /// Writes all that waits, in as few system calls as it takes. A peer that does not take it in
    /// `patience` is as dead as one that answers no ping: while this waits, none is sent.
    async fn flush(&mut self, patience: Duration) -> ControlFlow<Ended> {
        if self.socket.ending() == Some(Ending::Closed) {
            return ControlFlow::Break(Ended::Close(CloseCode::Normal, ""));
        }
        let messages = self.socket.take_outbox();
        let bytes = messages.iter().map(footprint).sum();
        let stream = &mut self.stream;
        let write = async {
            for message in messages {
                stream.feed(text_frame(message)).await?;
            }
            stream.flush().await
        };
        tokio::select! {
            // First: what was taken from the outbox would be lost, an answer that was given just before the end.
            biased;
            result = time::timeout(patience, write) => match result {
                Ok(Ok(())) => {
                    self.socket.sent(bytes);
                    ControlFlow::Continue(())
                }
                Ok(Err(_)) | Err(_) => ControlFlow::Break(Ended::Gone),
            },
            // While the kernel's buffer is full, others go on filling the outbox.
            () = self.socket.kill.notified() => ControlFlow::Break(TOO_SLOW),
            () = stopped(&mut self.stop) => ControlFlow::Break(CLOSING),
        }
    }

    async fn ping(&mut self, patience: Duration) -> ControlFlow<Ended> {
        if self.pinged && self.asked.is_none() {
            // Half-open: nothing has come since the last ping.
            return ControlFlow::Break(Ended::Gone);
        }
        self.pinged = true;
        match self
            .stream
            .feed(Message::Ping(tungstenite::Bytes::new()))
            .await
        {
            Ok(()) => self.flush(patience).await,
            Err(_) => ControlFlow::Break(Ended::Gone),
        }
    }

    fn failed(&self, error: &tungstenite::Error) -> Ended {
        let code = match error {
            tungstenite::Error::Capacity(_) => CloseCode::Size,
            tungstenite::Error::Utf8(_) => CloseCode::Invalid,
            tungstenite::Error::Protocol(_) => CloseCode::Protocol,
            // The connection broke; that is no news.
            _ => return Ended::Gone,
        };
        let from = Some(self.socket.origin.remote);
        self.context
            .events
            .warn(clock::timestamp(), "ERR_TRACKER_WEBSOCKET", from, || {
                format!("WebSocket closed: {error}")
            });
        Ended::Close(code, "")
    }

    async fn close(&mut self, ended: Ended) {
        // What was answered before the end is still said.
        if let Some((text, mut verdict)) = self.asked.take()
            && let Ok(verdict @ Verdict::Reply(_)) = verdict.try_recv()
        {
            let rng = &mut self.rng.borrow_mut();
            self.relay.settled(&text, verdict, clock::timestamp(), rng);
        }
        let (code, reason) = match ended {
            Ended::Gone => return,
            Ended::Told => {
                let _ = time::timeout(CLOSE_GRACE, self.stream.flush()).await;
                return;
            }
            Ended::Close(code, reason) => (code, reason),
        };
        let too_slow = self.socket.ending() == Some(Ending::TooSlow);
        if too_slow {
            let from = Some(self.socket.origin.remote);
            self.context
                .events
                .warn(clock::timestamp(), "ERR_TRACKER_SLOW_SOCKET", from, || {
                    "a WebSocket peer that reads too slowly was closed".to_owned()
                });
            return;
        }
        let messages = self.socket.take_outbox();
        let goodbye = async {
            for message in messages {
                self.stream.feed(text_frame(message)).await?;
            }
            let frame = CloseFrame {
                code,
                reason: Utf8Bytes::from_static(reason),
            };
            self.stream.close(Some(frame)).await
        };
        let _ = time::timeout(CLOSE_GRACE, goodbye).await;
    }
}

/// Waits for the verdict, if there is a question; `None` if there will be none.
async fn verdict(asked: &mut Option<(Utf8Bytes, oneshot::Receiver<Verdict>)>) -> Option<Verdict> {
    match asked {
        Some((_, verdict)) => verdict.await.ok(),
        None => std::future::pending().await,
    }
}

/// Waits until the server closes, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|&stop| stop).await;
}

const CLOSING: Ended = Ended::Close(CloseCode::Away, "tracker is closing");

const TOO_SLOW: Ended = Ended::Close(CloseCode::Policy, "too slow");

/// What we write is UTF-8: JSON that was checked when it came, and our own.
fn text_frame(message: Vec<u8>) -> Message {
    Message::Frame(Frame::message(message, OpCode::Data(Data::Text), true))
}

//! The life of a socket: connect, talk, wait, again, until nobody needs it.

use std::{sync::Arc, time::Duration};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes, protocol::CloseFrame};

use super::{
    MAX_MESSAGE, WebSocketTiming,
    backoff::delay,
    connect::{Connector, Stream},
    socket::Socket,
};
use crate::{
    client::{error::ClientError, os_error::Cause},
    protocol::websocket::ResponseError,
};

/// A tracker may send so much nonsense over one connection; each costs every client a warning.
const MAX_FAULTS: u32 = 8;

/// A tracker that takes nothing in for this long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Drives one socket.
pub(super) struct Task {
    pub(super) socket: Arc<Socket>,
    pub(super) connector: Connector,
    pub(super) timing: WebSocketTiming,
}

/// Why a connection is over.
enum End {
    /// Nobody needs it any more.
    Unneeded,
    /// The tracker has said so.
    Goodbye(Option<CloseFrame>),
    /// As connections end; not worth a word.
    Lost,
    Failed(ClientError),
}

impl Task {
    pub(super) async fn run(self) {
        let _finish = Finish(&self.socket);
        let mut rng = fastrand::Rng::new();
        let mut retries = 0;
        loop {
            let error = match self.session(&mut retries, &mut rng).await {
                End::Unneeded => return,
                End::Lost | End::Goodbye(_) => None,
                End::Failed(error) => Some(error),
            };
            let delay = delay(retries, &self.timing, &mut rng);
            self.socket.forget_joined();
            self.socket.set_down(error, retries, delay);
            tokio::select! {
                () = self.socket.ended() => return,
                () = self.pause(delay) => retries = retries.saturating_add(1),
            }
        }
    }

    /// One connection, or the attempt to make it.
    async fn session(&self, retries: &mut u32, rng: &mut fastrand::Rng) -> End {
        let connecting = timeout(self.timing.connect, self.connector.connect());
        let connected = tokio::select! {
            () = self.socket.ended() => return End::Unneeded,
            connected = connecting => connected,
        };
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return End::Failed(error),
            Err(_) => return End::Failed(self.connector.failed(Cause::text("timed out"))),
        };
        *retries = 0;
        self.socket.set_open();
        let goodbye = async {
            self.socket.ended().await;
            tokio::time::sleep(self.timing.close).await;
        };
        tokio::select! {
            () = goodbye => End::Unneeded,
            end = self.talk(stream, rng) => end,
        }
    }

    /// Reads and writes at the same time: a tracker that waits for us to read reads nothing itself.
    async fn talk(&self, stream: Stream, rng: &mut fastrand::Rng) -> End {
        let (mut sink, mut source) = stream.split();
        let ping = Notify::new();
        let end = tokio::select! {
            end = self.write(&mut sink, &ping) => end,
            end = self.read(&mut source, &ping, rng) => end,
        };
        match end {
            End::Unneeded => close(sink, source).await,
            End::Goodbye(frame) => {
                // The library has the reply ready.
                let _ = timeout(self.timing.close, sink.flush()).await;
                self.closed(frame)
            }
            end => end,
        }
    }

    /// Receives until the connection ends.
    async fn read(
        &self,
        source: &mut SplitStream<Stream>,
        ping: &Notify,
        rng: &mut fastrand::Rng,
    ) -> End {
        let mut faults = 0;
        loop {
            let message = match self.next(source, ping).await {
                Ok(message) => message,
                Err(end) => return end,
            };
            let delivered = match message {
                Message::Text(text) => self.socket.deliver(&text, rng),
                // The original's client takes these as well.
                Message::Binary(bytes) => match Utf8Bytes::try_from(bytes) {
                    Ok(text) => self.socket.deliver(&text, rng),
                    Err(_) => self.socket.deliver_nonsense(),
                },
                Message::Close(frame) => return End::Goodbye(frame),
                _ => Ok(()),
            };
            if let Err(fault) = delivered {
                faults += 1;
                if faults >= MAX_FAULTS {
                    // All have been told.
                    drop(fault);
                    return End::Lost;
                }
            }
        }
    }

    /// The next message. One who is silent is pinged once.
    async fn next(&self, source: &mut SplitStream<Stream>, ping: &Notify) -> Result<Message, End> {
        let message = if let Ok(message) = timeout(self.timing.ping, source.next()).await {
            message
        } else {
            ping.notify_one();
            timeout(self.timing.ping, source.next())
                .await
                .map_err(|_| End::Failed(self.silent()))?
        };
        match message {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(self.broken(&error)),
            None => Err(End::Lost),
        }
    }

    /// Sends what there is to send, until nobody needs the connection any more.
    async fn write(&self, sink: &mut SplitSink<Stream, Message>, ping: &Notify) -> End {
        loop {
            let mut any = false;
            while let Some(message) = self.socket.outgoing() {
                any = true;
                if let Err(end) = self.written(sink.feed(Message::text(message))).await {
                    return end;
                }
            }
            if any && let Err(end) = self.written(sink.flush()).await {
                return end;
            }
            if self.socket.has_ended() {
                return End::Unneeded;
            }
            tokio::select! {
                () = self.socket.changed.notified() => {}
                () = ping.notified() => {
                    let ping = sink.send(Message::Ping(tungstenite::Bytes::new()));
                    if let Err(end) = self.written(ping).await {
                        return end;
                    }
                }
            }
        }
    }

    async fn written(
        &self,
        writing: impl Future<Output = Result<(), tungstenite::Error>>,
    ) -> Result<(), End> {
        match timeout(WRITE_TIMEOUT, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(End::Failed(self.silent())),
        }
    }

    fn broken(&self, error: &tungstenite::Error) -> End {
        let url = self.connector.url.to_string();
        match error {
            tungstenite::Error::Capacity(_) => End::Failed(ClientError::TooLarge {
                limit: MAX_MESSAGE,
                url,
            }),
            // An end without a goodbye, as ever.
            tungstenite::Error::Io(_)
            | tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => End::Lost,
            _ => End::Failed(ClientError::WebSocketReply(ResponseError::Json)),
        }
    }

    fn closed(&self, frame: Option<CloseFrame>) -> End {
        let Some(frame) = frame else {
            return End::Lost;
        };
        match frame.code.into() {
            // Done, going away, no code, restart, try again later.
            1000 | 1001 | 1005 | 1006 | 1012 | 1013 => End::Lost,
            code => End::Failed(ClientError::WebSocketClosed {
                code,
                reason: frame.reason.to_string(),
                url: self.connector.url.to_string(),
            }),
        }
    }

    fn silent(&self) -> ClientError {
        ClientError::WebSocketSilent {
            url: self.connector.url.to_string(),
        }
    }

    /// The wait before the next attempt. Whoever is new does not wait for the sake of the others'
    /// failures, but a thousand new ones do not make a thousand attempts either.
    async fn pause(&self, delay: Duration) {
        let begin = Instant::now();
        tokio::select! {
            () = sleep_until(begin + delay) => {}
            () = async {
                self.socket.joined.notified().await;
                sleep_until(begin + delay.min(self.timing.reconnect_min)).await;
            } => {}
        }
    }
}

/// Says goodbye and waits for the tracker's, which comes when it has read everything before.
async fn close(mut sink: SplitSink<Stream, Message>, mut source: SplitStream<Stream>) -> End {
    if sink.send(Message::Close(None)).await.is_ok() {
        while let Some(Ok(_)) = source.next().await {}
    }
    End::Unneeded
}

/// Whatever ends the task, its clients hear of it.
struct Finish<'a>(&'a Socket);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

//! The life of a socket: connect, talk, wait, again, until nobody needs it.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, sleep_until, timeout};
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
                End::Lost => None,
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

    async fn talk(&self, mut stream: Stream, rng: &mut fastrand::Rng) -> End {
        let mut faults = 0;
        let mut heard = Instant::now();
        let mut pinged = false;
        loop {
            if let Err(end) = self.write(&mut stream).await {
                return end;
            }
            if self.socket.has_ended() {
                return close(stream).await;
            }
            let patience = if pinged { 2 } else { 1 } * self.timing.ping;
            let message = tokio::select! {
                () = self.socket.changed.notified() => continue,
                () = sleep_until(heard + patience) => {
                    if pinged {
                        return End::Failed(self.silent());
                    }
                    pinged = true;
                    let ping = stream.send(Message::Ping(tungstenite::Bytes::new()));
                    if let Err(end) = self.written(ping).await {
                        return end;
                    }
                    continue;
                }
                message = stream.next() => message,
            };
            heard = Instant::now();
            pinged = false;
            let delivered = match message {
                Some(Ok(Message::Text(text))) => self.socket.deliver(&text, rng),
                // The original's client takes these as well.
                Some(Ok(Message::Binary(bytes))) => match Utf8Bytes::try_from(bytes) {
                    Ok(text) => self.socket.deliver(&text, rng),
                    Err(_) => self.socket.deliver_nonsense(),
                },
                Some(Ok(Message::Close(frame))) => {
                    // The library has the reply ready.
                    let _ = timeout(self.timing.close, stream.flush()).await;
                    return self.closed(frame);
                }
                Some(Ok(_)) => Ok(()),
                Some(Err(error)) => return self.broken(&error),
                None => return End::Lost,
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

    /// Sends what there is to send.
    async fn write(&self, stream: &mut Stream) -> Result<(), End> {
        let mut any = false;
        while let Some(message) = self.socket.outgoing() {
            any = true;
            self.written(stream.feed(Message::text(message))).await?;
        }
        if any {
            self.written(stream.flush()).await?;
        }
        Ok(())
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
async fn close(mut stream: Stream) -> End {
    if stream.close(None).await.is_ok() {
        while let Some(Ok(_)) = stream.next().await {}
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

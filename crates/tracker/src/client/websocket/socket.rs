//! What the clients of a socket share with the task that drives it.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, watch};

use crate::{
    client::error::{ClientError, Failure},
    protocol::websocket::{Response, ResponseError, parse_response},
    types::{InfoHash, PeerId},
};

/// Bytes that wait to be sent: a thousand torrents announce at once with five offers each. A
/// tracker that takes nothing in is given up long before that costs more.
pub const MAX_OUTBOX: usize = 32 << 20;

/// Scrapes whose answers are awaited. The oldest are forgotten.
const MAX_SCRAPES: usize = 1024;

/// What a client is told, in order.
#[derive(Clone, Debug)]
pub enum WebSocketEvent {
    /// Messages can be sent.
    Open,
    /// A message of the tracker for this client's torrent, or with the answer to its scrape. It is
    /// JSON, of at most [`MAX_MESSAGE`](super::MAX_MESSAGE) bytes.
    Message(Arc<str>),
    /// A complaint; the socket goes on.
    Warning(ClientError),
    /// Not connected; there will be another attempt.
    Down {
        /// Why, if it is worth a warning: a tracker may just be restarted.
        error: Option<ClientError>,
        /// Attempts that failed since the last that did not.
        retries: u32,
        /// When the next one is.
        delay: Duration,
    },
    /// This client has left, and if it was the last the connection is closed. Nothing follows.
    Closed,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no connection at the moment.
    #[error("not connected")]
    NotOpen,
    /// More than [`MAX_OUTBOX`] bytes wait already.
    #[error("the tracker reads too slowly")]
    Full,
}

/// Receives what a client is told. It is called under a lock: it must not block, nor call back.
pub(super) type Sink = Arc<dyn Fn(WebSocketEvent) + Send + Sync>;

pub(super) struct Socket {
    state: Mutex<State>,
    /// Something is to be sent, or the last client has left.
    pub(super) changed: Notify,
    /// Somebody new needs the socket.
    pub(super) joined: Notify,
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    open: bool,
    last_id: u64,
    clients: HashMap<InfoHash, Vec<Client>>,
    outbox: VecDeque<String>,
    outbox_bytes: usize,
    scrapes: VecDeque<(u64, Vec<InfoHash>)>,
    /// The last client to leave hears of the end of the connection.
    last: Option<Sink>,
}

struct Client {
    id: u64,
    peer_id: PeerId,
    sink: Sink,
}

impl Socket {
    /// A socket with its first client.
    pub(super) fn new(info_hash: InfoHash, peer_id: PeerId, sink: Sink) -> (Self, u64) {
        let mut state = State::default();
        let id = state.add(info_hash, peer_id, sink);
        let socket = Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            joined: Notify::new(),
            ended: watch::Sender::new(false),
        };
        (socket, id)
    }

    /// Adds a client, which hears at once if the socket is open. `None` if the socket is closing.
    pub(super) fn join(&self, info_hash: InfoHash, peer_id: PeerId, sink: &Sink) -> Option<u64> {
        let mut state = self.state();
        if *self.ended.borrow() {
            return None;
        }
        let id = state.add(info_hash, peer_id, Arc::clone(sink));
        if state.open {
            sink(WebSocketEvent::Open);
        }
        self.joined.notify_one();
        Some(id)
    }

    /// Who has joined so far has shared the fate of the connection, or of the attempt: they are no
    /// reason to hurry with the next. All clients of a tracker that was restarted would come at once.
    pub(super) fn forget_joined(&self) {
        // Takes what `join` may have left for whoever waits.
        pin!(self.joined.notified()).enable();
    }

    pub(super) fn leave(&self, info_hash: &InfoHash, id: u64) {
        let mut state = self.state();
        let Some(client) = state.remove(info_hash, id) else {
            return;
        };
        if state.clients.is_empty() {
            state.last = Some(client.sink);
            self.ended.send_replace(true);
            self.changed.notify_one();
        } else {
            (client.sink)(WebSocketEvent::Closed);
        }
    }

    pub(super) fn send(&self, message: String) -> Result<(), SendError> {
        self.state().queue(message)?;
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn scrape(
        &self,
        message: String,
        id: u64,
        info_hashes: Vec<InfoHash>,
    ) -> Result<(), SendError> {
        let mut state = self.state();
        state.queue(message)?;
        if state.scrapes.len() >= MAX_SCRAPES {
            state.scrapes.pop_front();
        }
        state.scrapes.push_back((id, info_hashes));
        self.changed.notify_one();
        Ok(())
    }

    /// The next message to send.
    pub(super) fn outgoing(&self) -> Option<String> {
        let mut state = self.state();
        let message = state.outbox.pop_front()?;
        state.outbox_bytes -= message.len();
        Some(message)
    }

    /// Whether the last client has left.
    pub(super) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Completes when the last client has left.
    pub(super) async fn ended(&self) {
        // The sender is in `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    pub(super) fn set_open(&self) {
        let mut state = self.state();
        state.open = true;
        state.tell_all(&WebSocketEvent::Open);
    }

    /// Tells the clients that the connection is lost, and forgets what belonged to it.
    pub(super) fn set_down(&self, error: Option<ClientError>, retries: u32, delay: Duration) {
        let mut state = self.state();
        state.open = false;
        state.outbox = VecDeque::new();
        state.outbox_bytes = 0;
        state.scrapes = VecDeque::new();
        state.tell_all(&WebSocketEvent::Down {
            error,
            retries,
            delay,
        });
    }

    /// The connection is closed for good.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        state.open = false;
        if let Some(last) = state.last.take() {
            last(WebSocketEvent::Closed);
        }
        state.tell_all(&WebSocketEvent::Closed);
    }

    /// Hands a message of the tracker to those whom it concerns. A complaint goes to all, and comes
    /// back to be counted.
    pub(super) fn deliver(
        &self,
        message: &str,
        rng: &mut fastrand::Rng,
    ) -> Result<(), ClientError> {
        let response = match parse_response(message) {
            Ok(Response::Failure { reason }) => Err(ClientError::Failure(Box::new(Failure {
                reason,
                ..Failure::default()
            }))),
            Ok(response) => Ok(response),
            Err(fault) => Err(ClientError::WebSocketReply(fault)),
        };
        let mut state = self.state();
        match response {
            Ok(response) => state.route(&response, message, rng),
            Err(error) => {
                state.tell_all(&WebSocketEvent::Warning(error.clone()));
                return Err(error);
            }
        }
        Ok(())
    }

    /// As for a message that is no text at all.
    pub(super) fn deliver_nonsense(&self) -> Result<(), ClientError> {
        let error = ClientError::WebSocketReply(ResponseError::Json);
        self.state()
            .tell_all(&WebSocketEvent::Warning(error.clone()));
        Err(error)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, info_hash: InfoHash, peer_id: PeerId, sink: Sink) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let clients = self.clients.entry(info_hash).or_default();
        clients.push(Client { id, peer_id, sink });
        id
    }

    fn remove(&mut self, info_hash: &InfoHash, id: u64) -> Option<Client> {
        let clients = self.clients.get_mut(info_hash)?;
        let at = clients.iter().position(|client| client.id == id)?;
        let client = clients.swap_remove(at);
        if clients.is_empty() {
            self.clients.remove(info_hash);
        }
        self.scrapes.retain(|(scraper, _)| *scraper != id);
        Some(client)
    }

    fn queue(&mut self, message: String) -> Result<(), SendError> {
        if !self.open {
            return Err(SendError::NotOpen);
        }
        let bytes = self.outbox_bytes.saturating_add(message.len());
        if bytes > MAX_OUTBOX {
            return Err(SendError::Full);
        }
        self.outbox_bytes = bytes;
        self.outbox.push_back(message);
        Ok(())
    }

    fn tell_all(&self, event: &WebSocketEvent) {
        for client in self.clients.values().flatten() {
            (client.sink)(event.clone());
        }
    }

    fn route(&mut self, response: &Response, message: &str, rng: &mut fastrand::Rng) {
        let event = || WebSocketEvent::Message(message.into());
        let others = |info_hash, peer_id| {
            let clients = self.clients.get(info_hash).into_iter().flatten();
            clients.filter(move |client: &&Client| client.peer_id != peer_id)
        };
        match response {
            Response::Announce { info_hash } => {
                let event = event();
                for client in self.clients.get(info_hash).into_iter().flatten() {
                    (client.sink)(event.clone());
                }
            }
            // Two clients of ours in one swarm share the socket, and the tracker relays an offer for
            // each: one of them answers it, or its maker would hear two voices.
            Response::Offer { info_hash, peer_id } => {
                let count = others(info_hash, *peer_id).count();
                if count > 0
                    && let Some(client) = others(info_hash, *peer_id).nth(rng.usize(..count))
                {
                    (client.sink)(event());
                }
            }
            // Who made the offer knows its id; others do not care.
            Response::Answer { info_hash, peer_id } => {
                let event = event();
                for client in others(info_hash, *peer_id) {
                    (client.sink)(event.clone());
                }
            }
            Response::Scrape { info_hashes } => {
                let wanted = |(_, asked): &(u64, Vec<InfoHash>)| {
                    asked
                        .iter()
                        .any(|info_hash| info_hashes.contains(info_hash))
                };
                // Trackers answer in order; one that answers something else answers the oldest.
                let at = self.scrapes.iter().position(wanted).unwrap_or_default();
                if let Some((id, _)) = self.scrapes.remove(at)
                    && let Some(client) = self.clients.values().flatten().find(|c| c.id == id)
                {
                    (client.sink)(event());
                }
            }
            Response::Failure { .. } | Response::Other => {}
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

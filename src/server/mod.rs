mod answers;
mod bindings;
mod options;
mod peers;
mod records;
mod requests;
mod swarms;
mod verdicts;

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use napi::{
    Env, Error, Result, Status,
    bindgen_prelude::{Buffer, Function, ObjectFinalize},
};
use napi_derive::napi;
use tracker::{
    server::{
        Desk, Server,
        events::{EventQueue, EventSink},
    },
    tracker::Tracker,
    types::{InfoHash, SocketId},
};

use self::{
    bindings::{NativeBindings, NativeBound},
    options::NativeServerOptions,
};
use crate::doorbell::{Doorbell, doorbell, ring};

/// What V8 is told that a server takes: an empty store's locks and tables, in bytes. To V8 it is some
/// dozen bytes, so that a program that makes many would run out of memory before it collects any.
const STORE_BYTES: i64 = 1 << 20;

/// A tracker and, while it listens, its server.
#[napi(custom_finalize)]
pub struct NativeServer {
    tracker: Arc<Tracker>,
    events: Arc<EventQueue>,
    desk: Desk,
    running: Mutex<Option<Server>>,
}

/// Counts of a swarm.
#[napi(object)]
pub struct NativeSwarm {
    pub complete: u32,
    pub incomplete: u32,
    pub downloaded: u32,
}

/// A peer of a swarm.
#[napi(object)]
pub struct NativePeer {
    /// `ip:port`; over WebSocket the peer id.
    pub key: String,
    pub peer_id: String,
    pub complete: bool,
    /// Of a WebSocket peer the connection's; absent when it has just gone.
    pub ip: Option<String>,
    pub port: Option<u16>,
    /// Of a WebSocket peer.
    pub socket: Option<f64>,
}

struct Sink(Doorbell);

impl EventSink for Sink {
    fn ring(&self) {
        ring(&self.0);
    }
}

#[napi]
impl NativeServer {
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        options: NativeServerOptions,
        on_events: Function<'_, (), ()>,
    ) -> Result<Self> {
        let (config, options) = options.into_engine()?;
        env.adjust_external_memory(STORE_BYTES)?;
        let tracker = Arc::new(Tracker::new(config));
        let events = Arc::new(EventQueue::new(Box::new(Sink(doorbell(&on_events)?))));
        let desk = Desk::new(Arc::clone(&tracker), Arc::clone(&events), options)
            .map_err(|error| Error::new(Status::GenericFailure, error.to_string()))?;
        Ok(Self {
            tracker,
            events,
            desk,
            running: Mutex::default(),
        })
    }

    #[napi(catch_unwind)]
    pub fn listen(&self, bindings: NativeBindings) -> Result<NativeBound> {
        let started = Server::start(&self.desk, bindings.into_engine()?);
        Ok(match started {
            Ok(server) => {
                let bound = NativeBound::listening(server.addrs());
                *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
                bound
            }
            Err(error) => NativeBound::failed(error),
        })
    }

    /// Stops listening; `done` is called when the last thread has ended.
    #[napi(catch_unwind)]
    pub fn close(&self, done: Function<'_, (), ()>) -> Result<()> {
        self.desk.close();
        let done = Arc::new(doorbell(&done)?);
        let told = Arc::clone(&done);
        let server = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Node's thread never waits for others.
        let joined = thread::Builder::new()
            .name("tracker-close".to_owned())
            .spawn(move || {
                if let Some(server) = server {
                    server.join();
                }
                ring(&told);
            });
        if joined.is_err() {
            // No thread is to be had: the server has been told to stop, and ends unwatched.
            ring(&done);
        }
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn set_wanted(&self, mask: u32) {
        self.events.set_wanted(mask);
    }

    /// Up to `most` events, as records; empty when there are none.
    #[napi(catch_unwind)]
    pub fn take_events(&self, most: u32) -> NativeEvents {
        let events = self.events.take(most as usize);
        NativeEvents {
            count: events.len() as u32,
            records: records::encode(&events).into(),
        }
    }

    /// How many WebSocket connections there are.
    #[napi(catch_unwind)]
    pub fn sockets(&self) -> u32 {
        self.desk.sockets() as u32
    }

    /// Sends a text to a WebSocket connection, if it is still there.
    #[napi(catch_unwind)]
    pub fn send(&self, socket: f64, text: String) {
        self.desk.send(socket_id(socket), &text);
    }

    /// Closes a WebSocket connection, if it is still there.
    #[napi(catch_unwind)]
    pub fn close_socket(&self, socket: f64) {
        self.desk.close_socket(socket_id(socket));
    }

    #[napi(catch_unwind)]
    pub fn torrents(&self) -> Vec<String> {
        self.tracker
            .info_hashes()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[napi(catch_unwind)]
    pub fn swarm(&self, info_hash: String) -> Option<NativeSwarm> {
        let info_hash: InfoHash = info_hash.parse().ok()?;
        let stats = self.tracker.store().scrape(&info_hash)?;
        Some(NativeSwarm {
            complete: stats.complete,
            incomplete: stats.incomplete,
            downloaded: stats.downloaded,
        })
    }

    #[napi(catch_unwind)]
    pub fn remove_torrent(&self, info_hash: String) -> bool {
        info_hash
            .parse()
            .is_ok_and(|info_hash| self.tracker.store().remove(&info_hash))
    }

    /// The peers of a torrent; of those with the same key the newest.
    #[napi(catch_unwind)]
    pub fn peers(&self, info_hash: String) -> Vec<NativePeer> {
        let Ok(info_hash) = info_hash.parse() else {
            return Vec::new();
        };
        let peers = self.tracker.store().peers_of(&info_hash);
        peers::views(peers, &self.desk)
    }

    #[napi(catch_unwind)]
    pub fn peer(&self, info_hash: String, key: String) -> Option<NativePeer> {
        let mut peers = self.peers(info_hash);
        let index = peers.iter().position(|peer| peer.key == key)?;
        Some(peers.swap_remove(index))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "below 2^53, as we give them out"
)]
fn socket_number(socket: SocketId) -> f64 {
    socket.0 as f64
}

/// Numbers below 2^53, as we gave them out.
#[expect(clippy::cast_sign_loss, reason = "casts from f64 saturate")]
fn socket_id(number: f64) -> SocketId {
    // Casts saturate: what is no number of ours must not become the first socket's.
    SocketId(if number >= 0.0 {
        number as u64
    } else {
        u64::MAX
    })
}

impl ObjectFinalize for NativeServer {
    fn finalize(self, env: Env) -> Result<()> {
        env.adjust_external_memory(-STORE_BYTES).map(drop)
    }
}

/// A batch of events.
#[napi(object)]
pub struct NativeEvents {
    pub count: u32,
    pub records: Buffer,
}

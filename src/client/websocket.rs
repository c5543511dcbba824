use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use napi::{Error, Result, bindgen_prelude::Function};
use napi_derive::napi;
use tracker::client::{
    SendError, TlsRoots, WebSocketEvent, WebSocketHandle, WebSocketTarget, WebSocketTiming,
    WebSocketUrl,
};

use super::{
    invalid,
    reply::NativeClientError,
    request::{families, millis, proxy},
    shared::{self, Shared},
};
use crate::doorbell::{Doorbell, doorbell, ring};

/// Messages and warnings that wait for JavaScript: what a tracker sends beyond that is dropped.
const MAX_WAITING: usize = 16 * 1024;

/// Bytes of those.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// The shares of one JavaScript thread in the sockets of the process.
#[napi]
pub struct NativeWebSockets {
    events: Arc<Events>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Held while there are shares, those included whose end has not been taken.
    shared: Option<Arc<Shared>>,
    tls_roots: Option<TlsRoots>,
    handles: HashMap<u32, WebSocketHandle>,
    closing: HashSet<u32>,
}

struct Events {
    queue: Mutex<Queue>,
    doorbell: Doorbell,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<(u32, WebSocketEvent)>,
    bytes: usize,
}

/// The socket that is wanted, and who wants it; lib/client has checked what is in it.
#[napi(object)]
pub struct NativeWebSocketTarget {
    pub url: String,
    /// `ipv4`, `ipv6`; else IPv4 first.
    pub families: Option<String>,
    /// The URL of the one way to the tracker.
    pub proxy: Option<String>,
    /// 40 digits.
    pub info_hash: String,
    /// 40 digits.
    pub peer_id: String,
    pub connect_ms: Option<f64>,
    pub ping_ms: Option<f64>,
    pub reconnect_min_ms: Option<f64>,
    pub reconnect_max_ms: Option<f64>,
    pub reconnect_jitter_ms: Option<f64>,
}

/// Something that happened to a share.
#[napi(object, object_from_js = false)]
pub struct NativeWebSocketEvent {
    pub id: u32,
    #[napi(ts_type = "'open' | 'message' | 'warning' | 'down' | 'closed'")]
    pub kind: String,
    /// Of a message.
    pub text: Option<String>,
    /// Of a warning, and perhaps of `down`.
    pub error: Option<NativeClientError>,
    /// Of `down`.
    pub retries: Option<u32>,
    pub delay_ms: Option<f64>,
}

#[napi]
impl NativeWebSockets {
    #[napi(constructor, catch_unwind)]
    pub fn new(on_events: Function<'_, (), ()>) -> Result<Self> {
        let events = Events {
            queue: Mutex::default(),
            doorbell: doorbell(&on_events)?,
        };
        Ok(Self {
            events: Arc::new(events),
            state: Mutex::default(),
        })
    }

    /// Takes a share in a socket; its events come under this number, `closed` as the last.
    #[napi(catch_unwind)]
    pub fn open(&self, id: u32, target: NativeWebSocketTarget) -> Result<()> {
        let mut state = self.state();
        let info_hash = target.info_hash.parse().map_err(invalid)?;
        let peer_id = target.peer_id.parse().map_err(invalid)?;
        let target = target.into_engine(state.tls_roots.clone())?;
        let shared = match &state.shared {
            Some(shared) => Arc::clone(shared),
            None => Arc::clone(
                state
                    .shared
                    .insert(shared::get().map_err(|error| Error::from_reason(error.to_string()))?),
            ),
        };
        let events = Arc::clone(&self.events);
        let handle = shared
            .engine()
            .websocket(&target, info_hash, peer_id, move |event| {
                events.push(id, event);
            });
        state.handles.insert(id, handle);
        Ok(())
    }

    /// Sends a message. What is returned says why it was not taken, unless the connection has been
    /// lost: that comes as an event of its own.
    #[napi(catch_unwind)]
    pub fn send(&self, id: u32, message: String) -> Option<String> {
        let state = self.state();
        let sent = match state.handles.get(&id) {
            Some(handle) => handle.send(message),
            None => Err(SendError::NotOpen),
        };
        problem(sent)
    }

    /// Sends a scrape of these torrents (40 digits each), likewise.
    #[napi(catch_unwind)]
    pub fn scrape(
        &self,
        id: u32,
        message: String,
        info_hashes: Vec<String>,
    ) -> Result<Option<String>> {
        let info_hashes = info_hashes
            .iter()
            .map(|info_hash| info_hash.parse().map_err(invalid))
            .collect::<Result<_>>()?;
        let state = self.state();
        let sent = match state.handles.get(&id) {
            Some(handle) => handle.scrape(message, info_hashes),
            None => Err(SendError::NotOpen),
        };
        Ok(problem(sent))
    }

    /// Gives up a share.
    #[napi(catch_unwind)]
    pub fn close(&self, id: u32) {
        let mut state = self.state();
        if let Some(handle) = state.handles.remove(&id) {
            state.closing.insert(id);
            drop(handle);
        }
    }

    /// Up to `most` events. When as many come, there may be more.
    #[napi(catch_unwind)]
    pub fn take(&self, most: u32) -> Vec<NativeWebSocketEvent> {
        let taken = self.events.take(most as usize);
        let mut state = self.state();
        for (id, event) in &taken {
            if matches!(event, WebSocketEvent::Closed) {
                state.handles.remove(id);
                state.closing.remove(id);
            }
        }
        if state.handles.is_empty() && state.closing.is_empty() {
            state.shared = None;
        }
        drop(state);
        taken
            .into_iter()
            .map(|(id, event)| NativeWebSocketEvent::new(id, event))
            .collect()
    }

    /// Certificates in PEM form that TLS trusts from now on.
    #[napi(catch_unwind)]
    pub fn set_tls_roots(&self, certificates: Vec<String>) {
        self.state().tls_roots = Some(TlsRoots::from_pem(certificates));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    fn push(&self, id: u32, event: WebSocketEvent) {
        let mut queue = self.queue();
        let bytes = size(&event);
        // What happens to a socket is never lost, what its tracker says is.
        let may_wait = queue.events.len() < MAX_WAITING && queue.bytes + bytes <= MAX_WAITING_BYTES;
        if !may_wait
            && matches!(
                event,
                WebSocketEvent::Message(_) | WebSocketEvent::Warning(_)
            )
        {
            return;
        }
        queue.bytes += bytes;
        queue.events.push_back((id, event));
        let first = queue.events.len() == 1;
        drop(queue);
        if first {
            ring(&self.doorbell);
        }
    }

    fn take(&self, most: usize) -> Vec<(u32, WebSocketEvent)> {
        let mut queue = self.queue();
        let count = queue.events.len().min(most);
        let taken: Vec<_> = queue.events.drain(..count).collect();
        queue.bytes -= taken.iter().map(|(_, event)| size(event)).sum::<usize>();
        taken
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn problem(sent: std::result::Result<(), SendError>) -> Option<String> {
    match sent {
        Ok(()) | Err(SendError::NotOpen) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn size(event: &WebSocketEvent) -> usize {
    match event {
        WebSocketEvent::Message(text) => text.len(),
        _ => 0,
    }
}

impl NativeWebSocketTarget {
    fn into_engine(self, tls_roots: Option<TlsRoots>) -> Result<WebSocketTarget> {
        let default = WebSocketTiming::default();
        let time = |ms: Option<f64>, default| ms.and_then(millis).unwrap_or(default);
        Ok(WebSocketTarget {
            url: WebSocketUrl::parse(&self.url).map_err(invalid)?,
            tls_roots,
            proxy: proxy(self.proxy.as_deref())?,
            families: families(self.families.as_deref()),
            timing: WebSocketTiming {
                connect: time(self.connect_ms, default.connect),
                ping: time(self.ping_ms, default.ping),
                reconnect_min: time(self.reconnect_min_ms, default.reconnect_min),
                reconnect_max: time(self.reconnect_max_ms, default.reconnect_max),
                reconnect_jitter: time(self.reconnect_jitter_ms, default.reconnect_jitter),
                ..default
            },
        })
    }
}

impl NativeWebSocketEvent {
    fn new(id: u32, event: WebSocketEvent) -> Self {
        let plain = |kind: &str| Self {
            id,
            kind: kind.to_owned(),
            text: None,
            error: None,
            retries: None,
            delay_ms: None,
        };
        match event {
            WebSocketEvent::Open => plain("open"),
            WebSocketEvent::Message(text) => Self {
                text: Some(text.to_string()),
                ..plain("message")
            },
            WebSocketEvent::Warning(error) => Self {
                error: Some(NativeClientError::new(&error)),
                ..plain("warning")
            },
            WebSocketEvent::Down {
                error,
                retries,
                delay,
            } => Self {
                error: error.as_ref().map(NativeClientError::new),
                retries: Some(retries),
                delay_ms: Some(delay.as_secs_f64() * 1000.0),
                ..plain("down")
            },
            WebSocketEvent::Closed => plain("closed"),
        }
    }
}

mod carried;
mod reply;
mod request;
mod shared;
mod websocket;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use napi::{
    Error, Result, Status,
    bindgen_prelude::{Float64ArraySlice, Function},
};
use napi_derive::napi;
use tracker::client::{ClientError, RequestHandle, TlsRoots, TrackerReply, TrackerRequest};

use self::{reply::Taken, request::NativeTarget, shared::Shared};
use crate::doorbell::{Doorbell, doorbell, ring};

/// The requests of one JavaScript thread; the engine below is the process's.
#[napi]
pub struct NativeClient {
    results: Arc<Results>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Held from the first request until the last client is destroyed.
    shared: Option<Arc<Shared>>,
    tls_roots: Option<TlsRoots>,
    /// To abort with, by the caller's number. Finished ones leave as their results are taken.
    handles: HashMap<u32, RequestHandle>,
}

/// What is done and has not been taken. Bounded by the requests that JavaScript made.
struct Results {
    waiting: Mutex<VecDeque<(u32, Request, Outcome)>>,
    doorbell: Doorbell,
}

type Outcome = std::result::Result<TrackerReply, ClientError>;

/// What has to be known of a request to make sense of its result.
struct Request {
    limits: tracker::client::schedule::IntervalLimits,
}

#[napi]
impl NativeClient {
    #[napi(constructor, catch_unwind)]
    pub fn new(on_results: Function<'_, (), ()>) -> Result<Self> {
        let results = Results {
            waiting: Mutex::default(),
            doorbell: doorbell(&on_results)?,
        };
        Ok(Self {
            results: Arc::new(results),
            state: Mutex::default(),
        })
    }

    /// Starts an announce over HTTP, with this query; its result comes under this number, once.
    #[napi(catch_unwind)]
    pub fn announce_http(&self, id: u32, target: &NativeTarget, query: String) -> Result<()> {
        self.start(id, target.announce_http(query))
    }

    /// Starts announces over UDP, laid out by lib/client/announces.js with their numbers; all or none.
    #[napi(catch_unwind)]
    pub fn announce_udp(&self, target: &NativeTarget, announces: &[u8]) -> Result<()> {
        let announces = request::announces(announces)?;
        let mut state = self.state();
        let shared = state.engine()?;
        let (results, limits) = (Arc::clone(&self.results), target.limits());
        let handles =
            shared
                .engine()
                .announce_all(target.request(), announces, move |id, outcome| {
                    results.push(id, Request { limits }, outcome);
                });
        state.handles.extend(handles);
        Ok(())
    }

    /// Starts a scrape of torrents, of 40 digits each.
    #[napi(catch_unwind)]
    pub fn scrape(&self, id: u32, target: &NativeTarget, info_hashes: Vec<String>) -> Result<()> {
        self.start(id, target.scrape(&info_hashes)?)
    }

    /// Ends a request after a grace time in milliseconds, if it is not done by then.
    #[napi(catch_unwind)]
    pub fn abort(&self, id: u32, grace_ms: u32) {
        if let Some(handle) = self.state().handles.get(&id) {
            handle.abort_after(Duration::from_millis(grace_ms.into()));
        }
    }

    /// As many results as there are rows; if all are filled, there may be more. The first number says how
    /// many are. What does not fit into its row is returned.
    #[napi(catch_unwind)]
    pub fn take(&self, mut rows: Float64ArraySlice<'_>) -> Vec<Taken> {
        let Some((filled, rows)) = reply::numbers(&mut rows).split_first_mut() else {
            return Vec::new();
        };
        let (rows, _) = rows.as_chunks_mut();
        let taken: Vec<_> = {
            let mut waiting = self.results.waiting();
            let count = waiting.len().min(rows.len());
            waiting.drain(..count).collect()
        };
        *filled = number(taken.len());
        let mut state = self.state();
        let mut others = Vec::new();
        for ((id, request, outcome), row) in taken.into_iter().zip(rows) {
            state.handles.remove(&id);
            let at = number(others.len());
            others.extend(Taken::new(id, request.limits, outcome, row, at));
        }
        others
    }

    /// Certificates in PEM form that TLS trusts from now on.
    #[napi(catch_unwind)]
    pub fn set_tls_roots(&self, certificates: Vec<String>) {
        self.state().tls_roots = Some(TlsRoots::from_pem(certificates));
    }

    /// Lets go of the engine until the next request; with its last holder it ends.
    #[napi(catch_unwind)]
    pub fn release(&self) {
        self.state().shared = None;
    }

    fn start(&self, id: u32, mut request: TrackerRequest) -> Result<()> {
        let mut state = self.state();
        request.tls_roots.clone_from(&state.tls_roots);
        let shared = state.engine()?;
        let results = Arc::clone(&self.results);
        let context = Request {
            limits: request.intervals,
        };
        let handle = shared
            .engine()
            .submit(request, move |outcome| results.push(id, context, outcome));
        state.handles.insert(id, handle);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn engine(&mut self) -> Result<Arc<Shared>> {
        if let Some(shared) = &self.shared {
            return Ok(Arc::clone(shared));
        }
        let shared = shared::get().map_err(|error| Error::from_reason(error.to_string()))?;
        self.shared = Some(Arc::clone(&shared));
        Ok(shared)
    }
}

impl Drop for NativeClient {
    /// The thread of this environment ends: nobody will hear of what is under way.
    fn drop(&mut self) {
        for handle in self.state().handles.values() {
            handle.abort();
        }
    }
}

impl Results {
    fn push(&self, id: u32, request: Request, outcome: Outcome) {
        let first = {
            let mut waiting = self.waiting();
            waiting.push_back((id, request, outcome));
            waiting.len() == 1
        };
        if first {
            ring(&self.doorbell);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<(u32, Request, Outcome)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count of what is in memory, which has fewer than 2^53 of anything.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn number(count: usize) -> f64 {
    count as f64
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, error.to_string())
}

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::runtime::{Builder, Runtime};
use tracker::client::{ClientConfig, ClientEngine};

/// Threads for all requests of a process: they wait for the network nearly all the time, and two of them wake each other.
const WORKERS: usize = 1;

/// Threads that wait for the system's name resolution.
const MAX_BLOCKING: usize = 16;

/// The engine of the process while somebody holds it, whatever JavaScript threads there are.
static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

/// The engine and the runtime that it lives on.
pub(super) struct Shared {
    engine: ClientEngine,
    runtime: Option<Runtime>,
}

/// The engine, built if there is none.
pub(super) fn get() -> io::Result<Arc<Shared>> {
    let mut slot = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = slot.upgrade() {
        return Ok(shared);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name("tracker-client")
        .enable_io()
        .enable_time()
        .build()?;
    let engine = ClientEngine::new(runtime.handle().clone(), ClientConfig::default());
    let shared = Arc::new(Shared {
        engine,
        runtime: Some(runtime),
    });
    *slot = Arc::downgrade(&shared);
    Ok(shared)
}

impl Shared {
    pub(super) fn engine(&self) -> &ClientEngine {
        &self.engine
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Without waiting: this may be Node's thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

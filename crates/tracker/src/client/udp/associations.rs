//! Relays of SOCKS5 proxies: one for all requests by way of a proxy, made anew when it is lost.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync, time::Instant};

use super::{connections::Connections, socket::Socket};
use crate::client::{
    os_error::Cause,
    proxy::{self, Proxy},
    resolve::Resolver,
};

/// Proxies whose relays are kept. Those in use are kept beyond it.
const MAX_PROXIES: usize = 32;

pub(super) struct Associations {
    handle: Handle,
    resolver: Arc<Resolver>,
    /// For TCP to the proxy, and for the handshake.
    limit: Duration,
    proxies: Mutex<Vec<(Proxy, Slot)>>,
}

/// Locked while an association is made, so that all who need it wait for one attempt.
type Slot = Arc<sync::Mutex<State>>;

enum State {
    Down,
    Failed(Cause, Instant),
    Up(Arc<Connections>),
}

impl Associations {
    pub(super) fn new(handle: Handle, resolver: Arc<Resolver>, limit: Duration) -> Self {
        Self {
            handle,
            resolver,
            limit,
            proxies: Mutex::default(),
        }
    }

    /// The relay of this proxy with the connection ids that trackers gave for it.
    pub(super) async fn get(&self, proxy: &Proxy) -> Result<Arc<Connections>, Cause> {
        let asked = Instant::now();
        let slot = self.slot(proxy);
        let mut state = slot.lock().await;
        match &*state {
            State::Up(connections) if !connections.socket().has_ended() => {
                return Ok(Arc::clone(connections));
            }
            // Whoever waited for an attempt shares what it came to: a thousand announces by way of
            // a proxy that is gone do not try one after the other.
            State::Failed(cause, at) if *at >= asked => return Err(cause.clone()),
            _ => {}
        }
        *state = State::Down;
        match self.associate(proxy).await {
            Ok(connections) => {
                *state = State::Up(Arc::clone(&connections));
                Ok(connections)
            }
            Err(cause) => {
                *state = State::Failed(cause.clone(), Instant::now());
                Err(cause)
            }
        }
    }

    async fn associate(&self, proxy: &Proxy) -> Result<Arc<Connections>, Cause> {
        let (relay, control) = proxy::associate(proxy, &self.resolver, self.limit).await?;
        let socket = Socket::relayed(relay, control, &self.handle)
            .map_err(|error| Cause::io(&error, "bind", None))?;
        Ok(Connections::new(self.handle.clone(), socket))
    }

    fn slot(&self, proxy: &Proxy) -> Slot {
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = proxies.iter().find(|(known, _)| known == proxy) {
            return Arc::clone(slot);
        }
        if proxies.len() >= MAX_PROXIES {
            // Requests under way keep theirs.
            proxies.clear();
        }
        let slot = Arc::new(sync::Mutex::new(State::Down));
        proxies.push((proxy.clone(), Arc::clone(&slot)));
        slot
    }
}

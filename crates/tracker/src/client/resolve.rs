//! From names to addresses: the system's resolver, asked once for many.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    time::Instant,
};

use super::{os_error::Cause, request::Families, url::Host};

/// The system does not tell the time to live; trackers that move do so with more notice.
const LIFE: Duration = Duration::from_secs(60);

/// A thousand torrents at a tracker that is gone need no thousand look-ups.
const FAILURE_LIFE: Duration = Duration::from_secs(5);

/// Look-ups at once. Each blocks a thread for as long as the system likes (30 s is common).
const MAX_LOOKUPS: usize = 16;

/// Names remembered.
const MAX_NAMES: usize = 1024;

/// Addresses kept of one name.
const MAX_ADDRESSES: usize = 16;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl Families {
    /// The families to try, in order.
    pub(super) const fn in_order(self) -> &'static [Family] {
        match self {
            Self::Ipv4First | Self::Both => &[Family::V4, Family::V6],
            Self::Ipv4Only => &[Family::V4],
            Self::Ipv6Only => &[Family::V6],
        }
    }
}

pub(super) type Answer = Result<Arc<[IpAddr]>, Cause>;

/// A cache in front of the system's resolver.
pub(super) struct Resolver {
    handle: Handle,
    fixed: HashMap<String, Vec<IpAddr>>,
    turns: Arc<Semaphore>,
    names: Mutex<HashMap<String, State>>,
}

enum State {
    Pending(watch::Receiver<Option<Answer>>),
    Known(Answer, Instant),
}

impl Resolver {
    pub(super) fn new(handle: Handle, fixed: HashMap<String, Vec<IpAddr>>) -> Arc<Self> {
        Arc::new(Self {
            handle,
            fixed,
            turns: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            names: Mutex::default(),
        })
    }

    /// The addresses of a host. All who ask for a name at once share one look-up, which goes on
    /// when they leave.
    pub(super) async fn resolve(self: &Arc<Self>, host: &Host) -> Answer {
        let name = match host {
            Host::Ip(ip) => return Ok(Arc::new([*ip])),
            Host::Name(name) => name,
        };
        if let Some(addresses) = self.fixed.get(name) {
            return Ok(Arc::from(addresses.as_slice()));
        }
        let mut pending = match self.look(name) {
            State::Known(answer, _) => return answer,
            State::Pending(pending) => pending,
        };
        match pending.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or_else(|| Err(ended(name))),
            Err(_) => Err(ended(name)),
        }
    }

    /// Makes the next request ask the system again: nothing answered at these addresses.
    pub(super) fn forget(&self, host: &Host) {
        if let Host::Name(name) = host {
            let mut names = self.names();
            if matches!(names.get(name), Some(State::Known(Ok(_), _))) {
                names.remove(name);
            }
        }
    }

    /// The state of a name; begins a look-up if there is no fresh answer.
    fn look(self: &Arc<Self>, name: &str) -> State {
        let mut names = self.names();
        let now = Instant::now();
        match names.get(name) {
            Some(State::Known(answer, until)) if *until > now => {
                return State::Known(answer.clone(), *until);
            }
            Some(State::Pending(pending)) if pending.has_changed().is_ok() => {
                return State::Pending(pending.clone());
            }
            _ => {}
        }
        if names.len() >= MAX_NAMES {
            names.retain(|_, state| matches!(state, State::Known(_, until) if *until > now));
            if names.len() >= MAX_NAMES {
                names.clear();
            }
        }
        let (sender, pending) = watch::channel(None);
        names.insert(name.to_owned(), State::Pending(pending.clone()));
        drop(names);
        let lookup = lookup(
            Arc::downgrade(self),
            Arc::clone(&self.turns),
            name.to_owned(),
            sender,
        );
        self.handle.spawn(lookup);
        State::Pending(pending)
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task of its own, so that its turn lasts as long as its blocked thread, whoever waits.
async fn lookup(
    resolver: Weak<Resolver>,
    turns: Arc<Semaphore>,
    name: String,
    sender: watch::Sender<Option<Answer>>,
) {
    let Ok(_turn) = turns.acquire_owned().await else {
        return;
    };
    let answer = match tokio::net::lookup_host((name.as_str(), 0)).await {
        Ok(addresses) => addresses_of(&name, addresses),
        Err(error) => Err(Cause::lookup(&name, &error)),
    };
    if let Some(resolver) = resolver.upgrade() {
        let life = if answer.is_ok() { LIFE } else { FAILURE_LIFE };
        let known = State::Known(answer.clone(), Instant::now() + life);
        resolver.names().insert(name, known);
    }
    sender.send_replace(Some(answer));
}

fn addresses_of(name: &str, addresses: impl Iterator<Item = SocketAddr>) -> Answer {
    let mut found: Vec<IpAddr> = Vec::new();
    for ip in addresses.map(|address| address.ip().to_canonical()) {
        if !found.contains(&ip) && found.len() < MAX_ADDRESSES {
            found.push(ip);
        }
    }
    if found.is_empty() {
        return Err(Cause::no_address(name));
    }
    Ok(found.into())
}

fn ended(name: &str) -> Cause {
    Cause::lookup(name, &io::Error::other("the look-up was ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver() -> Arc<Resolver> {
        let fixed = HashMap::from([("t.example".to_owned(), vec![IpAddr::from([192, 0, 2, 1])])]);
        Resolver::new(Handle::current(), fixed)
    }

    #[tokio::test]
    async fn addresses_and_fixed_names() {
        let resolver = resolver();
        let ip = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(*resolver.resolve(&Host::Ip(ip)).await.unwrap(), [ip]);
        let fixed = resolver.resolve(&Host::Name("t.example".into())).await;
        assert_eq!(*fixed.unwrap(), [IpAddr::from([192, 0, 2, 1])]);
    }

    #[tokio::test]
    async fn names_are_looked_up_once() {
        let resolver = resolver();
        let localhost = Host::Name("localhost".into());
        let (first, second) =
            tokio::join!(resolver.resolve(&localhost), resolver.resolve(&localhost));
        let first = first.unwrap();
        assert!(first.iter().all(IpAddr::is_loopback) && !first.is_empty());
        assert!(Arc::ptr_eq(&first, &second.unwrap()));
        resolver.forget(&localhost);
        assert!(!Arc::ptr_eq(
            &first,
            &resolver.resolve(&localhost).await.unwrap()
        ));
    }

    #[tokio::test]
    async fn unknown_names_have_node_errors() {
        let name = "no such name";
        let error = resolver()
            .resolve(&Host::Name(name.into()))
            .await
            .unwrap_err();
        let os = error.os.unwrap();
        assert_eq!(os.syscall, "getaddrinfo");
        assert_eq!(os.address.as_deref(), Some(name));
    }
}

//! Connection pools: one per TLS setting, proxy, address family and kind of target.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

use crate::client::{
    error::ClientError,
    os_error::Cause,
    proxy::Proxy,
    request::ClientConfig,
    resolve::{Family, Resolver},
    tls::{self, TlsRoots},
    url::Host,
};

/// Pools kept. A process has one set of roots, hence at most 8 and one per proxy; more means that
/// the caller makes roots anew for each request.
const MAX_POOLS: usize = 32;

/// An idle connection is kept this long; trackers close theirs after a few seconds to minutes.
const IDLE: Duration = Duration::from_secs(30);

/// Idle connections kept to one host.
const MAX_IDLE_PER_HOST: usize = 8;

/// Headers of an answer. Their bytes are bounded by hyper (408 KiB).
const MAX_HEADERS: usize = 100;

/// Which addresses a connection may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Direct {
        family: Family,
        /// After a hop on the internet: nothing else any more.
        public_only: bool,
    },
    /// To wherever the proxy leads; a name that it resolves has no address that we could judge.
    Proxied(Proxy),
}

/// The pools in use.
pub(super) struct Pool {
    resolver: Arc<Resolver>,
    config: Arc<ClientConfig>,
    pools: Mutex<Vec<Entry>>,
}

struct Entry {
    route: Route,
    roots: Option<TlsRoots>,
    client: Client,
}

impl Pool {
    pub(super) fn new(resolver: Arc<Resolver>, config: Arc<ClientConfig>) -> Self {
        Self {
            resolver,
            config,
            pools: Mutex::default(),
        }
    }

    /// The client for this route; cheap to clone.
    pub(super) fn client(
        &self,
        route: Route,
        roots: Option<&TlsRoots>,
    ) -> Result<Client, ClientError> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pools.iter().find(|entry| {
            entry.route == route
                && match (&entry.roots, roots) {
                    (Some(known), Some(wanted)) => known.is(wanted),
                    (None, None) => true,
                    _ => false,
                }
        });
        if let Some(entry) = known {
            return Ok(entry.client.clone());
        }
        if pools.len() >= MAX_POOLS {
            // Requests under way keep theirs.
            pools.clear();
        }
        let client = self.build(&route, roots)?;
        pools.push(Entry {
            route,
            roots: roots.cloned(),
            client: client.clone(),
        });
        Ok(client)
    }

    fn build(&self, route: &Route, roots: Option<&TlsRoots>) -> Result<Client, ClientError> {
        let tls = match roots {
            Some(roots) => roots.config(),
            None => tls::no_roots(),
        }
        .ok_or_else(|| ClientError::Fetch(Cause::text("TLS cannot be set up")))?;
        let broken = |error| ClientError::Fetch(Cause::of(&error, "connect", None));
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            // Proxies of the environment are not for us, as in the original.
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .http1_max_headers(MAX_HEADERS)
            .connect_timeout(self.config.connect_timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .dns_resolver(Arc::new(RouteResolver {
                resolver: Arc::clone(&self.resolver),
                is_public: self.config.is_public,
                route: route.clone(),
            }));
        if let Route::Proxied(proxy) = route {
            builder = builder.proxy(proxy.for_reqwest().map_err(broken)?);
        }
        builder.build().map_err(broken)
    }
}

/// Only the addresses of a route; behind a proxy those of the proxy, the one name that is resolved
/// here. Addresses in URLs do not come through here: the fetcher looks
/// at those itself.
struct RouteResolver {
    resolver: Arc<Resolver>,
    is_public: fn(std::net::IpAddr) -> bool,
    route: Route,
}

impl Resolve for RouteResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Arc::clone(&self.resolver);
        let is_public = self.is_public;
        let route = self.route.clone();
        Box::pin(async move {
            let host = Host::Name(name.as_str().to_ascii_lowercase());
            let addresses: Vec<_> = resolver
                .resolve(&host)
                .await?
                .iter()
                .copied()
                .filter(|ip| match route {
                    Route::Direct {
                        family,
                        public_only,
                    } => Family::of(*ip) == family && (!public_only || is_public(*ip)),
                    Route::Proxied(_) => true,
                })
                .map(|ip| SocketAddr::new(ip, 0))
                .collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for RouteResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.route.fmt(f)
    }
}

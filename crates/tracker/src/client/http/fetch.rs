//! A GET request with everything bounded: redirects, body, addresses.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::{
    StatusCode, Url,
    header::{HeaderValue, LOCATION, USER_AGENT},
};

use super::pool::{Pool, Route};
use crate::client::{
    error::ClientError,
    os_error::Cause,
    proxy::Proxy,
    request::{ClientConfig, TrackerRequest},
    resolve::{Family, Resolver},
    url::Host,
};

/// Fetches bodies of bounded size.
pub(super) struct Fetcher {
    pub(super) pool: Pool,
    pub(super) resolver: Arc<Resolver>,
    pub(super) config: Arc<ClientConfig>,
}

impl Fetcher {
    /// The body of the answer, after redirects and inflation.
    ///
    /// Redirects are followed here and not by reqwest: each hop's address decides about the next
    /// one, and credentials must not travel along.
    pub(super) async fn get(
        &self,
        request: &TrackerRequest,
        url: Url,
        families: &[Family],
    ) -> Result<Vec<u8>, ClientError> {
        let user_agent = HeaderValue::from_str(request.user_agent.as_deref().unwrap_or(""))
            .map_err(|_| ClientError::UserAgent)?;
        let tracker = || request.url.as_str().to_owned();
        let bad_redirect = || ClientError::Redirect { url: tracker() };
        let mut url = url;
        let mut public_only = false;
        for _ in 0..=self.config.max_redirects {
            let hop = Hop {
                request,
                url: &url,
                user_agent: &user_agent,
                public_only,
            };
            let response = self.send(&hop, families).await?;
            // An address that is not known is held for one on the internet, to be safe: so is a name
            // that a proxy resolves.
            public_only |= match request.proxy {
                None => response
                    .remote_addr()
                    .is_none_or(|addr| (self.config.is_public)(addr.ip())),
                Some(_) => !is_known_private(&url, self.config.is_public),
            };
            match response.status() {
                StatusCode::OK => return self.body(response, request).await,
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
                    if response.headers().contains_key(LOCATION) =>
                {
                    let location = response.headers().get(LOCATION);
                    url = location
                        .and_then(|location| location.to_str().ok())
                        .and_then(|location| next_url(&url, location))
                        .ok_or_else(bad_redirect)?;
                }
                status => {
                    return Err(ClientError::Status {
                        status: status.as_u16(),
                        url: tracker(),
                    });
                }
            }
        }
        Err(bad_redirect())
    }

    /// One hop, over one address family after the other.
    async fn send(
        &self,
        hop: &Hop<'_>,
        families: &[Family],
    ) -> Result<reqwest::Response, ClientError> {
        let host = Host::of(hop.url)
            .ok_or_else(|| ClientError::Fetch(Cause::text("the URL has no host")))?;
        if let Some(proxy) = &hop.request.proxy {
            return self.send_through(proxy, hop, &host).await;
        }
        let addresses = self.addresses(hop, &host).await?;
        let mut error = None;
        for family in families {
            let Some(ip) = addresses.iter().find(|ip| Family::of(**ip) == *family) else {
                continue;
            };
            let route = Route::Direct {
                family: *family,
                public_only: hop.public_only,
            };
            let client = self.pool.client(route, hop.request.tls_roots.as_ref())?;
            let sent = client
                .get(hop.url.clone())
                .header(USER_AGENT, hop.user_agent)
                .send()
                .await;
            let failed = match sent {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let addr = hop
                .url
                .port_or_known_default()
                .map(|port| SocketAddr::new(*ip, port));
            // Once the request is out, another try would be another announce.
            if !failed.is_connect() {
                return Err(fetch_error(&failed, addr));
            }
            // The preferred family's error tells more than that the other does not work either.
            error.get_or_insert_with(|| fetch_error(&failed, addr));
        }
        self.resolver.forget(&host);
        Err(error.unwrap_or_else(|| ClientError::Fetch(Cause::no_address(&host.to_string()))))
    }

    /// One hop by way of a proxy, to an address that it finds.
    async fn send_through(
        &self,
        proxy: &Proxy,
        hop: &Hop<'_>,
        host: &Host,
    ) -> Result<reqwest::Response, ClientError> {
        let tracker = || hop.request.url.as_str().to_owned();
        if hop.url.scheme() == "https" && hop.request.tls_roots.is_none() {
            return Err(ClientError::TlsRoots);
        }
        // What can be judged is: the proxy may stand in the network whose router is meant.
        if hop.public_only && is_known_private(hop.url, self.config.is_public) {
            return Err(ClientError::RedirectRefused {
                host: host.to_string(),
                url: tracker(),
            });
        }
        let route = Route::Proxied(proxy.clone());
        let client = self.pool.client(route, hop.request.tls_roots.as_ref())?;
        let sent = client
            .get(hop.url.clone())
            .header(USER_AGENT, hop.user_agent)
            .send()
            .await;
        let refused = |cause| ClientError::Proxy {
            cause,
            url: tracker(),
        };
        match sent {
            Ok(response) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(
                refused(Cause::text("the proxy refuses the user or password (407)")),
            ),
            Ok(response) => Ok(response),
            Err(error) => Err(match fetch_error(&error, None) {
                // TLS is the tracker's, all before it the proxy's.
                ClientError::Fetch(cause) if error.is_connect() && !is_tls(&error) => {
                    refused(cause)
                }
                error => error,
            }),
        }
    }

    /// The addresses of a hop. The connection's own look-up comes out of the same cache, through
    /// the same filter.
    async fn addresses(&self, hop: &Hop<'_>, host: &Host) -> Result<Vec<IpAddr>, ClientError> {
        if hop.url.scheme() == "https" && hop.request.tls_roots.is_none() {
            return Err(ClientError::TlsRoots);
        }
        let mut addresses = self
            .resolver
            .resolve(host)
            .await
            .map_err(ClientError::Fetch)?
            .to_vec();
        if hop.public_only {
            addresses.retain(|ip| (self.config.is_public)(*ip));
            if addresses.is_empty() {
                return Err(ClientError::RedirectRefused {
                    host: host.to_string(),
                    url: hop.request.url.as_str().to_owned(),
                });
            }
        }
        Ok(addresses)
    }

    async fn body(
        &self,
        mut response: reqwest::Response,
        request: &TrackerRequest,
    ) -> Result<Vec<u8>, ClientError> {
        let limit = self.config.max_body;
        let too_large = || ClientError::TooLarge {
            limit,
            url: request.url.as_str().to_owned(),
        };
        if response
            .content_length()
            .is_some_and(|len| len > limit as u64)
        {
            return Err(too_large());
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(too_large()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) => {
                    let cause = Cause::of(&error, "read", None);
                    return Err(ClientError::Terminated(cause));
                }
            }
        }
    }
}

struct Hop<'a> {
    request: &'a TrackerRequest,
    url: &'a Url,
    user_agent: &'a HeaderValue,
    public_only: bool,
}

/// Where a redirect leads. A downgrade to http: is allowed, as in fetch.
pub(super) fn next_url(url: &Url, location: &str) -> Option<Url> {
    let next = url.join(location).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

/// Whether a host is not on the internet, as far as can be told without a look-up.
pub(super) fn is_known_private(url: &Url, is_public: fn(IpAddr) -> bool) -> bool {
    match Host::of(url) {
        Some(Host::Ip(ip)) => !is_public(ip),
        Some(Host::Name(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => true,
    }
}

/// Whether it is TLS that failed.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(|error| error.get_ref());
        let in_io = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if in_io.is_some() || error.is::<rustls::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn fetch_error(error: &reqwest::Error, addr: Option<SocketAddr>) -> ClientError {
    let syscall = if error.is_connect() {
        "connect"
    } else {
        "read"
    };
    // The URL in reqwest's own text holds the passkey, so only what lies below it is told.
    ClientError::Fetch(match error.source() {
        Some(source) => Cause::of(source, syscall, addr),
        None => Cause::text("the request could not be sent"),
    })
}

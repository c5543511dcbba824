//! From a request's line and headers to what it asks for.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use super::super::{context::Context, events::Inquiry, proxy::TrustProxy};
use crate::{
    protocol::http::{self, AnnounceQuery},
    types::InfoHash,
};

/// An echo of a bad request line is cut here.
const MAX_ECHO: usize = 1024;

/// What a request asks for.
pub(crate) enum Prepared {
    /// To take part in a swarm.
    Announce(AnnounceQuery, IpAddr),
    /// The numbers of these torrents; none at all for all.
    Scrape(Vec<InfoHash>),
    /// The statistics.
    Stats(Inquiry),
}

/// A request that gets a `failure reason`.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

/// Where a request goes, whatever its path says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `/announce`.
    Announce,
    /// `/scrape`.
    Scrape,
}

/// A request's head, as far as it matters here.
pub(crate) struct Head<'a> {
    pub(crate) target: &'a str,
    pub(crate) remote: SocketAddr,
    pub(crate) is_get: bool,
    /// Whether it wants JSON: the header `accept`, exactly.
    pub(crate) wants_json: bool,
}

/// Reads a request. `forwarded` is the lines of `X-Forwarded-For`.
pub(crate) fn prepare<'a>(
    context: &Context,
    head: &Head<'_>,
    action: Option<Action>,
    trust_proxy: &TrustProxy,
    forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> Result<Prepared, Refused> {
    let (path, query) = head.target.split_once('?').unwrap_or((head.target, ""));
    if context.options.stats
        && action.is_none()
        && head.is_get
        && let Some(inquiry) = stats(head)
    {
        return Ok(Prepared::Stats(inquiry));
    }
    let query = query.as_bytes();
    match action.or_else(|| endpoint(context, path)) {
        Some(Action::Announce) => {
            let query = http::parse_announce(query).map_err(|error| Refused::bad(&error))?;
            let ip = trust_proxy
                .client_ip(head.remote, forwarded)
                .map_err(|error| Refused::bad(&error))?;
            Ok(Prepared::Announce(query, ip))
        }
        Some(Action::Scrape) => http::parse_scrape(query)
            .map(Prepared::Scrape)
            .map_err(|error| Refused::bad(&error)),
        None => Err(Refused {
            code: "ERR_TRACKER_BAD_REQUEST",
            reason: format!(
                "invalid action in HTTP request: {}",
                head.target.chars().take(MAX_ECHO).collect::<String>()
            ),
        }),
    }
}

/// The torrents that a scrape is answered with.
pub(crate) fn scraped<'a>(
    context: &Context,
    info_hashes: &'a [InfoHash],
) -> Result<Cow<'a, [InfoHash]>, Refused> {
    if !info_hashes.is_empty() {
        return Ok(Cow::Borrowed(info_hashes));
    }
    let mut info_hashes = context.tracker.full_scrape().map_err(|error| Refused {
        code: "ERR_TRACKER_FULL_SCRAPE",
        reason: error.to_string(),
    })?;
    info_hashes.sort_unstable();
    Ok(Cow::Owned(info_hashes))
}

/// Which endpoint a path names. One slash at the end is forgiven: some clients add it.
fn endpoint(context: &Context, path: &str) -> Option<Action> {
    let path = path.strip_prefix(context.options.path_prefix.as_str())?;
    match path.strip_suffix('/').unwrap_or(path) {
        "/announce" => Some(Action::Announce),
        "/scrape" => Some(Action::Scrape),
        _ => None,
    }
}

fn stats(head: &Head<'_>) -> Option<Inquiry> {
    match head.target {
        "/stats.json" => Some(Inquiry::StatsJson),
        "/stats" if head.wants_json => Some(Inquiry::StatsJson),
        "/stats" => Some(Inquiry::Stats),
        _ => None,
    }
}

impl Refused {
    pub(crate) fn bad(error: &impl ToString) -> Self {
        Self {
            code: "ERR_TRACKER_BAD_REQUEST",
            reason: error.to_string(),
        }
    }
}

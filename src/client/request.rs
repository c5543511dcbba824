use std::time::Duration;

use napi::{
    Result,
    bindgen_prelude::{Either, Uint8Array},
};
use napi_derive::napi;
use tracker::{
    client::{
        AnnounceParams, Families, Proxy, RequestKind, TlsRoots, TrackerRequest, TrackerUrl,
        schedule::IntervalLimits,
    },
    types::{AnnounceEvent, InfoHash, PeerId},
};

use super::invalid;

/// A request to a tracker; lib/client has checked what is in it.
#[napi(object)]
pub struct NativeRequest {
    pub url: String,
    pub user_agent: Option<String>,
    pub timeout_ms: Option<f64>,
    pub min_interval_ms: Option<f64>,
    /// `both`, `ipv4`, `ipv6`; else IPv4 first.
    pub families: Option<String>,
    /// The URL of the one way to the tracker.
    pub proxy: Option<String>,
    pub announce: Option<NativeAnnounce>,
    /// 40 digits each.
    pub scrape: Option<Vec<String>>,
}

/// An announce: the query for HTTP, the rest for UDP.
#[napi(object)]
pub struct NativeAnnounce {
    pub query: Vec<NativePair>,
    pub info_hash: String,
    pub peer_id: String,
    pub downloaded: f64,
    pub left: Option<f64>,
    pub uploaded: f64,
    pub event: String,
    pub key: u32,
    pub numwant: i32,
    pub port: u16,
}

/// A key of a query, and its value as text or as bytes.
#[napi(object)]
pub struct NativePair {
    pub key: String,
    pub value: Either<String, Uint8Array>,
}

impl NativeRequest {
    pub(super) fn into_engine(self, tls_roots: Option<TlsRoots>) -> Result<TrackerRequest> {
        let url = TrackerUrl::parse(&self.url).map_err(invalid)?;
        let kind = match (self.announce, self.scrape) {
            (Some(announce), _) => RequestKind::Announce(Box::new(announce.into_engine()?)),
            (None, info_hashes) => RequestKind::Scrape {
                info_hashes: info_hashes
                    .unwrap_or_default()
                    .iter()
                    .map(|info_hash| info_hash.parse().map_err(invalid))
                    .collect::<Result<_>>()?,
            },
        };
        let mut request = TrackerRequest::new(url, kind);
        request.user_agent = self.user_agent;
        request.tls_roots = tls_roots;
        if let Some(timeout) = self.timeout_ms.and_then(millis) {
            request.timeout = timeout;
        }
        if let Some(min) = self.min_interval_ms.and_then(millis) {
            request.intervals = IntervalLimits {
                min,
                ..request.intervals
            };
        }
        request.families = families(self.families.as_deref());
        request.proxy = proxy(self.proxy.as_deref())?;
        Ok(request)
    }
}

impl NativeAnnounce {
    fn into_engine(self) -> Result<AnnounceParams> {
        let query = self.query.into_iter().map(|pair| {
            let value = match pair.value {
                Either::A(text) => text.into_bytes(),
                Either::B(bytes) => bytes.to_vec(),
            };
            (pair.key.into_bytes(), value)
        });
        Ok(AnnounceParams {
            query: query.collect(),
            info_hash: self.info_hash.parse::<InfoHash>().map_err(invalid)?,
            peer_id: self.peer_id.parse::<PeerId>().map_err(invalid)?,
            downloaded: bytes(self.downloaded),
            left: self.left.map(bytes),
            uploaded: bytes(self.uploaded),
            event: AnnounceEvent::from_name(self.event.as_bytes()).unwrap_or_default(),
            key: self.key,
            num_want: self.numwant,
            port: self.port,
        })
    }
}

pub(super) fn families(name: Option<&str>) -> Families {
    match name {
        Some("both") => Families::Both,
        Some("ipv4") => Families::Ipv4Only,
        Some("ipv6") => Families::Ipv6Only,
        _ => Families::Ipv4First,
    }
}

/// A proxy that is set and cannot be used must not count as none.
pub(super) fn proxy(url: Option<&str>) -> Result<Option<Proxy>> {
    url.map(|url| Proxy::parse(url).map_err(invalid))
        .transpose()
}

/// A count of bytes; saturates, and what is no number is 0.
#[expect(clippy::cast_sign_loss, reason = "casts from f64 saturate")]
fn bytes(count: f64) -> u64 {
    count as u64
}

pub(super) fn millis(ms: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(ms / 1000.0).ok()
}

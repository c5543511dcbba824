use std::time::Duration;

use napi::{Result, bindgen_prelude::Uint8Array};
use napi_derive::napi;
use tracker::{
    client::{
        AnnounceParams, Families, Proxy, RequestKind, TlsRoots, TrackerRequest, TrackerUrl,
        schedule::IntervalLimits,
    },
    types::{AnnounceEvent, InfoHash, PeerId},
};

use super::invalid;

/// Where requests go and how; lib/client has checked what is in it.
#[napi(object)]
pub struct NativeTargetOptions {
    pub url: String,
    pub user_agent: Option<String>,
    pub timeout_ms: Option<f64>,
    pub min_interval_ms: Option<f64>,
    /// `both`, `ipv4`, `ipv6`; else IPv4 first.
    pub families: Option<String>,
    /// The URL of the one way to the tracker.
    pub proxy: Option<String>,
}

/// The same, made once for many announces.
#[napi]
pub struct NativeTarget {
    /// Asks for nothing yet.
    request: TrackerRequest,
}

/// A request by itself.
#[napi(object)]
pub struct NativeRequest {
    pub url: String,
    pub user_agent: Option<String>,
    pub timeout_ms: Option<f64>,
    pub min_interval_ms: Option<f64>,
    pub families: Option<String>,
    pub proxy: Option<String>,
    pub announce: Option<NativeAnnounce>,
    /// 40 digits each.
    pub scrape: Option<Vec<String>>,
}

/// An announce: the escaped query for HTTP, the rest for UDP.
#[napi(object)]
pub struct NativeAnnounce {
    pub query: String,
    /// 20 bytes each.
    pub info_hash: Uint8Array,
    pub peer_id: Uint8Array,
    pub downloaded: f64,
    pub left: Option<f64>,
    pub uploaded: f64,
    pub event: String,
    pub key: u32,
    pub numwant: i32,
    pub port: u16,
}

#[napi]
impl NativeTarget {
    #[napi(constructor, catch_unwind)]
    pub fn new(options: NativeTargetOptions) -> Result<Self> {
        let nothing = RequestKind::Scrape {
            info_hashes: Vec::new(),
        };
        let request = options.into_engine(nothing)?;
        Ok(Self { request })
    }

    /// An announce, from the fields that lib/client/engine.js lays out.
    pub(super) fn announce(&self, fields: &[u8], query: String) -> Result<TrackerRequest> {
        let announce = announce_params(fields, query)
            .ok_or_else(|| invalid("an announce whose fields are too short"))?;
        let kind = RequestKind::Announce(Box::new(announce));
        Ok(self.request.with_kind(kind))
    }
}

impl NativeTargetOptions {
    fn into_engine(self, kind: RequestKind) -> Result<TrackerRequest> {
        let url = TrackerUrl::parse(&self.url).map_err(invalid)?;
        let mut request = TrackerRequest::new(url, kind);
        request.user_agent = self.user_agent;
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

impl NativeRequest {
    pub(super) fn into_engine(self, tls_roots: Option<TlsRoots>) -> Result<TrackerRequest> {
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
        let target = NativeTargetOptions {
            url: self.url,
            user_agent: self.user_agent,
            timeout_ms: self.timeout_ms,
            min_interval_ms: self.min_interval_ms,
            families: self.families,
            proxy: self.proxy,
        };
        let mut request = target.into_engine(kind)?;
        request.tls_roots = tls_roots;
        Ok(request)
    }
}

impl NativeAnnounce {
    fn into_engine(self) -> Result<AnnounceParams> {
        let id = |bytes: &[u8]| <[u8; 20]>::try_from(bytes).map_err(invalid);
        Ok(AnnounceParams {
            query: self.query,
            info_hash: InfoHash(id(&self.info_hash)?),
            peer_id: PeerId(id(&self.peer_id)?),
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

fn announce_params(fields: &[u8], query: String) -> Option<AnnounceParams> {
    let (&info_hash, rest) = fields.split_first_chunk()?;
    let (&peer_id, rest) = rest.split_first_chunk()?;
    let (&downloaded, rest) = rest.split_first_chunk()?;
    let (&uploaded, rest) = rest.split_first_chunk()?;
    let (&left, rest) = rest.split_first_chunk()?;
    let (&key, rest) = rest.split_first_chunk()?;
    let (&num_want, rest) = rest.split_first_chunk()?;
    let (&port, rest) = rest.split_first_chunk()?;
    let left = f64::from_le_bytes(left);
    Some(AnnounceParams {
        query,
        info_hash: InfoHash(info_hash),
        peer_id: PeerId(peer_id),
        downloaded: bytes(f64::from_le_bytes(downloaded)),
        // NaN stands for unknown.
        left: (!left.is_nan()).then(|| bytes(left)),
        uploaded: bytes(f64::from_le_bytes(uploaded)),
        event: match rest.first()? {
            1 => AnnounceEvent::Started,
            2 => AnnounceEvent::Completed,
            3 => AnnounceEvent::Stopped,
            4 => AnnounceEvent::Paused,
            _ => AnnounceEvent::Update,
        },
        key: u32::from_le_bytes(key),
        num_want: i32::from_le_bytes(num_want),
        port: u16::from_le_bytes(port),
    })
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

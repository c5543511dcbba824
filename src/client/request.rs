use std::time::Duration;

use napi::Result;
use napi_derive::napi;
use tracker::{
    client::{
        AnnounceParams, Families, Proxy, RequestKind, TrackerRequest, TrackerUrl,
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

/// The same, made once for many requests.
#[napi]
pub struct NativeTarget {
    /// Asks for nothing yet.
    request: TrackerRequest,
}

#[napi]
impl NativeTarget {
    #[napi(constructor, catch_unwind)]
    pub fn new(options: NativeTargetOptions) -> Result<Self> {
        let url = TrackerUrl::parse(&options.url).map_err(invalid)?;
        let nothing = RequestKind::Scrape {
            info_hashes: Vec::new(),
        };
        let mut request = TrackerRequest::new(url, nothing);
        request.user_agent = options.user_agent;
        if let Some(timeout) = options.timeout_ms.and_then(millis) {
            request.timeout = timeout;
        }
        if let Some(min) = options.min_interval_ms.and_then(millis) {
            request.intervals.min = min;
        }
        request.families = families(options.families.as_deref());
        request.proxy = proxy(options.proxy.as_deref())?;
        Ok(Self { request })
    }

    pub(super) const fn limits(&self) -> IntervalLimits {
        self.request.intervals
    }

    pub(super) fn announce_http(&self, query: String) -> TrackerRequest {
        self.announce(AnnounceParams::of_query(query))
    }

    /// What all requests have in common; it asks for nothing.
    pub(super) const fn request(&self) -> &TrackerRequest {
        &self.request
    }

    pub(super) fn scrape(&self, info_hashes: &[String]) -> Result<TrackerRequest> {
        let info_hashes = info_hashes
            .iter()
            .map(|info_hash| info_hash.parse().map_err(invalid))
            .collect::<Result<_>>()?;
        Ok(self.request.with_kind(RequestKind::Scrape { info_hashes }))
    }

    fn announce(&self, announce: AnnounceParams) -> TrackerRequest {
        let kind = RequestKind::Announce(Box::new(announce));
        self.request.with_kind(kind)
    }
}

/// Bytes of an announce over UDP as lib/client/announces.js lays it out.
const ANNOUNCE: usize = 88;

/// The announces in what lib/client/announces.js lays out, and their requests' numbers.
pub(super) fn announces(laid_out: &[u8]) -> Result<Vec<(u32, AnnounceParams)>> {
    laid_out
        .chunks(ANNOUNCE)
        .map(|fields| announce(fields).ok_or_else(|| invalid("announces with a fault")))
        .collect()
}

fn announce(fields: &[u8]) -> Option<(u32, AnnounceParams)> {
    let (&downloaded, rest) = fields.split_first_chunk()?;
    let (&uploaded, rest) = rest.split_first_chunk()?;
    let (&left, rest) = rest.split_first_chunk()?;
    let (&key, rest) = rest.split_first_chunk()?;
    let (&num_want, rest) = rest.split_first_chunk()?;
    let (&port, rest) = rest.split_first_chunk()?;
    let (&event, rest) = rest.split_first_chunk()?;
    let (&id, rest) = rest.split_first_chunk()?;
    let (&info_hash, rest) = rest.split_first_chunk()?;
    let (&peer_id, _) = rest.split_first_chunk()?;
    // Of typed arrays: in the machine's own order.
    let left = f64::from_ne_bytes(left);
    let params = AnnounceParams {
        query: String::new(),
        info_hash: InfoHash(info_hash),
        peer_id: PeerId(peer_id),
        downloaded: bytes(f64::from_ne_bytes(downloaded)),
        // NaN stands for unknown.
        left: (!left.is_nan()).then(|| bytes(left)),
        uploaded: bytes(f64::from_ne_bytes(uploaded)),
        event: match u32::from_ne_bytes(event) {
            1 => AnnounceEvent::Started,
            2 => AnnounceEvent::Completed,
            3 => AnnounceEvent::Stopped,
            4 => AnnounceEvent::Paused,
            _ => AnnounceEvent::Update,
        },
        key: u32::from_ne_bytes(key),
        num_want: i32::from_ne_bytes(num_want),
        port: u16::try_from(u32::from_ne_bytes(port)).ok()?,
    };
    Some((u32::from_ne_bytes(id), params))
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

use std::time::Duration;

use napi::{
    Env, Result, ValueType,
    bindgen_prelude::{
        Array, Float64ArraySlice, Object, ToNapiValue, TypeName, Uint8Array, Uint8ArraySlice,
    },
    sys,
};
use napi_derive::napi;
use tracker::client::{
    AnnounceReply, ClientError, Peer, RawDict, RawValue, ScrapeRow, TrackerReply,
    schedule::{self, IntervalLimits, Intervals, RetryIn},
};

/// What a request came to: one of `error`, `announce`, `scrape`.
#[napi(object, object_from_js = false)]
pub struct NativeResult {
    pub id: u32,
    pub error: Option<NativeClientError>,
    pub announce: Option<NativeAnnounceReply>,
    pub scrape: Option<Vec<NativeScrapeRow>>,
    /// The tracker's message to the user.
    pub warning_message: Option<String>,
    /// Complaints about a reply that was usable.
    pub warnings: Vec<NativeClientError>,
    /// When to announce again, in milliseconds; 0 for never, absent to go on as before.
    pub interval_ms: Option<f64>,
}

#[napi(object, object_from_js = false)]
pub struct NativeAnnounceReply {
    pub complete: Option<f64>,
    pub incomplete: Option<f64>,
    pub peers: Vec<String>,
    pub tracker_id: Option<Uint8Array>,
    pub external_ip: Option<String>,
    #[napi(ts_type = "Record<string, unknown>")]
    pub raw: Option<Bencoded>,
}

#[napi(object, object_from_js = false)]
pub struct NativeScrapeRow {
    pub info_hash: String,
    pub complete: Option<f64>,
    pub incomplete: Option<f64>,
    pub downloaded: Option<f64>,
    #[napi(ts_type = "Record<string, unknown>")]
    pub raw: Option<Bencoded>,
}

/// An error, from which JavaScript makes one of its own.
#[napi(object, object_from_js = false)]
pub struct NativeClientError {
    pub code: String,
    pub message: String,
    pub cause: Option<NativeCause>,
    /// To be told to nobody.
    pub silent: bool,
    /// Minutes until the tracker may be asked again (BEP 31); -1 for never.
    pub retry_in: Option<f64>,
}

#[napi(object, object_from_js = false)]
pub struct NativeCause {
    pub message: String,
    pub code: Option<String>,
    pub errno: Option<i32>,
    pub syscall: Option<String>,
    pub address: Option<String>,
    pub port: Option<u16>,
}

/// A result, apart from its numbers. Nearly all are of announces that went as they should, in their thousands, and are
/// made without an object for each.
pub enum Taken {
    /// The peers of an announce over UDP.
    Peers(Vec<Peer>),
    /// An announce over HTTP: an array, `[id, intervalMs, complete, incomplete, peers, raw, trackerId]`, which is
    /// made in a third of the time that an object takes.
    Http(u32, Option<f64>, Box<AnnounceReply>),
    /// All others.
    Full(Box<NativeResult>),
}

/// The numbers of an array that JavaScript has for us to write to.
#[expect(unsafe_code, reason = "see below")]
pub(super) fn numbers<'a>(array: &'a mut Float64ArraySlice<'_>) -> &'a mut [f64] {
    // SAFETY: no JavaScript runs, and nobody else has its memory, while the one call goes on that this is for.
    unsafe { array.as_mut() }
}

/// The numbers of a result in a row: id, milliseconds to the next announce, seeders, leechers, and where the rest of
/// it is: 0 nowhere, n at n - 1 and peers alone, -n there and whole. NaN is what is not there.
pub(super) type Row = [f64; 5];

impl Taken {
    /// Fills in a row and returns what does not go into it; `at` is where that will be.
    pub(super) fn new(
        id: u32,
        limits: IntervalLimits,
        outcome: std::result::Result<TrackerReply, ClientError>,
        row: &mut Row,
        at: f64,
    ) -> Option<Self> {
        let whole = match outcome {
            Ok(TrackerReply::Announce(reply))
                if reply.warning_message.is_none() && reply.warnings.is_empty() =>
            {
                let interval = interval(reply.interval, reply.retry_in, limits);
                if reply.raw.is_some() {
                    Self::Http(id, interval, reply)
                } else {
                    let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
                    let [complete, incomplete] = [reply.complete, reply.incomplete];
                    let peers = reply.peers;
                    *row = [
                        f64::from(id),
                        number(interval),
                        number(complete.map(count)),
                        number(incomplete.map(count)),
                        if peers.is_empty() { 0.0 } else { at + 1.0 },
                    ];
                    return (!peers.is_empty()).then_some(Self::Peers(peers));
                }
            }
            outcome => Self::Full(Box::new(NativeResult::new(id, limits, outcome))),
        };
        *row = [f64::from(id), f64::NAN, f64::NAN, f64::NAN, -at - 1.0];
        Some(whole)
    }
}

impl TypeName for Taken {
    fn type_name() -> &'static str {
        "NativeResult"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Taken {
    #[expect(unsafe_code, reason = "the trait is unsafe")]
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        let peers = |peers: Vec<Peer>| peers.iter().map(ToString::to_string).collect::<Vec<_>>();
        match value {
            // SAFETY: the environment is the one that we were called with.
            Self::Full(result) => unsafe { NativeResult::to_napi_value(env, *result) },
            // SAFETY: as above.
            Self::Peers(list) => unsafe { Vec::to_napi_value(env, peers(list)) },
            Self::Http(id, interval, reply) => {
                let env_of = Env::from_raw(env);
                let mut array = env_of.create_array(7)?;
                array.set(0, id)?;
                set(&mut array, 1, interval)?;
                set(&mut array, 2, reply.complete.map(count))?;
                set(&mut array, 3, reply.incomplete.map(count))?;
                array.set(4, peers(reply.peers))?;
                set(&mut array, 5, reply.raw.map(Bencoded::dict))?;
                set(&mut array, 6, reply.tracker_id.map(Uint8Array::from))?;
                // SAFETY: as above.
                unsafe { Array::to_napi_value(env, array) }
            }
        }
    }
}

/// What is not there stays `undefined`; written it would be `null`.
fn set<T: ToNapiValue>(array: &mut Array<'_>, index: u32, value: Option<T>) -> Result<()> {
    value.map_or(Ok(()), |value| array.set(index, value))
}

impl NativeResult {
    pub(super) fn new(
        id: u32,
        limits: IntervalLimits,
        outcome: std::result::Result<TrackerReply, ClientError>,
    ) -> Self {
        let empty = Self {
            id,
            error: None,
            announce: None,
            scrape: None,
            warning_message: None,
            warnings: Vec::new(),
            interval_ms: None,
        };
        match outcome {
            Ok(TrackerReply::Announce(reply)) => Self {
                interval_ms: interval(reply.interval, reply.retry_in, limits),
                warning_message: reply.warning_message,
                warnings: reply.warnings.iter().map(NativeClientError::new).collect(),
                announce: Some(NativeAnnounceReply {
                    complete: reply.complete.map(count),
                    incomplete: reply.incomplete.map(count),
                    peers: reply.peers.iter().map(ToString::to_string).collect(),
                    tracker_id: reply.tracker_id.map(Uint8Array::from),
                    external_ip: reply.external_ip.map(|ip| ip.to_string()),
                    raw: reply.raw.map(Bencoded::dict),
                }),
                ..empty
            },
            Ok(TrackerReply::Scrape(reply)) => Self {
                warning_message: reply.warning_message,
                scrape: Some(reply.rows.into_iter().map(NativeScrapeRow::from).collect()),
                ..empty
            },
            Err(error) => Self {
                interval_ms: interval(error.intervals().interval, error.retry_in(), limits),
                error: Some(NativeClientError::new(&error)),
                ..empty
            },
        }
    }
}

/// The engine's decision about the next announce, with "as before" left to JavaScript's timer.
fn interval(
    interval: Option<Duration>,
    retry_in: Option<RetryIn>,
    limits: IntervalLimits,
) -> Option<f64> {
    if interval.is_none() && retry_in.is_none() {
        return None;
    }
    let intervals = Intervals {
        interval,
        ..Intervals::default()
    };
    let next = schedule::next_announce(intervals, retry_in, limits.min, limits);
    Some(next.map_or(0.0, |next| next.as_secs_f64() * 1000.0))
}

impl NativeClientError {
    pub(super) fn new(error: &ClientError) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
            cause: error.cause().map(|cause| NativeCause {
                message: cause.message.clone(),
                code: cause.os.as_ref().map(|os| os.code.to_owned()),
                errno: cause.os.as_ref().and_then(|os| os.errno),
                syscall: cause.os.as_ref().map(|os| os.syscall.to_owned()),
                address: cause.os.as_ref().and_then(|os| os.address.clone()),
                port: cause.os.as_ref().and_then(|os| os.port),
            }),
            silent: error.is_silent(),
            retry_in: error.retry_in().map(|retry_in| match retry_in {
                RetryIn::After(time) => time.as_secs_f64() / 60.0,
                RetryIn::Never => -1.0,
            }),
        }
    }
}

impl From<ScrapeRow> for NativeScrapeRow {
    fn from(row: ScrapeRow) -> Self {
        Self {
            info_hash: row.info_hash.to_string(),
            complete: row.complete.map(count),
            incomplete: row.incomplete.map(count),
            downloaded: row.downloaded.map(count),
            raw: row.raw.map(Bencoded::dict),
        }
    }
}

/// Exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "JavaScript has no other numbers"
)]
fn count(count: u64) -> f64 {
    count as f64
}

/// A tracker's dictionary as a JavaScript value: strings are bytes, as in the original. Its depth
/// and size were bounded where it was decoded.
pub struct Bencoded(RawValue);

impl Bencoded {
    fn dict(dict: RawDict) -> Self {
        Self(RawValue::Dict(dict.into_iter().collect()))
    }
}

impl ToNapiValue for Bencoded {
    #[expect(unsafe_code, reason = "the trait is unsafe")]
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        match value.0 {
            // SAFETY: the environment is the one that we were called with.
            RawValue::Int(int) => unsafe { i64::to_napi_value(env, int) },
            RawValue::Bytes(bytes) => {
                // A copy: to be told when JavaScript lets go of ours takes longer than to copy some hundred bytes.
                let bytes = Uint8ArraySlice::copy_from(&Env::from_raw(env), bytes)?;
                // SAFETY: as above.
                unsafe { Uint8ArraySlice::to_napi_value(env, bytes) }
            }
            RawValue::List(list) => {
                let list: Vec<_> = list.into_iter().map(Self).collect();
                // SAFETY: as above.
                unsafe { Vec::to_napi_value(env, list) }
            }
            RawValue::Dict(dict) => {
                let mut entries: Vec<_> = dict.into_iter().collect();
                entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                let mut object = Object::new(&Env::from_raw(env))?;
                for (key, value) in entries {
                    let key = String::from_utf8_lossy(&key);
                    // Setting this one would replace the prototype.
                    if key != "__proto__" {
                        object.set(key.as_ref(), Self(value))?;
                    }
                }
                // SAFETY: as above.
                unsafe { Object::to_napi_value(env, object) }
            }
        }
    }
}

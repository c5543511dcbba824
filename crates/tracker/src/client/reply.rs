//! What a tracker answered.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    net::IpAddr,
    time::Duration,
};

use super::{
    error::ClientError,
    schedule::{IntervalLimits, RawIntervals, RetryIn},
};
use crate::{
    bencode::Value,
    types::{InfoHash, PeerAddr},
};

/// A value of a tracker's dictionary, for the application. The order of nested keys is lost; who
/// needs one sorts them.
pub type RawValue = serde_bencode::value::Value;

/// The keys of a dictionary, sorted, and their values.
pub type RawDict = BTreeMap<Vec<u8>, RawValue>;

/// The answer to a request.
#[derive(Clone, Debug)]
pub enum TrackerReply {
    /// To an announce.
    Announce(Box<AnnounceReply>),
    /// To a scrape.
    Scrape(ScrapeReply),
}

/// The answer to an announce, with the fields that a client acts upon made safe.
#[derive(Clone, Debug, Default)]
pub struct AnnounceReply {
    /// Time until the next regular announce, checked and clamped; `None` keeps the one in force.
    pub interval: Option<Duration>,
    /// The tracker's floor for other announces, checked and clamped.
    pub min_interval: Option<Duration>,
    /// The intervals as they came, in seconds.
    pub raw_intervals: RawIntervals,
    /// BEP 31, should a tracker send it with a success.
    pub retry_in: Option<RetryIn>,
    /// Seeders.
    pub complete: Option<u64>,
    /// Leechers.
    pub incomplete: Option<u64>,
    /// To be sent as `trackerid` from now on; `None` keeps the one that is known.
    pub tracker_id: Option<Vec<u8>>,
    /// Our address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// The tracker's message to the user, bounded.
    pub warning_message: Option<String>,
    /// The peers, over HTTP those of `peers` before those of `peers6`. At most 10,000.
    pub peers: Vec<Peer>,
    /// The whole dictionary of an HTTP answer; `None` over UDP.
    pub raw: Option<RawDict>,
    /// What was wrong with the answer without making it useless: each is a `warning`.
    pub warnings: Vec<ClientError>,
}

/// The answer to a scrape.
#[derive(Clone, Debug, Default)]
pub struct ScrapeReply {
    /// One for each torrent that the tracker told of, in its order. Over HTTP a tracker may name
    /// torrents that were not asked for, and leave out those that were.
    pub rows: Vec<ScrapeRow>,
    /// `min_request_interval` of `flags`, checked: the floor for the time between two scrapes.
    pub min_request_interval: Option<Duration>,
    /// The tracker's message to the user, bounded.
    pub warning_message: Option<String>,
}

/// The counts of one torrent. A missing one was not sent.
#[derive(Clone, Debug)]
pub struct ScrapeRow {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Seeders.
    pub complete: Option<u64>,
    /// Leechers.
    pub incomplete: Option<u64>,
    /// Completed downloads, ever.
    pub downloaded: Option<u64>,
    /// The torrent's whole dictionary, with keys such as `name` and `downloaders`; `None` over
    /// UDP.
    pub raw: Option<RawDict>,
}

/// A peer as a tracker names it. `Display` is what the application gets: `192.0.2.1:6881`,
/// `[2001:db8::1]:6881`, `peer.example:6881`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Nearly all.
    Addr(PeerAddr),
    /// A name and port, which BEP 3 allows in dictionaries. Letters, digits, `-`, `.`, `_`.
    Name(Box<str>, u16),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl From<PeerAddr> for Peer {
    fn from(addr: PeerAddr) -> Self {
        Self::Addr(addr)
    }
}

impl AnnounceReply {
    /// Fills in the intervals; complains about senseless ones.
    pub(super) fn set_intervals(&mut self, raw: RawIntervals, limits: IntervalLimits, url: &str) {
        let checked = raw.check(limits);
        self.raw_intervals = raw;
        self.interval = checked.interval;
        self.min_interval = checked.min_interval;
        if let Some(value) = checked.rejected {
            let url = url.to_owned();
            self.warnings.push(ClientError::Interval { value, url });
        }
    }

    /// Adds the peers and complaints of the answer over the other address family.
    pub(super) fn merge(&mut self, other: Self) {
        let known: HashSet<_> = self.peers.iter().cloned().collect();
        let others = other.peers.into_iter();
        self.peers
            .extend(others.filter(|peer| !known.contains(peer)));
        self.interval = self.interval.max(other.interval);
        self.min_interval = self.min_interval.max(other.min_interval);
        self.tracker_id = self.tracker_id.take().or(other.tracker_id);
        self.warning_message = self.warning_message.take().or(other.warning_message);
        self.warnings.extend(other.warnings);
    }
}

/// A dictionary in owned form; `None` for anything else. The decoder has bounded depth and size.
pub(super) fn owned_dict(dict: &Value<'_>) -> Option<RawDict> {
    let entries = dict.as_dict()?.iter();
    Some(
        entries
            .map(|(key, value)| (key.to_vec(), owned(value)))
            .collect(),
    )
}

fn owned(value: &Value<'_>) -> RawValue {
    match value {
        Value::Int(int) => RawValue::Int(*int),
        Value::Bytes(bytes) => RawValue::Bytes(bytes.to_vec()),
        Value::List(list) => RawValue::List(list.iter().map(owned).collect()),
        Value::Dict(entries) => RawValue::Dict(
            entries
                .iter()
                .map(|(key, value)| (key.to_vec(), owned(value)))
                .collect(),
        ),
    }
}

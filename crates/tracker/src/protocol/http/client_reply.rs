use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::RetryIn;
use crate::{
    bencode::{DecodeError, Limits, Value, decode_prefix},
    protocol::compact::{self, CompactError},
    types::{PeerAddr, PeerId},
};

/// The most peers that are taken from one answer. Nobody asks for so many; a hostile tracker must
/// not make an app handle 170,000, which a body of 1 MiB can hold.
pub const MAX_PEERS: usize = 10_000;

/// A tracker's answer to an announce, as far as it can be understood.
///
/// What is missing or of the wrong type is `None`: trackers leave out most of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedAnnounce<'a> {
    /// Why the announce was refused, perhaps empty; nothing else but the intervals and `retry_in`
    /// counts then.
    pub failure_reason: Option<&'a [u8]>,
    /// A text for the user, beside an answer that counts.
    pub warning: Option<&'a [u8]>,
    /// When to announce again, in seconds. Any number: to be clamped.
    pub interval: Option<i64>,
    /// When to announce again at the earliest, in seconds. Any number.
    pub min_interval: Option<i64>,
    /// When to try again after a failure (BEP 31).
    pub retry_in: Option<RetryIn>,
    /// To be sent back as `trackerid`; if there is none, an earlier one stays in force.
    pub tracker_id: Option<&'a [u8]>,
    /// Our address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// Peers that are complete.
    pub complete: Option<u64>,
    /// Peers that are not complete.
    pub incomplete: Option<u64>,
    /// The peers of `peers` and `peers6`, without those that are broken or have port 0; at most
    /// [`MAX_PEERS`].
    pub peers: Vec<DecodedPeer<'a>>,
    /// The first compact list of a length that cannot be. None of its peers is in `peers`.
    pub broken_peers: Option<CompactError>,
    /// The whole dictionary.
    pub dict: Value<'a>,
}

/// A peer in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodedPeer<'a> {
    /// Where it is.
    pub host: PeerHost<'a>,
    /// Its port; not 0.
    pub port: u16,
    /// What it calls itself, if the tracker says that.
    pub id: Option<PeerId>,
}

/// The address or name of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerHost<'a> {
    /// An address.
    Ip(IpAddr),
    /// A name to be looked up, which BEP 3 allows in dictionaries. Letters, digits, `-`, `.` and
    /// `_` only.
    Name(&'a str),
}

/// A body that is no answer of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Not bencode, or more of it than is reasonable.
    #[error(transparent)]
    Bencode(#[from] DecodeError),
    /// Bencode with something else behind it.
    #[error("trailing bytes after the answer")]
    TrailingBytes,
    /// Bencode of something else.
    #[error("the answer is not a dictionary")]
    NotADictionary,
}

/// Reads the body of an answer to an announce. Its size is up to the caller.
pub fn parse_announce_reply(body: &[u8]) -> Result<DecodedAnnounce<'_>, ReplyError> {
    let dict = parse_dict(body)?;
    let mut peers = Vec::new();
    let mut broken_peers = None;
    for key in [&b"peers"[..], b"peers6"] {
        let list = match dict.get(key) {
            Some(Value::Bytes(list)) => read_compact(key, list, &mut peers),
            Some(Value::List(list)) => {
                peers.extend(list.iter().filter_map(read_peer));
                Ok(())
            }
            _ => Ok(()),
        };
        broken_peers = broken_peers.or(list.err());
    }
    peers.truncate(MAX_PEERS);
    Ok(DecodedAnnounce {
        failure_reason: text(&dict, b"failure reason"),
        warning: text(&dict, b"warning message"),
        interval: int(&dict, b"interval"),
        min_interval: int(&dict, b"min interval"),
        retry_in: retry_in(&dict),
        tracker_id: text(&dict, b"tracker id"),
        external_ip: text(&dict, b"external ip").and_then(external_ip),
        complete: count(&dict, b"complete"),
        incomplete: count(&dict, b"incomplete"),
        peers,
        broken_peers,
        dict,
    })
}

/// `192.0.2.1:6881`, `[2001:db8::1]:6881`, `peer.example:6881`.
impl fmt::Display for DecodedPeer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            PeerHost::Ip(ip) => SocketAddr::new(ip, self.port).fmt(f),
            PeerHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl From<PeerAddr> for DecodedPeer<'_> {
    fn from(addr: PeerAddr) -> Self {
        Self {
            host: PeerHost::Ip(addr.ip()),
            port: addr.port(),
            id: None,
        }
    }
}

/// The dictionary that a body consists of. Line ends may follow it: `aquatic_http` sends one.
pub(super) fn parse_dict(body: &[u8]) -> Result<Value<'_>, ReplyError> {
    let (value, rest) = decode_prefix(body, Limits::default())?;
    if !rest.trim_ascii().is_empty() {
        return Err(ReplyError::TrailingBytes);
    }
    match value {
        Value::Dict(_) => Ok(value),
        _ => Err(ReplyError::NotADictionary),
    }
}

pub(super) fn text<'a>(dict: &Value<'a>, key: &[u8]) -> Option<&'a [u8]> {
    dict.get(key)?.as_bytes()
}

/// An integer, also where a tracker has put it in a string.
pub(super) fn int(dict: &Value<'_>, key: &[u8]) -> Option<i64> {
    match dict.get(key)? {
        Value::Int(int) => Some(*int),
        Value::Bytes(bytes) => str::from_utf8(bytes).ok()?.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn count(dict: &Value<'_>, key: &[u8]) -> Option<u64> {
    int(dict, key)?.try_into().ok()
}

/// BEP 31 shows the minutes as a string where its text says integer.
pub(super) fn retry_in(dict: &Value<'_>) -> Option<RetryIn> {
    let key = b"retry in";
    if text(dict, key).is_some_and(|text| text.trim_ascii().eq_ignore_ascii_case(b"never")) {
        return Some(RetryIn::Never);
    }
    let minutes = count(dict, key)?;
    Some(RetryIn::Minutes(u32::try_from(minutes).unwrap_or(u32::MAX)))
}

/// The 20 bytes of a hash or peer id, also from a tracker that has taken them for Latin-1 and
/// encoded that as UTF-8, as the npm package bittorrent-tracker does.
pub(super) fn id(bytes: &[u8]) -> Option<[u8; 20]> {
    if let Ok(id) = bytes.try_into() {
        return Some(id);
    }
    let mut chars = str::from_utf8(bytes).ok()?.chars();
    let mut id = [0; 20];
    for byte in &mut id {
        *byte = u8::try_from(chars.next()?).ok()?;
    }
    chars.next().is_none().then_some(id)
}

fn external_ip(bytes: &[u8]) -> Option<IpAddr> {
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(ip.to_canonical())
}

fn read_compact(
    key: &[u8],
    list: &[u8],
    peers: &mut Vec<DecodedPeer<'_>>,
) -> Result<(), CompactError> {
    let room = MAX_PEERS.saturating_sub(peers.len());
    if key == b"peers" {
        peers.extend(compact::peers_v4(list)?.take(room).map(DecodedPeer::from));
    } else {
        peers.extend(compact::peers_v6(list)?.take(room).map(DecodedPeer::from));
    }
    Ok(())
}

fn read_peer<'a>(peer: &Value<'a>) -> Option<DecodedPeer<'a>> {
    let port = u16::try_from(int(peer, b"port")?).ok()?;
    if port == 0 {
        return None;
    }
    Some(DecodedPeer {
        host: host(text(peer, b"ip")?)?,
        port,
        id: text(peer, b"peer id").and_then(id).map(PeerId),
    })
}

fn host(text: &[u8]) -> Option<PeerHost<'_>> {
    /// RFC 1035 has no longer names.
    const MAX_NAME: usize = 253;
    let text = str::from_utf8(text).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(PeerHost::Ip(ip.to_canonical()));
    }
    let is_name = !text.is_empty()
        && text.len() <= MAX_NAME
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    is_name.then_some(PeerHost::Name(text))
}

#[cfg(test)]
mod tests;

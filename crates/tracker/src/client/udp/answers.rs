//! What a tracker's packets, or their absence, come to.

use super::{Fail, connections::Connection};
use crate::{
    client::{
        error::{ClientError, Failure, bounded_text},
        reply::{AnnounceReply, Peer},
        request::TrackerRequest,
        resolve::Family,
        schedule::RawIntervals,
    },
    protocol::{
        compact,
        udp::{Response, ResponseError, parse_response},
    },
};

/// The answer to an announce, from its packet.
pub(super) fn announce_answer(
    request: &TrackerRequest,
    packet: &[u8],
    family: Family,
) -> Result<AnnounceReply, ClientError> {
    let Ok(Response::Announce {
        interval,
        leechers,
        seeders,
        peers,
        ..
    }) = parse_response(packet)
    else {
        return Err(unexpected(request));
    };
    // A signed field in BEP 15: what would be over 2^31 is a negative number of seconds.
    let interval = i64::from(interval.cast_signed());
    let raw = RawIntervals {
        interval: Some(interval),
        min_interval: None,
    };
    let mut reply = AnnounceReply {
        complete: Some(seeders.into()),
        incomplete: Some(leechers.into()),
        ..AnnounceReply::default()
    };
    reply.set_intervals(raw, request.intervals, request.url.as_str());
    // Packets are padded by some trackers; half an address at the end is no address.
    match family {
        Family::V4 => {
            let whole = peers.len() - peers.len() % 6;
            if let Ok(peers) = compact::peers_v4(peers.get(..whole).unwrap_or_default()) {
                reply.peers = peers.map(Peer::Addr).collect();
            }
        }
        Family::V6 => {
            let whole = peers.len() - peers.len() % 18;
            if let Ok(peers) = compact::peers_v6(peers.get(..whole).unwrap_or_default()) {
                reply.peers = peers.map(Peer::Addr).collect();
            }
        }
    }
    Ok(reply)
}

pub(super) fn error_of(fail: &Fail, what: &'static str, request: &TrackerRequest) -> ClientError {
    let url = request.url.as_str().to_owned();
    match fail {
        Fail::Refused(message) => refused(message),
        Fail::Silence(Some(fault)) => ClientError::UdpReply { fault: *fault, url },
        Fail::Silence(None) | Fail::Lost => ClientError::UdpTimeout { what, url },
        Fail::Send(cause) => ClientError::Udp {
            cause: cause.clone(),
            url,
        },
    }
}

pub(super) fn refused(message: &[u8]) -> ClientError {
    ClientError::Failure(Box::new(Failure {
        reason: bounded_text(message),
        ..Failure::default()
    }))
}

/// An id that this request has just been given is good: then an error means what it says, unless
/// it names the id ("Connection ID missmatch." of torrent.eu).
pub(super) fn may_be_about_id(message: &[u8], connection: Connection) -> bool {
    connection.reused
        || bounded_text(message)
            .to_ascii_lowercase()
            .contains("connection id")
}

/// An empty scrape; all else was sorted out when the packet came.
pub(super) fn unexpected(request: &TrackerRequest) -> ClientError {
    ClientError::UdpReply {
        fault: ResponseError::InvalidScrape,
        url: request.url.as_str().to_owned(),
    }
}

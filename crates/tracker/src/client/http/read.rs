//! From the body of an answer to a reply.

use std::{net::SocketAddr, time::Duration};

use crate::{
    client::{
        error::{ClientError, Failure, bounded_text},
        reply::{AnnounceReply, Peer, ScrapeReply, ScrapeRow, owned_dict},
        request::TrackerRequest,
        schedule::{RawIntervals, RetryIn},
    },
    protocol::http::{
        self, DecodedPeer, PeerHost, ReplyError, parse_announce_reply, parse_scrape_reply,
    },
    types::PeerAddr,
};

pub(super) fn announce(
    body: &[u8],
    request: &TrackerRequest,
) -> Result<AnnounceReply, ClientError> {
    let answer = not_empty(body, request).and_then(|body| decoded(parse_announce_reply(body)))?;
    let raw_intervals = RawIntervals {
        interval: answer.interval,
        min_interval: answer.min_interval,
    };
    let retry_in = answer.retry_in.map(retry_in);
    if let Some(reason) = reason(answer.failure_reason) {
        return Err(ClientError::Failure(Box::new(Failure {
            reason,
            retry_in,
            intervals: raw_intervals.check(request.intervals),
        })));
    }
    let url = request.url.as_str();
    let mut reply = AnnounceReply {
        retry_in,
        complete: answer.complete,
        incomplete: answer.incomplete,
        tracker_id: answer.tracker_id.map(<[u8]>::to_vec),
        external_ip: answer.external_ip,
        warning_message: reason(answer.warning),
        peers: answer.peers.iter().map(peer).collect(),
        raw: owned_dict(&answer.dict),
        ..AnnounceReply::default()
    };
    reply.set_intervals(raw_intervals, request.intervals, url);
    if let Some(broken) = answer.broken_peers {
        reply.warnings.push(ClientError::Peers {
            detail: broken.to_string(),
            url: url.to_owned(),
        });
    }
    Ok(reply)
}

pub(super) fn scrape(body: &[u8], request: &TrackerRequest) -> Result<ScrapeReply, ClientError> {
    let answer = not_empty(body, request).and_then(|body| decoded(parse_scrape_reply(body)))?;
    if let Some(reason) = reason(answer.failure_reason) {
        return Err(ClientError::Failure(Box::new(Failure {
            reason,
            retry_in: answer.retry_in.map(retry_in),
            ..Failure::default()
        })));
    }
    let floor = RawIntervals {
        interval: None,
        min_interval: answer.min_request_interval,
    };
    Ok(ScrapeReply {
        rows: answer
            .files()
            .map(|file| ScrapeRow {
                info_hash: file.info_hash,
                complete: file.complete,
                incomplete: file.incomplete,
                downloaded: file.downloaded,
                raw: owned_dict(file.dict),
            })
            .collect(),
        min_request_interval: floor.check(request.intervals).min_interval,
        warning_message: reason(answer.warning),
    })
}

fn not_empty<'a>(body: &'a [u8], request: &TrackerRequest) -> Result<&'a [u8], ClientError> {
    if body.is_empty() {
        return Err(ClientError::EmptyBody {
            url: request.url.as_str().to_owned(),
        });
    }
    Ok(body)
}

fn decoded<T>(answer: Result<T, ReplyError>) -> Result<T, ClientError> {
    answer.map_err(|error| ClientError::Decode(error.to_string()))
}

/// An empty text is no failure and no warning: the original sees it so, and nobody could do
/// anything with it.
fn reason(text: Option<&[u8]>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(bounded_text)
}

fn retry_in(retry_in: http::RetryIn) -> RetryIn {
    match retry_in {
        http::RetryIn::Minutes(minutes) => {
            RetryIn::After(Duration::from_secs(u64::from(minutes) * 60))
        }
        http::RetryIn::Never => RetryIn::Never,
    }
}

fn peer(peer: &DecodedPeer<'_>) -> Peer {
    match peer.host {
        PeerHost::Ip(ip) => Peer::Addr(PeerAddr::from(SocketAddr::new(ip, peer.port))),
        PeerHost::Name(name) => Peer::Name(name.into(), peer.port),
    }
}

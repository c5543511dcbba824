//! Events as bytes, for lib/server/events.js to decode: hundreds of events are one buffer, where an
//! object per field would cost more than the announces themselves.
//!
//! A record is a kind (`u8`) and its fields. Numbers are little-endian; texts and bytes are a `u16`
//! length and that many bytes.

use std::net::SocketAddr;

use tracker::{
    server::events::{Announced, Event, Failure, HttpRequest, Inquiry, PeerName, Request, Warning},
    swarm::{Evicted, PeerSource},
};

use crate::system_error::error_code;

const UDP: u8 = 0;
const HTTP: u8 = 1;
const WARNING: u8 = 2;
const ERROR: u8 = 3;
const WEB_SOCKET: u8 = 4;
const QUESTION: u8 = 5;
const INQUIRY: u8 = 6;
const PACKET: u8 = 7;
const DELIVER: u8 = 8;
const CLOSE: u8 = 9;
const EVICTED: u8 = 10;
const GONE: u8 = 11;

/// A UDP record has some 130 bytes.
const TYPICAL_RECORD: usize = 160;

pub(super) fn encode(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::with_capacity(events.len() * TYPICAL_RECORD);
    for event in events {
        match event {
            Event::Announce(announced) => encode_announced(&mut out, announced),
            Event::Warning(warning) => encode_warning(&mut out, warning),
            Event::Error(failure) => encode_failure(&mut out, failure),
            Event::Question { id, announced } => {
                out.push(QUESTION);
                out.extend_from_slice(&id.to_le_bytes());
                encode_announced(&mut out, announced);
            }
            Event::Inquiry {
                id,
                kind,
                request,
                from,
            } => {
                out.push(INQUIRY);
                out.extend_from_slice(&id.to_le_bytes());
                out.push(match kind {
                    Inquiry::Scrape => 0,
                    Inquiry::Stats => 1,
                    Inquiry::StatsJson => 2,
                });
                encode_addr(&mut out, *from);
                out.push(kind_of(request));
                encode_request(&mut out, request);
            }
            Event::Packet { packet, from } => {
                out.push(PACKET);
                bytes(&mut out, packet);
                encode_addr(&mut out, *from);
            }
            Event::Deliver { socket, message } => {
                out.push(DELIVER);
                out.extend_from_slice(&socket.id().0.to_le_bytes());
                long(&mut out, message);
                socket.delivered(message);
            }
            Event::Close { socket, too_slow } => {
                out.push(CLOSE);
                out.extend_from_slice(&socket.0.to_le_bytes());
                out.push((*too_slow).into());
            }
            Event::Gone { socket } => {
                out.push(GONE);
                out.extend_from_slice(&socket.0.to_le_bytes());
            }
            Event::Evicted(evicted) => encode_evicted(&mut out, evicted),
        }
    }
    out
}

/// Evictions alone.
pub(super) fn encode_all_evicted(evicted: &[Evicted]) -> Vec<u8> {
    let mut out = Vec::new();
    for evicted in evicted {
        encode_evicted(&mut out, evicted);
    }
    out
}

fn encode_announced(out: &mut Vec<u8>, announced: &Announced) {
    out.push(kind_of(&announced.request));
    out.push(announced.event as u8);
    let name = match announced.peer {
        PeerName::Addr(addr) => addr.to_string(),
        PeerName::Id(peer_id) => peer_id.to_string(),
    };
    bytes(out, name.as_bytes());
    encode_request(out, &announced.request);
}

const fn kind_of(request: &Request) -> u8 {
    match request {
        Request::Udp(_) => UDP,
        Request::Http(_) => HTTP,
        Request::WebSocket { .. } => WEB_SOCKET,
    }
}

fn encode_request(out: &mut Vec<u8>, request: &Request) {
    match request {
        Request::Udp(packet) => bytes(out, packet),
        Request::Http(request) => encode_http(out, request),
        Request::WebSocket {
            message,
            socket,
            upgrade,
        } => {
            long(out, message.as_bytes());
            out.extend_from_slice(&socket.0.to_le_bytes());
            encode_http(out, upgrade);
        }
    }
}

fn encode_addr(out: &mut Vec<u8>, addr: SocketAddr) {
    bytes(out, addr.ip().to_string().as_bytes());
    out.extend_from_slice(&addr.port().to_le_bytes());
}

fn encode_evicted(out: &mut Vec<u8>, evicted: &Evicted) {
    let Evicted { info_hash, peer } = evicted;
    out.push(EVICTED);
    bytes(out, info_hash.to_string().as_bytes());
    bytes(out, peer.peer_id.to_string().as_bytes());
    out.push(peer.complete.into());
    match peer.source {
        PeerSource::Addr(addr) => bytes(out, addr.to_string().as_bytes()),
        PeerSource::Socket(_) => bytes(out, b""),
    }
}

fn encode_http(out: &mut Vec<u8>, request: &HttpRequest) {
    bytes(out, request.method.as_bytes());
    bytes(out, &request.target);
    bytes(out, request.remote.ip().to_string().as_bytes());
    out.extend_from_slice(&request.remote.port().to_le_bytes());
    bytes(out, request.ip.to_string().as_bytes());
    let headers = || request.headers.iter().take(u16::MAX.into());
    out.extend_from_slice(&(headers().count() as u16).to_le_bytes());
    for (name, value) in headers() {
        bytes(out, name);
        bytes(out, value);
    }
}

fn encode_warning(out: &mut Vec<u8>, warning: &Warning) {
    out.push(WARNING);
    bytes(out, warning.code.as_bytes());
    bytes(out, warning.message.as_bytes());
    let from = warning
        .from
        .map(|from| from.to_string())
        .unwrap_or_default();
    bytes(out, from.as_bytes());
    let left_out = u32::try_from(warning.left_out).unwrap_or(u32::MAX);
    out.extend_from_slice(&left_out.to_le_bytes());
}

fn encode_failure(out: &mut Vec<u8>, failure: &Failure) {
    out.push(ERROR);
    let code = failure.source.as_ref().map(error_code);
    bytes(out, code.as_deref().unwrap_or(failure.code).as_bytes());
    bytes(out, failure.message.as_bytes());
}

fn long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Longer ones are cut: the engine's limits on requests are below this.
fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(u16::MAX.into())];
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

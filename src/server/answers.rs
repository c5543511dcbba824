use napi::{Error, Result, Status, bindgen_prelude::Buffer};
use napi_derive::napi;
use tracker::{
    server::{AnnounceAnswer, DirectAnnounce, Sender},
    types::{AnnounceEvent, PeerAddr},
};

use super::{NativeServer, socket_id};

/// An announce that JavaScript makes, of a peer by address or by socket.
#[napi(object)]
pub struct NativeAnnounce {
    pub info_hash: String,
    pub peer_id: String,
    /// By the numbers of BEP 15.
    pub event: u8,
    /// Bytes left; absent if not known.
    pub left: Option<f64>,
    pub numwant: Option<f64>,
    pub ip: Option<String>,
    pub port: Option<u16>,
    /// By UDP.
    pub udp: Option<bool>,
    pub socket: Option<f64>,
}

/// What it is answered with.
#[napi(object)]
pub struct NativeAnswer {
    pub failure: Option<String>,
    pub complete: u32,
    pub incomplete: u32,
    /// Rows of 47 bytes, for lib/server/peer-rows.js to decode.
    pub peers: Buffer,
}

#[napi]
impl NativeServer {
    /// Takes an announce in and answers it.
    #[napi(catch_unwind)]
    pub fn announce(&self, announce: NativeAnnounce) -> Result<NativeAnswer> {
        let sender = match (announce.socket, &announce.ip) {
            (Some(socket), _) => Sender::Socket(socket_id(socket)),
            (None, Some(ip)) => {
                let ip = ip.parse().map_err(invalid)?;
                let addr = PeerAddr::new(ip, announce.port.unwrap_or(0));
                if announce.udp == Some(true) {
                    Sender::Udp(addr, matches!(addr, PeerAddr::V4(_)))
                } else {
                    Sender::Http(addr)
                }
            }
            (None, None) => return Err(invalid("neither an address nor a socket")),
        };
        let answer = self.desk.announce(&DirectAnnounce {
            info_hash: announce.info_hash.parse().map_err(invalid)?,
            peer_id: announce.peer_id.parse().map_err(invalid)?,
            sender,
            event: event(announce.event),
            left: announce.left.and_then(whole),
            numwant: announce.numwant.map(|numwant| numwant as i64),
        });
        Ok(match answer {
            Ok(answer) => NativeAnswer {
                failure: None,
                complete: answer.complete,
                incomplete: answer.incomplete,
                peers: rows(&answer).into(),
            },
            Err(reason) => NativeAnswer {
                failure: Some(reason.to_owned()),
                complete: 0,
                incomplete: 0,
                peers: Vec::new().into(),
            },
        })
    }

    /// Peers as an announce would get them: of `WebSocket`s other than `own`, or with addresses.
    #[napi(catch_unwind)]
    pub fn select(&self, info_hash: String, own: Option<String>, numwant: u32) -> Result<Buffer> {
        let info_hash = info_hash.parse().map_err(invalid)?;
        let own = own.map(|own| own.parse()).transpose().map_err(invalid)?;
        let answer = self.desk.select(&info_hash, own, numwant as usize);
        Ok(rows(&answer).into())
    }

    /// All torrents, if so many may be listed; null if not.
    #[napi(catch_unwind)]
    pub fn full_scrape(&self) -> Option<Vec<String>> {
        let info_hashes = self.desk.full_scrape().ok()?;
        Some(info_hashes.iter().map(ToString::to_string).collect())
    }

    /// Seconds between the announces of a WebSocket peer.
    #[napi(catch_unwind)]
    pub fn web_socket_interval(&self) -> u32 {
        self.desk.websocket_interval_secs()
    }

    /// Housekeeping of a tracker that listens nowhere itself.
    #[napi(catch_unwind)]
    pub fn housekeep(&self) {
        self.desk.housekeep();
    }
}

const COMPLETE: u8 = 1;
const SOCKET: u8 = 2;
const V6: u8 = 4;
const ADDRESS: u8 = 8;

/// A row: flags, peer id (20), IPv4 or IPv6 address (16), port (2), number of the socket (8).
fn rows(answer: &AnnounceAnswer) -> Vec<u8> {
    let mut out = Vec::with_capacity(47 * answer.peers.len());
    for peer in &answer.peers {
        let mut flags = if peer.complete { COMPLETE } else { 0 };
        let mut ip = [0; 16];
        if let Some(addr) = peer.addr {
            flags |= ADDRESS;
            match addr.ip().to_canonical() {
                std::net::IpAddr::V4(v4) => ip[..4].copy_from_slice(&v4.octets()),
                std::net::IpAddr::V6(v6) => {
                    flags |= V6;
                    ip = v6.octets();
                }
            }
        }
        if peer.socket.is_some() {
            flags |= SOCKET;
        }
        out.push(flags);
        out.extend_from_slice(&peer.peer_id.0);
        out.extend_from_slice(&ip);
        out.extend_from_slice(&peer.addr.map_or(0, |addr| addr.port()).to_le_bytes());
        out.extend_from_slice(&peer.socket.map_or(0, |socket| socket.0).to_le_bytes());
    }
    out
}

const fn event(number: u8) -> AnnounceEvent {
    match number {
        1 => AnnounceEvent::Completed,
        2 => AnnounceEvent::Started,
        3 => AnnounceEvent::Stopped,
        4 => AnnounceEvent::Paused,
        _ => AnnounceEvent::Update,
    }
}

/// A count of bytes; whatever is none is not known.
#[expect(clippy::cast_sign_loss, reason = "casts from f64 saturate")]
fn whole(left: f64) -> Option<u64> {
    left.is_finite().then_some(left as u64)
}

fn invalid(error: impl ToString) -> Error {
    Error::new(Status::InvalidArg, error.to_string())
}

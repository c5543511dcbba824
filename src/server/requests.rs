use std::{
    net::{IpAddr, SocketAddr},
    sync::PoisonError,
};

use napi::{Error, Result, Status, bindgen_prelude::Buffer};
use napi_derive::napi;
use tracker::server::{Action, HttpParsed, UdpParsed, events::HttpRequest};

use super::{NativeServer, socket_id, socket_number};

/// The head of an HTTP request that Node has read.
#[napi(object)]
pub struct NativeHttpHead {
    pub url: String,
    pub remote_address: String,
    pub remote_port: u16,
    pub forwarded: Option<String>,
    /// `announce` or `scrape`, whatever the path says.
    pub action: Option<String>,
    pub trust_proxy: Option<bool>,
    pub is_get: bool,
    /// The header `accept` is `application/json`.
    pub wants_json: bool,
}

/// What a request asks for: one of these.
#[napi(object)]
#[derive(Default)]
pub struct NativeParsed {
    /// It gets this failure reason, and `code` is that of the warning.
    pub failure: Option<String>,
    pub code: Option<String>,
    /// An announce: the address as stored, and its IP.
    pub addr: Option<String>,
    pub ip: Option<String>,
    /// A scrape; empty for all torrents.
    pub info_hashes: Option<Vec<String>>,
    /// Statistics: `html` or `json`.
    pub stats: Option<String>,
    /// A connect over UDP: what it is to be answered with.
    pub connect: Option<Buffer>,
}

/// The request that became a WebSocket which JavaScript serves.
#[napi(object)]
pub struct NativeUpgrade {
    pub url: String,
    /// Names and values in turn.
    pub headers: Vec<String>,
    pub ip: String,
    pub port: u16,
}

#[napi]
impl NativeServer {
    /// Reads an HTTP request.
    #[napi(catch_unwind)]
    pub fn parse_http(&self, head: NativeHttpHead) -> Result<NativeParsed> {
        let remote = socket_addr(&head.remote_address, head.remote_port)?;
        let action = match head.action.as_deref() {
            Some("announce") => Some(Action::Announce),
            Some("scrape") => Some(Action::Scrape),
            _ => None,
        };
        let parsed = self.desk.parse_http(
            &head.url,
            action,
            remote,
            head.forwarded.as_deref(),
            head.trust_proxy,
            (head.is_get, head.wants_json),
        );
        Ok(match parsed {
            HttpParsed::Refused { code, reason } => NativeParsed {
                failure: Some(reason),
                code: Some(code.to_owned()),
                ..NativeParsed::default()
            },
            HttpParsed::Announce(addr) => NativeParsed {
                addr: Some(addr.to_string()),
                ip: Some(addr.ip().to_string()),
                ..NativeParsed::default()
            },
            HttpParsed::Scrape(info_hashes) => NativeParsed {
                info_hashes: Some(info_hashes.iter().map(ToString::to_string).collect()),
                ..NativeParsed::default()
            },
            HttpParsed::Stats { json } => NativeParsed {
                stats: Some(if json { "json" } else { "html" }.to_owned()),
                ..NativeParsed::default()
            },
        })
    }

    /// Whose a connection is; null for a header that is believed and names no address.
    #[napi(catch_unwind)]
    pub fn client_ip(
        &self,
        remote_address: String,
        forwarded: Option<String>,
        trust_proxy: bool,
    ) -> Result<Option<String>> {
        let remote = socket_addr(&remote_address, 0)?;
        let ip = self
            .desk
            .client_ip(remote, forwarded.as_deref(), Some(trust_proxy));
        Ok(ip.map(|ip| ip.to_string()))
    }

    /// Reads a datagram; nothing comes back of one that has been dealt with.
    #[napi(catch_unwind)]
    pub fn parse_udp(
        &self,
        packet: Buffer,
        address: String,
        port: u16,
    ) -> Result<Option<NativeParsed>> {
        let parsed = self.desk.parse_udp(&packet, socket_addr(&address, port)?);
        Ok(match parsed {
            UdpParsed::Done => None,
            UdpParsed::Connect(reply) => Some(NativeParsed {
                connect: Some(reply.into()),
                ..NativeParsed::default()
            }),
            UdpParsed::Announce(addr) => Some(NativeParsed {
                addr: Some(addr.to_string()),
                ip: Some(addr.ip().to_string()),
                ..NativeParsed::default()
            }),
            UdpParsed::Scrape(info_hashes) => Some(NativeParsed {
                info_hashes: Some(info_hashes.iter().map(ToString::to_string).collect()),
                ..NativeParsed::default()
            }),
        })
    }

    /// Sends a datagram from the tracker's port.
    #[napi(catch_unwind)]
    pub fn send_udp(&self, packet: Buffer, address: String, port: u16) -> Result<()> {
        self.desk.send_udp(&packet, socket_addr(&address, port)?);
        Ok(())
    }

    /// Warns of a request, within the limits that hold for all warnings.
    #[napi(catch_unwind)]
    pub fn warn(&self, code: String, message: String, address: Option<String>, port: Option<u16>) {
        let code = match code.as_str() {
            "ERR_TRACKER_FULL_SCRAPE" => "ERR_TRACKER_FULL_SCRAPE",
            "ERR_TRACKER_SLOW_SOCKET" => "ERR_TRACKER_SLOW_SOCKET",
            "ERR_TRACKER_WEBSOCKET_REFUSED" => "ERR_TRACKER_WEBSOCKET_REFUSED",
            "ERR_TRACKER_WEBSOCKET" => "ERR_TRACKER_WEBSOCKET",
            _ => "ERR_TRACKER_BAD_REQUEST",
        };
        let from = address.and_then(|address| socket_addr(&address, port.unwrap_or(0)).ok());
        self.desk.warn(code, from, &message);
    }

    /// A number for a WebSocket that JavaScript serves; null if there are too many.
    #[napi(catch_unwind)]
    pub fn open_socket(&self, upgrade: NativeUpgrade) -> Result<Option<f64>> {
        let remote = socket_addr(&upgrade.ip, upgrade.port)?;
        let headers = upgrade.headers.as_chunks().0.iter();
        let headers = headers.map(|[name, value]| (name, value));
        let request = HttpRequest {
            method: "GET".to_owned(),
            target: upgrade.url.into_bytes(),
            headers: headers.collect(),
            remote,
            ip: remote.ip().to_canonical(),
        };
        Ok(self.desk.open_socket(request).ok().map(socket_number))
    }

    /// Handles a message of such a socket; null for one that is no text.
    #[napi(catch_unwind)]
    pub fn message(&self, socket: f64, text: Option<String>) {
        self.desk.message(socket_id(socket), text.as_deref());
    }

    /// Such a socket is gone.
    #[napi(catch_unwind)]
    pub fn closed(&self, socket: f64) {
        self.desk.closed(socket_id(socket));
    }
}

/// HTTP's listening sockets, given up by the engine: descriptors, where the system has them.
#[napi(object)]
pub struct NativeListeners {
    pub v4: Option<i32>,
    pub v6: Option<i32>,
    /// Connections that waited on listeners which are no more.
    pub accepted: Vec<i32>,
}

#[napi]
impl NativeServer {
    /// Accepts no more HTTP connections, and gives up the listening sockets.
    #[napi(catch_unwind)]
    pub fn hand_over(&self) -> Option<NativeListeners> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let given = running.as_ref()?.hand_over()?;
        Some(NativeListeners {
            v4: given.v4.and_then(descriptor),
            v6: given.v6.and_then(descriptor),
            accepted: given.accepted.into_iter().filter_map(descriptor).collect(),
        })
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "not every system has them")]
fn descriptor(socket: impl std::os::fd::IntoRawFd) -> Option<i32> {
    Some(socket.into_raw_fd())
}

/// Elsewhere Node binds anew.
#[cfg(not(unix))]
fn descriptor<T>(_socket: T) -> Option<i32> {
    None
}

fn socket_addr(address: &str, port: u16) -> Result<SocketAddr> {
    // Node names the interface of a link-local address.
    let address = address
        .split_once('%')
        .map_or(address, |(address, _)| address);
    let ip: IpAddr = address
        .parse()
        .map_err(|_| Error::new(Status::InvalidArg, format!("no IP address: {address}")))?;
    Ok(SocketAddr::new(ip, port))
}

//! Trackers in a few lines, and requests to them, for the tests of the client.

#![expect(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses some of it; a panic is a test's report"
)]

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    runtime::Handle,
    sync::oneshot,
};
use tracker::{
    client::{
        AnnounceParams, AnnounceReply, ClientConfig, ClientEngine, ClientError, Outcome,
        RequestHandle, RequestKind, ScrapeReply, TrackerReply, TrackerRequest, TrackerUrl,
    },
    protocol::udp::{self, AnnounceResponseHead, Request},
    types::{AnnounceEvent, InfoHash, PeerId},
};

/// Two peers, compact.
pub const PEERS: [u8; 12] = [192, 0, 2, 1, 0, 80, 192, 0, 2, 2, 1, 0];

/// An answer over HTTP with a peer of each family.
pub const BODY: &[u8] = b"d8:completei3e11:external ip4:\xc0\x00\x02\x0910:incompletei2e8:intervali1800e\
    12:min intervali900e5:peers6:\xc0\x00\x02\x01\x00\x506:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1\
    10:tracker id3:abc15:warning message4:slowe";

pub fn engine() -> ClientEngine {
    engine_with(ClientConfig::default())
}

pub fn engine_with(config: ClientConfig) -> ClientEngine {
    ClientEngine::new(Handle::current(), config)
}

pub fn hash(byte: u8) -> InfoHash {
    InfoHash([byte; 20])
}

pub fn params() -> AnnounceParams {
    let pairs: [(&str, &[u8]); 7] = [
        ("numwant", b"50"),
        ("event", b"started"),
        ("compact", b"1"),
        ("info_hash", &[0xff; 20]),
        ("peer_id", b"-XX0001-*@/+!'()~.-_"),
        ("port", b"6881"),
        ("left", b"16384"),
    ];
    let pairs = pairs.map(|(key, value)| (key.as_bytes(), value));
    let query = tracker::protocol::http::append_query("", pairs).split_off(1);
    AnnounceParams {
        query,
        info_hash: hash(0xff),
        peer_id: PeerId([b'p'; 20]),
        downloaded: 5_000_000_000,
        left: None,
        uploaded: 7,
        event: AnnounceEvent::Started,
        key: 0xdead_beef,
        num_want: 50,
        port: 6881,
    }
}

pub fn announce(url: &str) -> TrackerRequest {
    let kind = RequestKind::Announce(Box::new(params()));
    TrackerRequest::new(TrackerUrl::parse(url).unwrap(), kind)
}

pub fn scrape(url: &str, info_hashes: Vec<InfoHash>) -> TrackerRequest {
    let kind = RequestKind::Scrape { info_hashes };
    TrackerRequest::new(TrackerUrl::parse(url).unwrap(), kind)
}

/// A request under way; [`Submitted::outcome`] also proves that there is one callback.
pub struct Submitted {
    pub handle: RequestHandle,
    outcome: oneshot::Receiver<Outcome>,
    calls: Arc<AtomicUsize>,
}

pub fn submit(engine: &ClientEngine, request: TrackerRequest) -> Submitted {
    let (sender, outcome) = oneshot::channel();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let handle = engine.submit(request, move |outcome| {
        counter.fetch_add(1, Ordering::SeqCst);
        let _ = sender.send(outcome);
    });
    Submitted {
        handle,
        outcome,
        calls,
    }
}

impl Submitted {
    pub async fn outcome(self) -> Outcome {
        let outcome = self.outcome.await.unwrap();
        assert_eq!(self.calls.load(Ordering::SeqCst), 1);
        outcome
    }

    pub async fn announced(self) -> AnnounceReply {
        match self.outcome().await.unwrap() {
            TrackerReply::Announce(reply) => *reply,
            TrackerReply::Scrape(_) => panic!("announced, got a scrape"),
        }
    }

    pub async fn scraped(self) -> ScrapeReply {
        match self.outcome().await.unwrap() {
            TrackerReply::Scrape(reply) => reply,
            TrackerReply::Announce(_) => panic!("scraped, got an announce"),
        }
    }

    pub async fn error(self) -> ClientError {
        self.outcome().await.unwrap_err()
    }
}

/// A UDP tracker that does nothing by itself.
pub struct UdpTracker {
    pub socket: UdpSocket,
}

impl UdpTracker {
    pub async fn bind(ip: &str) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        Self {
            socket: UdpSocket::bind((ip, 0)).await.unwrap(),
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub fn url(&self) -> String {
        format!("udp://{}/announce", self.addr())
    }

    pub async fn receive(&self) -> (Vec<u8>, SocketAddr) {
        let mut packet = vec![0; 65_536];
        let (len, from) = self.socket.recv_from(&mut packet).await.unwrap();
        packet.truncate(len);
        (packet, from)
    }

    pub async fn send(&self, packet: &[u8], to: SocketAddr) {
        self.socket.send_to(packet, to).await.unwrap();
    }

    /// Answers a connect; returns where it came from.
    pub async fn connect(&self, connection_id: u64) -> SocketAddr {
        let (packet, from) = self.receive().await;
        let Ok(Request::Connect { transaction_id }) = udp::parse_request(&packet) else {
            panic!("not a connect: {packet:?}");
        };
        let mut out = Vec::new();
        udp::write_connect_response(&mut out, transaction_id, connection_id);
        self.send(&out, from).await;
        from
    }

    /// Receives an announce with this connection id; returns its transaction id.
    pub async fn announce(&self, connection_id: u64) -> (u32, SocketAddr) {
        let (packet, from) = self.receive().await;
        let Ok(Request::Announce(announce)) = udp::parse_request(&packet) else {
            panic!("not an announce: {packet:?}");
        };
        assert_eq!(announce.connection_id, connection_id);
        (announce.transaction_id, from)
    }

    /// Answers an announce.
    pub async fn answer(&self, connection_id: u64, interval: u32, peers: &[u8]) {
        let (transaction_id, from) = self.announce(connection_id).await;
        self.send(&announce_answer(transaction_id, interval, peers), from)
            .await;
    }

    /// Answers a request with an error.
    pub async fn refuse(&self, message: &str) {
        let (packet, from) = self.receive().await;
        let mut out = Vec::new();
        let id = u32::from_be_bytes(packet[12..16].try_into().unwrap());
        udp::write_error(&mut out, id, message);
        self.send(&out, from).await;
    }
}

/// An engine for which `tracker.test` has an address of each family, and the URL of a tracker there.
pub fn dual_stack(port: u16) -> (ClientEngine, String) {
    let hosts = HashMap::from([(
        "tracker.test".to_owned(),
        vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
    )]);
    let config = ClientConfig {
        hosts,
        ..ClientConfig::default()
    };
    (engine_with(config), format!("udp://tracker.test:{port}"))
}

/// Two sockets on one port, one per family.
pub async fn twins() -> (UdpTracker, UdpTracker) {
    loop {
        let v4 = UdpTracker::bind("127.0.0.1").await;
        let v6 = UdpSocket::bind(("::1", v4.addr().port())).await;
        if let Ok(socket) = v6 {
            return (v4, UdpTracker { socket });
        }
    }
}

pub fn announce_answer(transaction_id: u32, interval: u32, peers: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let head = AnnounceResponseHead {
        transaction_id,
        interval,
        leechers: 2,
        seeders: 3,
    };
    head.write(&mut out);
    out.extend_from_slice(peers);
    out
}

/// An HTTP tracker that does nothing by itself.
pub struct HttpTracker {
    pub listener: TcpListener,
}

impl HttpTracker {
    pub async fn bind(ip: &str) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        Self {
            listener: TcpListener::bind((ip, 0)).await.unwrap(),
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}/announce", self.addr())
    }

    /// Accepts a connection and reads one request from it.
    pub async fn request(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        (stream, request)
    }

    /// Answers one request on a connection of its own; returns the request.
    pub async fn answer(&self, answer: &[u8]) -> String {
        let (mut stream, request) = self.request().await;
        // The client may hang up in the middle.
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
        request
    }

    pub async fn ok(&self, body: &[u8]) -> String {
        self.answer(&ok(body)).await
    }
}

/// Reads up to the empty line; an empty text if the client hangs up first.
pub async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return String::new();
        }
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

pub fn ok(body: &[u8]) -> Vec<u8> {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [answer.as_bytes(), body].concat()
}

pub fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

/// Whether this machine has IPv6 at all; many containers do not. Their tests of it are no tests.
pub fn has_ipv6() -> bool {
    std::net::UdpSocket::bind("[::1]:0").is_ok()
}

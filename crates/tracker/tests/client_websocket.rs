//! `WebSocket`s to trackers: shared, kept up, ended.

#![expect(clippy::unwrap_used, reason = "a panic is a test's report")]

mod client_support;

use std::{sync::Arc, time::Duration};

use client_support::*;
use futures_util::{SinkExt, StreamExt};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};
use tracker::{
    client::{
        ClientEngine, Families, MAX_OUTBOX, SendError, TlsRoots, WebSocketEvent, WebSocketHandle,
        WebSocketTarget, WebSocketTiming, WebSocketUrl,
    },
    types::PeerId,
};

/// A client's share with what it was told.
struct Share {
    handle: Option<WebSocketHandle>,
    events: mpsc::UnboundedReceiver<WebSocketEvent>,
}

impl Share {
    fn join(engine: &ClientEngine, target: &WebSocketTarget, byte: u8) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let handle = engine.websocket(target, hash(byte), PeerId([byte; 20]), move |event| {
            let _ = sender.send(event);
        });
        Self {
            handle: Some(handle),
            events,
        }
    }

    fn handle(&self) -> &WebSocketHandle {
        self.handle.as_ref().unwrap()
    }

    async fn next(&mut self) -> WebSocketEvent {
        let next = tokio::time::timeout(Duration::from_secs(30), self.events.recv());
        next.await.expect("an event").expect("a sender")
    }

    async fn open(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, WebSocketEvent::Open), "{event:?}");
    }

    async fn message(&mut self) -> String {
        match self.next().await {
            WebSocketEvent::Message(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The error, the retries and the delay.
    async fn down(&mut self) -> (Option<String>, u32, Duration) {
        match self.next().await {
            WebSocketEvent::Down {
                error,
                retries,
                delay,
            } => (error.map(|error| error.to_string()), retries, delay),
            other => panic!("{other:?}"),
        }
    }

    async fn closed(mut self) {
        drop(self.handle.take());
        let event = self.next().await;
        assert!(matches!(event, WebSocketEvent::Closed), "{event:?}");
        assert!(self.events.recv().await.is_none(), "nothing follows");
    }
}

struct Tracker {
    listener: TcpListener,
}

impl Tracker {
    async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    fn target(&self) -> WebSocketTarget {
        let port = self.listener.local_addr().unwrap().port();
        target(&format!("ws://127.0.0.1:{port}/announce"))
    }

    async fn accept(&self) -> WebSocketStream<TcpStream> {
        let (stream, _) = self.listener.accept().await.unwrap();
        accept_async(stream).await.unwrap()
    }
}

fn target(url: &str) -> WebSocketTarget {
    WebSocketTarget {
        url: WebSocketUrl::parse(url).unwrap(),
        tls_roots: None,
        proxy: None,
        families: Families::default(),
        timing: WebSocketTiming {
            reconnect_min: Duration::from_millis(20),
            reconnect_jitter: Duration::ZERO,
            ..WebSocketTiming::default()
        },
    }
}

fn announce_reply(byte: u8) -> String {
    let info_hash = char::from(byte).to_string().repeat(20);
    format!(r#"{{"action":"announce","info_hash":"{info_hash}","complete":1}}"#)
}

#[tokio::test]
async fn clients_share_a_socket_and_the_last_one_closes_it() {
    let tracker = Tracker::bind().await;
    let engine = engine();
    let mut a = Share::join(&engine, &tracker.target(), b'a');
    let mut b = Share::join(&engine, &tracker.target(), b'b');
    let mut stream = tracker.accept().await;
    a.open().await;
    b.open().await;
    // One that comes later hears at once.
    let mut c = Share::join(&engine, &tracker.target(), b'a');
    c.open().await;

    stream.send(announce_reply(b'b').into()).await.unwrap();
    stream.send(announce_reply(b'a').into()).await.unwrap();
    assert_eq!(b.message().await, announce_reply(b'b'));
    assert_eq!(a.message().await, announce_reply(b'a'));
    assert_eq!(c.message().await, announce_reply(b'a'));

    a.handle().send("one".to_owned()).unwrap();
    b.handle().send("two".to_owned()).unwrap();
    a.closed().await;
    c.closed().await;
    let ending = tokio::spawn(b.closed());
    // What was sent goes out before the goodbye, which is answered.
    assert_eq!(stream.next().await.unwrap().unwrap().to_string(), "one");
    assert_eq!(stream.next().await.unwrap().unwrap().to_string(), "two");
    assert!(matches!(stream.next().await, Some(Ok(Message::Close(_)))));
    assert!(stream.next().await.is_none());
    drop(stream);
    ending.await.unwrap();

    // A new one gets a new socket.
    let mut d = Share::join(&engine, &tracker.target(), b'a');
    let _stream = tracker.accept().await;
    d.open().await;
}

#[tokio::test]
async fn other_settings_are_other_sockets() {
    let tracker = Tracker::bind().await;
    let engine = engine();
    let only_v4 = WebSocketTarget {
        families: Families::Ipv4Only,
        ..tracker.target()
    };
    // Roots make no difference without TLS.
    let with_roots = WebSocketTarget {
        tls_roots: Some(TlsRoots::from_pem(["nothing"])),
        ..tracker.target()
    };
    let mut shares =
        [tracker.target(), with_roots, only_v4].map(|target| Share::join(&engine, &target, b'a'));
    let _first = tracker.accept().await;
    let _second = tracker.accept().await;
    for share in &mut shares {
        share.open().await;
    }
}

#[tokio::test]
async fn attempts_are_made_ever_less_often_and_start_anew_after_a_success() {
    let tracker = Tracker::bind().await;
    let engine = engine();
    let mut target = tracker.target();
    target.timing.reconnect_max = Duration::from_millis(50);
    let mut share = Share::join(&engine, &target, b'a');
    for (retries, delay) in [(0, 20), (1, 40), (2, 50), (3, 50)] {
        drop(tracker.listener.accept().await.unwrap());
        let (error, n, wait) = share.down().await;
        assert_eq!((n, wait), (retries, Duration::from_millis(delay)));
        assert_eq!(
            error.unwrap(),
            format!("Error connecting to {}", target.url)
        );
        assert_eq!(share.handle().send("x".to_owned()), Err(SendError::NotOpen));
    }
    let stream = tracker.accept().await;
    share.open().await;
    drop(stream);
    // As connections end: not worth a word.
    assert_eq!(share.down().await, (None, 0, Duration::from_millis(20)));
    tracker.accept().await;
}

#[tokio::test]
async fn whoever_is_new_does_not_wait_for_the_failures_of_others() {
    let tracker = Tracker::bind().await;
    let engine = engine();
    let mut target = tracker.target();
    target.timing.reconnect_jitter = Duration::from_secs(100_000);
    let mut first = Share::join(&engine, &target, b'a');
    drop(tracker.listener.accept().await.unwrap());
    let (_, _, delay) = first.down().await;
    // But for one in a thousand runs.
    assert!(delay > Duration::from_secs(60));
    let mut second = Share::join(&engine, &target, b'b');
    let _stream = tracker.accept().await;
    first.open().await;
    second.open().await;
}

#[tokio::test]
async fn who_had_joined_before_a_loss_waits_the_whole_time() {
    let tracker = Tracker::bind().await;
    let engine = engine();
    let mut target = tracker.target();
    target.timing.reconnect_jitter = Duration::from_secs(100_000);
    let mut first = Share::join(&engine, &target, b'a');
    let stream = tracker.accept().await;
    first.open().await;
    let mut second = Share::join(&engine, &target, b'b');
    second.open().await;
    drop(stream);
    let (_, _, delay) = first.down().await;
    // But for one in a thousand runs.
    assert!(delay > Duration::from_secs(60));
    let attempt = tokio::time::timeout(10 * target.timing.reconnect_min, tracker.listener.accept());
    assert!(attempt.await.is_err(), "the wait was cut short");
}

#[tokio::test]
async fn leaving_ends_an_attempt_and_a_wait() {
    let tracker = Tracker::bind().await;
    let engine = engine();
    let mut target = tracker.target();
    let share = Share::join(&engine, &target, b'a');
    let (mut stream, _) = tracker.listener.accept().await.unwrap();
    share.closed().await;
    // The request, then the end.
    stream.read_to_end(&mut Vec::new()).await.unwrap();

    target.timing.reconnect_min = Duration::from_secs(3000);
    let mut share = Share::join(&engine, &target, b'a');
    drop(tracker.listener.accept().await.unwrap());
    share.down().await;
    share.closed().await;
}

#[tokio::test]
async fn a_tracker_that_reads_nothing_keeps_nobody() {
    let tracker = Tracker::bind().await;
    let engine = engine();
    let mut share = Share::join(&engine, &tracker.target(), b'a');
    let _stream = tracker.accept().await;
    share.open().await;
    let message = "x".repeat(1 << 20);
    let mut sent = 0;
    let full = loop {
        match share.handle().send(message.clone()) {
            Ok(()) => sent += message.len(),
            Err(error) => break error,
        }
        assert!(sent <= 2 * MAX_OUTBOX, "more than the kernel could hold");
    };
    assert_eq!(full, SendError::Full);
    share.closed().await;
}

#[tokio::test]
async fn a_tracker_that_reads_after_it_has_written_is_no_deadlock() {
    /// More than the kernel holds, both ways.
    const MESSAGES: usize = 500;
    let tracker = Tracker::bind().await;
    let engine = engine();
    let mut share = Share::join(&engine, &tracker.target(), b'a');
    let mut stream = tracker.accept().await;
    share.open().await;
    for _ in 0..MESSAGES {
        share.handle().send("x".repeat(60_000)).unwrap();
    }
    let padded =
        announce_reply(b'a').replace('}', &format!(r#","pad":"{}"}}"#, "y".repeat(60_000)));
    let both_ways = async {
        for _ in 0..MESSAGES {
            stream.send(Message::text(padded.clone())).await.unwrap();
        }
        for _ in 0..MESSAGES {
            assert_eq!(stream.next().await.unwrap().unwrap().len(), 60_000);
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), both_ways).await;
    assert!(done.is_ok(), "both wait for the other to read");
}

#[tokio::test]
async fn a_connect_takes_no_longer_than_its_time() {
    let tracker = Tracker::bind().await;
    let engine = engine();
    let mut target = tracker.target();
    target.timing.connect = Duration::from_millis(50);
    let mut share = Share::join(&engine, &target, b'a');
    let (error, ..) = share.down().await;
    assert!(error.unwrap().starts_with("Error connecting to "));
}

#[tokio::test]
async fn tls_with_the_roots_given() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("client_support/cert.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("client_support/key.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.unwrap()], key.unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));

    let engine = engine();
    let url = format!("wss://localhost:{port}/announce");
    let roots = || TlsRoots::from_pem([include_str!("client_support/ca.pem")]);
    let mut with_roots = WebSocketTarget {
        tls_roots: Some(roots()),
        families: Families::Ipv4Only,
        ..target(&url)
    };
    let mut share = Share::join(&engine, &with_roots, b'a');
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = accept_async(acceptor.accept(stream).await.unwrap())
        .await
        .unwrap();
    share.open().await;
    // The same certificates from another thread's hands.
    with_roots.tls_roots = Some(roots());
    let mut other = Share::join(&engine, &with_roots, b'b');
    other.open().await;
    other.handle().send("over".to_owned()).unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().to_string(), "over");

    // Nobody is trusted without roots.
    let mut none = Share::join(&engine, &target(&url), b'a');
    assert_eq!(
        none.down().await.0.unwrap(),
        "no TLS root certificates were given"
    );
    with_roots.tls_roots = Some(TlsRoots::from_pem(["nothing"]));
    let mut stranger = Share::join(&engine, &with_roots, b'a');
    let (stream, _) = listener.accept().await.unwrap();
    assert!(acceptor.accept(stream).await.is_err());
    assert_eq!(
        stranger.down().await.0.unwrap(),
        format!("Error connecting to {url}")
    );
}

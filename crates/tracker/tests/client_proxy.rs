//! TLS by way of proxies: it is the tracker's, from end to end.

#![expect(clippy::unwrap_used, reason = "a panic is a test's report")]

mod client_support;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use client_support::*;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_async;
use tracker::{
    client::{
        ClientError, Families, Proxy, TlsRoots, WebSocketEvent, WebSocketTarget, WebSocketTiming,
        WebSocketUrl,
    },
    types::PeerId,
};

/// A proxy that takes everybody, and leads everywhere to `target`. Returns its URL and who was asked for.
async fn proxy(scheme: &str, target: SocketAddr) -> (Proxy, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    let is_socks = scheme == "socks5";
    let (sender, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let name = if is_socks {
                    socks(&mut client).await
                } else {
                    tunnel(&mut client).await
                };
                let _ = sender.send(name);
                let mut tracker = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut tracker).await;
            });
        }
    });
    (Proxy::parse(&url).unwrap(), asked)
}

async fn socks(client: &mut TcpStream) -> String {
    let mut bytes = [0; 3];
    client.read_exact(&mut bytes).await.unwrap();
    client.write_all(&[5, 0]).await.unwrap();
    let mut head = [0; 5];
    client.read_exact(&mut head).await.unwrap();
    assert_eq!(head[..4], [5, 1, 0, 3], "connect to a name");
    let mut rest = vec![0; usize::from(head[4]) + 2];
    client.read_exact(&mut rest).await.unwrap();
    let granted = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    client.write_all(&granted).await.unwrap();
    rest.truncate(usize::from(head[4]));
    String::from_utf8(rest).unwrap()
}

async fn tunnel(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").unwrap();
    target.split(':').next().unwrap().to_owned()
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("client_support/cert.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("client_support/key.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.unwrap()], key.unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn roots() -> TlsRoots {
    TlsRoots::from_pem([include_str!("client_support/ca.pem")])
}

#[tokio::test]
async fn https() {
    for scheme in ["socks5", "http"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (proxy, mut asked) = proxy(scheme, listener.local_addr().unwrap()).await;
        tokio::spawn(async move {
            let acceptor = acceptor();
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.write_all(BODY).await.unwrap();
                stream.flush().await.unwrap();
            }
        });
        let engine = engine();
        // Certified for this name, which is not looked up here.
        let mut request = announce("https://localhost/announce");
        request.proxy = Some(proxy);
        let error = submit(&engine, request.clone()).error().await;
        assert!(matches!(error, ClientError::TlsRoots), "{error:?}");
        request.tls_roots = Some(TlsRoots::from_der([]));
        let error = submit(&engine, request.clone()).error().await;
        assert!(matches!(error, ClientError::Fetch(_)), "{error:?}");
        request.tls_roots = Some(roots());
        assert_eq!(submit(&engine, request).announced().await.complete, Some(3));
        assert_eq!(asked.recv().await.unwrap(), "localhost");
    }
}

#[tokio::test]
async fn wss() {
    for scheme in ["socks5", "http"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (proxy, mut asked) = proxy(scheme, listener.local_addr().unwrap()).await;
        let target = WebSocketTarget {
            url: WebSocketUrl::parse("wss://localhost/announce").unwrap(),
            tls_roots: Some(roots()),
            families: Families::Ipv6Only,
            proxy: Some(proxy),
            timing: WebSocketTiming::default(),
        };
        let (sender, mut events) = mpsc::unbounded_channel();
        let engine = engine();
        let _handle = engine.websocket(&target, hash(1), PeerId([1; 20]), move |event| {
            let _ = sender.send(event);
        });
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor().accept(stream).await.unwrap();
        let _stream = accept_async(stream).await.unwrap();
        let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await;
        assert!(matches!(event.unwrap().unwrap(), WebSocketEvent::Open));
        assert_eq!(asked.recv().await.unwrap(), "localhost");
    }
}

//! The client against HTTP trackers that behave.

#![expect(clippy::unwrap_used, reason = "a panic is a test's report")]

mod client_support;

use std::{collections::HashMap, io::Write, net::IpAddr, sync::Arc, time::Duration};

use client_support::*;
use tokio::io::AsyncWriteExt;
use tracker::client::{RawValue, TlsRoots, TrackerReply, schedule::RetryIn};

#[tokio::test]
async fn announce_request_and_answer() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let request = submit(&engine(), announce(&tracker.url()));
    let sent = tracker.ok(BODY).await;
    let mut lines = sent.lines();
    assert_eq!(
        lines.next().unwrap(),
        "GET /announce?numwant=50&event=started&compact=1\
         &info_hash=%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF\
         &peer_id=-XX0001-%2A%40%2F%2B%21%27%28%29%7E.-_&port=6881&left=16384 HTTP/1.1"
    );
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    assert_eq!(headers["user-agent"], "");
    assert_eq!(headers["host"], tracker.addr().to_string());
    assert!(headers["accept-encoding"].contains("gzip"));
    let reply = request.announced().await;
    assert_eq!(reply.interval, Some(Duration::from_secs(1800)));
    assert_eq!(reply.min_interval, Some(Duration::from_secs(900)));
    assert_eq!((reply.complete, reply.incomplete), (Some(3), Some(2)));
    assert_eq!(reply.tracker_id.as_deref(), Some(&b"abc"[..]));
    assert_eq!(reply.external_ip, Some(IpAddr::from([192, 0, 2, 9])));
    assert_eq!(reply.warning_message.as_deref(), Some("slow"));
    let peers: Vec<_> = reply.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["192.0.2.1:80", "[2001:db8::1]:6881"]);
    assert!(reply.warnings.is_empty());
    let raw = reply.raw.unwrap();
    assert_eq!(raw.len(), 9);
    assert_eq!(raw[&b"interval"[..]], RawValue::Int(1800));
    assert_eq!(
        raw[&b"peers"[..]],
        RawValue::Bytes(b"\xc0\0\x02\x01\0\x50".to_vec())
    );
}

#[tokio::test]
async fn own_query_user_agent_and_dictionary_peers() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let url = format!("http://{}/announce.php?passkey=x%20y", tracker.addr());
    let mut request = announce(&url);
    request.user_agent = Some("app/1".into());
    let request = submit(&engine(), request);
    let sent = tracker
        .ok(b"d5:peersld2:ip9:127.0.0.14:porti80eed2:ip12:peer.example4:porti81eed2:ipi1eeee")
        .await;
    assert!(sent.starts_with("GET /announce.php?passkey=x%20y&numwant=50&"));
    assert!(sent.contains("user-agent: app/1\r\n"));
    let reply = request.announced().await;
    let peers: Vec<_> = reply.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["127.0.0.1:80", "peer.example:81"]);
    assert_eq!(reply.interval, None);
}

#[tokio::test]
async fn scrapes_are_split_and_joined() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let url = format!("{}?passkey=1", tracker.url());
    let hashes: Vec<_> = (0..100).map(hash).collect();
    let request = submit(&engine(), scrape(&url, hashes));
    for (count, byte) in [(60, 0_u8), (40, 60)] {
        let row = b"d8:completei1e10:downloadedi2e10:incompletei3e4:name1:ne";
        let body = [
            &b"d5:filesd20:"[..],
            &[byte; 20],
            row,
            b"e5:flagsd20:min_request_intervali600eee",
        ];
        let sent = tracker.ok(&body.concat()).await;
        assert!(
            sent.starts_with("GET /scrape?passkey=1&info_hash=%"),
            "{sent}"
        );
        assert_eq!(sent.matches("info_hash=").count(), count);
    }
    let reply = request.scraped().await;
    assert_eq!(reply.rows.len(), 2);
    assert_eq!(reply.rows[1].info_hash, hash(60));
    assert_eq!(reply.rows[1].complete, Some(1));
    assert_eq!(reply.rows[1].downloaded, Some(2));
    assert_eq!(reply.rows[1].incomplete, Some(3));
    let raw = reply.rows[1].raw.as_ref().unwrap();
    assert_eq!(raw[&b"name"[..]], RawValue::Bytes(b"n".to_vec()));
    assert_eq!(reply.min_request_interval, Some(Duration::from_secs(600)));
}

#[tokio::test]
async fn scrape_needs_an_announce_url() {
    let request = submit(&engine(), scrape("http://127.0.0.1:9/x", vec![hash(1)]));
    let error = request.error().await;
    assert_eq!(
        error.to_string(),
        "scrape not supported http://127.0.0.1:9/x"
    );
    assert_eq!(error.code(), "ERR_TRACKER_SCRAPE_NOT_SUPPORTED");
}

#[tokio::test]
async fn refusals() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = submit(&engine, announce(&tracker.url()));
    tracker
        .ok(b"d14:failure reason7:go away8:intervali7200e8:retry in2:10e")
        .await;
    let error = request.error().await;
    assert_eq!(error.to_string(), "go away");
    assert_eq!(
        error.retry_in(),
        Some(RetryIn::After(Duration::from_secs(600)))
    );
    assert_eq!(error.intervals().interval, Some(Duration::from_secs(7200)));
    let request = submit(&engine, scrape(&tracker.url(), vec![hash(1)]));
    tracker
        .ok(b"d14:failure reason2:no8:retry in5:nevere")
        .await;
    assert_eq!(request.error().await.retry_in(), Some(RetryIn::Never));
    let request = submit(&engine, announce(&tracker.url()));
    tracker
        .answer(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(
        request.error().await.to_string(),
        format!("Non-200 response code 404 from {}", tracker.url())
    );
}

#[tokio::test]
async fn compressed_answers() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let engine = engine();
    // Of BODY, by zlib.
    for (encoding, wrap) in [("gzip", true), ("deflate", false)] {
        let request = submit(&engine, announce(&tracker.url()));
        let body = stored_deflate(BODY, wrap);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        tracker.answer(&[head.as_bytes(), &body].concat()).await;
        assert_eq!(request.announced().await.peers.len(), 2, "{encoding}");
    }
}

/// A gzip or zlib stream with one uncompressed block.
fn stored_deflate(data: &[u8], gzip: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if gzip {
        out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    } else {
        out.extend_from_slice(&[0x78, 0x01]);
    }
    let len = u16::try_from(data.len()).unwrap();
    out.push(1);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&(!len).to_le_bytes());
    out.extend_from_slice(data);
    if gzip {
        let mut crc = !0_u32;
        for byte in data {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
            }
        }
        out.extend_from_slice(&(!crc).to_le_bytes());
        out.extend_from_slice(&u32::from(len).to_le_bytes());
    } else {
        let (mut a, mut b) = (1_u32, 0_u32);
        for byte in data {
            a = (a + u32::from(*byte)) % 65_521;
            b = (b + a) % 65_521;
        }
        out.extend_from_slice(&(b << 16 | a).to_be_bytes());
    }
    out
}

#[tokio::test]
async fn connections_are_kept() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = submit(&engine, announce(&tracker.url()));
    let (mut stream, _) = tracker.request().await;
    stream.write_all(&ok(BODY)).await.unwrap();
    request.announced().await;
    for _ in 0..3 {
        let request = submit(&engine, announce(&tracker.url()));
        assert!(read_request(&mut stream).await.starts_with("GET /announce"));
        stream.write_all(&ok(BODY)).await.unwrap();
        request.announced().await;
    }
}

#[tokio::test]
async fn redirects_are_followed() {
    let engine = engine();
    let first = HttpTracker::bind("127.0.0.1").await;
    let second = HttpTracker::bind("127.0.0.1").await;
    let request = submit(&engine, announce(&first.url()));
    first.answer(&redirect("/relative?x=1")).await;
    let sent = first
        .answer(&redirect(&format!("{}?y=2", second.url())))
        .await;
    assert!(sent.starts_with("GET /relative?x=1 "));
    let sent = second.ok(BODY).await;
    assert!(sent.starts_with("GET /announce?y=2 "), "{sent}");
    request.announced().await;
}

#[tokio::test]
async fn tls_with_the_roots_given() {
    let (url, server) = tls_server();
    let engine = engine();
    let error = submit(&engine, announce(&url)).error().await;
    assert_eq!(error.code(), "ERR_TRACKER_TLS_ROOTS");
    let roots = TlsRoots::from_pem([include_str!("client_support/ca.pem"), "not a certificate"]);
    assert_eq!(roots.len(), 1);
    let mut request = announce(&url);
    request.tls_roots = Some(TlsRoots::from_der([]));
    let error = submit(&engine, request).error().await;
    assert_eq!(error.to_string(), "fetch failed");
    assert!(
        error.cause().unwrap().message.contains("UnknownIssuer"),
        "{error:?}"
    );
    let mut request = announce(&url);
    request.tls_roots = Some(roots);
    assert_eq!(submit(&engine, request).announced().await.peers.len(), 2);
    server.join().unwrap();
}

/// Answers over TLS: fails once, since the client does not trust it, then answers once.
fn tls_server() -> (String, std::thread::JoinHandle<()>) {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let certificate = CertificateDer::from_pem_slice(include_bytes!("client_support/cert.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("client_support/key.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.unwrap()], key.unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/announce", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for trusted in [false, true] {
            let (mut socket, _) = listener.accept().unwrap();
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut socket);
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") {
                match std::io::Read::read(&mut stream, &mut byte) {
                    Ok(1) => request.push(byte[0]),
                    _ => break,
                }
            }
            assert_eq!(!request.is_empty(), trusted);
            if trusted {
                stream.write_all(&ok(BODY)).unwrap();
            }
        }
    });
    (url, server)
}

#[tokio::test]
async fn network_errors_have_node_shape() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let url = tracker.url();
    let port = tracker.addr().port();
    drop(tracker);
    let error = submit(&engine(), announce(&url)).error().await;
    assert_eq!(error.to_string(), "fetch failed");
    assert_eq!(error.code(), "ERR_TRACKER_NETWORK");
    let os = error.cause().unwrap().os.clone().unwrap();
    assert_eq!((os.code, os.syscall), ("ECONNREFUSED", "connect"));
    assert_eq!(os.address.as_deref(), Some("127.0.0.1"));
    assert_eq!(os.port, Some(port));
}

#[tokio::test]
async fn outcome_kinds_follow_the_request() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let request = submit(&engine(), announce(&tracker.url()));
    tracker.ok(b"de").await;
    let outcome = request.outcome().await.unwrap();
    assert!(matches!(outcome, TrackerReply::Announce(reply) if reply.peers.is_empty()));
}

#[tokio::test]
async fn redirects_on_a_kept_connection_know_where_they_are() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = submit(&engine, announce(&tracker.url()));
    let (mut stream, _) = tracker.request().await;
    stream.write_all(&ok(BODY)).await.unwrap();
    request.announced().await;
    let request = submit(&engine, announce(&tracker.url()));
    read_request(&mut stream).await;
    stream.write_all(&redirect("/other")).await.unwrap();
    let sent = read_request(&mut stream).await;
    assert!(sent.starts_with("GET /other "), "{sent}");
    stream.write_all(&ok(BODY)).await.unwrap();
    request.announced().await;
}

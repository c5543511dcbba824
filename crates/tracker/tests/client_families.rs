//! The client against trackers with addresses of both families.

mod client_support;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use client_support::*;
use tokio::net::TcpListener;
use tracker::client::{ClientConfig, Families};

#[tokio::test]
async fn ipv6_tracker_sends_ipv6_peers() {
    if !has_ipv6() {
        return;
    }
    let tracker = UdpTracker::bind("::1").await;
    let request = submit(&engine(), announce(&tracker.url()));
    tracker.connect(1).await;
    let mut peers = [0x20; 36];
    peers[16..18].copy_from_slice(&[0x1a, 0xe1]);
    tracker.answer(1, 1800, &peers).await;
    let reply = request.announced().await;
    assert_eq!(
        reply.peers[0].to_string(),
        "[2020:2020:2020:2020:2020:2020:2020:2020]:6881"
    );
    assert_eq!(reply.peers.len(), 2);
}

#[tokio::test]
async fn ipv4_comes_first() {
    if !has_ipv6() {
        return;
    }
    let (v4, v6) = twins().await;
    let (engine, url) = dual_stack(v4.addr().port());
    let request = submit(&engine, announce(&url));
    v4.connect(1).await;
    v4.answer(1, 1800, &PEERS).await;
    assert_eq!(request.announced().await.peers.len(), 2);
    assert!(v6.socket.try_recv(&mut [0; 100]).is_err());
}

#[tokio::test]
async fn ipv6_is_tried_when_ipv4_is_silent() {
    if !has_ipv6() {
        return;
    }
    let (v4, v6) = twins().await;
    let (engine, url) = dual_stack(v4.addr().port());
    let mut request = announce(&url);
    request.timeout = Duration::from_secs(3);
    let request = submit(&engine, request);
    v6.connect(1).await;
    v6.answer(1, 1800, &[0x20; 18]).await;
    assert_eq!(request.announced().await.peers.len(), 1);
    assert!(v4.socket.try_recv(&mut [0; 100]).is_ok());
}

#[tokio::test]
async fn both_families_make_one_reply() {
    if !has_ipv6() {
        return;
    }
    let (v4, v6) = twins().await;
    let (engine, url) = dual_stack(v4.addr().port());
    let mut request = announce(&url);
    request.families = Families::Both;
    let request = submit(&engine, request);
    v4.connect(1).await;
    v6.connect(2).await;
    v4.answer(1, 1800, &PEERS).await;
    v6.answer(2, 1800, &[0x20; 18]).await;
    let reply = request.announced().await;
    assert_eq!(reply.peers.len(), 3);
    let mut request = announce(&url);
    request.families = Families::Ipv6Only;
    let request = submit(&engine, request);
    v6.answer(2, 1800, &[]).await;
    request.announced().await;
}

#[tokio::test]
async fn ipv4_first_then_ipv6() {
    if !has_ipv6() {
        return;
    }
    let (v4, v6) = http_twins().await;
    let port = v4.addr().port();
    let (engine, _) = dual_stack(port);
    let url = format!("http://tracker.test:{port}/announce");
    let request = submit(&engine, announce(&url));
    let sent = v4.ok(BODY).await;
    assert!(sent.contains(&format!("host: tracker.test:{port}\r\n")));
    request.announced().await;
    let mut request = announce(&url);
    request.families = Families::Both;
    let request = submit(&engine, request);
    let body4 = b"d5:peers6:\xc0\x00\x02\x01\x00\x50e";
    let body6 = b"d5:peers12:\xc0\x00\x02\x01\x00\x50\xc0\x00\x02\x02\x00\x50e";
    tokio::join!(v4.ok(body4), v6.ok(body6));
    assert_eq!(request.announced().await.peers.len(), 2, "no peer twice");
    drop(v4);
    let request = submit(&engine, announce(&url));
    v6.ok(BODY).await;
    request.announced().await;
}

async fn http_twins() -> (HttpTracker, HttpTracker) {
    loop {
        let v4 = HttpTracker::bind("127.0.0.1").await;
        let v6 = TcpListener::bind(("::1", v4.addr().port())).await;
        if let Ok(listener) = v6 {
            return (v4, HttpTracker { listener });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ipv6_that_leads_nowhere_does_not_hide_the_silence_of_ipv4() {
    let silent = UdpTracker::bind("127.0.0.1").await;
    // Reserved for documents: no route, or a route on which nothing answers.
    let nowhere = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let addresses = vec![nowhere.into(), Ipv4Addr::LOCALHOST.into()];
    let engine = engine_with(ClientConfig {
        hosts: HashMap::from([("tracker.test".to_owned(), addresses)]),
        ..ClientConfig::default()
    });
    let url = format!("udp://tracker.test:{}", silent.addr().port());
    let start = tokio::time::Instant::now();
    let error = submit(&engine, announce(&url)).error().await;
    assert_eq!(error.code(), "ERR_TRACKER_TIMEOUT");
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn the_error_of_ipv4_is_told_when_both_fail() {
    if !has_ipv6() {
        return;
    }
    let (v4, v6) = http_twins().await;
    let port = v4.addr().port();
    let (engine, _) = dual_stack(port);
    drop((v4, v6));
    let url = format!("http://tracker.test:{port}/announce");
    let error = submit(&engine, announce(&url)).error().await;
    let os = error.cause().unwrap().os.clone().unwrap();
    assert_eq!(os.code, "ECONNREFUSED");
    assert_eq!(os.address.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_family_without_an_address_is_an_unknown_name() {
    for url in ["udp://127.0.0.1:9", "http://127.0.0.1:9/announce"] {
        let mut request = announce(url);
        request.families = Families::Ipv6Only;
        let error = submit(&engine(), request).error().await;
        let os = error.cause().unwrap().os.clone().unwrap();
        assert_eq!((os.code, os.syscall), ("ENOTFOUND", "getaddrinfo"));
    }
}

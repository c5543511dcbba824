//! Redirects from the internet into the local network. The whole of 127/8 is this machine's on Linux
//! alone, so that 127.0.0.2 can play the internet there.
#![cfg(target_os = "linux")]

mod client_support;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use client_support::*;
use tracker::client::{ClientConfig, ClientEngine};

/// Plays the internet.
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn engine_on_the_internet() -> ClientEngine {
    let hosts = HashMap::from([
        ("public.test".to_owned(), vec![PUBLIC]),
        ("private.test".to_owned(), vec![PRIVATE]),
        ("mixed.test".to_owned(), vec![PRIVATE, PUBLIC]),
    ]);
    engine_with(ClientConfig {
        hosts,
        is_public: |ip| ip == PUBLIC,
        ..ClientConfig::default()
    })
}

#[tokio::test]
async fn redirects_from_the_internet_into_the_local_network_are_refused() {
    let engine = engine_on_the_internet();
    let public = HttpTracker::bind("127.0.0.2").await;
    let private = HttpTracker::bind("127.0.0.1").await;
    let port = private.addr().port();
    for host in ["127.0.0.1", "private.test", "[::ffff:127.0.0.1]", "0x7f.1"] {
        let request = submit(&engine, announce(&public.url()));
        public
            .answer(&redirect(&format!("http://{host}:{port}/")))
            .await;
        let error = request.error().await;
        assert_eq!(
            error.code(),
            "ERR_TRACKER_REDIRECT_REFUSED",
            "{host}: {error}"
        );
    }
    // Also when it was the name of the first hop that led to the internet, and one hop later.
    let url = format!("http://public.test:{}/announce", public.addr().port());
    let request = submit(&engine, announce(&url));
    public.answer(&redirect("/here")).await;
    public.answer(&redirect(&private.url())).await;
    let error = request.error().await;
    assert_eq!(error.code(), "ERR_TRACKER_REDIRECT_REFUSED");
    let accept = private.listener.accept();
    assert!(
        tokio::time::timeout(Duration::ZERO, accept).await.is_err(),
        "nobody connected"
    );
}

#[tokio::test]
async fn a_name_with_both_kinds_of_addresses_is_reached_at_the_public_one() {
    let engine = engine_on_the_internet();
    let public = HttpTracker::bind("127.0.0.2").await;
    let port = public.addr().port();
    let private = HttpTracker {
        listener: match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => listener,
            Err(error) => panic!("{error}"),
        },
    };
    let request = submit(&engine, announce(&public.url()));
    public
        .answer(&redirect(&format!("http://mixed.test:{port}/")))
        .await;
    public.ok(b"de").await;
    request.announced().await;
    let accept = private.listener.accept();
    assert!(tokio::time::timeout(Duration::ZERO, accept).await.is_err());
}

#[tokio::test]
async fn other_redirects_between_networks_are_followed() {
    let engine = engine_on_the_internet();
    let public = HttpTracker::bind("127.0.0.2").await;
    let private = HttpTracker::bind("127.0.0.1").await;
    let other = HttpTracker::bind("127.0.0.1").await;
    let request = submit(&engine, announce(&private.url()));
    private.answer(&redirect(&other.url())).await;
    other.answer(&redirect(&public.url())).await;
    public.ok(b"de").await;
    request.announced().await;
}

#[tokio::test]
async fn a_bad_user_agent_is_an_error() {
    let mut request = announce("http://127.0.0.1:9/announce");
    request.user_agent = Some("a\r\nb: c".into());
    let error = submit(&engine(), request).error().await;
    assert_eq!(error.code(), "ERR_TRACKER_USER_AGENT");
}

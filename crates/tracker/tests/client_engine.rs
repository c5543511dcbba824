//! The engine: turns, aborts, its end.

mod client_support;

use std::{collections::VecDeque, time::Duration};

use client_support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};
use tracker::client::{ClientConfig, ClientError};

#[tokio::test]
async fn abort_calls_back_once() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = submit(&engine, announce(&tracker.url()));
    let other = submit(&engine, announce(&tracker.url()));
    tracker.receive().await;
    request.handle.abort();
    request.handle.abort();
    let error = request.error().await;
    assert_eq!(error.to_string(), "This operation was aborted");
    other.handle.abort_after(Duration::from_millis(10));
    assert_eq!(other.error().await.code(), "ERR_TRACKER_ABORTED");
}

#[tokio::test]
async fn shutdown_lets_requests_finish_within_its_grace() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = submit(&engine, announce(&tracker.url()));
    let (shutdown, ()) = tokio::join!(
        async {
            engine.shutdown(Duration::from_secs(10)).await;
            request.announced().await
        },
        async {
            tracker.connect(1).await;
            tracker.answer(1, 1800, &PEERS).await;
        }
    );
    assert_eq!(shutdown.peers.len(), 2);
    assert_eq!(engine.in_flight(), 0);
    let late = submit(&engine, announce(&tracker.url())).error().await;
    assert_eq!(late.code(), "ERR_TRACKER_ABORTED");
}

#[tokio::test]
async fn shutdown_aborts_what_remains() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine();
    let request = submit(&engine, announce(&tracker.url()));
    engine.shutdown(Duration::ZERO).await;
    assert_eq!(request.error().await.code(), "ERR_TRACKER_ABORTED");
}

#[test]
fn a_dropped_runtime_still_calls_back() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (sender, outcome) = std::sync::mpsc::channel();
    let engine = runtime.block_on(async {
        let engine = engine();
        engine.submit(announce("udp://127.0.0.1:9"), move |outcome| {
            let _ = sender.send(outcome);
        });
        engine
    });
    drop(runtime);
    let error = outcome.recv().unwrap().unwrap_err();
    assert_eq!(error.code(), "ERR_TRACKER_ABORTED");
    assert!(outcome.recv().is_err(), "one callback");
    drop(engine);
}

#[tokio::test]
async fn a_thousand_announces_take_turns() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let engine = engine_with(ClientConfig {
        http_per_host: 4,
        ..ClientConfig::default()
    });
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let request = submit(&engine, announce(&tracker.url()));
        requests.spawn(async move { request.announced().await.peers.len() });
    }
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = tracker.listener.accept() => {
                let (mut stream, _) = accepted.unwrap();
                assert!(connections.len() < 8, "four at a time, with some that are closing");
                connections.spawn(async move {
                    while !read_request(&mut stream).await.is_empty() {
                        stream.write_all(&ok(BODY)).await.unwrap();
                    }
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            done = requests.join_next() => match done {
                Some(peers) => assert_eq!(peers.unwrap(), 2),
                None => break,
            },
        }
    }
}

#[tokio::test]
async fn udp_announces_to_one_tracker_take_turns() {
    let tracker = UdpTracker::bind("127.0.0.1").await;
    let engine = engine_with(ClientConfig {
        udp_per_host: 4,
        ..ClientConfig::default()
    });
    let requests = [(); 40].map(|()| submit(&engine, announce(&tracker.url())));
    tracker.connect(1).await;
    let mut waiting = VecDeque::new();
    for _ in 0..40 {
        waiting.push_back(tracker.announce(1).await);
        if waiting.len() == 4 {
            assert!(tracker.socket.try_recv(&mut [0; 100]).is_err(), "a fifth");
            let (id, from) = waiting.pop_front().unwrap();
            tracker.send(&announce_answer(id, 1800, &PEERS), from).await;
        }
    }
    for (id, from) in waiting {
        tracker.send(&announce_answer(id, 1800, &PEERS), from).await;
    }
    for request in requests {
        assert_eq!(request.announced().await.peers.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_is_not_counted() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let engine = engine_with(ClientConfig {
        http_per_host: 1,
        ..ClientConfig::default()
    });
    let start = tokio::time::Instant::now();
    let requests = [(); 3].map(|()| submit(&engine, announce(&tracker.url())));
    for (request, secs) in requests.into_iter().zip([15, 30, 45]) {
        assert!(matches!(request.error().await, ClientError::HttpTimeout));
        assert_eq!(start.elapsed().as_secs(), secs);
    }
}

#[tokio::test]
async fn abort_closes_the_connection() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let request = submit(&engine(), announce(&tracker.url()));
    let (mut stream, _) = tracker.request().await;
    request.handle.abort();
    assert_eq!(request.error().await.code(), "ERR_TRACKER_ABORTED");
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
}

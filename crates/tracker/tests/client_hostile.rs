//! The client against HTTP trackers that mean harm: one error each, in bounded time and memory.

mod client_support;

use std::time::Duration;

use client_support::*;
use tokio::io::AsyncWriteExt;
use tracker::client::ClientError;

async fn error_for(answer: &[u8]) -> ClientError {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let request = submit(&engine(), announce(&tracker.url()));
    tracker.answer(answer).await;
    request.error().await
}

#[tokio::test]
async fn bodies_without_an_answer() {
    let error = error_for(&ok(b"")).await;
    assert!(
        error
            .to_string()
            .starts_with("Invalid tracker response fromhttp://")
    );
    for body in [
        &b"<html>"[..],
        b"le",
        b"i1e",
        b"d8:interval",
        b"d1:a99999999999999999999:e",
        b"dee",
    ] {
        let error = error_for(&ok(body)).await;
        assert!(
            error
                .to_string()
                .starts_with("Error decoding tracker response: ")
        );
        assert_eq!(error.code(), "ERR_TRACKER_DECODE");
    }
}

#[tokio::test]
async fn nesting_and_token_bombs() {
    let deep = [&b"d1:a"[..], &vec![b'l'; 500_000]].concat();
    assert_eq!(error_for(&ok(&deep)).await.code(), "ERR_TRACKER_DECODE");
    let many = [&b"d5:peersl"[..], &b"i0e".repeat(300_000), b"ee"].concat();
    assert_eq!(error_for(&ok(&many)).await.code(), "ERR_TRACKER_DECODE");
}

#[tokio::test]
async fn a_long_body_is_not_read_to_its_end() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 209715200\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let tracker = HttpTracker::bind("127.0.0.1").await;
        let request = submit(&engine(), announce(&tracker.url()));
        let (mut stream, _) = tracker.request().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut sent = 0_usize;
        // Ends when the client hangs up.
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {
            sent += 8192;
            assert!(sent < 100 << 20, "200 MB were taken in");
        }
        assert_eq!(request.error().await.code(), "ERR_TRACKER_TOO_LARGE");
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_not_inflated_to_its_end() {
    // Zeros, 160 to one: a block of deflate's run of length 258, distance 1, made by hand.
    let bomb = gzip_zeros(64 << 20);
    assert!(
        bomb.len() < 1 << 20,
        "it is not its own size that is refused"
    );
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    );
    let error = error_for(&[head.as_bytes(), &bomb].concat()).await;
    assert_eq!(error.code(), "ERR_TRACKER_TOO_LARGE");
}

/// A gzip stream (with no checksum at its end, it never gets there) of about `len` zeros.
fn gzip_zeros(len: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut push = |value: u32, width: u32, out: &mut Vec<u8>| {
        bits |= value << count;
        count += width;
        while count >= 8 {
            out.push((bits & 0xff) as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    // Final block, fixed codes; literal 0 is 00110000, most significant bit first.
    push(0b011, 3, &mut out);
    push(0b0000_1100, 8, &mut out);
    for _ in 0..len / 258 {
        // Length 258 is code 285: 11000101. Distance 1 is code 0: 00000.
        push(0b1010_0011, 8, &mut out);
        push(0, 5, &mut out);
    }
    out
}

#[tokio::test]
async fn bodies_cut_short() {
    let error = error_for(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nd8:interval").await;
    assert_eq!(error.to_string(), "terminated");
    assert_eq!(error.code(), "ERR_TRACKER_NETWORK");
    let error = error_for(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nd8:").await;
    assert_eq!(error.to_string(), "terminated");
    let error = error_for(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00",
    )
    .await;
    assert_eq!(error.to_string(), "terminated");
}

#[tokio::test]
async fn answers_that_are_not_http() {
    let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"a: b\r\n".repeat(100_000)].concat();
    let wide = [&b"HTTP/1.1 200 OK\r\na: "[..], &vec![b'x'; 2 << 20]].concat();
    for answer in [
        &b""[..],
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        &endless,
        &wide,
    ] {
        let error = error_for(answer).await;
        assert_eq!(error.to_string(), "fetch failed");
        assert!(error.cause().is_some());
    }
}

#[tokio::test]
async fn senseless_intervals() {
    for interval in ["-1", "1099511627776"] {
        let tracker = HttpTracker::bind("127.0.0.1").await;
        let request = submit(&engine(), announce(&tracker.url()));
        let body = format!("d8:intervali{interval}e5:peers6:\x01\x02\x03\x04\x05\x06e");
        tracker.ok(body.as_bytes()).await;
        let reply = request.announced().await;
        assert_eq!(reply.interval, None);
        assert_eq!(reply.peers.len(), 1);
        assert_eq!(reply.warnings.len(), 1);
        assert!(reply.warnings[0].to_string().contains(interval));
    }
}

#[tokio::test]
async fn half_a_peer_is_a_warning() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let request = submit(&engine(), announce(&tracker.url()));
    tracker.ok(b"d5:peers7:1234567e").await;
    let reply = request.announced().await;
    assert!(reply.peers.is_empty());
    assert_eq!(reply.warnings[0].code(), "ERR_TRACKER_PEERS");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_time() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let start = tokio::time::Instant::now();
    let error = submit(&engine(), announce(&tracker.url())).error().await;
    assert_eq!(error.to_string(), "This operation was aborted");
    assert_eq!(error.code(), "ERR_TRACKER_TIMEOUT");
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn a_trickle_ends_in_time() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let mut request = announce(&tracker.url());
    request.timeout = Duration::from_millis(500);
    let request = submit(&engine(), request);
    let (mut stream, _) = tracker.request().await;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let trickle = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while stream.write_all(b"d").await.is_ok() {
            tick.tick().await;
        }
    };
    let ((), error) = tokio::join!(trickle, request.error());
    assert!(matches!(error, ClientError::HttpTimeout));
}

#[tokio::test]
async fn redirect_loops_and_dead_ends() {
    let tracker = HttpTracker::bind("127.0.0.1").await;
    let request = submit(&engine(), announce(&tracker.url()));
    let answer = redirect(&tracker.url());
    for _ in 0..6 {
        tracker.answer(&answer).await;
    }
    assert_eq!(request.error().await.code(), "ERR_TRACKER_REDIRECT");
    for to in [
        "ftp://127.0.0.1/",
        "http://",
        "file:///etc/passwd",
        "udp://127.0.0.1:80",
    ] {
        assert_eq!(
            error_for(&redirect(to)).await.code(),
            "ERR_TRACKER_REDIRECT"
        );
    }
    let error = error_for(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(error.code(), "ERR_TRACKER_STATUS");
    assert_eq!(
        error_for(&redirect("https://127.0.0.1:1/")).await.code(),
        "ERR_TRACKER_TLS_ROOTS"
    );
}

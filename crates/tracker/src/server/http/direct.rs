//! A connection's regular requests, answered without hyper until something else comes: a request that is not
//! regular or that the user's code takes part in, one that came in parts, or more answers at once than the peer takes
//! or a turn has room for. From then on the connection is hyper's.
//!
//! Nobody sees a difference, but for a peer that ends its sending with the request: it is answered here.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::{self, Instant},
};

use super::{
    listener::{CLOSE_GRACE, MAX_HEAD, Service},
    regular::RegularRequest,
};
use crate::clock;

/// Answers to requests that came together are gathered up to here, in bytes.
const MAX_GATHERED: usize = 16 * 1024;

/// So many requests of a connection, and then it is the others' turn. Looked at between reads: what was read by then,
/// at most 16 KiB, is answered.
const MAX_ANSWERS: u64 = 64;

/// Likewise bytes of answers; what was read and not answered by then is hyper's.
const MAX_SENT: usize = 256 * 1024;

/// What the connections of a thread read into and write from, one after the other.
pub(super) struct Buffers {
    input: Box<[u8]>,
    output: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            input: vec![0; MAX_HEAD].into(),
            output: Vec::new(),
        }
    }
}

/// A connection of which nothing else has come so far.
pub(super) struct Direct<'a, S> {
    stream: &'a mut TcpStream,
    remote: SocketAddr,
    service: &'a S,
    buffers: &'a RefCell<Buffers>,
    /// A connection that finished no request for this long is closed.
    idle: Duration,
    /// How many requests it finished.
    finished: u64,
}

/// What is hyper's.
pub(super) struct Rest {
    /// What has been read and not answered.
    pub(super) read: Vec<u8>,
    /// When the connection is closed if hyper finishes none.
    pub(super) deadline: Instant,
}

/// What to do when all that was answered is sent.
enum Next {
    Read,
    /// The connection is over: the peer's end, an error, or an answer after which it closes.
    End,
    /// Hyper has to go on, with these bytes first.
    Other(Vec<u8>),
}

impl<'a, S: Service> Direct<'a, S> {
    pub(super) const fn new(
        stream: &'a mut TcpStream,
        remote: SocketAddr,
        service: &'a S,
        buffers: &'a RefCell<Buffers>,
        idle: Duration,
    ) -> Self {
        Self {
            stream,
            remote,
            service,
            buffers,
            idle,
            finished: 0,
        }
    }

    /// Serves the connection until it is over, which gives `None`, or until something has been read that is
    /// for hyper.
    pub(super) async fn serve(mut self, stop: &mut watch::Receiver<bool>) -> Option<Rest> {
        let mut seen = self.finished;
        let mut idle = pin!(time::sleep(self.idle));
        let mut stopped = pin!(stop.wait_for(|&stop| stop));
        loop {
            let (unsent, next) = tokio::select! {
                turn = poll_fn(|cx| self.poll_turn(cx)) => turn,
                () = idle.as_mut() => {
                    if self.finished == seen {
                        return None;
                    }
                    seen = self.finished;
                    // Sending may have gone on beyond the deadline.
                    let next = idle.deadline().max(Instant::from_std(clock::instant())) + self.idle;
                    idle.as_mut().reset(next);
                    continue;
                }
                _ = stopped.as_mut() => return None,
            };
            if !unsent.is_empty() {
                let mut sending = pin!(self.stream.write_all(&unsent));
                tokio::select! {
                    result = sending.as_mut() => result.ok()?,
                    () = time::sleep_until(idle.deadline() + self.idle) => return None,
                    _ = stopped.as_mut() => {
                        let _ = time::timeout(CLOSE_GRACE, sending).await;
                        return None;
                    }
                }
            }
            match next {
                Next::Read => {}
                Next::End => return None,
                Next::Other(read) => {
                    let mut deadline = idle.deadline();
                    if self.finished != seen {
                        deadline += self.idle;
                    }
                    return Some(Rest { read, deadline });
                }
            }
        }
    }

    /// Reads and answers until there is nothing to read. Gives what could not be sent at once, as the peer does
    /// not take it, and what to do after that.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<(Vec<u8>, Next)> {
        let mut buffers = self.buffers.borrow_mut();
        let Buffers { input, output } = &mut *buffers;
        // Empty, unless a panic ended another connection of the thread in the midst of an answer.
        output.clear();
        let end = self.finished.wrapping_add(MAX_ANSWERS);
        let mut sent_all = 0;
        while self.finished < end && sent_all <= MAX_SENT {
            let mut read = ReadBuf::new(input);
            let result = ready!(Pin::new(&mut *self.stream).poll_read(cx, &mut read));
            let mut rest = read.filled();
            if result.is_err() || rest.is_empty() {
                return Poll::Ready((Vec::new(), Next::End));
            }
            while !rest.is_empty() {
                let mut next = answer(
                    &mut rest,
                    self.remote,
                    self.service,
                    output,
                    &mut self.finished,
                );
                sent_all += output.len();
                let Ok(unsent) = send(self.stream, output) else {
                    return Poll::Ready((Vec::new(), Next::End));
                };
                let has_rest = matches!(next, Next::Read) && !rest.is_empty();
                if has_rest && (!unsent.is_empty() || sent_all > MAX_SENT) {
                    next = Next::Other(rest.to_vec());
                }
                if !unsent.is_empty() || !matches!(next, Next::Read) {
                    return Poll::Ready((unsent, next));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Appends the answers to the requests at the beginning of `rest`, and takes these off.
fn answer<S: Service>(
    rest: &mut &[u8],
    remote: SocketAddr,
    service: &S,
    output: &mut Vec<u8>,
    finished: &mut u64,
) -> Next {
    while !rest.is_empty() && output.len() < MAX_GATHERED {
        let mut slots = RegularRequest::slots();
        let Some(request) = RegularRequest::parse(rest, &mut slots)
            .filter(|request| service.answer_at_once(request, remote, output))
        else {
            return Next::Other(rest.to_vec());
        };
        *finished = finished.wrapping_add(1);
        if request.closes {
            return Next::End;
        }
        *rest = rest.get(request.length..).unwrap_or_default();
    }
    Next::Read
}

/// Sends as much as goes without waiting; the rest. `bytes` is empty then.
fn send(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let result = match stream.try_write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    };
    let unsent = match result {
        // A scrape of everything: two of it would be too many.
        Ok(sent) if bytes.len() - sent > MAX_SENT => {
            bytes.drain(..sent);
            std::mem::take(bytes)
        }
        Ok(sent) => bytes.get(sent..).unwrap_or_default().to_vec(),
        Err(_) => Vec::new(),
    };
    bytes.clear();
    bytes.shrink_to(2 * MAX_GATHERED);
    result.map(|_| unsent)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use http_body_util::Full;
    use hyper::{Request, Response, body::Bytes, body::Incoming};
    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    /// Answers with the target, but for `/other`.
    #[derive(Default)]
    struct Echo(Cell<usize>);

    impl Service for Echo {
        async fn answer(&self, _: Request<Incoming>, _: SocketAddr) -> Response<Full<Bytes>> {
            Response::default()
        }

        fn answer_at_once(
            &self,
            request: &RegularRequest<'_, '_>,
            _: SocketAddr,
            out: &mut Vec<u8>,
        ) -> bool {
            if request.target == "/other" {
                return false;
            }
            self.0.set(self.0.get() + 1);
            out.extend_from_slice(request.target.as_bytes());
            true
        }

        fn accept_failed(&self, _: io::Error) {}

        fn housekeep(&self) -> bool {
            false
        }
    }

    /// What becomes of a connection on which `requests` come: how many were answered, what the peer got, and what is
    /// left for hyper.
    async fn serve(requests: &str) -> (usize, String, Option<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut stream, remote) = listener.accept().await.unwrap();
        peer.write_all(requests.as_bytes()).await.unwrap();
        peer.shutdown().await.unwrap();
        let (service, buffers) = (Echo::default(), RefCell::default());
        let (_keep, mut stop) = watch::channel(false);
        let direct = Direct::new(
            &mut stream,
            remote,
            &service,
            &buffers,
            Duration::from_secs(60),
        );
        let rest = direct.serve(&mut stop).await;
        drop(stream);
        let mut answers = String::new();
        // Ends by a reset where something was left unread.
        let _ = peer.read_to_string(&mut answers).await;
        let rest = rest.map(|rest| String::from_utf8(rest.read).unwrap());
        (service.0.get(), answers, rest)
    }

    fn get(target: &str) -> String {
        format!("GET {target} HTTP/1.1\r\n\r\n")
    }

    #[tokio::test]
    async fn regular_requests_are_answered_here() {
        assert_eq!(
            serve(&(get("/a") + &get("/b"))).await,
            (2, "/a/b".into(), None)
        );
    }

    #[tokio::test]
    async fn the_first_other_request_and_all_behind_it_are_left() {
        let left = get("/other") + &get("/b");
        assert_eq!(
            serve(&(get("/a") + &left)).await,
            (1, "/a".into(), Some(left))
        );
        assert_eq!(
            serve("GET /a").await,
            (0, String::new(), Some("GET /a".into()))
        );
    }

    #[tokio::test]
    async fn a_turn_ends_and_another_begins() {
        let count = 4 * MAX_ANSWERS as usize;
        let requests = get("/").repeat(count);
        assert!(requests.len() < MAX_HEAD);
        assert_eq!(serve(&requests).await, (count, "/".repeat(count), None));
    }
}

//! A connection's regular requests, answered without hyper until something else comes.

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
    time,
};

use super::{
    listener::{CLOSE_GRACE, MAX_HEAD, Service},
    regular::RegularRequest,
};

/// Answers to requests that came together are gathered up to here, in bytes.
const MAX_GATHERED: usize = 16 * 1024;

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
    pub(super) stream: &'a mut TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) service: &'a S,
    pub(super) buffers: &'a RefCell<Buffers>,
    /// A connection that finished no request for this long is closed.
    pub(super) idle: Duration,
    pub(super) finished: u64,
}

/// What to do when all that was answered is sent.
enum Next {
    Read,
    /// The connection is over: the peer's end, an error, or an answer after which it closes.
    End,
    /// Hyper has to go on, with these bytes first.
    Other(Vec<u8>),
}

impl<S: Service> Direct<'_, S> {
    /// Serves the connection until it is over, which gives `None`, or until something has been read that is
    /// for hyper.
    pub(super) async fn serve(mut self, stop: &mut watch::Receiver<bool>) -> Option<Vec<u8>> {
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
                    let next = idle.deadline() + self.idle;
                    idle.as_mut().reset(next);
                    continue;
                }
                _ = stopped.as_mut() => return None,
            };
            if !unsent.is_empty() {
                let mut sending = pin!(self.stream.write_all(&unsent));
                tokio::select! {
                    result = sending.as_mut() => result.ok()?,
                    () = time::sleep(self.idle) => return None,
                    _ = stopped.as_mut() => {
                        let _ = time::timeout(CLOSE_GRACE, sending).await;
                        return None;
                    }
                }
            }
            match next {
                Next::Read => {}
                Next::End => return None,
                Next::Other(read) => return Some(read),
            }
        }
    }

    /// Reads and answers until there is nothing to read. Gives what could not be sent at once, as the peer does
    /// not take it, and what to do after that.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<(Vec<u8>, Next)> {
        let mut buffers = self.buffers.borrow_mut();
        let Buffers { input, output } = &mut *buffers;
        loop {
            let mut read = ReadBuf::new(input);
            let result = ready!(Pin::new(&mut *self.stream).poll_read(cx, &mut read));
            let mut rest = read.filled();
            if result.is_err() || rest.is_empty() {
                return Poll::Ready((Vec::new(), Next::End));
            }
            while !rest.is_empty() {
                output.clear();
                let mut next = answer(
                    &mut rest,
                    self.remote,
                    self.service,
                    output,
                    &mut self.finished,
                );
                let Ok(sent) = send(self.stream, output) else {
                    return Poll::Ready((Vec::new(), Next::End));
                };
                let unsent = output.get(sent..).unwrap_or_default().to_vec();
                output.shrink_to(2 * MAX_GATHERED);
                if matches!(next, Next::Read) && !unsent.is_empty() && !rest.is_empty() {
                    next = Next::Other(rest.to_vec());
                }
                if !unsent.is_empty() || !matches!(next, Next::Read) {
                    return Poll::Ready((unsent, next));
                }
            }
        }
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

/// Sends as much as goes without waiting.
fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match stream.try_write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

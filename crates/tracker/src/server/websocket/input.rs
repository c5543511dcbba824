//! The reading half of a connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};

/// Memory that a part of a frame may have to spare before it is given back.
const SLACK: usize = 1024;

/// What was read and not used: a part of a frame, or messages that wait for their turn.
#[derive(Default)]
pub(super) struct Unread {
    bytes: Vec<u8>,
    /// So many of them are used.
    used: usize,
}

impl Unread {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes all out, and how many of them are used, to be given back by [`Self::put_back`].
    pub(super) fn take(&mut self) -> (Vec<u8>, usize) {
        let Self { bytes, used } = std::mem::take(self);
        (bytes, used)
    }

    /// Keeps what is not used. `is_all` says that nothing of it can be used before more is read.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>, mut used: usize, is_all: bool) {
        if used == bytes.len() {
            return;
        }
        if is_all {
            // Once per turn: else many messages in a row would be moved again and again.
            bytes.drain(..used);
            used = 0;
            if bytes.capacity() > 2 * bytes.len() + SLACK {
                bytes.shrink_to_fit();
            }
        }
        *self = Self { bytes, used };
    }
}

/// Reads what there is, once. Zero is the end.
pub(super) fn poll_read(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    input: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(input);
    // Not `try_read`: this knows that a socket which did not fill the buffer has nothing more.
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

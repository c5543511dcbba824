//! A connection of which something was read already.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Reads `prefix` first, then the rest from the connection.
pub(in crate::server) struct Prefixed {
    prefix: Vec<u8>,
    stream: TcpStream,
}

impl Prefixed {
    pub(super) const fn new(prefix: Vec<u8>, stream: TcpStream) -> Self {
        Self { prefix, stream }
    }

    /// What is left of the prefix, and the connection.
    pub(in crate::server) fn into_parts(self) -> (Vec<u8>, TcpStream) {
        (self.prefix, self.stream)
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, out);
        }
        let length = self.prefix.len().min(out.remaining());
        out.put_slice(&self.prefix[..length]);
        self.prefix.drain(..length);
        if self.prefix.is_empty() {
            // A connection may live for hours.
            self.prefix = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn what_was_read_comes_first() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut peer = TcpStream::connect(address).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        peer.write_all(b"world").await.unwrap();
        let mut stream = Prefixed::new(b"hello ".to_vec(), stream);
        let mut bytes = [0; 8];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hello wo");
        assert_eq!(stream.into_parts().0, b"");
    }

    #[tokio::test]
    async fn what_nobody_read_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let mut stream = Prefixed::new(b"hello".to_vec(), stream);
        let mut bytes = [0; 2];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"he");
        assert_eq!(stream.into_parts().0, b"llo");
    }
}

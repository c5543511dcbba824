//! The writing half of a connection.

use std::io;

use tokio::net::TcpStream;

use super::spare;

/// What the kernel has not taken yet of what is to be written.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// So many of them are written.
    written: usize,
}

impl Output {
    /// Has `bytes` written next.
    pub(super) fn put(&mut self, bytes: Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            self.bytes.extend_from_slice(&bytes);
        }
    }

    /// Writes what the kernel takes at once; whether that was all.
    pub(super) fn write_now(&mut self, stream: &TcpStream) -> io::Result<bool> {
        while self.written < self.bytes.len() {
            match stream.try_write(&self.bytes[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        // Its memory with it: most connections say nothing most of the time.
        self.written = 0;
        spare::give(std::mem::take(&mut self.bytes));
        Ok(true)
    }

    /// Writes all.
    pub(super) async fn write_all(&mut self, stream: &TcpStream) -> io::Result<()> {
        while !self.write_now(stream)? {
            stream.writable().await?;
        }
        Ok(())
    }
}

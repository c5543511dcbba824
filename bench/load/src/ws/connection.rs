//! A client's WebSocket connection (RFC 6455) as far as a load needs it: whole text frames both ways,
//! pings answered.

use std::{io, net::Ipv4Addr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    select,
};

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// Set in the length byte of what a client sends.
const MASKED: u8 = 0x80;
/// The length follows in 2 or in 8 bytes.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// A connection, and what waits to be written to it.
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    output: Output,
}

/// Frames to be written, masked as a client's have to be.
pub(crate) struct Output {
    bytes: Vec<u8>,
    written: usize,
    mask: [u8; 4],
}

impl Connection {
    /// Connects to a port of this machine and upgrades. `buffer` is the read buffer's size in bytes;
    /// longer frames make it grow.
    pub(crate) async fn open(port: u16, buffer: usize) -> io::Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        // As a browser sends it.
        let request = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
             Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 \
             (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\n\
             Origin: https://webtorrent.example\r\nSec-WebSocket-Version: 13\r\n\
             Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            // By the byte: what follows is no part of it.
            response.push(stream.read_u8().await?);
        }
        if !response.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&response)));
        }
        Ok(Self {
            stream,
            input: vec![0; buffer],
            filled: 0,
            output: Output {
                bytes: Vec::new(),
                written: 0,
                mask: fastrand::u32(1..).to_ne_bytes(),
            },
        })
    }

    /// What is to be written with the next [`Self::exchange`].
    pub(crate) fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Writes what waits and reads what there is, whichever is possible, and hands over each text that
    /// has come. An error when the connection has ended.
    pub(crate) async fn exchange(
        &mut self,
        mut on_text: impl FnMut(&[u8], &mut Output) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.filled == self.input.len() {
            self.input.resize(2 * self.filled, 0);
        }
        let (mut reader, mut writer) = self.stream.split();
        let output = &mut self.output;
        select! {
            // What has come makes more to be written in the same call.
            biased;
            count = reader.read(&mut self.input[self.filled..]) => {
                let count = count?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.filled += count;
            }
            count = writer.write(&output.bytes[output.written..]), if !output.bytes.is_empty() => {
                output.advance(count?);
                return Ok(());
            }
        }
        let mut start = 0;
        while let Some((opcode, payload, end)) = frame(&self.input[start..self.filled]) {
            let payload = &self.input[start..self.filled][payload..end];
            match opcode {
                TEXT => on_text(payload, output)?,
                PING => output.frame(PONG, payload),
                PONG => {}
                CLOSE => return Err(io::Error::other("closed by the tracker")),
                _ => return Err(io::Error::other(format!("unexpected frame {opcode:#x}"))),
            }
            start += end;
        }
        self.input.copy_within(start..self.filled, 0);
        self.filled -= start;
        Ok(())
    }
}

impl Output {
    /// Appends a text.
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.frame(TEXT, text);
    }

    fn frame(&mut self, opcode: u8, payload: &[u8]) {
        self.bytes.push(opcode);
        let length = payload.len();
        if length < LENGTH_16.into() {
            self.bytes.push(MASKED | length as u8);
        } else if let Ok(length) = u16::try_from(length) {
            self.bytes.push(MASKED | LENGTH_16);
            self.bytes.extend_from_slice(&length.to_be_bytes());
        } else {
            self.bytes.push(MASKED | LENGTH_64);
            self.bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
        self.bytes.extend_from_slice(&self.mask);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        mask(&mut self.bytes[start..], self.mask);
    }

    fn advance(&mut self, count: usize) {
        self.written += count;
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        }
    }
}

/// First byte, start of the payload and end of the frame that begins here, if all of it is there.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&[opcode, short], rest) = bytes.split_first_chunk()?;
    let (start, length) = match short {
        LENGTH_16 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        LENGTH_64 => (10, u64::from_be_bytes(*rest.first_chunk()?) as usize),
        length => (2, usize::from(length)),
    };
    let end = start + length;
    (bytes.len() >= end).then_some((opcode, start, end))
}

fn mask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(word) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

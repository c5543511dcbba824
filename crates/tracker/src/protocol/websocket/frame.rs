//! WebSocket frames (RFC 6455, section 5) as a server reads and writes them.
//!
//! What comes in is unmasked where it lies. Nothing is kept here but the fragments of a message that
//! has not ended yet.

use std::{
    borrow::Cow,
    str::{self, Utf8Error},
};

/// The most that a control frame may carry.
const MAX_CONTROL: usize = 125;

/// In one block, so that the compiler can do it in vector registers.
const UNMASKED_AT_ONCE: usize = 32;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// The header that most messages of the protocol get: two bytes, and the length in two more.
const USUAL_HEADER: usize = 4;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Status codes of close frames.
pub mod close_code {
    /// All is done.
    pub const NORMAL: u16 = 1000;
    /// An end goes away.
    pub const AWAY: u16 = 1001;
    /// The other end breaks the rules of WebSocket.
    pub const PROTOCOL: u16 = 1002;
    /// A text is no UTF-8.
    pub const INVALID: u16 = 1007;
    /// The other end breaks a rule of ours.
    pub const POLICY: u16 = 1008;
    /// A message is too long.
    pub const SIZE: u16 = 1009;
    /// Something went wrong on this side.
    pub const ERROR: u16 = 1011;
}

/// Something that a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A whole message of text.
    Text(Cow<'a, str>),
    /// A whole message of something else.
    Binary,
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// An answer to a ping.
    Pong,
    /// The client says goodbye.
    Close(Goodbye<'a>),
}

/// What a close frame is answered with: itself, as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goodbye<'a> {
    /// The status, if the frame has one, and why in words.
    pub status: Option<(u16, &'a str)>,
}

/// Why a connection has to be closed for its frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Against the protocol.
    #[error("WebSocket protocol error: {0}")]
    Protocol(&'static str),
    /// An opcode that has no meaning.
    #[error("WebSocket protocol error: invalid opcode {0}")]
    Opcode(u8),
    /// Longer than is allowed.
    #[error("message too long: {size} > {max} bytes")]
    TooLong {
        /// What its header says, with the fragments that came before.
        size: u64,
        /// The limit.
        max: usize,
    },
    /// A text that is no UTF-8.
    #[error("text is no UTF-8: {0}")]
    Utf8(#[from] Utf8Error),
}

impl FrameError {
    /// The status to close the connection with.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Protocol(_) | Self::Opcode(_) => close_code::PROTOCOL,
            Self::TooLong { .. } => close_code::SIZE,
            Self::Utf8(_) => close_code::INVALID,
        }
    }
}

/// Reads what one client sends.
#[derive(Debug)]
pub struct FrameReader {
    /// The most bytes of a message.
    max: usize,
    fragments: Option<Box<Fragments>>,
}

/// A message that has not ended.
#[derive(Debug)]
struct Fragments {
    is_text: bool,
    bytes: Vec<u8>,
    /// So many of them are known to be UTF-8.
    checked: usize,
}

impl FrameReader {
    /// Of messages of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self {
            max,
            fragments: None,
        }
    }

    /// The next thing in `bytes` from `at` on, which is moved past what was read. `None` if a frame is
    /// not complete: call again with the bytes from `at` on and more. After an error the connection
    /// is to be closed.
    pub fn next<'a>(
        &mut self,
        bytes: &'a mut [u8],
        at: &mut usize,
    ) -> Result<Option<Incoming<'a>>, FrameError> {
        let (header, start, end) = loop {
            let unread = bytes.get(*at..).unwrap_or_default();
            let Some(header) = Header::parse(unread)? else {
                return Ok(None);
            };
            let length = self.admit(&header)?;
            let start = *at + header.size;
            let Some(end) = start.checked_add(length).filter(|end| *end <= bytes.len()) else {
                return Ok(None);
            };
            *at = end;
            unmask(&mut bytes[start..end], header.key);
            if header.is_whole() {
                break (header, start, end);
            }
            if let Some(whole) = self.gather(&header, &bytes[start..end])? {
                return whole.into_message().map(Some);
            }
        };
        let payload = &bytes[start..end];
        Ok(Some(match header.opcode {
            TEXT => Incoming::Text(Cow::Borrowed(str::from_utf8(payload)?)),
            BINARY => Incoming::Binary,
            PING => Incoming::Ping(payload),
            PONG => Incoming::Pong,
            _ => Incoming::Close(Goodbye::parse(payload)?),
        }))
    }

    /// Checks a header before the payload has come: how long that is.
    fn admit(&self, header: &Header) -> Result<usize, FrameError> {
        let too_long = |size| FrameError::TooLong {
            size,
            max: self.max,
        };
        if header.is_control() {
            if !header.fin {
                return Err(FrameError::Protocol("fragmented control frame"));
            }
            return usize::try_from(header.length)
                .ok()
                .filter(|length| *length <= MAX_CONTROL)
                .ok_or(FrameError::Protocol("control frame of more than 125 bytes"));
        }
        let before = match (header.opcode, &self.fragments) {
            (CONTINUATION, None) => {
                return Err(FrameError::Protocol("continuation of nothing"));
            }
            (CONTINUATION, Some(fragments)) => fragments.bytes.len(),
            (_, None) => 0,
            (_, Some(_)) => {
                return Err(FrameError::Protocol("message within a message"));
            }
        };
        usize::try_from(header.length)
            .ok()
            .filter(|length| *length <= self.max.saturating_sub(before))
            .ok_or_else(|| too_long(header.length.saturating_add(before as u64)))
    }

    /// Takes a fragment; the message, if it was the last.
    fn gather(
        &mut self,
        header: &Header,
        payload: &[u8],
    ) -> Result<Option<Box<Fragments>>, FrameError> {
        let fragments = self.fragments.get_or_insert_with(|| {
            Box::new(Fragments {
                is_text: header.opcode == TEXT,
                bytes: Vec::new(),
                checked: 0,
            })
        });
        fragments.bytes.extend_from_slice(payload);
        if fragments.is_text {
            fragments.check()?;
        }
        Ok(header.fin.then(|| self.fragments.take()).flatten())
    }
}

impl Fragments {
    /// Checks what is new, but for a character that may go on in the next fragment.
    fn check(&mut self) -> Result<(), Utf8Error> {
        match str::from_utf8(&self.bytes[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn into_message<'a>(self) -> Result<Incoming<'a>, FrameError> {
        if !self.is_text {
            return Ok(Incoming::Binary);
        }
        let text = String::from_utf8(self.bytes).map_err(|error| error.utf8_error())?;
        Ok(Incoming::Text(Cow::Owned(text)))
    }
}

impl<'a> Goodbye<'a> {
    fn parse(payload: &'a [u8]) -> Result<Self, FrameError> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return match payload {
                [] => Ok(Self { status: None }),
                _ => Err(FrameError::Protocol("close frame of one byte")),
            };
        };
        let (code, reason) = (u16::from_be_bytes(*code), str::from_utf8(reason)?);
        let status = if may_be_sent(code) {
            (code, reason)
        } else {
            (close_code::PROTOCOL, "Protocol violation")
        };
        Ok(Self {
            status: Some(status),
        })
    }
}

/// Whether a status code has a meaning, and one that a close frame may have.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

struct Header {
    fin: bool,
    opcode: u8,
    key: [u8; 4],
    length: u64,
    /// Bytes of the header itself.
    size: usize,
}

impl Header {
    /// The header at the beginning of `bytes`; `None` if it is not complete. It is refused as soon as
    /// that can be told.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(FrameError::Protocol("reserved bits are set"));
        }
        let opcode = first & 0x0f;
        if !matches!(opcode, CONTINUATION..=BINARY | CLOSE..=PONG) {
            return Err(FrameError::Opcode(opcode));
        }
        if second & MASKED == 0 {
            return Err(FrameError::Protocol("unmasked frame from a client"));
        }
        let (length, rest) = match second & !MASKED {
            LENGTH_16 => match rest.split_first_chunk() {
                Some((length, rest)) => (u16::from_be_bytes(*length).into(), rest),
                None => return Ok(None),
            },
            LENGTH_64 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            length => (length.into(), rest),
        };
        Ok(rest.split_first_chunk().map(|(key, rest)| Self {
            fin: first & FIN != 0,
            opcode,
            key: *key,
            length,
            size: bytes.len() - rest.len(),
        }))
    }

    fn is_control(&self) -> bool {
        self.opcode >= CLOSE
    }

    /// Whether it stands for itself: no fragment.
    fn is_whole(&self) -> bool {
        self.fin && self.opcode != CONTINUATION
    }
}

fn unmask(bytes: &mut [u8], key: [u8; 4]) {
    let repeated: [u8; UNMASKED_AT_ONCE] = std::array::from_fn(|index| key[index % 4]);
    let (blocks, rest) = bytes.as_chunks_mut::<UNMASKED_AT_ONCE>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(repeated) {
            *byte ^= key;
        }
    }
    for (byte, key) in rest.iter_mut().zip(repeated) {
        *byte ^= key;
    }
}

/// Appends a message of text, which `write` appends. It must be UTF-8.
pub fn write_text(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[FIN | TEXT, LENGTH_16, 0, 0]);
    write(out);
    let length = out.len() - start - USUAL_HEADER;
    if length <= MAX_CONTROL {
        out[start + 1] = length as u8;
        out.copy_within(start + USUAL_HEADER.., start + 2);
        out.truncate(start + 2 + length);
    } else if let Ok(length) = u16::try_from(length) {
        out[start + 2..start + USUAL_HEADER].copy_from_slice(&length.to_be_bytes());
    } else {
        out[start + 1] = LENGTH_64;
        let length = (length as u64).to_be_bytes();
        out.splice(start + 2..start + USUAL_HEADER, length);
    }
}

/// Appends a ping without a payload.
pub fn write_ping(out: &mut Vec<u8>) {
    write_control(out, PING, &[]);
}

/// Appends the answer to a ping.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    write_control(out, PONG, payload);
}

/// Appends a close frame, and as much of its reason as there is room for.
pub fn write_close(out: &mut Vec<u8>, goodbye: Goodbye<'_>) {
    let Some((code, reason)) = goodbye.status else {
        return write_control(out, CLOSE, &[]);
    };
    let mut room = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(room) {
        room -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..room]);
    write_control(out, CLOSE, &payload);
}

fn write_control(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    debug_assert!(payload.len() <= MAX_CONTROL);
    out.extend_from_slice(&[FIN | opcode, payload.len() as u8]);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests;

//! The requests and answers of BEP 15 as far as the loads need them.

/// What a connect request begins with.
const MAGIC: [u8; 8] = 0x0417_2710_1980_u64.to_be_bytes();

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;

/// Bytes of an announce request without options.
pub(super) const ANNOUNCE_LENGTH: usize = 98;

/// Bytes of a connect request, and of its answer.
pub(super) const CONNECT_LENGTH: usize = 16;

/// Bytes of an announce answer without peers.
pub(super) const ANSWER_HEAD: usize = 20;

/// A request as a tracker sees it: nothing is looked at but its kind.
pub(super) enum Request {
    Connect(TransactionId),
    Announce(TransactionId),
}

pub(super) type TransactionId = [u8; 4];

impl Request {
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let (head, rest) = packet.split_first_chunk::<8>()?;
        let (action, rest) = rest.split_first_chunk::<4>()?;
        let id = *rest.first_chunk()?;
        match u32::from_be_bytes(*action) {
            CONNECT if *head == MAGIC => Some(Self::Connect(id)),
            ANNOUNCE if packet.len() >= ANNOUNCE_LENGTH => Some(Self::Announce(id)),
            _ => None,
        }
    }
}

/// Writes the answer to a connect request; its length.
pub(super) fn write_connected(output: &mut [u8], id: TransactionId, connection_id: u64) -> usize {
    output[..4].copy_from_slice(&CONNECT.to_be_bytes());
    output[4..8].copy_from_slice(&id);
    output[8..16].copy_from_slice(&connection_id.to_be_bytes());
    CONNECT_LENGTH
}

/// An answer to announces of this many bytes, with a transaction id of zeros.
pub(super) fn announce_answer(length: usize) -> Vec<u8> {
    let peers = (length - ANSWER_HEAD) / 6;
    let mut answer = Vec::with_capacity(length);
    // As many seeders as leechers, asked to come back in a quarter of an hour.
    for number in [ANNOUNCE, 0, 900, peers as u32 / 2, peers as u32 / 2] {
        answer.extend_from_slice(&number.to_be_bytes());
    }
    for peer in 0..peers {
        answer.extend_from_slice(&[10, 0, 0, peer as u8, 0x1a, 0xe1]);
    }
    answer
}

/// Copies an answer to announces and makes it the one to this request; its length.
pub(super) fn write_answer(output: &mut [u8], answer: &[u8], id: TransactionId) -> usize {
    output[..answer.len()].copy_from_slice(answer);
    output[4..8].copy_from_slice(&id);
    answer.len()
}

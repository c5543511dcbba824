//! The requests and answers of BEP 15 as far as the loads need them.

/// What a connect request begins with.
const MAGIC: u64 = 0x0417_2710_1980;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// Bytes of an announce request without options.
const ANNOUNCE_LENGTH: usize = 98;

/// Bytes of an announce answer without peers.
pub(super) const ANSWER_HEAD: usize = 20;

/// Bytes of a peer's address.
pub(super) const PEER_LENGTH: usize = 6;

/// Bytes for each torrent in the answer to a scrape.
const SCRAPED_LENGTH: usize = 12;

/// A request as a tracker sees it: nothing is looked at but its kind.
pub(super) enum Request {
    Connect(u32),
    Announce(u32),
}

/// An answer and its transaction id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    Connected(u64),
    /// The number of peers in it.
    Announced(usize),
    /// Seeders, completions and leechers of each torrent.
    Scraped(&'a [u8]),
    Error(&'a [u8]),
}

/// The event of an announce.
#[derive(Clone, Copy)]
pub(super) enum Event {
    None = 0,
    Started = 2,
}

/// Who announces what.
pub(super) struct Announce {
    pub(super) info_hash: [u8; 20],
    pub(super) peer_id: [u8; 20],
    pub(super) port: u16,
    pub(super) left: u64,
}

impl Request {
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let (head, rest) = packet.split_first_chunk::<8>()?;
        let (action, rest) = rest.split_first_chunk::<4>()?;
        let id = u32::from_be_bytes(*rest.first_chunk()?);
        match u32::from_be_bytes(*action) {
            CONNECT if u64::from_be_bytes(*head) == MAGIC => Some(Self::Connect(id)),
            ANNOUNCE if packet.len() >= ANNOUNCE_LENGTH => Some(Self::Announce(id)),
            _ => None,
        }
    }
}

impl<'a> Answer<'a> {
    pub(super) fn parse(packet: &'a [u8]) -> Option<(u32, Self)> {
        let (action, rest) = packet.split_first_chunk::<4>()?;
        let (id, rest) = rest.split_first_chunk::<4>()?;
        let answer = match u32::from_be_bytes(*action) {
            CONNECT => Self::Connected(u64::from_be_bytes(*rest.first_chunk()?)),
            ANNOUNCE => {
                let peers = packet.get(ANSWER_HEAD..)?;
                Self::Announced(peers.len() / PEER_LENGTH)
            }
            SCRAPE => Self::Scraped(rest),
            ERROR => Self::Error(rest),
            _ => return None,
        };
        Some((u32::from_be_bytes(*id), answer))
    }
}

impl Announce {
    /// Writes the request; its length.
    pub(super) fn write(
        &self,
        output: &mut [u8],
        connection: u64,
        id: u32,
        event: Event,
        numwant: u32,
    ) -> usize {
        let output = &mut output[..ANNOUNCE_LENGTH];
        write_head(output, connection, ANNOUNCE, id);
        output[16..36].copy_from_slice(&self.info_hash);
        output[36..56].copy_from_slice(&self.peer_id);
        // Downloaded, left, uploaded.
        output[56..80].fill(0);
        output[64..72].copy_from_slice(&self.left.to_be_bytes());
        output[80..84].copy_from_slice(&(event as u32).to_be_bytes());
        // The address that it comes from; no key.
        output[84..92].fill(0);
        output[92..96].copy_from_slice(&numwant.to_be_bytes());
        output[96..].copy_from_slice(&self.port.to_be_bytes());
        ANNOUNCE_LENGTH
    }
}

/// Writes a connect request; its length.
pub(super) fn write_connect(output: &mut [u8], id: u32) -> usize {
    write_head(output, MAGIC, CONNECT, id);
    16
}

/// Writes a scrape request; its length.
pub(super) fn write_scrape(
    output: &mut [u8],
    connection: u64,
    id: u32,
    info_hashes: impl Iterator<Item = [u8; 20]>,
) -> usize {
    write_head(output, connection, SCRAPE, id);
    let mut length = 16;
    for info_hash in info_hashes {
        output[length..length + 20].copy_from_slice(&info_hash);
        length += 20;
    }
    length
}

/// The seeders and leechers of each torrent in the answer to a scrape.
pub(super) fn scraped_peers(torrents: &[u8]) -> impl Iterator<Item = u64> {
    let (torrents, _) = torrents.as_chunks::<SCRAPED_LENGTH>();
    torrents.iter().map(|torrent| {
        let [seeders, _completed, leechers] = number_triple(torrent);
        u64::from(seeders) + u64::from(leechers)
    })
}

fn number_triple(bytes: &[u8; SCRAPED_LENGTH]) -> [u32; 3] {
    let (numbers, _) = bytes.as_chunks::<4>();
    [0, 1, 2].map(|index| u32::from_be_bytes(numbers[index]))
}

fn write_head(output: &mut [u8], connection: u64, action: u32, id: u32) {
    output[..8].copy_from_slice(&connection.to_be_bytes());
    output[8..12].copy_from_slice(&action.to_be_bytes());
    output[12..16].copy_from_slice(&id.to_be_bytes());
}

/// Writes the answer to a connect request; its length.
pub(super) fn write_connected(output: &mut [u8], id: u32, connection: u64) -> usize {
    output[..4].copy_from_slice(&CONNECT.to_be_bytes());
    output[4..8].copy_from_slice(&id.to_be_bytes());
    output[8..16].copy_from_slice(&connection.to_be_bytes());
    16
}

/// An answer to announces of this many bytes, with a transaction id of 0.
pub(super) fn announce_answer(length: usize) -> Vec<u8> {
    let peers = (length - ANSWER_HEAD) / PEER_LENGTH;
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
pub(super) fn write_answer(output: &mut [u8], answer: &[u8], id: u32) -> usize {
    output[..answer.len()].copy_from_slice(answer);
    output[4..8].copy_from_slice(&id.to_be_bytes());
    answer.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announce_is_laid_out_as_in_bep_15() {
        let announce = Announce {
            info_hash: [1; 20],
            peer_id: [2; 20],
            port: 6881,
            left: 5,
        };
        let mut packet = [0xff; 200];
        let length = announce.write(&mut packet, 0x1122_3344_5566_7788, 9, Event::Started, 30);
        let mut expected = vec![0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
        expected.extend([0, 0, 0, 1, 0, 0, 0, 9]);
        expected.extend([1; 20]);
        expected.extend([2; 20]);
        expected.extend([0; 8]);
        expected.extend(5_u64.to_be_bytes());
        expected.extend([0; 8]);
        expected.extend([0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30, 0x1a, 0xe1]);
        assert_eq!(packet[..length], expected);
        assert!(matches!(
            Request::parse(&packet[..length]),
            Some(Request::Announce(9))
        ));
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        let mut packet = [0; 200];
        let length = write_connect(&mut packet, 3);
        assert!(matches!(
            Request::parse(&packet[..length]),
            Some(Request::Connect(3))
        ));
        let length = write_connected(&mut packet, 3, 77);
        assert_eq!(
            Answer::parse(&packet[..length]),
            Some((3, Answer::Connected(77)))
        );
        let length = write_answer(&mut packet, &announce_answer(200), 4);
        assert_eq!(length, 200);
        assert_eq!(
            Answer::parse(&packet[..length]),
            Some((4, Answer::Announced(30)))
        );
    }

    #[test]
    fn a_scrape_counts_seeders_and_leechers() {
        let torrent = |numbers: [u32; 3]| numbers.map(u32::to_be_bytes).concat();
        let torrents = [torrent([1, 50, 2]), torrent([0, 7, 4])].concat();
        assert_eq!(scraped_peers(&torrents).collect::<Vec<_>>(), [3, 4]);
    }
}

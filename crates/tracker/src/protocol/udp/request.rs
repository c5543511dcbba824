use std::{fmt, net::Ipv4Addr};

use super::{ANNOUNCE, CONNECT, MAX_SCRAPE_HASHES, PROTOCOL_ID, SCRAPE, options, reader::Reader};
use crate::types::{AnnounceEvent, InfoHash, PeerId};

/// A packet from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Asks for a connection id.
    Connect {
        /// Comes back in the answer.
        transaction_id: u32,
    },
    /// Announces a peer and asks for others.
    Announce(AnnounceRequest<'a>),
    /// Asks for the counts of some swarms.
    Scrape(ScrapeRequest<'a>),
}

/// An announce, field by field as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceRequest<'a> {
    /// From the connect response. Nothing in this packet counts until it has been checked.
    pub connection_id: u64,
    /// Comes back in the answer.
    pub transaction_id: u32,
    /// The torrent.
    pub info_hash: InfoHash,
    /// The peer, in its own words.
    pub peer_id: PeerId,
    /// Bytes downloaded since `started`.
    pub downloaded: u64,
    /// Bytes still missing; all ones if unknown (a magnet link without metadata).
    pub left: u64,
    /// Bytes uploaded since `started`.
    pub uploaded: u64,
    /// Why the peer announces.
    pub event: AnnounceEvent,
    /// An address to announce instead of the packet's source; unspecified for the source. Anyone
    /// can claim any address here, so a server ignores it unless told to trust it.
    pub ip: Ipv4Addr,
    /// A secret of the peer's that outlives changes of its address.
    pub key: u32,
    /// Peers wanted; -1 for the tracker's default. Other negative numbers are not defined.
    pub num_want: i32,
    /// The port on which the peer listens. 0 stands for the packet's source port.
    pub port: u16,
    /// Whatever follows the fixed fields: options (BEP 41), or junk that old clients append.
    pub options: &'a [u8],
}

/// A scrape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScrapeRequest<'a> {
    /// From the connect response, to be checked first.
    pub connection_id: u64,
    /// Comes back in the answer.
    pub transaction_id: u32,
    hashes: &'a [[u8; 20]],
}

/// A packet that is no valid request.
///
/// Deserves an answer only if it carries a valid connection id: to a spoofed source, silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct RequestError {
    /// What is wrong.
    pub kind: RequestErrorKind,
    /// The unchecked connection id, unless the packet ends before.
    pub connection_id: Option<u64>,
    /// The transaction id, unless the packet ends before.
    pub transaction_id: Option<u32>,
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestErrorKind {
    /// Ends before its last fixed field.
    #[error("received packet is too short")]
    TooShort,
    /// A connect request without [`PROTOCOL_ID`].
    #[error("received packet with invalid connection id")]
    InvalidConnectionId,
    /// An event number that means nothing.
    #[error("invalid event")]
    InvalidEvent,
    /// A scrape whose hashes are not a multiple of 20 bytes.
    #[error("invalid scrape message")]
    InvalidScrape,
    /// Neither connect nor announce nor scrape.
    #[error("Invalid action in UDP packet: {0}")]
    InvalidAction(u32),
}

/// Reads a packet from a client. Connection ids of announces and scrapes are not checked here.
pub fn parse_request(packet: &[u8]) -> Result<Request<'_>, RequestError> {
    let mut reader = Reader(packet);
    let connection_id = reader.u64();
    let action = reader.u32();
    let transaction_id = reader.u32();
    let error = |kind| RequestError {
        kind,
        connection_id,
        transaction_id,
    };
    let (Some(connection_id), Some(action), Some(transaction_id)) =
        (connection_id, action, transaction_id)
    else {
        return Err(error(RequestErrorKind::TooShort));
    };
    match action {
        CONNECT if connection_id == PROTOCOL_ID => Ok(Request::Connect { transaction_id }),
        CONNECT => Err(error(RequestErrorKind::InvalidConnectionId)),
        ANNOUNCE => parse_announce(connection_id, transaction_id, reader)
            .map(Request::Announce)
            .map_err(error),
        SCRAPE => match reader.0.as_chunks() {
            (hashes, []) => Ok(Request::Scrape(ScrapeRequest {
                connection_id,
                transaction_id,
                hashes: hashes.get(..MAX_SCRAPE_HASHES).unwrap_or(hashes),
            })),
            _ => Err(error(RequestErrorKind::InvalidScrape)),
        },
        other => Err(error(RequestErrorKind::InvalidAction(other))),
    }
}

impl AnnounceRequest<'_> {
    /// Path and query of the announce URL (BEP 41); empty if the packet does not carry them.
    ///
    /// Does not allocate when it is empty.
    pub fn url_data(&self) -> Vec<u8> {
        options::url_data(self.options)
    }
}

impl ScrapeRequest<'_> {
    /// The swarms asked for, in the order in which the answer must have them. Those past
    /// [`MAX_SCRAPE_HASHES`] are left out: an answer may have fewer rows than were asked for.
    pub fn info_hashes(&self) -> impl ExactSizeIterator<Item = InfoHash> + '_ {
        self.hashes.iter().copied().map(InfoHash)
    }
}

impl fmt::Debug for ScrapeRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeRequest")
            .field("connection_id", &self.connection_id)
            .field("transaction_id", &self.transaction_id)
            .field("info_hashes", &self.info_hashes().collect::<Vec<_>>())
            .finish()
    }
}

fn parse_announce(
    connection_id: u64,
    transaction_id: u32,
    reader: Reader<'_>,
) -> Result<AnnounceRequest<'_>, RequestErrorKind> {
    let (fields, event) =
        announce_fields(connection_id, transaction_id, reader).ok_or(RequestErrorKind::TooShort)?;
    let event = AnnounceEvent::from_udp(event).ok_or(RequestErrorKind::InvalidEvent)?;
    Ok(AnnounceRequest { event, ..fields })
}

/// The fields, and the event's number; `None` if the packet ends too early.
fn announce_fields(
    connection_id: u64,
    transaction_id: u32,
    mut reader: Reader<'_>,
) -> Option<(AnnounceRequest<'_>, u32)> {
    let info_hash = InfoHash(reader.array()?);
    let peer_id = PeerId(reader.array()?);
    let downloaded = reader.u64()?;
    let left = reader.u64()?;
    let uploaded = reader.u64()?;
    let event = reader.u32()?;
    let announce = AnnounceRequest {
        connection_id,
        transaction_id,
        info_hash,
        peer_id,
        downloaded,
        left,
        uploaded,
        event: AnnounceEvent::Update,
        ip: Ipv4Addr::from(reader.u32()?),
        key: reader.u32()?,
        num_want: reader.u32()?.cast_signed(),
        port: reader.u16()?,
        options: reader.0,
    };
    Some((announce, event))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// One announce with all fields different.
    fn announce() -> Vec<u8> {
        let mut packet = Vec::new();
        packet.extend_from_slice(&0x0123_4567_89ab_cdef_u64.to_be_bytes());
        packet.extend_from_slice(&1u32.to_be_bytes());
        packet.extend_from_slice(&0xdead_beef_u32.to_be_bytes());
        packet.extend_from_slice(&[0x11; 20]);
        packet.extend_from_slice(b"-XX0001-abcdefghijkl");
        packet.extend_from_slice(&(u64::MAX - 1).to_be_bytes());
        packet.extend_from_slice(&u64::MAX.to_be_bytes());
        packet.extend_from_slice(&(1u64 << 63).to_be_bytes());
        packet.extend_from_slice(&2u32.to_be_bytes());
        packet.extend_from_slice(&[192, 0, 2, 1]);
        packet.extend_from_slice(&0xcafe_f00d_u32.to_be_bytes());
        packet.extend_from_slice(&(-1i32).to_be_bytes());
        packet.extend_from_slice(&6881u16.to_be_bytes());
        assert_eq!(packet.len(), 98);
        packet
    }

    #[test]
    fn connect() {
        let packet = b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\x01\x02\x03\x04";
        assert_eq!(
            parse_request(packet),
            Ok(Request::Connect {
                transaction_id: 0x0102_0304
            })
        );
        let wrong = b"\0\0\x04\x17\x27\x10\x19\x81\0\0\0\0\x01\x02\x03\x04";
        let error = parse_request(wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            "received packet with invalid connection id"
        );
        assert_eq!(error.transaction_id, Some(0x0102_0304));
        // A tail is no reason to refuse: it may be a later extension.
        assert!(parse_request(&[&packet[..], b"tail"].concat()).is_ok());
    }

    #[test]
    fn announce_fields_in_full_width() {
        let expected = AnnounceRequest {
            connection_id: 0x0123_4567_89ab_cdef,
            transaction_id: 0xdead_beef,
            info_hash: InfoHash([0x11; 20]),
            peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
            downloaded: u64::MAX - 1,
            left: u64::MAX,
            uploaded: 1 << 63,
            event: AnnounceEvent::Started,
            ip: Ipv4Addr::new(192, 0, 2, 1),
            key: 0xcafe_f00d,
            num_want: -1,
            port: 6881,
            options: b"",
        };
        assert_eq!(parse_request(&announce()), Ok(Request::Announce(expected)));
        for tail in [&b"\0\0"[..], b"\x02\x05/a?b=", &[0xff; 400]] {
            assert_eq!(
                parse_request(&[&announce(), tail].concat()),
                Ok(Request::Announce(AnnounceRequest {
                    options: tail,
                    ..expected
                }))
            );
        }
    }

    #[test]
    fn short_packets() {
        for len in 0..16 {
            let error = parse_request(&announce()[..len]).unwrap_err();
            assert_eq!(error.to_string(), "received packet is too short");
            assert_eq!(error.connection_id.is_some(), len >= 8);
            assert_eq!(error.transaction_id, None);
        }
        for len in 16..98 {
            let error = parse_request(&announce()[..len]).unwrap_err();
            assert_eq!(error.kind, RequestErrorKind::TooShort);
            assert_eq!(error.connection_id, Some(0x0123_4567_89ab_cdef));
            assert_eq!(error.transaction_id, Some(0xdead_beef));
        }
    }

    #[test]
    fn unknown_event_and_action() {
        let mut packet = announce();
        packet[83] = 4;
        assert!(
            matches!(parse_request(&packet), Ok(Request::Announce(announce)) if announce.event == AnnounceEvent::Paused)
        );
        packet[83] = 5;
        assert_eq!(
            parse_request(&packet).unwrap_err().to_string(),
            "invalid event"
        );
        packet[11] = 3;
        assert_eq!(
            parse_request(&packet).unwrap_err().to_string(),
            "Invalid action in UDP packet: 3"
        );
    }

    #[test]
    fn scrape() {
        let mut packet = vec![0; 8];
        packet.extend_from_slice(b"\0\0\0\x02\0\0\0\x09");
        let parsed = |packet: &[u8]| match parse_request(packet) {
            Ok(Request::Scrape(scrape)) => scrape.info_hashes().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(parsed(&packet), []);
        packet.extend_from_slice(&[1; 20]);
        packet.extend_from_slice(&[2; 20]);
        assert_eq!(parsed(&packet), [InfoHash([1; 20]), InfoHash([2; 20])]);
        assert_eq!(
            parse_request(&packet[..50]).unwrap_err().to_string(),
            "invalid scrape message"
        );
        packet.resize(16 + 20 * 500, 3);
        assert_eq!(parsed(&packet).len(), MAX_SCRAPE_HASHES);
    }

    proptest! {
        #[test]
        fn no_input_panics(packet in vec(any::<u8>(), 0..300), action in 0..5u8) {
            let mut packet = packet;
            for action in [None, Some(action)] {
                if let (Some(action), Some(bytes)) = (action, packet.get_mut(8..12)) {
                    bytes.copy_from_slice(&[0, 0, 0, action]);
                }
                match parse_request(&packet) {
                    Ok(Request::Announce(announce)) => {
                        prop_assert_eq!(announce.options, &packet[98..]);
                        prop_assert!(announce.url_data().len() <= announce.options.len());
                    }
                    Ok(Request::Scrape(scrape)) => {
                        prop_assert_eq!(scrape.info_hashes().len(), (packet.len() - 16) / 20);
                    }
                    Ok(Request::Connect { .. }) => {}
                    Err(error) => prop_assert_eq!(error.transaction_id.is_some(), packet.len() >= 16),
                }
            }
        }
    }
}

use super::{ANNOUNCE, CONNECT, ERROR, SCRAPE, reader::Reader};

/// A packet from a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response<'a> {
    /// To a connect request.
    Connect {
        /// From the request.
        transaction_id: u32,
        /// To be used for a minute.
        connection_id: u64,
    },
    /// To an announce.
    Announce {
        /// From the request.
        transaction_id: u32,
        /// When to announce again, in seconds. Any number: to be clamped.
        interval: u32,
        /// Peers that are not complete.
        leechers: u32,
        /// Peers that are complete.
        seeders: u32,
        /// Compact peers, of 6 or 18 bytes by the address family of the *packet*. See
        /// [`crate::protocol::compact`].
        peers: &'a [u8],
    },
    /// To a scrape.
    Scrape {
        /// From the request.
        transaction_id: u32,
        /// For [`scrape_rows`].
        rows: &'a [u8],
    },
    /// To any request.
    Error {
        /// From the request.
        transaction_id: u32,
        /// The tracker's text in whatever encoding, without the zeros that some put at its end.
        message: &'a [u8],
    },
}

/// One swarm in a scrape response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeRow {
    /// Peers that are complete.
    pub seeders: u32,
    /// Downloads ever completed.
    pub completed: u32,
    /// Peers that are not complete.
    pub leechers: u32,
}

/// A packet that is no valid response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Too short to say which request it answers.
    #[error("tracker sent invalid transaction id")]
    TooShort,
    /// A connect response of less than 16 bytes.
    #[error("invalid udp handshake")]
    InvalidConnect,
    /// An announce response of less than 20 bytes.
    #[error("invalid announce message")]
    InvalidAnnounce,
    /// A scrape response without a whole row.
    #[error("invalid scrape message")]
    InvalidScrape,
    /// An action that no response has.
    #[error("tracker sent invalid action")]
    InvalidAction,
}

/// Reads a packet from a tracker. Bytes past those that are known are no error (BEP 15).
pub fn parse_response(packet: &[u8]) -> Result<Response<'_>, ResponseError> {
    let mut reader = Reader(packet);
    let action = reader.u32().ok_or(ResponseError::TooShort)?;
    let transaction_id = reader.u32().ok_or(ResponseError::TooShort)?;
    match action {
        CONNECT => Ok(Response::Connect {
            transaction_id,
            connection_id: reader.u64().ok_or(ResponseError::InvalidConnect)?,
        }),
        ANNOUNCE => announce(transaction_id, reader).ok_or(ResponseError::InvalidAnnounce),
        SCRAPE if reader.0.is_empty() || reader.0.len() >= ROW => Ok(Response::Scrape {
            transaction_id,
            rows: reader.0,
        }),
        SCRAPE => Err(ResponseError::InvalidScrape),
        ERROR => Ok(Response::Error {
            transaction_id,
            message: trim_zeros(reader.0),
        }),
        _ => Err(ResponseError::InvalidAction),
    }
}

/// The rows of a scrape response, in the order of the hashes asked for. There may be fewer than
/// were asked for.
pub fn scrape_rows(rows: &[u8]) -> impl ExactSizeIterator<Item = ScrapeRow> + '_ {
    let (rows, _) = rows.as_chunks::<ROW>();
    rows.iter().map(|row| {
        let field =
            |at: usize| u32::from_be_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]);
        ScrapeRow {
            seeders: field(0),
            completed: field(4),
            leechers: field(8),
        }
    })
}

impl Response<'_> {
    /// The id of the request that this answers.
    pub const fn transaction_id(&self) -> u32 {
        match *self {
            Self::Connect { transaction_id, .. }
            | Self::Announce { transaction_id, .. }
            | Self::Scrape { transaction_id, .. }
            | Self::Error { transaction_id, .. } => transaction_id,
        }
    }
}

/// Bytes of a row in a scrape response.
const ROW: usize = 12;

fn announce(transaction_id: u32, mut reader: Reader<'_>) -> Option<Response<'_>> {
    Some(Response::Announce {
        transaction_id,
        interval: reader.u32()?,
        leechers: reader.u32()?,
        seeders: reader.u32()?,
        peers: reader.0,
    })
}

fn trim_zeros(mut message: &[u8]) -> &[u8] {
    while let [rest @ .., 0] = message {
        message = rest;
    }
    message
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::protocol::udp::{
        AnnounceResponseHead, write_connect_response, write_error, write_scrape_head,
        write_scrape_row,
    };

    #[test]
    fn short_packets() {
        let lengths = [
            (0, 16, ResponseError::InvalidConnect),
            (1, 20, ResponseError::InvalidAnnounce),
        ];
        for (action, full, error) in lengths {
            let mut packet = [0; 20];
            packet[3] = action;
            for len in 0..full {
                let expected = if len < 8 {
                    ResponseError::TooShort
                } else {
                    error
                };
                assert_eq!(parse_response(&packet[..len]), Err(expected));
            }
            assert!(parse_response(&packet[..full]).is_ok());
        }
        assert_eq!(
            parse_response(b"\0\0\0\x04\0\0\0\0")
                .unwrap_err()
                .to_string(),
            "tracker sent invalid action"
        );
    }

    #[test]
    fn error_text_ends_before_zeros() {
        assert_eq!(
            parse_response(b"\0\0\0\x03\0\0\0\x07Connection ID missmatch.\0\0"),
            Ok(Response::Error {
                transaction_id: 7,
                message: b"Connection ID missmatch."
            })
        );
        assert_eq!(
            parse_response(b"\0\0\0\x03\0\0\0\x07"),
            Ok(Response::Error {
                transaction_id: 7,
                message: b""
            })
        );
    }

    #[test]
    fn scrape_with_a_cut_row() {
        let packet = b"\0\0\0\x02\0\0\0\x07\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0";
        let Ok(Response::Scrape { rows, .. }) = parse_response(packet) else {
            panic!("not a scrape");
        };
        assert_eq!(
            scrape_rows(rows).collect::<Vec<_>>(),
            [ScrapeRow {
                seeders: 1,
                completed: 2,
                leechers: 3
            }]
        );
        assert_eq!(
            parse_response(&packet[..12]),
            Err(ResponseError::InvalidScrape)
        );
        assert!(parse_response(&packet[..8]).is_ok());
    }

    proptest! {
        #[test]
        fn round_trip(
            transaction_id in any::<u32>(), connection_id in any::<u64>(), interval in any::<u32>(),
            leechers in any::<u32>(), seeders in any::<u32>(), peers in vec(any::<u8>(), 0..100),
            message in "[^\\x00]{0,40}",
            rows in vec((any::<u32>(), any::<u32>(), any::<u32>()), 0..80),
        ) {
            let mut packet = Vec::new();
            write_connect_response(&mut packet, transaction_id, connection_id);
            prop_assert_eq!(
                parse_response(&packet),
                Ok(Response::Connect { transaction_id, connection_id })
            );

            packet.clear();
            AnnounceResponseHead { transaction_id, interval, leechers, seeders }.write(&mut packet);
            packet.extend_from_slice(&peers);
            prop_assert_eq!(
                parse_response(&packet),
                Ok(Response::Announce {
                    transaction_id, interval, leechers, seeders, peers: &peers,
                })
            );

            packet.clear();
            write_error(&mut packet, transaction_id, &message);
            prop_assert_eq!(
                parse_response(&packet),
                Ok(Response::Error { transaction_id, message: message.as_bytes() })
            );

            packet.clear();
            write_scrape_head(&mut packet, transaction_id);
            for &(seeders, completed, leechers) in &rows {
                write_scrape_row(&mut packet, seeders, completed, leechers);
            }
            let response = parse_response(&packet).unwrap();
            prop_assert_eq!(response.transaction_id(), transaction_id);
            let Response::Scrape { rows: read, .. } = response else {
                return Err(TestCaseError::fail("not a scrape"));
            };
            let read: Vec<_> =
                scrape_rows(read).map(|row| (row.seeders, row.completed, row.leechers)).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn no_input_panics(packet in vec(any::<u8>(), 0..100), action in 0..5u8) {
            let mut packet = packet;
            let _ = parse_response(&packet);
            if let Some(bytes) = packet.get_mut(..4) {
                bytes.copy_from_slice(&[0, 0, 0, action]);
            }
            if let Ok(Response::Scrape { rows, .. }) = parse_response(&packet) {
                prop_assert_eq!(scrape_rows(rows).count(), rows.len() / 12);
            }
        }
    }
}

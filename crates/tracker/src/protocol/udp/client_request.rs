use super::{ANNOUNCE, AnnounceRequest, CONNECT, PROTOCOL_ID, SCRAPE, options::write_url_data};
use crate::types::InfoHash;

/// Appends a connect request.
pub fn write_connect_request(out: &mut Vec<u8>, transaction_id: u32) {
    head(out, PROTOCOL_ID, CONNECT, transaction_id);
}

/// Appends an announce request: the fields, then `announce.options` as they are, then the options
/// that carry `url_data`, the path and query of the announce URL (BEP 41).
pub fn write_announce_request(out: &mut Vec<u8>, announce: &AnnounceRequest<'_>, url_data: &[u8]) {
    head(
        out,
        announce.connection_id,
        ANNOUNCE,
        announce.transaction_id,
    );
    out.extend_from_slice(&announce.info_hash.0);
    out.extend_from_slice(&announce.peer_id.0);
    for field in [announce.downloaded, announce.left, announce.uploaded] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(&announce.event.to_udp().to_be_bytes());
    out.extend_from_slice(&announce.ip.octets());
    out.extend_from_slice(&announce.key.to_be_bytes());
    out.extend_from_slice(&announce.num_want.to_be_bytes());
    out.extend_from_slice(&announce.port.to_be_bytes());
    out.extend_from_slice(announce.options);
    write_url_data(out, url_data);
}

/// Appends a scrape request for these torrents: at most [`super::MAX_SCRAPE_HASHES`] are of use in
/// one packet.
pub fn write_scrape_request(
    out: &mut Vec<u8>,
    connection_id: u64,
    transaction_id: u32,
    info_hashes: &[InfoHash],
) {
    head(out, connection_id, SCRAPE, transaction_id);
    for info_hash in info_hashes {
        out.extend_from_slice(&info_hash.0);
    }
}

fn head(out: &mut Vec<u8>, connection_id: u64, action: u32, transaction_id: u32) {
    out.extend_from_slice(&connection_id.to_be_bytes());
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction_id.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::{array::uniform20, collection::vec, prelude::*};

    use super::*;
    use crate::{
        protocol::udp::{MAX_SCRAPE_HASHES, Request, parse_request},
        types::{AnnounceEvent, PeerId},
    };

    fn announces() -> impl Strategy<Value = AnnounceRequest<'static>> {
        let ids = (
            any::<u64>(),
            any::<u32>(),
            uniform20(any::<u8>()),
            uniform20(any::<u8>()),
        );
        let counters = (any::<u64>(), any::<u64>(), any::<u64>(), 0..5u32);
        let rest = (any::<Ipv4Addr>(), any::<u32>(), any::<i32>(), any::<u16>());
        (ids, counters, rest).prop_map(|(ids, counters, rest)| AnnounceRequest {
            connection_id: ids.0,
            transaction_id: ids.1,
            info_hash: InfoHash(ids.2),
            peer_id: PeerId(ids.3),
            downloaded: counters.0,
            left: counters.1,
            uploaded: counters.2,
            event: AnnounceEvent::from_udp(counters.3).unwrap(),
            ip: rest.0,
            key: rest.1,
            num_want: rest.2,
            port: rest.3,
            options: b"",
        })
    }

    proptest! {
        #[test]
        fn connect_round_trip(transaction_id in any::<u32>()) {
            let mut packet = Vec::new();
            write_connect_request(&mut packet, transaction_id);
            prop_assert_eq!(packet.len(), 16);
            prop_assert_eq!(parse_request(&packet), Ok(Request::Connect { transaction_id }));
        }

        #[test]
        fn announce_round_trip(announce in announces(), url_data in vec(any::<u8>(), 0..600)) {
            let mut packet = Vec::new();
            write_announce_request(&mut packet, &announce, b"");
            prop_assert_eq!(packet.len(), 98);
            prop_assert_eq!(parse_request(&packet), Ok(Request::Announce(announce)));

            packet.clear();
            write_announce_request(&mut packet, &announce, &url_data);
            let Ok(Request::Announce(parsed)) = parse_request(&packet) else {
                return Err(TestCaseError::fail("not an announce"));
            };
            prop_assert_eq!(parsed.url_data(), url_data);
            prop_assert_eq!(AnnounceRequest { options: b"", ..parsed }, announce);

            let mut again = Vec::new();
            write_announce_request(&mut again, &parsed, b"");
            prop_assert_eq!(again, packet);
        }

        #[test]
        fn scrape_round_trip(
            connection_id in any::<u64>(), transaction_id in any::<u32>(),
            hashes in vec(uniform20(any::<u8>()).prop_map(InfoHash), 0..=MAX_SCRAPE_HASHES),
        ) {
            let mut packet = Vec::new();
            write_scrape_request(&mut packet, connection_id, transaction_id, &hashes);
            let Ok(Request::Scrape(scrape)) = parse_request(&packet) else {
                return Err(TestCaseError::fail("not a scrape"));
            };
            prop_assert_eq!(scrape.connection_id, connection_id);
            prop_assert_eq!(scrape.transaction_id, transaction_id);
            prop_assert_eq!(scrape.info_hashes().collect::<Vec<_>>(), hashes);
        }
    }
}

//! What is asked, as packets.

use std::net::Ipv4Addr;

use super::socket::Action;
use crate::{
    client::request::AnnounceParams,
    protocol::udp::{AnnounceRequest, write_announce_request, write_scrape_request},
    types::InfoHash,
};

/// What is sent to a tracker once there is a connection id.
#[derive(Clone, Copy)]
pub(super) enum Ask<'a> {
    Announce(&'a AnnounceParams, &'a str),
    Scrape(&'a [InfoHash]),
}

pub(super) fn write(ask: Ask<'_>, connection_id: u64) -> (Action, impl FnOnce(u32) -> Vec<u8>) {
    let action = match ask {
        Ask::Announce(..) => Action::Announce,
        Ask::Scrape(_) => Action::Scrape,
    };
    let write = move |transaction_id| {
        let mut packet = Vec::with_capacity(128);
        match ask {
            Ask::Announce(params, url_data) => {
                write_announce(&mut packet, params, url_data, connection_id, transaction_id);
            }
            Ask::Scrape(info_hashes) => {
                write_scrape_request(&mut packet, connection_id, transaction_id, info_hashes);
            }
        }
        packet
    };
    (action, write)
}

pub(super) fn write_announce(
    out: &mut Vec<u8>,
    params: &AnnounceParams,
    url_data: &str,
    connection_id: u64,
    transaction_id: u32,
) {
    let announce = AnnounceRequest {
        connection_id,
        transaction_id,
        info_hash: params.info_hash,
        peer_id: params.peer_id,
        downloaded: params.downloaded,
        left: params.left.unwrap_or(u64::MAX),
        uploaded: params.uploaded,
        event: params.event,
        ip: Ipv4Addr::UNSPECIFIED,
        key: params.key,
        num_want: params.num_want,
        port: params.port,
        options: &[],
    };
    write_announce_request(out, &announce, url_data.as_bytes());
}

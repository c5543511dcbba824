//! Compact peer lists: 6 bytes a peer over IPv4 (BEP 23), 18 over IPv6 (BEP 7).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::types::PeerAddr;

/// A peer list that is not a whole number of peers long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("length {len} of a compact peer list is not a multiple of {stride}")]
pub struct CompactError {
    /// Length of the list in bytes.
    pub len: usize,
    /// Bytes a peer.
    pub stride: usize,
}

/// The peers of a list with 6 bytes each. Those with port 0 are left out: nobody listens there.
pub fn peers_v4(list: &[u8]) -> Result<impl Iterator<Item = PeerAddr> + Clone + '_, CompactError> {
    chunks::<6>(list).map(|peers| {
        peers.filter_map(|&[a, b, c, d, port @ ..]| peer(Ipv4Addr::new(a, b, c, d).into(), port))
    })
}

/// The peers of a list with 18 bytes each. Those with port 0 are left out, and IPv4-mapped
/// addresses come as IPv4.
pub fn peers_v6(list: &[u8]) -> Result<impl Iterator<Item = PeerAddr> + Clone + '_, CompactError> {
    chunks::<18>(list).map(|peers| {
        peers.filter_map(|bytes| {
            let (ip, port) = bytes.split_last_chunk::<2>()?;
            let ip: [u8; 16] = ip.try_into().ok()?;
            peer(Ipv6Addr::from(ip).into(), *port)
        })
    })
}

/// Appends the 6 or 18 bytes of a peer.
pub fn write(out: &mut Vec<u8>, peer: PeerAddr) {
    match peer {
        PeerAddr::V4(addr) => out.extend_from_slice(&addr.0),
        PeerAddr::V6(addr) => out.extend_from_slice(&addr.0),
    }
}

fn chunks<const N: usize>(list: &[u8]) -> Result<std::slice::Iter<'_, [u8; N]>, CompactError> {
    match list.as_chunks() {
        (chunks, []) => Ok(chunks.iter()),
        _ => Err(CompactError {
            len: list.len(),
            stride: N,
        }),
    }
}

fn peer(ip: std::net::IpAddr, port: [u8; 2]) -> Option<PeerAddr> {
    let port = u16::from_be_bytes(port);
    (port != 0).then(|| PeerAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn texts(peers: impl Iterator<Item = PeerAddr>) -> Vec<String> {
        peers.map(|peer| peer.to_string()).collect()
    }

    #[test]
    fn known_lists() {
        let list = b"\xc0\x00\x02\x01\x1a\xe1\x0a\x00\x00\x01\x00\x00\x7f\x00\x00\x01\xff\xff";
        assert_eq!(
            texts(peers_v4(list).unwrap()),
            ["192.0.2.1:6881", "127.0.0.1:65535"]
        );
        let list = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1\
            \0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\x00\x50";
        assert_eq!(
            texts(peers_v6(list).unwrap()),
            ["[2001:db8::1]:6881", "192.0.2.1:80"]
        );
        assert_eq!(peers_v4(b"").unwrap().count(), 0);
        assert_eq!(peers_v6(b"").unwrap().count(), 0);
    }

    #[test]
    fn broken_lengths() {
        assert_eq!(
            peers_v4(&[1; 13]).err(),
            Some(CompactError { len: 13, stride: 6 })
        );
        assert_eq!(
            peers_v6(&[1; 6]).err(),
            Some(CompactError { len: 6, stride: 18 })
        );
    }

    proptest! {
        #[test]
        fn round_trip(peers in vec((any::<IpAddr>(), 1..=u16::MAX), 0..20)) {
            let (mut v4, mut v6) = (Vec::new(), Vec::new());
            let peers: Vec<_> = peers
                .into_iter()
                .map(|addr| PeerAddr::from(SocketAddr::from(addr)))
                .collect();
            for &peer in &peers {
                write(if matches!(peer, PeerAddr::V4(_)) { &mut v4 } else { &mut v6 }, peer);
            }
            let (want4, want6): (Vec<_>, Vec<_>) =
                peers.into_iter().partition(|peer| matches!(peer, PeerAddr::V4(_)));
            prop_assert_eq!(peers_v4(&v4).unwrap().collect::<Vec<_>>(), want4);
            prop_assert_eq!(peers_v6(&v6).unwrap().collect::<Vec<_>>(), want6);
        }

        #[test]
        fn no_input_panics(list in vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(peers_v4(&list).is_ok(), list.len() % 6 == 0);
            prop_assert_eq!(peers_v6(&list).is_ok(), list.len() % 18 == 0);
            for peer in peers_v4(&list).into_iter().flatten() {
                prop_assert!(peer.port() != 0);
            }
            for peer in peers_v6(&list).into_iter().flatten() {
                prop_assert!(peer.port() != 0);
            }
        }
    }
}

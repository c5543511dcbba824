use std::{io::Write, net::IpAddr};

use super::RetryIn;
use crate::{
    bencode::encode,
    types::{PeerAddr, PeerId},
};

/// All of the answer to an announce but the peers.
///
/// It is written in parts, since the store appends the peers itself:
/// [`write_head`](Self::write_head), then for a compact answer [`begin_peers_v4`] with 6 bytes a
/// peer after it and [`begin_peers_v6`] with 18 bytes a peer after it, or for dictionaries
/// [`begin_peer_list`], [`write_peer`] for each and [`end_peer_list`], then
/// [`write_tail`](Self::write_tail).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnnounceReply<'a> {
    /// Peers that are complete.
    pub complete: u32,
    /// Downloads ever completed.
    pub downloaded: Option<u32>,
    /// The client's address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// Peers that are not complete.
    pub incomplete: u32,
    /// When to announce again, in seconds.
    pub interval: u32,
    /// When to announce again at the earliest, in seconds.
    pub min_interval: Option<u32>,
    /// To be sent back as `trackerid`.
    pub tracker_id: Option<&'a [u8]>,
    /// To be shown to the user; the announce has been served nonetheless.
    pub warning: Option<&'a str>,
}

impl AnnounceReply<'_> {
    /// Appends what stands before the peers.
    pub fn write_head(&self, out: &mut Vec<u8>) {
        encode::begin_dict(out);
        write_int(out, b"complete", self.complete);
        if let Some(downloaded) = self.downloaded {
            write_int(out, b"downloaded", downloaded);
        }
        if let Some(ip) = self.external_ip {
            encode::bytes(out, b"external ip");
            match ip.to_canonical() {
                IpAddr::V4(ip) => encode::bytes(out, &ip.octets()),
                IpAddr::V6(ip) => encode::bytes(out, &ip.octets()),
            }
        }
        write_int(out, b"incomplete", self.incomplete);
        write_int(out, b"interval", self.interval);
        if let Some(interval) = self.min_interval {
            write_int(out, b"min interval", interval);
        }
    }

    /// Appends what stands after the peers.
    pub fn write_tail(&self, out: &mut Vec<u8>) {
        if let Some(id) = self.tracker_id {
            encode::bytes(out, b"tracker id");
            encode::bytes(out, id);
        }
        if let Some(warning) = self.warning {
            encode::bytes(out, b"warning message");
            encode::bytes(out, warning.as_bytes());
        }
        encode::end(out);
    }
}

/// Appends what stands before `count` compact IPv4 peers (BEP 23). To be written even if there are
/// none: some clients take an answer without `peers` for a failure.
pub fn begin_peers_v4(out: &mut Vec<u8>, count: usize) {
    encode::bytes(out, b"peers");
    encode::begin_bytes(out, count * 6);
}

/// Appends what stands before `count` compact IPv6 peers (BEP 7), which follow the IPv4 ones.
pub fn begin_peers_v6(out: &mut Vec<u8>, count: usize) {
    encode::bytes(out, b"peers6");
    encode::begin_bytes(out, count * 18);
}

/// Appends what stands before peers as dictionaries (BEP 3), those of both families.
pub fn begin_peer_list(out: &mut Vec<u8>) {
    encode::bytes(out, b"peers");
    encode::begin_list(out);
}

/// Appends one dictionary, without the peer id if the client asked for none (`no_peer_id`).
pub fn write_peer(out: &mut Vec<u8>, addr: PeerAddr, peer_id: Option<PeerId>) {
    encode::begin_dict(out);
    encode::bytes(out, b"ip");
    write_ip(out, addr.ip());
    if let Some(peer_id) = peer_id {
        encode::bytes(out, b"peer id");
        encode::bytes(out, &peer_id.0);
    }
    write_int(out, b"port", addr.port());
    encode::end(out);
}

/// Appends what stands after peers as dictionaries.
pub fn end_peer_list(out: &mut Vec<u8>) {
    encode::end(out);
}

/// Appends a whole answer that refuses an announce or scrape. Minutes are written as an integer, as
/// BEP 31 says, though its example has a string.
pub fn write_failure(out: &mut Vec<u8>, reason: &str, retry_in: Option<RetryIn>) {
    encode::begin_dict(out);
    encode::bytes(out, b"failure reason");
    encode::bytes(out, reason.as_bytes());
    if let Some(retry_in) = retry_in {
        encode::bytes(out, b"retry in");
        match retry_in {
            RetryIn::Minutes(minutes) => encode::int(out, minutes),
            RetryIn::Never => encode::bytes(out, b"never"),
        }
    }
    encode::end(out);
}

/// Made anew for each length of a key, so that the text of the length and the copy are constants.
#[inline]
pub(super) fn write_int<const N: usize>(out: &mut Vec<u8>, key: &[u8; N], int: impl Into<i64>) {
    encode::bytes(out, key);
    encode::int(out, int);
}

/// The text of an address as a string. Its length comes first, so it is made beside the answer.
fn write_ip(out: &mut Vec<u8>, ip: IpAddr) {
    const MAX_LEN: usize = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len();
    let mut text = [0; MAX_LEN];
    let mut rest = &mut text[..];
    // Cannot fail: the longest text fits.
    let _ = write!(rest, "{ip}");
    let len = MAX_LEN - rest.len();
    encode::bytes(out, text.get(..len).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bencode::{Limits, decode};

    fn addr(text: &str) -> PeerAddr {
        PeerAddr::from(text.parse::<std::net::SocketAddr>().unwrap())
    }

    #[test]
    fn compact_answer() {
        let reply = AnnounceReply {
            complete: 1,
            incomplete: 2,
            interval: 600,
            ..AnnounceReply::default()
        };
        let mut out = Vec::new();
        reply.write_head(&mut out);
        begin_peers_v4(&mut out, 2);
        out.extend_from_slice(b"abcdefghijkl");
        begin_peers_v6(&mut out, 0);
        reply.write_tail(&mut out);
        assert_eq!(
            out.escape_ascii().to_string(),
            "d8:completei1e10:incompletei2e8:intervali600e5:peers12:abcdefghijkl6:peers60:e"
        );
    }

    #[test]
    fn dictionary_answer() {
        let reply = AnnounceReply::default();
        let mut out = Vec::new();
        reply.write_head(&mut out);
        begin_peer_list(&mut out);
        let id = PeerId(*b"-XX0001-\xff\0cdefghijkl");
        write_peer(&mut out, addr("192.0.2.1:6881"), Some(id));
        write_peer(&mut out, addr("[2001:db8::1]:80"), None);
        end_peer_list(&mut out);
        reply.write_tail(&mut out);
        assert_eq!(
            out.escape_ascii().to_string(),
            "d8:completei0e10:incompletei0e8:intervali0e5:peersl\
            d2:ip9:192.0.2.17:peer id20:-XX0001-\\xff\\x00cdefghijkl4:porti6881ee\
            d2:ip11:2001:db8::14:porti80eeee"
        );
    }

    #[test]
    fn failures() {
        let text = |reason, retry_in| {
            let mut out = Vec::new();
            write_failure(&mut out, reason, retry_in);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            text("invalid port", None),
            "d14:failure reason12:invalid porte"
        );
        assert_eq!(
            text("no", Some(RetryIn::Minutes(15))),
            "d14:failure reason2:no8:retry ini15ee"
        );
        assert_eq!(
            text("no", Some(RetryIn::Never)),
            "d14:failure reason2:no8:retry in5:nevere"
        );
    }

    proptest! {
        #[test]
        fn all_keys_are_sorted(
            numbers in any::<(u32, u32, u32)>(), options in any::<(Option<u32>, Option<u32>)>(),
            ip in any::<Option<IpAddr>>(), tracker_id in any::<Option<Vec<u8>>>(),
            warning in any::<Option<String>>(), peer in any::<IpAddr>(),
        ) {
            let reply = AnnounceReply {
                complete: numbers.0,
                downloaded: options.0,
                external_ip: ip,
                incomplete: numbers.1,
                interval: numbers.2,
                min_interval: options.1,
                tracker_id: tracker_id.as_deref(),
                warning: warning.as_deref(),
            };
            let mut out = Vec::new();
            reply.write_head(&mut out);
            begin_peer_list(&mut out);
            write_peer(&mut out, PeerAddr::new(peer, 1), Some(PeerId([0; 20])));
            end_peer_list(&mut out);
            reply.write_tail(&mut out);
            let value = decode(&out, Limits::default()).unwrap();
            prop_assert!(value.as_dict().unwrap().is_sorted_by_key(|(key, _)| *key));
            let [peer_dict] = value.get(b"peers").unwrap().as_list().unwrap() else {
                return Err(TestCaseError::fail("not one peer"));
            };
            prop_assert!(peer_dict.as_dict().unwrap().is_sorted_by_key(|(key, _)| *key));
            let text = peer_dict.get(b"ip").unwrap().as_bytes().unwrap();
            let text = str::from_utf8(text).unwrap();
            prop_assert_eq!(text.parse::<IpAddr>().unwrap(), peer.to_canonical());
        }
    }
}

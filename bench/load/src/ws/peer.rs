//! What a peer says: announces with offers, and answers to others' offers.

use super::message::{read_bytes, write_bytes};

/// The part of an offer id that is the same in all announces of a peer; the rest counts them.
const ID_PREFIX: usize = 12;

/// A session description of a data channel with its candidates, as Chromium makes it.
const SDP: &str = "v=0\\r\\no=- 4611731400430051336 2 IN IP4 127.0.0.1\\r\\ns=-\\r\\nt=0 0\\r\\n\
    a=group:BUNDLE 0\\r\\na=extmap-allow-mixed\\r\\na=msid-semantic: WMS\\r\\n\
    m=application 46154 UDP/DTLS/SCTP webrtc-datachannel\\r\\nc=IN IP4 203.0.113.7\\r\\n\
    a=candidate:2437072876 1 udp 2113937151 4f2c1e9a-8a4e-4c2d-9d0b-0b8b8f0f6a11.local 46154 typ host generation 0 network-cost 999\\r\\n\
    a=candidate:1510613869 1 udp 2113939711 2001:db8:5f1:9b00:cafe:1d2:33ff:fe44 51874 typ host generation 0 network-cost 999\\r\\n\
    a=candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999\\r\\n\
    a=candidate:3495018223 1 udp 33562623 198.51.100.20 60412 typ relay raddr 203.0.113.7 rport 46154 generation 0 network-cost 999\\r\\n\
    a=ice-ufrag:hK5s\\r\\na=ice-pwd:7hVwqfY2pVOq3EJrJ0o8R1nT\\r\\na=ice-options:trickle\\r\\n\
    a=fingerprint:sha-256 5D:1A:70:9C:3B:E2:44:08:F7:6E:91:AD:20:CB:57:8F:13:D4:62:B9:0E:7A:C5:36:88:F1:4D:29:E0:95:BC:03\\r\\n\
    a=setup:actpass\\r\\na=mid:0\\r\\na=sctp-port:5000\\r\\na=max-message-size:262144\\r\\n";

/// The JSON that is passed on between peers.
pub(crate) struct Descriptions {
    pub(crate) offer: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

impl Descriptions {
    pub(crate) fn new() -> Self {
        let json = |kind| format!("{{\"type\":\"{kind}\",\"sdp\":\"{SDP}\"}}").into_bytes();
        Self {
            offer: json("offer"),
            answer: json("answer"),
        }
    }
}

/// A peer of one torrent.
pub(crate) struct Peer {
    pub(crate) info_hash: [u8; 20],
    pub(crate) id: [u8; 20],
    announces: u32,
    /// The same in all announces but for the numbers in the offer ids, which begin at these places.
    announce: Vec<u8>,
    numbers: Vec<usize>,
    prefixes: Vec<[u8; ID_PREFIX]>,
    answer_head: Vec<u8>,
    answer: Vec<u8>,
}

impl Peer {
    /// `number` tells apart the peers; those with the same remainder share a torrent.
    pub(crate) fn new(
        number: usize,
        torrents: usize,
        offers: usize,
        descriptions: &Descriptions,
    ) -> Self {
        let mut torrent = fastrand::Rng::with_seed((number % torrents) as u64);
        let info_hash = std::array::from_fn(|_| torrent.u8(..));
        let mut own = fastrand::Rng::with_seed(1_000_000 + number as u64);
        let mut id = *b"-WW0208-000000000000";
        id[8..].fill_with(|| own.alphanumeric() as u8);

        let mut head = b"{\"action\":\"announce\",\"info_hash\":".to_vec();
        write_bytes(&mut head, &info_hash);
        head.extend_from_slice(b",\"peer_id\":");
        write_bytes(&mut head, &id);

        let mut announce = head.clone();
        announce.extend_from_slice(
            b",\"uploaded\":0,\"downloaded\":0,\"left\":1000000,\"numwant\":10,\"offers\":[",
        );
        let (mut numbers, mut prefixes) = (Vec::new(), Vec::new());
        for offer in 0..offers {
            if offer > 0 {
                announce.push(b',');
            }
            announce.extend_from_slice(b"{\"offer\":");
            announce.extend_from_slice(&descriptions.offer);
            announce.extend_from_slice(b",\"offer_id\":");
            let mut offer_id = [b'0'; 20];
            offer_id[..ID_PREFIX].fill_with(|| own.u8(..));
            write_bytes(&mut announce, &offer_id);
            numbers.push(announce.len() - 1 - 8);
            prefixes.push(*offer_id.first_chunk().unwrap_or(&[0; ID_PREFIX]));
            announce.push(b'}');
        }
        announce.extend_from_slice(b"]}");
        Self {
            info_hash,
            id,
            announces: 0,
            announce,
            numbers,
            prefixes,
            answer_head: head,
            answer: Vec::new(),
        }
    }

    /// The next announce, with new offer ids.
    pub(crate) fn announce(&mut self) -> &[u8] {
        self.announces += 1;
        let number = format!("{:08x}", self.announces);
        for &start in &self.numbers {
            self.announce[start..start + 8].copy_from_slice(number.as_bytes());
        }
        &self.announce
    }

    /// The answer to an offer, of which id and peer are the JSON strings that came.
    pub(crate) fn answer(&mut self, offer_id: &[u8], to_peer_id: &[u8], answer: &[u8]) -> &[u8] {
        self.answer.clear();
        for part in [
            &self.answer_head,
            &b",\"to_peer_id\":"[..],
            to_peer_id,
            b",\"answer\":",
            answer,
            b",\"offer_id\":",
            offer_id,
            b"}",
        ] {
            self.answer.extend_from_slice(part);
        }
        &self.answer
    }

    /// Whether this peer has made the offer.
    pub(crate) fn has_offered(&self, offer_id: &[u8]) -> bool {
        let Some(offer_id) = read_bytes(offer_id) else {
            return false;
        };
        let (prefix, number) = offer_id.split_at(ID_PREFIX);
        let number = std::str::from_utf8(number)
            .ok()
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        self.prefixes.iter().any(|mine| mine == prefix)
            && number.is_some_and(|number| number <= self.announces)
    }
}

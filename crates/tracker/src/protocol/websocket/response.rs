use super::text::{write_bytes, write_text};
use crate::{
    bencode::encode::decimal,
    types::{InfoHash, PeerId},
};

/// Whose offers and answers are passed on, as it stands in each of them: written once for all.
pub struct Signature(Vec<u8>);

impl Signature {
    /// Of a peer of a torrent.
    pub fn new(peer_id: PeerId, info_hash: InfoHash) -> Self {
        let mut text = Vec::with_capacity(128);
        text.extend_from_slice(b",\"peer_id\":");
        write_bytes(&mut text, &peer_id.0);
        text.extend_from_slice(b",\"info_hash\":");
        write_bytes(&mut text, &info_hash.0);
        text.push(b'}');
        Self(text)
    }
}

/// Appends an offer for another peer, its JSON as it came.
pub fn write_offer(
    out: &mut Vec<u8>,
    offer: Option<&str>,
    offer_id: Option<&str>,
    signature: &Signature,
) {
    write_signal(out, "offer", offer, offer_id, signature);
}

/// Appends an answer for the peer that made the offer, its JSON as it came.
pub fn write_answer(
    out: &mut Vec<u8>,
    answer: &str,
    offer_id: Option<&str>,
    signature: &Signature,
) {
    write_signal(out, "answer", Some(answer), offer_id, signature);
}

/// Appends the response to an announce; the interval is in seconds.
pub fn write_announce_response(
    out: &mut Vec<u8>,
    complete: u32,
    incomplete: u32,
    interval: u32,
    info_hash: InfoHash,
) {
    out.extend_from_slice(b"{\"complete\":");
    decimal(out, complete.into());
    out.extend_from_slice(b",\"incomplete\":");
    decimal(out, incomplete.into());
    out.extend_from_slice(b",\"action\":\"announce\",\"interval\":");
    decimal(out, interval.into());
    out.extend_from_slice(b",\"info_hash\":");
    write_bytes(out, &info_hash.0);
    out.push(b'}');
}

/// Appends a refusal. With an info hash it is the response to an announce of it; without one the
/// message could not be read, and the original's client reconnects.
pub fn write_failure(out: &mut Vec<u8>, reason: &str, info_hash: Option<InfoHash>) {
    out.push(b'{');
    if info_hash.is_some() {
        out.extend_from_slice(b"\"action\":\"announce\",");
    }
    out.extend_from_slice(b"\"failure reason\":");
    write_text(out, reason);
    if let Some(info_hash) = info_hash {
        out.extend_from_slice(b",\"info_hash\":");
        write_bytes(out, &info_hash.0);
    }
    out.push(b'}');
}

/// Appends what stands before the swarms of a scrape.
pub fn begin_scrape(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"action\":\"scrape\",\"files\":{");
}

/// Appends one swarm; each only once.
pub fn write_scrape_file(
    out: &mut Vec<u8>,
    info_hash: InfoHash,
    complete: u32,
    downloaded: u32,
    incomplete: u32,
) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    write_bytes(out, &info_hash.0);
    out.extend_from_slice(b":{\"complete\":");
    decimal(out, complete.into());
    out.extend_from_slice(b",\"incomplete\":");
    decimal(out, incomplete.into());
    out.extend_from_slice(b",\"downloaded\":");
    decimal(out, downloaded.into());
    out.push(b'}');
}

/// Appends what stands after the swarms; the interval between scrapes is in seconds.
pub fn end_scrape(out: &mut Vec<u8>, min_request_interval: u32) {
    out.extend_from_slice(b"},\"flags\":{\"min_request_interval\":");
    decimal(out, min_request_interval.into());
    out.extend_from_slice(b"}}");
}

fn write_signal(
    out: &mut Vec<u8>,
    kind: &str,
    signal: Option<&str>,
    offer_id: Option<&str>,
    signature: &Signature,
) {
    out.extend_from_slice(b"{\"action\":\"announce\"");
    for (key, json) in [(kind, signal), ("offer_id", offer_id)] {
        if let Some(json) = json {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":");
            out.extend_from_slice(json.as_bytes());
        }
    }
    out.extend_from_slice(&signature.0);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HASH: InfoHash = InfoHash([0xff; 20]);
    const PEER: PeerId = PeerId([b'p'; 20]);

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut out = Vec::new();
        write(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn signals() {
        let (hash, peer) = ("ÿ".repeat(20), "p".repeat(20));
        let sdp = r#"{"sdp":"é\u0000"}"#;
        let signature = Signature::new(PEER, HASH);
        assert_eq!(
            written(|out| write_offer(out, Some(sdp), Some("\"o\""), &signature)),
            json!({
                "action": "announce", "offer": {"sdp": "é\0"}, "offer_id": "o",
                "peer_id": peer, "info_hash": hash,
            })
        );
        assert_eq!(
            written(|out| write_offer(out, None, None, &signature)),
            json!({"action": "announce", "peer_id": peer, "info_hash": hash})
        );
        assert_eq!(
            written(|out| write_answer(out, "{}", Some("\"o\""), &signature)),
            json!({
                "action": "announce", "answer": {}, "offer_id": "o",
                "peer_id": peer, "info_hash": hash,
            })
        );
    }

    #[test]
    fn responses() {
        let hash = "ÿ".repeat(20);
        assert_eq!(
            written(|out| write_announce_response(out, 1, 2, 120, HASH)),
            json!({
                "complete": 1, "incomplete": 2, "action": "announce", "interval": 120,
                "info_hash": hash,
            })
        );
        assert_eq!(
            written(|out| write_failure(out, "no \"x\"", Some(HASH))),
            json!({"action": "announce", "failure reason": "no \"x\"", "info_hash": hash})
        );
        assert_eq!(
            written(|out| write_failure(out, "bad", None)),
            json!({"failure reason": "bad"})
        );
    }

    #[test]
    fn scrapes() {
        let scrape = written(|out| {
            begin_scrape(out);
            write_scrape_file(out, HASH, 1, 2, 3);
            write_scrape_file(out, InfoHash([b'{'; 20]), 0, 0, 0);
            end_scrape(out, 600);
        });
        let files = scrape["files"].as_object().unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!(
            files[&"ÿ".repeat(20)],
            json!({"complete": 1, "incomplete": 3, "downloaded": 2})
        );
        assert_eq!(scrape["flags"], json!({"min_request_interval": 600}));
    }
}

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    object::Object,
    scan::Scanner,
    text::{self, Chars},
};
use crate::types::{AnnounceEvent, InfoHash, PeerId};

/// The longest offer id, in bytes. Real ones have 20.
pub const MAX_OFFER_ID: usize = 64;

/// A message from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Announces the peer; its offers are for others.
    Announce(Announce<'a>),
    /// Answers an offer; also an announce, but gets no response.
    Answer(Announce<'a>, Answer<'a>),
    /// Asks for the counts of swarms.
    Scrape(Scrape),
}

/// What an announce says of its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce<'a> {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The peer, in its own words.
    pub peer_id: PeerId,
    /// Why it announces.
    pub event: AnnounceEvent,
    /// Bytes still missing; `None` if that is not said, or not in a number.
    pub left: Option<u64>,
    /// To be passed on to one peer each.
    pub offers: Vec<Offer<'a>>,
}

/// A WebRTC offer, as JSON that nobody here looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The session description; `None` where the key is missing.
    pub offer: Option<&'a str>,
    /// The string that names the offer; `None` where the key is missing.
    pub offer_id: Option<&'a str>,
}

/// A WebRTC answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The peer that made the offer.
    pub to_peer_id: PeerId,
    /// The session description, as JSON.
    pub answer: &'a str,
    /// The offer that is answered, as the JSON that it came as.
    pub offer_id: Option<&'a str>,
}

/// A scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// The torrents, sorted and each once; none is a request for all.
    pub info_hashes: Vec<InfoHash>,
}

/// The text that names an offer, decoded: escapes may differ between the offer and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OfferId<'a>(Cow<'a, str>);

impl<'a> OfferId<'a> {
    /// Of a JSON string of at most [`MAX_OFFER_ID`] bytes.
    pub fn parse(literal: &'a str) -> Option<Self> {
        let plain = literal.strip_prefix('"')?.strip_suffix('"')?;
        if !plain.contains('\\') {
            return Some(Self(Cow::Borrowed(plain)));
        }
        let text: String = Chars::of(literal)?.collect::<Result<_, ()>>().ok()?;
        Some(Self(Cow::Owned(text)))
    }
}

/// A message that cannot be answered; the text is the failure reason to send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a JSON object, or one key twice.
    #[error("invalid JSON: {0}")]
    Json(String),
    /// `action` is neither `announce` nor `scrape`.
    #[error("invalid action in WS request: {0}")]
    InvalidAction(String),
    /// `info_hash` is not 20 code points below 256.
    #[error("invalid info_hash")]
    InvalidInfoHash,
    /// `peer_id` is not 20 code points below 256.
    #[error("invalid peer_id")]
    InvalidPeerId,
    /// `to_peer_id` is not 20 code points below 256.
    #[error("invalid `to_peer_id` (required with `answer`)")]
    InvalidToPeerId,
    /// `event` is unknown.
    #[error("invalid event")]
    InvalidEvent,
    /// `offers` is not a list of objects, or an offer id is no short string.
    #[error("invalid offers")]
    InvalidOffers,
}

/// Reads a message. Of `offers`, those past `max_offers` are left out.
pub fn parse_request(message: &str, max_offers: usize) -> Result<Request<'_>, RequestError> {
    // What is odd or wrong is read once more.
    if let Some(envelope) = Envelope::scan(message)
        && let Ok(request) = parse_envelope(envelope, max_offers)
    {
        return Ok(request);
    }
    parse_envelope(Envelope::parse(message)?, max_offers)
}

/// The torrent that a message names, whatever else is wrong with it.
pub fn info_hash_of(message: &str) -> Option<InfoHash> {
    let envelope = Envelope::parse(message).ok()?;
    envelope.info_hash.and_then(text::id).map(InfoHash)
}

fn parse_envelope(envelope: Envelope<'_>, max_offers: usize) -> Result<Request<'_>, RequestError> {
    match envelope.action {
        Some("\"announce\"") => parse_announce(envelope, max_offers),
        Some("\"scrape\"") => parse_scrape(&envelope).map(Request::Scrape),
        action => Err(RequestError::InvalidAction(shown(action))),
    }
}

/// The keys that mean something here, unlooked into. Whatever else there is has been skipped. `null` is
/// as good as a missing key.
#[derive(Default)]
struct Envelope<'a> {
    action: Option<&'a str>,
    info_hash: Option<&'a str>,
    peer_id: Option<&'a str>,
    to_peer_id: Option<&'a str>,
    offer_id: Option<&'a str>,
    event: Option<&'a str>,
    left: Option<&'a str>,
    answer: Option<&'a str>,
    offers: Offers<'a>,
}

/// What `offers` is.
#[derive(Default)]
enum Offers<'a> {
    #[default]
    None,
    /// To be read.
    Raw(&'a str),
    /// Read, but for the limits.
    List(Vec<Offer<'a>>),
}

impl<'a> Envelope<'a> {
    fn parse(message: &'a str) -> Result<Self, RequestError> {
        let Object(raw): Object<RawEnvelope<'_>> =
            serde_json::from_str(message).map_err(|error| RequestError::Json(error.to_string()))?;
        let get = |value: Option<&'a RawValue>| value.map(RawValue::get).and_then(present);
        Ok(Self {
            action: get(raw.action),
            info_hash: get(raw.info_hash),
            peer_id: get(raw.peer_id),
            to_peer_id: get(raw.to_peer_id),
            offer_id: get(raw.offer_id),
            event: get(raw.event),
            left: get(raw.left),
            answer: get(raw.answer),
            offers: get(raw.offers).map_or(Offers::None, Offers::Raw),
        })
    }

    /// Likewise, of messages as peers send them; `None` of any other.
    fn scan(message: &'a str) -> Option<Self> {
        let mut envelope = Self::default();
        let mut seen = 0_u16;
        let mut scanner = Scanner::new(message);
        scanner.object(|scanner, key| {
            let (bit, field) = match key {
                "action" => (0, &mut envelope.action),
                "info_hash" => (1, &mut envelope.info_hash),
                "peer_id" => (2, &mut envelope.peer_id),
                "to_peer_id" => (3, &mut envelope.to_peer_id),
                "offer_id" => (4, &mut envelope.offer_id),
                "event" => (5, &mut envelope.event),
                "left" => (6, &mut envelope.left),
                "answer" => (7, &mut envelope.answer),
                "offers" => {
                    once(&mut seen, 8)?;
                    envelope.offers = Offers::List(scan_offers(scanner)?);
                    return Some(());
                }
                _ => return scanner.value().map(|_| ()),
            };
            once(&mut seen, bit)?;
            *field = present(scanner.value()?);
            Some(())
        })?;
        scanner.end()?;
        Some(envelope)
    }
}

fn scan_offers<'a>(scanner: &mut Scanner<'a>) -> Option<Vec<Offer<'a>>> {
    let mut offers = Vec::new();
    scanner.array(|scanner| {
        let mut offer = Offer {
            offer: None,
            offer_id: None,
        };
        let mut seen = 0;
        scanner.object(|scanner, key| {
            let (bit, field) = match key {
                "offer" => (0, &mut offer.offer),
                "offer_id" => (1, &mut offer.offer_id),
                _ => return scanner.value().map(|_| ()),
            };
            once(&mut seen, bit)?;
            *field = present(scanner.value()?);
            Some(())
        })?;
        offers.push(offer);
        Some(())
    })?;
    Some(offers)
}

fn present(json: &str) -> Option<&str> {
    (json != "null").then_some(json)
}

/// `None` the second time for the same bit.
fn once(seen: &mut u16, bit: u8) -> Option<()> {
    let is_first = *seen & 1 << bit == 0;
    *seen |= 1 << bit;
    is_first.then_some(())
}

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow)]
    info_hash: Option<&'a RawValue>,
    #[serde(borrow)]
    peer_id: Option<&'a RawValue>,
    #[serde(borrow)]
    to_peer_id: Option<&'a RawValue>,
    #[serde(borrow)]
    offer_id: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    left: Option<&'a RawValue>,
    #[serde(borrow)]
    answer: Option<&'a RawValue>,
    #[serde(borrow)]
    offers: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawOffer<'a> {
    #[serde(borrow)]
    offer: Option<&'a RawValue>,
    #[serde(borrow)]
    offer_id: Option<&'a RawValue>,
}

fn parse_announce(envelope: Envelope<'_>, max_offers: usize) -> Result<Request<'_>, RequestError> {
    let announce = Announce {
        info_hash: envelope
            .info_hash
            .and_then(text::id)
            .map(InfoHash)
            .ok_or(RequestError::InvalidInfoHash)?,
        peer_id: envelope
            .peer_id
            .and_then(text::id)
            .map(PeerId)
            .ok_or(RequestError::InvalidPeerId)?,
        event: parse_event(envelope.event)?,
        left: envelope.left.and_then(parse_left),
        offers: parse_offers(envelope.offers, max_offers)?,
    };
    let Some(answer) = envelope.answer.filter(|answer| is_truthy(answer)) else {
        return Ok(Request::Announce(announce));
    };
    let to_peer_id = envelope.to_peer_id.and_then(text::id);
    let answer = Answer {
        to_peer_id: to_peer_id
            .map(PeerId)
            .ok_or(RequestError::InvalidToPeerId)?,
        answer,
        offer_id: parse_offer_id(envelope.offer_id)?,
    };
    Ok(Request::Answer(announce, answer))
}

fn parse_scrape(envelope: &Envelope<'_>) -> Result<Scrape, RequestError> {
    let Some(raw) = envelope.info_hash else {
        return Ok(Scrape {
            info_hashes: Vec::new(),
        });
    };
    let list: Vec<&RawValue>;
    let literals: Vec<&str> = if raw.starts_with('[') {
        list = serde_json::from_str(raw).map_err(|_| RequestError::InvalidInfoHash)?;
        list.into_iter().map(RawValue::get).collect()
    } else {
        vec![raw]
    };
    let mut info_hashes = literals
        .into_iter()
        .map(|literal| text::id(literal).map(InfoHash))
        .collect::<Option<Vec<_>>>()
        .ok_or(RequestError::InvalidInfoHash)?;
    info_hashes.sort_unstable();
    info_hashes.dedup();
    Ok(Scrape { info_hashes })
}

fn parse_offers(offers: Offers<'_>, max_offers: usize) -> Result<Vec<Offer<'_>>, RequestError> {
    let mut list = match offers {
        Offers::None => Vec::new(),
        Offers::Raw(raw) => {
            let raw: Vec<Object<RawOffer<'_>>> =
                serde_json::from_str(raw).map_err(|_| RequestError::InvalidOffers)?;
            let offers = raw.into_iter().map(|Object(offer)| Offer {
                offer: offer.offer.map(RawValue::get),
                offer_id: offer.offer_id.map(RawValue::get),
            });
            offers.collect()
        }
        Offers::List(list) => list,
    };
    list.truncate(max_offers);
    for offer in &list {
        parse_offer_id(offer.offer_id)?;
    }
    Ok(list)
}

fn parse_offer_id(raw: Option<&str>) -> Result<Option<&str>, RequestError> {
    match raw {
        None => Ok(None),
        // Two quotes, and each byte may be written as `\u00XX`.
        Some(literal) if literal.starts_with('"') && literal.len() <= 2 + 6 * MAX_OFFER_ID => {
            Ok(Some(literal))
        }
        Some(_) => Err(RequestError::InvalidOffers),
    }
}

fn parse_event(raw: Option<&str>) -> Result<AnnounceEvent, RequestError> {
    let Some(literal) = raw else {
        return Ok(AnnounceEvent::Update);
    };
    // Event names need no escapes, and what has some is none.
    let name = literal
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    name.and_then(|name| AnnounceEvent::from_name(name.as_bytes()))
        .ok_or(RequestError::InvalidEvent)
}

/// Any JSON number; one with a fraction is rounded up, so that it is no seeder's. A text with a number
/// in it counts as well: clients send both.
fn parse_left(raw: &str) -> Option<u64> {
    let number = raw
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(raw);
    if let Ok(left) = number.parse() {
        return Some(left);
    }
    let left: f64 = number.parse().ok()?;
    // Saturates.
    #[expect(clippy::cast_sign_loss, reason = "checked")]
    (left >= 0.0).then(|| left.ceil() as u64)
}

/// As JavaScript has it: only a value counts as an answer.
fn is_truthy(json: &str) -> bool {
    !matches!(json, "null" | "false" | "0" | "\"\"")
}

/// An action for a message to its sender, bounded.
fn shown(action: Option<&str>) -> String {
    let action = action.unwrap_or("undefined").trim_matches('"');
    action.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const ID: &str = "aaaaaaaaaaaaaaaaaaaa";

    fn announce(rest: &str) -> String {
        format!(r#"{{"action":"announce","info_hash":"{ID}","peer_id":"{ID}"{rest}}}"#)
    }

    fn parse(message: &str) -> Result<Request<'_>, RequestError> {
        parse_request(message, 20)
    }

    #[test]
    fn announces() {
        let message = announce(
            r#","offers":[{"offer":{"sdp":"a\"}b"},"offer_id":"x"},{"fake":1}],"left":5,"event":"started","numwant":2"#,
        );
        let Ok(Request::Announce(announce)) = parse(&message) else {
            panic!("{message}")
        };
        assert_eq!(announce.left, Some(5));
        assert_eq!(announce.event, AnnounceEvent::Started);
        assert_eq!(announce.offers[0].offer, Some(r#"{"sdp":"a\"}b"}"#));
        assert_eq!(announce.offers[0].offer_id, Some("\"x\""));
        assert_eq!(announce.offers[1].offer, None);
    }

    #[test]
    fn what_peers_send_is_read_at_a_glance() {
        for message in [
            announce(r#","offers":[{"offer":{"type":"offer","sdp":"v=0\r\n"},"offer_id":"x"}]"#),
            announce(r#","numwant":5,"uploaded":0,"downloaded":0,"left":null,"event":"started""#),
            announce(r#","answer":{"type":"answer","sdp":"\r\n"},"to_peer_id":"x","offer_id":"x""#),
            r#"{"action":"scrape","info_hash":["x"]}"#.to_owned(),
        ] {
            assert!(Envelope::scan(&message).is_some(), "{message}");
        }
    }

    #[test]
    fn left_is_a_number_or_unknown() {
        for (left, parsed) in [
            ("0", Some(0)),
            ("0.5", Some(1)),
            ("1e3", Some(1000)),
            ("\"7\"", Some(7)),
            ("1e99", Some(u64::MAX)),
            ("-1", None),
            ("null", None),
            ("\"\"", None),
            ("\"x\"", None),
            ("{}", None),
        ] {
            let message = announce(&format!(",\"left\":{left}"));
            match parse(&message) {
                Ok(Request::Announce(announce)) => assert_eq!(announce.left, parsed, "{left}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn answers() {
        let message = announce(&format!(
            r#","answer":{{"type":"answer"}},"to_peer_id":"{ID}","offer_id":"o""#
        ));
        match parse(&message) {
            Ok(Request::Answer(_, answer)) => {
                assert_eq!(answer.answer, r#"{"type":"answer"}"#);
                assert_eq!(
                    answer.offer_id.and_then(OfferId::parse),
                    OfferId::parse(r#""\u006f""#)
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(
            parse(&announce(",\"answer\":{}")),
            Err(RequestError::InvalidToPeerId)
        );
        assert!(matches!(
            parse(&announce(",\"answer\":null")),
            Ok(Request::Announce(_))
        ));
    }

    #[test]
    fn scrapes() {
        let one = InfoHash([b'a'; 20]);
        for (hashes, expected) in [
            (String::new(), Ok(vec![])),
            (format!(",\"info_hash\":\"{ID}\""), Ok(vec![one])),
            (format!(",\"info_hash\":[\"{ID}\",\"{ID}\"]"), Ok(vec![one])),
            (",\"info_hash\":[]".to_owned(), Ok(vec![])),
            (
                ",\"info_hash\":[1]".to_owned(),
                Err(RequestError::InvalidInfoHash),
            ),
            (
                ",\"info_hash\":{}".to_owned(),
                Err(RequestError::InvalidInfoHash),
            ),
        ] {
            let message = format!("{{\"action\":\"scrape\"{hashes}}}");
            let parsed = parse(&message).map(|request| match request {
                Request::Scrape(scrape) => scrape.info_hashes,
                other => panic!("{other:?}"),
            });
            assert_eq!(parsed, expected, "{message}");
        }
    }

    #[test]
    fn refuses() {
        for (message, error) in [
            (announce(",\"offers\":[null]"), RequestError::InvalidOffers),
            (announce(",\"offers\":{}"), RequestError::InvalidOffers),
            (
                announce(",\"offers\":[[{},\"x\"]]"),
                RequestError::InvalidOffers,
            ),
            (announce(",\"offers\":\"abc\""), RequestError::InvalidOffers),
            (
                announce(",\"offers\":[{\"offer_id\":1}]"),
                RequestError::InvalidOffers,
            ),
            (announce(",\"event\":\"bogus\""), RequestError::InvalidEvent),
            (announce(",\"event\":1"), RequestError::InvalidEvent),
            (
                r#"{"action":"announce"}"#.to_owned(),
                RequestError::InvalidInfoHash,
            ),
            (
                "{\"action\":7}".to_owned(),
                RequestError::InvalidAction("7".to_owned()),
            ),
            (
                "{}".to_owned(),
                RequestError::InvalidAction("undefined".to_owned()),
            ),
        ] {
            assert_eq!(parse(&message), Err(error), "{message}");
        }
        // The keys of an announce as a list, in their order.
        let list = format!(r#"["announce","{ID}","{ID}","{ID}","x","started",1,null,[]]"#);
        for message in [
            "",
            "null",
            "[]",
            "{",
            "7",
            "{\"action\":1,\"action\":2}",
            &list,
        ] {
            assert!(
                matches!(parse(message), Err(RequestError::Json(_))),
                "{message}"
            );
        }
    }

    #[test]
    fn depth_is_no_danger() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(1_000_000), close.repeat(1_000_000));
            let _ = parse(&deep);
            let _ = parse(&announce(&format!(",\"x\":{deep}")));
            let _ = parse(&announce(&format!(",\"offers\":[{{\"offer\":{deep}}}]")));
        }
    }

    proptest! {
        #[test]
        fn a_glance_sees_what_serde_sees(
            parts in vec(prop::sample::select(vec![
                "\"action\":\"announce\"", "\"action\":\"scrape\"", "\"info_hash\":\"aaaaaaaaaaaaaaaaaaaa\"",
                "\"peer_id\":\"bbbbbbbbbbbbbbbbbbb\\u00e9\"", "\"to_peer_id\":\"éééééééééééééééééééé\"",
                "\"offer_id\":\"x\"", "\"event\":\"started\"", "\"event\":null", "\"left\":1e3", "\"left\":null",
                "\"answer\":{\"sdp\":\"v=0\\r\\n\"}", "\"answer\":null", "\"offers\":[]", "\"offers\":null",
                "\"offers\":[{\"offer\":{\"sdp\":\"\\r\\n\"},\"offer_id\":\"x\"},{\"x\":[1]},{\"offer\":null}]",
                "\"offers\":[{\"offer_id\":1}]", "\"offers\":[{\"offer\":1,\"offer\":2}]", "\"\\u006ceft\":5",
                "\"x\":{\"a\":[{}]}", "\"x\":{\"a\" : [ 1 , 2 ] }", "\"x\":01", "{", "]",
            ]), 0..8),
            max_offers in 0..4_usize,
        ) {
            let message = format!("{{{}}}", parts.join(" , "));
            let theirs = Envelope::parse(&message)
                .and_then(|envelope| parse_envelope(envelope, max_offers));
            prop_assert_eq!(parse_request(&message, max_offers), theirs);
        }

        #[test]
        fn no_input_panics(text in any::<String>(), json in "[\\[\\]{}:,\"a-z0-9\\\\]*") {
            let _ = parse(&text);
            let _ = parse(&json);
            let _ = parse(&announce(&format!(",\"offers\":{json}")));
        }
    }
}

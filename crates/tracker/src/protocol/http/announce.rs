use super::{
    number::Number,
    query::{decode_exact, decode_into, pairs},
};
use crate::types::{AnnounceEvent, InfoHash, PeerId};

/// What a client asks for in an announce.
///
/// Keys that are not known here (passkeys, `key`, an app's own) are for whoever wants them to
/// read with [`pairs`]. `ip` is among them: anyone can claim any address there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceQuery {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The peer, in its own words.
    pub peer_id: PeerId,
    /// The port on which the peer listens; not 0.
    pub port: u16,
    /// Bytes still missing; `None` if that is not said, or not in a number.
    pub left: Option<u64>,
    /// Bytes uploaded since `started`; 0 if that is not said.
    pub uploaded: u64,
    /// Bytes downloaded since `started`; 0 if that is not said.
    pub downloaded: u64,
    /// Why the peer announces.
    pub event: AnnounceEvent,
    /// Whether peers are wanted as a string of addresses (BEP 23) and not as dictionaries.
    pub compact: bool,
    /// Whether peer ids may be left out of dictionaries.
    pub no_peer_id: bool,
    /// Peers wanted, any number; `None` if that is not said, or not in a number.
    pub numwant: Option<i64>,
}

/// A query that cannot be answered; the text is the failure reason to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// `info_hash` is missing, repeated, or not 20 bytes.
    #[error("invalid info_hash")]
    InvalidInfoHash,
    /// `peer_id` is missing, repeated, or not 20 bytes.
    #[error("invalid peer_id")]
    InvalidPeerId,
    /// `port` is missing, repeated, or not a number from 1 to 65535.
    #[error("invalid port")]
    InvalidPort,
    /// `event` is unknown, or repeated.
    #[error("invalid event")]
    InvalidEvent,
}

/// Reads the query of an announce URL, without the `?`. Does not allocate.
///
/// Of a key that is repeated no value counts: there is no telling which one is meant.
pub fn parse_announce(query: &[u8]) -> Result<AnnounceQuery, QueryError> {
    let fields = Fields::collect(query);
    Ok(AnnounceQuery {
        info_hash: fields
            .info_hash
            .exact()
            .map(InfoHash)
            .ok_or(QueryError::InvalidInfoHash)?,
        peer_id: fields
            .peer_id
            .exact()
            .map(PeerId)
            .ok_or(QueryError::InvalidPeerId)?,
        port: fields
            .port
            .number()
            .and_then(Number::positive_u16)
            .ok_or(QueryError::InvalidPort)?,
        left: fields.left.number().and_then(Number::unsigned),
        uploaded: fields
            .uploaded
            .number()
            .and_then(Number::unsigned)
            .unwrap_or(0),
        downloaded: fields
            .downloaded
            .number()
            .and_then(Number::unsigned)
            .unwrap_or(0),
        event: match fields.event {
            Field::Absent => AnnounceEvent::Update,
            event => event
                .parse(AnnounceEvent::from_name)
                .ok_or(QueryError::InvalidEvent)?,
        },
        compact: fields.compact.is_one(),
        no_peer_id: fields.no_peer_id.is_one(),
        numwant: fields.numwant.number().map(Number::signed),
    })
}

/// The longest key and value, decoded, that can mean something here. A number in more bytes than
/// this is none that a client means.
const MAX_KEY: usize = 16;
const MAX_VALUE: usize = 64;

#[derive(Default)]
struct Fields<'a> {
    info_hash: Field<'a>,
    peer_id: Field<'a>,
    port: Field<'a>,
    left: Field<'a>,
    uploaded: Field<'a>,
    downloaded: Field<'a>,
    event: Field<'a>,
    compact: Field<'a>,
    no_peer_id: Field<'a>,
    numwant: Field<'a>,
}

impl<'a> Fields<'a> {
    fn collect(query: &'a [u8]) -> Self {
        let mut fields = Self::default();
        for (key, value) in pairs(query) {
            let field = match fields.field(key) {
                None if key.contains(&b'%') => fields.encoded_field(key),
                field => field,
            };
            if let Some(field) = field {
                *field = match field {
                    Field::Absent => Field::Once(value),
                    _ => Field::Repeated,
                };
            }
        }
        fields
    }

    /// The field of a key that is written otherwise than any client does.
    #[cold]
    fn encoded_field(&mut self, key: &[u8]) -> Option<&mut Field<'a>> {
        self.field(decode_into(key, &mut [0; MAX_KEY])?)
    }

    fn field(&mut self, key: &[u8]) -> Option<&mut Field<'a>> {
        Some(match key {
            b"info_hash" => &mut self.info_hash,
            b"peer_id" => &mut self.peer_id,
            b"port" => &mut self.port,
            b"left" => &mut self.left,
            b"uploaded" => &mut self.uploaded,
            b"downloaded" => &mut self.downloaded,
            b"event" => &mut self.event,
            b"compact" => &mut self.compact,
            b"no_peer_id" => &mut self.no_peer_id,
            b"numwant" => &mut self.numwant,
            _ => return None,
        })
    }
}

/// The value of a key, still encoded.
#[derive(Clone, Copy, Default)]
enum Field<'a> {
    #[default]
    Absent,
    Once(&'a [u8]),
    Repeated,
}

impl Field<'_> {
    fn exact<const N: usize>(self) -> Option<[u8; N]> {
        match self {
            Self::Once(raw) => decode_exact(raw),
            _ => None,
        }
    }

    /// Digits alone, which is what clients send, are read as they stand there.
    fn number(self) -> Option<Number> {
        match self {
            Self::Once(raw) => Number::from_digits(raw).or_else(|| decode_number(raw)),
            _ => None,
        }
    }

    fn is_one(self) -> bool {
        self.number().and_then(Number::positive_u16) == Some(1)
    }

    fn parse<T>(self, parser: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        match self {
            Self::Once(raw) => parser(decode_into(raw, &mut [0; MAX_VALUE])?),
            _ => None,
        }
    }
}

/// Apart from the way that all numbers take, which it would make longer.
#[cold]
fn decode_number(raw: &[u8]) -> Option<Number> {
    Number::from_text(decode_into(raw, &mut [0; MAX_VALUE])?)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const MINIMAL: &str = "info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-XX0001-abcdefghijkl&port=6881";

    fn with(rest: &str) -> Result<AnnounceQuery, QueryError> {
        parse_announce([MINIMAL, rest].concat().as_bytes())
    }

    #[test]
    fn minimal() {
        assert_eq!(
            with(""),
            Ok(AnnounceQuery {
                info_hash: InfoHash([b'a'; 20]),
                peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
                port: 6881,
                left: None,
                uploaded: 0,
                downloaded: 0,
                event: AnnounceEvent::Update,
                compact: false,
                no_peer_id: false,
                numwant: None,
            })
        );
    }

    #[test]
    fn as_clients_send_it() {
        let query = parse_announce(
            b"info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A&peer_id=-TR3000-0123456789ab\
            &port=51413&uploaded=18446744073709551615&downloaded=9007199254740993&left=0\
            &numwant=80&key=1A2B3C4D&compact=1&supportcrypto=1&event=completed&no_peer_id=1",
        )
        .unwrap();
        assert_eq!(
            query.info_hash.to_string(),
            "123456789abcdef123456789abcdef123456789a"
        );
        assert_eq!(query.uploaded, u64::MAX);
        assert_eq!(query.downloaded, 9_007_199_254_740_993);
        assert_eq!(query.left, Some(0));
        assert_eq!(query.numwant, Some(80));
        assert_eq!(query.event, AnnounceEvent::Completed);
        assert!(query.compact && query.no_peer_id);
    }

    #[test]
    fn failure_reasons() {
        let text = |query: &str| parse_announce(query.as_bytes()).unwrap_err().to_string();
        assert_eq!(text(""), "invalid info_hash");
        assert_eq!(text("info_hash=short"), "invalid info_hash");
        assert_eq!(
            text(&format!("{MINIMAL}&info_hash=bbbbbbbbbbbbbbbbbbbb")),
            "invalid info_hash"
        );
        assert_eq!(
            text("info_hash=aaaaaaaaaaaaaaaaaaaaa&peer_id=x"),
            "invalid info_hash"
        );
        assert_eq!(text("info_hash=aaaaaaaaaaaaaaaaaaaa"), "invalid peer_id");
        let ids = MINIMAL.replace("6881", "");
        for port in ["", "0", "65536", "-1", "x", "NaN", "1&port=2"] {
            assert_eq!(text(&format!("{ids}{port}")), "invalid port", "{port}");
        }
        assert_eq!(text(&format!("{MINIMAL}&event=bogus")), "invalid event");
        assert_eq!(
            text(&format!("{MINIMAL}&event=started&event=stopped")),
            "invalid event"
        );
    }

    #[test]
    fn keys_and_values_in_any_encoding() {
        let query =
            parse_announce(b"in%66o%5fhash=%61%61aaaaaaaaaaaaaaaa%61a&peer%5Fid=%2dXX0001-abcdefghijk+&port=%36881&l%65ft=%30&event=%73topped")
                .unwrap();
        assert_eq!(query.info_hash, InfoHash([b'a'; 20]));
        assert_eq!(query.peer_id, PeerId(*b"-XX0001-abcdefghijk "));
        assert_eq!(query.port, 6881);
        assert_eq!(query.left, Some(0));
        assert_eq!(query.event, AnnounceEvent::Stopped);
    }

    #[test]
    fn an_encoded_equals_sign_is_of_the_key() {
        for other in [
            "&left%3D7",
            "&left%3d=7",
            "&left%3D7=7",
            "&left%3D=",
            "&left=%3d7",
        ] {
            assert_eq!(with(other).unwrap().left, None, "{other}");
        }
        for (other, repeated) in [("&port", true), ("&port=", true), ("&port%3D", false)] {
            let invalid = with(other) == Err(QueryError::InvalidPort);
            assert_eq!(invalid, repeated, "{other}");
        }
    }

    #[test]
    fn unknown_left_is_not_zero() {
        for left in [
            "",
            "&left=",
            "&left=NaN",
            "&left=-1",
            "&left=0&left=0",
            "&left=Infinity",
        ] {
            assert_eq!(with(left).unwrap().left, None, "{left}");
        }
        assert_eq!(with("&left=0.5").unwrap().left, Some(1));
        let long = format!("&left=%30{}", "0".repeat(MAX_VALUE));
        assert_eq!(with(&long).unwrap().left, None);
        let long_but_plain = format!("&left={}7", "0".repeat(MAX_VALUE));
        assert_eq!(with(&long_but_plain).unwrap().left, Some(7));
        for seven in ["&left=+7", "&left=7%20", "&left=%2b7", "&left=7.0"] {
            assert_eq!(with(seven).unwrap().left, Some(7), "{seven}");
        }
    }

    #[test]
    fn compact_is_asked_for_with_1_only() {
        for (compact, expected) in [
            ("", false),
            ("&compact=0", false),
            ("&compact=", false),
            ("&compact", false),
            ("&compact=2", false),
            ("&compact=1.5", false),
            ("&compact=true", false),
            ("&compact=1", true),
            ("&compact=01", true),
        ] {
            assert_eq!(with(compact).unwrap().compact, expected, "{compact}");
        }
    }

    #[test]
    fn numwant_is_as_sent() {
        for (numwant, expected) in [
            ("", None),
            ("&numwant=", None),
            ("&numwant=all", None),
            ("&numwant=0", Some(0)),
            ("&numwant=-1", Some(-1)),
            ("&numwant=1000000000000", Some(1_000_000_000_000)),
        ] {
            assert_eq!(with(numwant).unwrap().numwant, expected, "{numwant}");
        }
    }

    #[test]
    fn empty_event_is_an_update() {
        for event in ["&event=", "&event", "&event=empty", "&event=update"] {
            assert_eq!(with(event).unwrap().event, AnnounceEvent::Update, "{event}");
        }
    }

    #[test]
    fn huge_queries_end_after_some_keys() {
        let noise = "&x=%41".repeat(200_000);
        assert_eq!(with(&noise).unwrap().port, 6881);
        let late = [&noise[1..], "&", MINIMAL].concat();
        assert_eq!(
            parse_announce(late.as_bytes()),
            Err(QueryError::InvalidInfoHash)
        );
    }

    proptest! {
        #[test]
        fn no_input_panics(query in vec(any::<u8>(), 0..300), values in vec(vec(any::<u8>(), 0..40), 10)) {
            let _ = parse_announce(&query);
            let keys = ["info_hash", "peer_id", "port", "left", "uploaded", "downloaded", "event",
                "compact", "no_peer_id", "numwant"];
            let mut query = MINIMAL.as_bytes().to_vec();
            for (key, value) in keys.into_iter().zip(&values).skip(3) {
                query.extend_from_slice(format!("&{key}=").as_bytes());
                query.extend_from_slice(value);
            }
            let _ = parse_announce(&query);
        }
    }
}

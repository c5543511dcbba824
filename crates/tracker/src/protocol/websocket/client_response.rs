use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    object::Object,
    text::{self, Chars},
};
use crate::types::{InfoHash, PeerId};

/// A message from a tracker, as far as it has to be known to hand it to the right client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The tracker's answer to an announce, a refusal included.
    Announce {
        /// The torrent.
        info_hash: InfoHash,
    },
    /// Another peer's offer.
    Offer {
        /// The torrent.
        info_hash: InfoHash,
        /// Who made it.
        peer_id: PeerId,
    },
    /// Another peer's answer to an offer.
    Answer {
        /// The torrent.
        info_hash: InfoHash,
        /// Who gave it.
        peer_id: PeerId,
    },
    /// The answer to a scrape.
    Scrape {
        /// The torrents in it.
        info_hashes: Vec<InfoHash>,
    },
    /// A refusal that names no torrent.
    Failure {
        /// The tracker's text.
        reason: String,
    },
    /// Well-formed, and of no concern to anybody.
    Other,
}

/// A message that makes no sense. The texts are the original's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Not a JSON object.
    #[error("Invalid tracker response")]
    Json,
    /// Neither an announce nor a scrape.
    #[error("invalid action in WS response: {0}")]
    InvalidAction(String),
}

/// Reads a tracker's message.
pub fn parse_response(message: &str) -> Result<Response, ResponseError> {
    let Object(envelope): Object<Envelope<'_>> =
        serde_json::from_str(message).map_err(|_| ResponseError::Json)?;
    let info_hash = id(envelope.info_hash).map(InfoHash);
    if info_hash.is_none()
        && let Some(reason) = envelope
            .failure_reason
            .map(shown)
            .filter(|text| !text.is_empty())
    {
        return Ok(Response::Failure { reason });
    }
    match envelope.action.map(RawValue::get) {
        Some("\"announce\"") => Ok(announce(&envelope, info_hash)),
        Some("\"scrape\"") => Ok(Response::Scrape {
            info_hashes: envelope.files.map(files).unwrap_or_default(),
        }),
        action => Err(ResponseError::InvalidAction(
            action.map_or_else(|| "undefined".to_owned(), text_of),
        )),
    }
}

/// The keys that mean something here, unlooked into.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow)]
    info_hash: Option<&'a RawValue>,
    #[serde(borrow)]
    peer_id: Option<&'a RawValue>,
    #[serde(borrow)]
    offer: Option<&'a RawValue>,
    #[serde(borrow)]
    answer: Option<&'a RawValue>,
    #[serde(borrow)]
    files: Option<&'a RawValue>,
    #[serde(borrow, rename = "failure reason")]
    failure_reason: Option<&'a RawValue>,
}

fn announce(envelope: &Envelope<'_>, info_hash: Option<InfoHash>) -> Response {
    let Some(info_hash) = info_hash else {
        return Response::Other;
    };
    match id(envelope.peer_id).map(PeerId) {
        Some(peer_id) if envelope.answer.is_some() => Response::Answer { info_hash, peer_id },
        Some(peer_id) if envelope.offer.is_some() => Response::Offer { info_hash, peer_id },
        _ => Response::Announce { info_hash },
    }
}

/// The torrents of a scrape; what is no info hash is left out.
fn files(raw: &RawValue) -> Vec<InfoHash> {
    let files: HashMap<String, &RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    let hashes = files.keys().filter_map(|key| {
        let bytes: Vec<u8> = key
            .chars()
            .map(|char| u8::try_from(u32::from(char)).ok())
            .collect::<Option<_>>()?;
        bytes.try_into().ok().map(InfoHash)
    });
    hashes.collect()
}

fn id(raw: Option<&RawValue>) -> Option<[u8; 20]> {
    text::id(raw?.get())
}

fn shown(raw: &RawValue) -> String {
    text_of(raw.get())
}

/// A text, or any other value as JSON: for people, and bounded.
fn text_of(json: &str) -> String {
    const MAX_CHARS: usize = 1024;
    let decoded = Chars::of(json)
        .and_then(|chars| chars.take(MAX_CHARS).collect::<Result<String, ()>>().ok());
    decoded.unwrap_or_else(|| json.chars().take(MAX_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaa";
    const B: &str = "\u{ff}bbbbbbbbbbbbbbbbbbb";

    fn ids() -> (InfoHash, PeerId) {
        let mut peer_id = [b'b'; 20];
        peer_id[0] = 0xff;
        (InfoHash([b'a'; 20]), PeerId(peer_id))
    }

    fn parse(rest: &str) -> Result<Response, ResponseError> {
        parse_response(&format!(
            r#"{{"action":"announce","info_hash":"{A}"{rest}}}"#
        ))
    }

    #[test]
    fn announces() {
        let (info_hash, peer_id) = ids();
        let reply = Ok(Response::Announce { info_hash });
        assert_eq!(parse(r#","complete":1,"interval":120"#), reply);
        assert_eq!(parse(r#","failure reason":"no""#), reply);
        assert_eq!(parse(r#","offer":{}"#), reply);
        let from = format!(r#","peer_id":"{B}""#);
        assert_eq!(
            parse(&format!(r#"{from},"offer":{{"sdp":"x"}}"#)),
            Ok(Response::Offer { info_hash, peer_id })
        );
        assert_eq!(
            parse(&format!(r#"{from},"answer":{{}}"#)),
            Ok(Response::Answer { info_hash, peer_id })
        );
        assert_eq!(
            parse_response(r#"{"action":"announce","info_hash":"short"}"#),
            Ok(Response::Other)
        );
    }

    #[test]
    fn scrapes() {
        let message =
            format!(r#"{{"action":"scrape","files":{{"{A}":{{}},"x":1,"\u0100{A}":2}}}}"#);
        assert_eq!(
            parse_response(&message),
            Ok(Response::Scrape {
                info_hashes: vec![ids().0]
            })
        );
        for files in ["", r#","files":null"#, r#","files":[1]"#, r#","files":7"#] {
            assert_eq!(
                parse_response(&format!(r#"{{"action":"scrape"{files}}}"#)),
                Ok(Response::Scrape {
                    info_hashes: vec![]
                })
            );
        }
    }

    #[test]
    fn refusals_without_a_torrent() {
        for (message, reason) in [
            (
                r#"{"failure reason":"n\u006f"}"#.to_owned(),
                "no".to_owned(),
            ),
            (
                r#"{"action":"scrape","failure reason":{"a":1}}"#.to_owned(),
                r#"{"a":1}"#.to_owned(),
            ),
            (
                format!(r#"{{"failure reason":"{}"}}"#, "x".repeat(5000)),
                "x".repeat(1024),
            ),
        ] {
            assert_eq!(parse_response(&message), Ok(Response::Failure { reason }));
        }
    }

    #[test]
    fn nonsense() {
        for message in [
            "",
            "null",
            "[]",
            &format!(r#"["announce","{A}",null,null,null,null,null]"#),
            "7",
            "{",
            "{}x",
            "\"a\"",
            &"[".repeat(60_000),
        ] {
            assert_eq!(
                parse_response(message),
                Err(ResponseError::Json),
                "{message}"
            );
        }
        for (message, action) in [
            ("{}", "undefined"),
            (r#"{"action":"x\n"}"#, "x\n"),
            (r#"{"action":[1]}"#, "[1]"),
        ] {
            assert_eq!(
                parse_response(message),
                Err(ResponseError::InvalidAction(action.to_owned()))
            );
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(text in any::<String>(), json in "[\\[\\]{}:,\"a-z0-9\\\\]*") {
            let _ = parse_response(&text);
            let _ = parse(&format!(",\"files\":{json}"));
            let _ = parse(&format!(",\"peer_id\":{json}"));
        }
    }
}

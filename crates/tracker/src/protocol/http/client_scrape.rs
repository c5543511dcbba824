use super::{
    RetryIn,
    client_reply::{ReplyError, count, id, int, parse_dict, retry_in, text},
};
use crate::{bencode::Value, types::InfoHash};

/// A tracker's answer to a scrape (BEP 48), as far as it can be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedScrape<'a> {
    /// Why the scrape was refused.
    pub failure_reason: Option<&'a [u8]>,
    /// A text for the user, beside an answer that counts.
    pub warning: Option<&'a [u8]>,
    /// When to scrape again at the earliest, in seconds. Any number.
    pub min_request_interval: Option<i64>,
    /// When to try again after a failure (BEP 31).
    pub retry_in: Option<RetryIn>,
    /// The whole dictionary.
    pub dict: Value<'a>,
}

/// One swarm in the answer to a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodedFile<'a, 'v> {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Peers that are complete.
    pub complete: Option<u64>,
    /// Downloads ever completed.
    pub downloaded: Option<u64>,
    /// Peers that are not complete.
    pub incomplete: Option<u64>,
    /// The swarm's whole dictionary.
    pub dict: &'v Value<'a>,
}

/// Reads the body of an answer to a scrape. Its size is up to the caller.
pub fn parse_scrape_reply(body: &[u8]) -> Result<DecodedScrape<'_>, ReplyError> {
    let dict = parse_dict(body)?;
    Ok(DecodedScrape {
        failure_reason: text(&dict, b"failure reason"),
        warning: text(&dict, b"warning message"),
        min_request_interval: dict
            .get(b"flags")
            .and_then(|flags| int(flags, b"min_request_interval")),
        retry_in: retry_in(&dict),
        dict,
    })
}

impl<'a> DecodedScrape<'a> {
    /// The swarms, in the order of the answer, without those whose key is no hash or whose value
    /// is no dictionary. They may be others than were asked for.
    pub fn files(&self) -> impl Iterator<Item = DecodedFile<'a, '_>> {
        // Some trackers call it `host`.
        self.dict
            .get(b"files")
            .or_else(|| self.dict.get(b"host"))
            .and_then(Value::as_dict)
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, dict)| {
                dict.as_dict()?;
                Some(DecodedFile {
                    info_hash: InfoHash(id(key)?),
                    complete: count(dict, b"complete"),
                    downloaded: count(dict, b"downloaded"),
                    incomplete: count(dict, b"incomplete"),
                    dict,
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{
        array::uniform20,
        collection::{btree_map, vec},
        prelude::*,
    };

    use super::*;
    use crate::protocol::http::{begin_scrape, end_scrape, write_scrape_file};

    #[test]
    fn keys_as_the_npm_package_writes_them() {
        let mut hash = [0xff; 20];
        hash[..4].copy_from_slice(b"\x00a\x7f\x80");
        let key: String = hash.iter().map(|&byte| char::from(byte)).collect();
        let body = format!("d5:filesd{}:{key}d8:completei1eeee", key.len());
        let scrape = parse_scrape_reply(body.as_bytes()).unwrap();
        let files: Vec<_> = scrape.files().collect();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].info_hash, InfoHash(hash));
        assert_eq!(files[0].complete, Some(1));
        assert_eq!(files[0].downloaded, None);
    }

    #[test]
    fn odd_answers() {
        let count = |body: &[u8]| parse_scrape_reply(body).unwrap().files().count();
        assert_eq!(count(b"de"), 0);
        assert_eq!(count(b"d5:filesi1ee"), 0);
        assert_eq!(count(b"d5:filesle5:flagsi1ee"), 0);
        assert_eq!(count(b"d5:filesd5:shortdeee"), 0);
        assert_eq!(count(b"d5:filesd20:aaaaaaaaaaaaaaaaaaaai1eee"), 0);
        assert_eq!(count(b"d4:hostd20:aaaaaaaaaaaaaaaaaaaadeee"), 1);
        let scrape = parse_scrape_reply(b"d14:failure reason2:no8:retry in5:nevere").unwrap();
        assert_eq!(scrape.failure_reason, Some(&b"no"[..]));
        assert_eq!(scrape.retry_in, Some(RetryIn::Never));
        assert_eq!(parse_scrape_reply(b"le"), Err(ReplyError::NotADictionary));
    }

    proptest! {
        #[test]
        fn round_trip(
            files in btree_map(uniform20(any::<u8>()), any::<(u32, u32, u32)>(), 0..20),
            interval in any::<u32>(),
        ) {
            let mut body = Vec::new();
            begin_scrape(&mut body);
            for (hash, &(complete, downloaded, incomplete)) in &files {
                write_scrape_file(&mut body, InfoHash(*hash), complete, downloaded, incomplete);
            }
            end_scrape(&mut body, interval);
            let scrape = parse_scrape_reply(&body).unwrap();
            prop_assert_eq!(scrape.min_request_interval, Some(interval.into()));
            let number = |count: Option<u64>| u32::try_from(count.unwrap()).unwrap();
            let read: BTreeMap<_, _> = scrape
                .files()
                .map(|file| {
                    let counts =
                        (number(file.complete), number(file.downloaded), number(file.incomplete));
                    (file.info_hash.0, counts)
                })
                .collect();
            prop_assert_eq!(read, files);
        }

        #[test]
        fn no_input_panics(body in vec(any::<u8>(), 0..100), text in "d5:filesd20:[a-c]{18,22}[dile0-9:]{0,20}") {
            for body in [&body[..], text.as_bytes()] {
                if let Ok(scrape) = parse_scrape_reply(body) {
                    prop_assert!(scrape.files().count() <= body.len());
                }
            }
        }
    }
}

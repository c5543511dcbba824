use super::{
    announce::QueryError,
    query::{decode_exact, decode_into, pairs},
    reply::write_int,
};
use crate::{bencode::encode, types::InfoHash};

/// Reads the query of a scrape URL (BEP 48), without the `?`: the hashes asked for, sorted and
/// without repetitions, as the answer must have them. None is a request for all torrents.
///
/// There are at most [`super::MAX_PAIRS`].
pub fn parse_scrape(query: &[u8]) -> Result<Vec<InfoHash>, QueryError> {
    let mut hashes = Vec::new();
    for (key, value) in pairs(query) {
        if decode_into(key, &mut [0; 9]) == Some(b"info_hash") {
            let hash = decode_exact(value).ok_or(QueryError::InvalidInfoHash)?;
            hashes.push(InfoHash(hash));
        }
    }
    hashes.sort_unstable();
    hashes.dedup();
    Ok(hashes)
}

/// Appends what stands before the swarms.
pub fn begin_scrape(out: &mut Vec<u8>) {
    encode::begin_dict(out);
    encode::bytes(out, b"files");
    encode::begin_dict(out);
}

/// Appends one swarm. The hashes must come in ascending order, each only once.
pub fn write_scrape_file(
    out: &mut Vec<u8>,
    info_hash: InfoHash,
    complete: u32,
    downloaded: u32,
    incomplete: u32,
) {
    encode::bytes(out, &info_hash.0);
    encode::begin_dict(out);
    write_int(out, b"complete", complete);
    write_int(out, b"downloaded", downloaded);
    write_int(out, b"incomplete", incomplete);
    encode::end(out);
}

/// Appends what stands after the swarms; the interval between scrapes is in seconds.
pub fn end_scrape(out: &mut Vec<u8>, min_request_interval: u32) {
    encode::end(out);
    encode::bytes(out, b"flags");
    encode::begin_dict(out);
    write_int(out, b"min_request_interval", min_request_interval);
    encode::end(out);
    encode::end(out);
}

#[cfg(test)]
mod tests {
    use proptest::{array::uniform20, collection::vec, prelude::*};

    use super::*;

    #[test]
    fn queries() {
        assert_eq!(parse_scrape(b""), Ok(vec![]));
        assert_eq!(parse_scrape(b"passkey=x"), Ok(vec![]));
        assert_eq!(
            parse_scrape(
                b"info_hash=%62%62bbbbbbbbbbbbbbbbbb&x&info%5fhash=aaaaaaaaaaaaaaaaaaaa&info_hash=bbbbbbbbbbbbbbbbbbbb"
            ),
            Ok(vec![InfoHash([b'a'; 20]), InfoHash([b'b'; 20])])
        );
        for query in [
            &b"info_hash"[..],
            b"info_hash=",
            b"info_hash=short",
            b"info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=%",
        ] {
            assert_eq!(parse_scrape(query), Err(QueryError::InvalidInfoHash));
        }
        let many = b"info_hash=aaaaaaaaaaaaaaaaaaaa&".repeat(5000);
        assert_eq!(parse_scrape(&many).unwrap().len(), 1);
    }

    #[test]
    fn answers() {
        let mut out = Vec::new();
        begin_scrape(&mut out);
        end_scrape(&mut out, 600);
        assert_eq!(out, b"d5:filesde5:flagsd20:min_request_intervali600eee");
        out.clear();
        begin_scrape(&mut out);
        write_scrape_file(&mut out, InfoHash([0xff; 20]), 1, 2, 3);
        end_scrape(&mut out, 600);
        let expected = [
            b"d5:filesd20:",
            &[0xff; 20][..],
            b"d8:completei1e10:downloadedi2e10:incompletei3eee5:flagsd20:min_request_intervali600eee",
        ];
        assert_eq!(out, expected.concat());
    }

    proptest! {
        #[test]
        fn hashes_come_sorted_and_once(hashes in vec(uniform20(0..3u8), 0..20)) {
            let mut query = Vec::new();
            for hash in &hashes {
                query.extend_from_slice(b"&info_hash=");
                query.extend_from_slice(hash);
            }
            let parsed = parse_scrape(&query).unwrap();
            prop_assert!(parsed.is_sorted_by(|a, b| a < b));
            prop_assert!(hashes.iter().all(|hash| parsed.contains(&InfoHash(*hash))));
            prop_assert!(parsed.iter().all(|hash| hashes.contains(&hash.0)));
        }

        #[test]
        fn no_input_panics(query in vec(any::<u8>(), 0..300)) {
            let _ = parse_scrape(&query);
            let _ = parse_scrape(&[b"info_hash=", &query[..]].concat());
        }
    }
}

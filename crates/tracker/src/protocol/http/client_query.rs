/// Appends a query to a URL. A query that the URL has already stays in front: it may hold a
/// passkey. A fragment is dropped, since it is not for servers.
pub fn append_query<'a>(
    url: &str,
    params: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> String {
    let mut query = String::new();
    for (key, value) in params {
        if !query.is_empty() {
            query.push('&');
        }
        escape(&mut query, key);
        query.push('=');
        escape(&mut query, value);
    }
    append_escaped(url, &query)
}

/// Likewise for a query that is escaped already.
pub fn append_escaped(url: &str, query: &str) -> String {
    let (url, _) = url.split_once('#').unwrap_or((url, ""));
    let mut out = String::with_capacity(url.len() + 1 + query.len());
    out.push_str(url);
    if !query.is_empty() {
        if !out.contains('?') {
            out.push('?');
        } else if !out.ends_with(['?', '&']) {
            out.push('&');
        }
        out.push_str(query);
    }
    out
}

/// Appends bytes as text that means them in every query: all but letters, digits, `-`, `.` and
/// `_` become `%XX`.
pub fn escape(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                let digit = char::from_digit(digit.into(), 16).unwrap_or_default();
                out.push(digit.to_ascii_uppercase());
            }
        }
    }
}

/// The scrape URL of an announce URL (BEP 48): `announce` after the last slash becomes `scrape`,
/// all else stays. `None` if something else stands there: then the tracker has no scrape.
///
/// By that convention a slash in the query counts too, so that a tracker can say in this way that
/// it has none.
pub fn scrape_url(announce_url: &str) -> Option<String> {
    // A host that is called `announce` does not count, nor does a word in the query.
    let (scheme, rest) = announce_url.split_once("://")?;
    let (before, last) = rest.rsplit_once('/')?;
    let suffix = last.strip_prefix("announce")?;
    (!before.contains(['?', '#'])).then(|| format!("{scheme}://{before}/scrape{suffix}"))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::protocol::http::{decode, pairs};

    #[test]
    fn queries_of_urls() {
        let params = [(&b"a"[..], &b"1"[..]), (b"b", b"\x00@*/+ ~")];
        for (url, expected) in [
            (
                "http://t/announce",
                "http://t/announce?a=1&b=%00%40%2A%2F%2B%20%7E",
            ),
            (
                "http://t/a?k=v",
                "http://t/a?k=v&a=1&b=%00%40%2A%2F%2B%20%7E",
            ),
            ("http://t/a?", "http://t/a?a=1&b=%00%40%2A%2F%2B%20%7E"),
            ("http://t/a#x?y", "http://t/a?a=1&b=%00%40%2A%2F%2B%20%7E"),
        ] {
            assert_eq!(append_query(url, params), expected);
        }
        assert_eq!(append_query("http://t/a", []), "http://t/a");
    }

    #[test]
    fn examples_of_bep_48() {
        for (announce, scrape) in [
            (
                "http://example.com/announce",
                Some("http://example.com/scrape"),
            ),
            (
                "http://example.com/x/announce",
                Some("http://example.com/x/scrape"),
            ),
            (
                "http://example.com/announce.php",
                Some("http://example.com/scrape.php"),
            ),
            ("http://example.com/a", None),
            (
                "http://example.com/announce?x2%0644",
                Some("http://example.com/scrape?x2%0644"),
            ),
            ("http://example.com/announce?x=2/4", None),
            ("http://example.com/x%064announce", None),
            ("http://example.com/announce/passkey", None),
            ("http://example.com/a?b=/announce", None),
            ("http://announce", None),
            ("http://announce/", None),
            ("announce", None),
            ("", None),
        ] {
            assert_eq!(scrape_url(announce).as_deref(), scrape, "{announce}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(params in vec((vec(any::<u8>(), 1..10), vec(any::<u8>(), 0..30)), 0..10)) {
            let borrowed = params.iter().map(|(key, value)| (&key[..], &value[..]));
            let url = append_query("http://t/announce", borrowed);
            let (_, query) = url.split_once('?').unwrap_or((&url, ""));
            let read: Vec<_> = pairs(query.as_bytes())
                .map(|(key, value)| (decode(key).into_owned(), decode(value).into_owned()))
                .collect();
            prop_assert_eq!(read, params);
        }

        #[test]
        fn no_input_panics(url in any::<String>()) {
            let _ = scrape_url(&url);
            let _ = append_query(&url, [(&b"a"[..], &b"b"[..])]);
        }
    }
}

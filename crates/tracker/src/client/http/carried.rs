//! Requests that somebody else carries to the tracker: a program's own agent, which this side cannot
//! use. What is sent, where a redirect may lead and what an answer means is decided here all the same.

use reqwest::Url;

use super::{
    add, announce_url,
    fetch::{is_known_private, next_url},
    read, scrape_urls,
};
use crate::client::{
    address::is_public,
    error::ClientError,
    reply::{ScrapeReply, TrackerReply},
    request::{RequestKind, TrackerRequest},
    url::Host,
};

/// Bytes of a body, after inflation, that the carrier may take in.
pub const MAX_BODY: usize = 1 << 20;

/// Redirects that the carrier may follow.
pub const MAX_REDIRECTS: usize = 5;

/// A request over HTTP that is carried by others.
#[derive(Clone, Debug)]
pub struct CarriedHttp(TrackerRequest);

impl CarriedHttp {
    /// A request to an `http:` or `https:` tracker.
    pub fn new(request: TrackerRequest) -> Self {
        Self(request)
    }

    /// What to get, one after the other.
    pub fn urls(&self) -> Result<Vec<String>, ClientError> {
        match &self.0.kind {
            RequestKind::Announce(params) => Ok(vec![announce_url(&self.0, params)]),
            RequestKind::Scrape { info_hashes } => scrape_urls(&self.0, info_hashes),
        }
    }

    /// Where a redirect leads. One from the internet to an address of the local network is refused, as
    /// far as can be told: names are resolved elsewhere.
    pub fn redirect(&self, from: &str, location: &str) -> Result<String, ClientError> {
        let url = || self.0.url.as_str().to_owned();
        let bad = || ClientError::Redirect { url: url() };
        let from = Url::parse(from).map_err(|_| bad())?;
        let next = next_url(&from, location).ok_or_else(bad)?;
        if is_known_private(&next, is_public) && !is_known_private(&from, is_public) {
            return Err(ClientError::RedirectRefused {
                host: Host::of(&next).map_or_else(String::new, |host| host.to_string()),
                url: url(),
            });
        }
        Ok(next.into())
    }

    /// What the bodies for all of the URLs come to.
    pub fn reply<T: AsRef<[u8]>>(&self, bodies: &[T]) -> Result<TrackerReply, ClientError> {
        if matches!(self.0.kind, RequestKind::Announce(_)) {
            let body = bodies.first().map_or(&[][..], AsRef::as_ref);
            return read::announce(body, &self.0)
                .map(|reply| TrackerReply::Announce(Box::new(reply)));
        }
        let mut whole = ScrapeReply::default();
        for body in bodies {
            add(&mut whole, read::scrape(body.as_ref(), &self.0)?);
        }
        if whole.rows.is_empty() {
            return Err(ClientError::InvalidScrape);
        }
        Ok(TrackerReply::Scrape(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::{request::ClientConfig, url::TrackerUrl},
        types::InfoHash,
    };

    fn scrape(url: &str, count: usize) -> CarriedHttp {
        let info_hashes = vec![InfoHash([1; 20]); count];
        let url = TrackerUrl::parse(url).unwrap();
        CarriedHttp::new(TrackerRequest::new(
            url,
            RequestKind::Scrape { info_hashes },
        ))
    }

    #[test]
    fn limits_are_the_engines() {
        let config = ClientConfig::default();
        assert_eq!(
            (config.max_body, config.max_redirects),
            (MAX_BODY, MAX_REDIRECTS)
        );
    }

    #[test]
    fn long_scrapes_are_split() {
        let urls = scrape("http://t.example/announce", 100).urls().unwrap();
        assert_eq!(urls.len(), 2);
        assert!(urls[0].starts_with("http://t.example/scrape?info_hash=%01"));
        let error = scrape("http://t.example/", 1).urls().unwrap_err();
        assert_eq!(error.code(), "ERR_TRACKER_SCRAPE_NOT_SUPPORTED");
    }

    #[test]
    fn redirects() {
        let request = scrape("http://t.example/announce", 1);
        let code = |from, to| request.redirect(from, to).map_err(|error| error.code());
        assert_eq!(
            code("http://t.example/a?b", "/c"),
            Ok("http://t.example/c".to_owned())
        );
        assert_eq!(
            code("http://10.0.0.1/a", "http://10.0.0.2/b"),
            Ok("http://10.0.0.2/b".to_owned())
        );
        for private in ["http://10.0.0.1/", "//[::1]/", "http://x.localhost/"] {
            assert_eq!(
                code("https://t.example/", private),
                Err("ERR_TRACKER_REDIRECT_REFUSED")
            );
        }
        assert_eq!(
            code("http://t.example/", "ftp://t.example/"),
            Err("ERR_TRACKER_REDIRECT")
        );
    }

    #[test]
    fn replies() {
        let request = scrape("http://t.example/announce", 1);
        let body = b"d5:filesd20:\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01d8:completei3eeee";
        let Ok(TrackerReply::Scrape(reply)) = request.reply(&[body, body]) else {
            panic!("no scrape");
        };
        assert_eq!(reply.rows.len(), 2);
        assert!(request.reply::<&[u8]>(&[]).is_err());
        assert!(request.reply(&[b"x"]).is_err());
    }
}

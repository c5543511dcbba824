use std::fmt;

use reqwest::Url;

use crate::client::url::{Host, MAX_LEN, UrlError};

/// The `ws:` or `wss:` URL of a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketUrl {
    /// As the user gave it: it stands in messages.
    text: String,
    /// In order: it stands in the request.
    normal: String,
    tls: bool,
    host: Host,
    port: u16,
}

impl WebSocketUrl {
    /// Parses an announce URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let invalid = || UrlError::Invalid(text.chars().take(80).collect());
        if text.len() > MAX_LEN {
            return Err(invalid());
        }
        let mut url = Url::parse(text).map_err(|_| invalid())?;
        let tls = match url.scheme() {
            "ws" => false,
            "wss" => true,
            _ => return Err(UrlError::Protocol(text.to_owned())),
        };
        let host = Host::of(&url).ok_or_else(invalid)?;
        let port = url.port_or_known_default().ok_or_else(invalid)?;
        if port == 0 {
            return Err(UrlError::Port(text.to_owned()));
        }
        url.set_fragment(None);
        Ok(Self {
            text: text.to_owned(),
            normal: url.into(),
            tls,
            host,
            port,
        })
    }

    /// The URL as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether TLS roots are needed to reach the tracker.
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    pub(super) fn normal(&self) -> &str {
        &self.normal
    }

    pub(super) const fn host(&self) -> &Host {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for WebSocketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url = WebSocketUrl::parse("wss://Tracker.example/x y#part").unwrap();
        assert!(url.is_tls());
        assert_eq!(url.normal(), "wss://tracker.example/x%20y");
        assert_eq!(url.port(), 443);
        assert_eq!(url.host(), &Host::Name("tracker.example".into()));
        let url = WebSocketUrl::parse("ws://[::1]:8000").unwrap();
        assert_eq!((url.is_tls(), url.port()), (false, 8000));
        assert_eq!(url.host(), &Host::Ip("::1".parse().unwrap()));
        assert_eq!(WebSocketUrl::parse("ws://a.example").unwrap().port(), 80);
    }

    #[test]
    fn bad_urls() {
        for (text, message) in [
            ("", "Invalid tracker URL: "),
            ("ws://", "Invalid tracker URL: ws://"),
            ("ws://a.example:0", "Invalid tracker port: ws://a.example:0"),
            (
                "http://a.example",
                "Unsupported tracker protocol: http://a.example",
            ),
        ] {
            assert_eq!(WebSocketUrl::parse(text).unwrap_err().to_string(), message);
        }
        let long = format!("ws://a.example/{}", "a".repeat(MAX_LEN));
        assert!(WebSocketUrl::parse(&long).unwrap_err().to_string().len() < 200);
    }
}

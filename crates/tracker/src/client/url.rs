//! Announce URLs.

use std::{fmt, net::IpAddr};

use reqwest::Url;

/// The port of a `udp:` URL that names none; the original's choice, no BEP has one.
const DEFAULT_UDP_PORT: u16 = 80;

/// No URL of any tracker comes near it; longer ones do not fit into a request line either.
pub(super) const MAX_LEN: usize = 8 * 1024;

/// The URL of a tracker, in parts, with the text that the user gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerUrl {
    text: String,
    parts: Parts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    /// The text of [`TrackerUrl`] is used as it is: a query is appended to it, and it may have
    /// one already, whose bytes are the user's (a passkey).
    Http {
        tls: bool,
    },
    Udp(UdpUrl),
}

/// The parts of a `udp:` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UdpUrl {
    pub(super) host: Host,
    pub(super) port: u16,
    /// The URL data of BEP 41; empty when there is none worth sending.
    pub(super) path_and_query: String,
}

/// A name to be resolved, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    Name(String),
    Ip(IpAddr),
}

/// What is wrong with an announce URL. The texts are the original's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL; its port may be the reason.
    #[error("Invalid tracker URL: {0}")]
    Invalid(String),
    /// Port 0, to which nothing can be sent.
    #[error("Invalid tracker port: {0}")]
    Port(String),
    /// Neither `http:`, `https:` nor `udp:`.
    #[error("Unsupported tracker protocol: {0}")]
    Protocol(String),
}

impl TrackerUrl {
    /// Parses an announce URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let invalid = || UrlError::Invalid(text.to_owned());
        if text.len() > MAX_LEN {
            // Cut, for this text ends up in a warning.
            return Err(UrlError::Invalid(text.chars().take(80).collect()));
        }
        let scheme = text.split(':').next().unwrap_or_default();
        let is_udp = scheme.eq_ignore_ascii_case("udp");
        // As an HTTP URL its host is put in order: `0x7f.1`, upper case, international names.
        let as_http = is_udp.then(|| format!("http{}", text.get(3..).unwrap_or_default()));
        let url = Url::parse(as_http.as_deref().unwrap_or(text)).map_err(|_| invalid())?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(UrlError::Protocol(text.to_owned())),
        };
        if url.port() == Some(0) {
            return Err(UrlError::Port(text.to_owned()));
        }
        let parts = if is_udp {
            Parts::Udp(UdpUrl {
                host: Host::of(&url).ok_or_else(invalid)?,
                port: url.port().unwrap_or(DEFAULT_UDP_PORT),
                path_and_query: path_and_query(&url),
            })
        } else {
            Parts::Http { tls }
        };
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// The URL as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the tracker is asked over UDP.
    pub const fn is_udp(&self) -> bool {
        matches!(self.parts, Parts::Udp(_))
    }

    /// Whether TLS roots are needed to reach the tracker.
    pub const fn is_https(&self) -> bool {
        matches!(self.parts, Parts::Http { tls: true })
    }

    pub(super) const fn parts(&self) -> &Parts {
        &self.parts
    }
}

impl fmt::Display for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Host {
    /// The host of a URL; `None` if it has none.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let text = url.host_str().filter(|host| !host.is_empty())?;
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        Some(match bare.parse::<IpAddr>() {
            Ok(ip) => Self::Ip(ip.to_canonical()),
            Err(_) => Self::Name(bare.to_ascii_lowercase()),
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// `/announce` with no query is what every UDP tracker is called by; it says nothing, and old
/// trackers may dislike the longer packet. A bare `/` says nothing either.
fn path_and_query(url: &Url) -> String {
    match (url.path(), url.query()) {
        ("" | "/" | "/announce", None) => String::new(),
        (path, None) => path.to_owned(),
        (path, Some(query)) => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_input_panics(text in ".*", scheme in "(udp|http|https|UdP|\u{e9}|)(://|:|)") {
            let _ = TrackerUrl::parse(&text);
            let _ = TrackerUrl::parse(&format!("{scheme}{text}"));
        }
    }

    fn udp(text: &str) -> UdpUrl {
        match TrackerUrl::parse(text).unwrap().parts {
            Parts::Udp(parts) => parts,
            Parts::Http { .. } => panic!("{text} is not udp"),
        }
    }

    #[test]
    fn udp_urls() {
        let parts = udp("udp://Tracker.example.com:6969/announce");
        assert_eq!(parts.host, Host::Name("tracker.example.com".into()));
        assert_eq!(parts.port, 6969);
        assert_eq!(parts.path_and_query, "");
        assert_eq!(udp("udp://a.example").port, 80);
        assert_eq!(udp("UDP://a.example:1").port, 1);
        assert_eq!(
            udp("udp://0x7f.1/announce").host,
            Host::Ip("127.0.0.1".parse().unwrap())
        );
        assert_eq!(
            udp("udp://b\u{fc}cher.example").host,
            Host::Name("xn--bcher-kva.example".into())
        );
        assert_eq!(
            udp("udp://a.example:1/x?key=v%20w").path_and_query,
            "/x?key=v%20w"
        );
        assert_eq!(
            udp("udp://a.example:1/announce?k=v#part").path_and_query,
            "/announce?k=v"
        );
        assert_eq!(
            udp("udp://[::1]:6969").host,
            Host::Ip("::1".parse().unwrap())
        );
        assert_eq!(
            udp("udp://127.0.0.1:6969").host,
            Host::Ip("127.0.0.1".parse().unwrap())
        );
        assert_eq!(
            udp("udp://[::ffff:127.0.0.1]:6969").host,
            Host::Ip("127.0.0.1".parse().unwrap())
        );
    }

    #[test]
    fn http_urls() {
        let url = TrackerUrl::parse("https://t.example/announce?passkey=x").unwrap();
        assert!(url.is_https() && !url.is_udp());
        assert_eq!(url.as_str(), "https://t.example/announce?passkey=x");
        assert!(!TrackerUrl::parse("http://t.example").unwrap().is_https());
    }

    #[test]
    fn bad_urls() {
        for (text, message) in [
            ("", "Invalid tracker URL: "),
            ("blah", "Invalid tracker URL: blah"),
            ("http://", "Invalid tracker URL: http://"),
            ("udp://", "Invalid tracker URL: udp://"),
            (
                "udp://t.example:99999",
                "Invalid tracker URL: udp://t.example:99999",
            ),
            (
                "udp://t.example:0",
                "Invalid tracker port: udp://t.example:0",
            ),
            (
                "http://t.example:0/",
                "Invalid tracker port: http://t.example:0/",
            ),
            (
                "ftp://t.example",
                "Unsupported tracker protocol: ftp://t.example",
            ),
        ] {
            assert_eq!(TrackerUrl::parse(text).unwrap_err().to_string(), message);
        }
        let long = format!("http://t.example/{}", "a".repeat(MAX_LEN));
        assert!(TrackerUrl::parse(&long).unwrap_err().to_string().len() < 200);
    }
}

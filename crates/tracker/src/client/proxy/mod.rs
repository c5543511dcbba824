//! Proxies: nothing goes around one that is set, and names of trackers are its to resolve.
//!
//! HTTP requests go through reqwest's own support, in the same pools as all others; `connect`
//! makes the TCP connections for `websocket` and of UDP associations.

mod connect;
mod socks4;
pub(super) mod socks5;
mod tunnel;

use std::fmt;

use reqwest::Url;

pub(super) use self::connect::{associate, connect};
use super::url::Host;

/// The longest host name (RFC 1035), user and password (RFC 1929): each has a length byte in SOCKS5.
const MAX_FIELD: usize = 255;

/// The longest URL: its fields percent-encoded, and something around them.
const MAX_URL: usize = 4 * 1024;

/// A proxy server. Equal ones share connections.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    scheme: ProxyScheme,
    host: Host,
    port: u16,
    credentials: Option<Credentials>,
}

/// The protocol that a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyScheme {
    /// RFC 1928, the one that carries UDP.
    Socks5,
    /// With its extension 4a for names.
    Socks4,
    /// CONNECT, and plain HTTP requests with the whole URL.
    Http,
}

/// A name and a password (RFC 1929, RFC 7617).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

/// Why a URL is no proxy's. The URL itself is not told: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Not a URL with a host.
    #[error("not a URL of a proxy")]
    Invalid,
    /// A protocol that is not spoken here.
    #[error("a proxy is socks5:, socks4: or http:")]
    Scheme,
    /// Port 0.
    #[error("a proxy has no port 0")]
    Port,
    /// A field that the protocols have no room for.
    #[error("the name, user or password is longer than 255 bytes, or has a zero byte")]
    Field,
}

impl Proxy {
    /// Parses `socks5://user:password@host:port`; `socks5h:`, `socks4:`, `socks4a:` and `http:`
    /// likewise. In none of them is a tracker's name resolved on this side. Without a port it is
    /// 1080, over HTTP 80; user and password are percent-encoded.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        if text.len() > MAX_URL {
            return Err(ProxyError::Invalid);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ProxyError::Invalid)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "socks" | "socks5" | "socks5h" => ProxyScheme::Socks5,
            "socks4" | "socks4a" => ProxyScheme::Socks4,
            "http" => ProxyScheme::Http,
            _ => return Err(ProxyError::Scheme),
        };
        // As `ftp:` its host is put in order, and a port of 80 is not taken for the default.
        let url = Url::parse(&format!("ftp://{rest}")).map_err(|_| ProxyError::Invalid)?;
        let host = Host::of(&url).ok_or(ProxyError::Invalid)?;
        let default = match scheme {
            ProxyScheme::Socks5 | ProxyScheme::Socks4 => 1080,
            ProxyScheme::Http => 80,
        };
        // What is the default of `ftp:` must not get lost either.
        let port = match url.port() {
            Some(0) => return Err(ProxyError::Port),
            Some(port) => port,
            None if names_port_21(rest) => 21,
            None => default,
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some(Credentials {
                user: percent_decoded(user)?,
                password: percent_decoded(password.unwrap_or_default())?,
            }),
        };
        if matches!(&host, Host::Name(name) if name.len() > MAX_FIELD) {
            return Err(ProxyError::Field);
        }
        Ok(Self {
            scheme,
            host,
            port,
            credentials,
        })
    }

    /// The protocol.
    pub const fn scheme(&self) -> ProxyScheme {
        self.scheme
    }

    pub(super) const fn host(&self) -> &Host {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    pub(super) const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// For reqwest, in whose words `h` and `a` mean that the proxy resolves names.
    pub(super) fn for_reqwest(&self) -> reqwest::Result<reqwest::Proxy> {
        let scheme = match self.scheme {
            ProxyScheme::Socks5 => "socks5h",
            ProxyScheme::Socks4 => "socks4a",
            ProxyScheme::Http => "http",
        };
        let proxy = reqwest::Proxy::all(format!("{scheme}://{}", self.authority()))?;
        Ok(match &self.credentials {
            Some(Credentials { user, password }) => proxy.basic_auth(user, password),
            None => proxy,
        })
    }

    fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// Without the credentials: it ends up in logs.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            ProxyScheme::Socks5 => "socks5",
            ProxyScheme::Socks4 => "socks4",
            ProxyScheme::Http => "http",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// A host and port as in a URL.
fn authority(host: &Host, port: u16) -> String {
    match host {
        Host::Ip(ip) => std::net::SocketAddr::new(*ip, port).to_string(),
        Host::Name(name) => format!("{name}:{port}"),
    }
}

fn names_port_21(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse() == Ok(21_u16))
}

fn percent_decoded(text: &str) -> Result<String, ProxyError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            bytes.push(high << 4 | low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    if bytes.len() > MAX_FIELD || bytes.contains(&0) {
        return Err(ProxyError::Field);
    }
    String::from_utf8(bytes).map_err(|_| ProxyError::Invalid)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_input_panics(text in ".*", scheme in "(socks5|http|ftp|)(://|:|)") {
            let _ = Proxy::parse(&text);
            let _ = Proxy::parse(&format!("{scheme}{text}"));
        }

        #[test]
        fn credentials_survive(user in "[a-z:@/%\u{e9}]{1,40}", password in "[ -~]{1,40}") {
            let encode = |text: &str| -> String {
                let escapes = text.bytes().map(|byte| format!("%{byte:02x}"));
                escapes.collect::<Vec<_>>().concat()
            };
            let url = format!("socks5://{}:{}@p.example:9050", encode(&user), encode(&password));
            let proxy = Proxy::parse(&url).unwrap();
            let credentials = proxy.credentials().unwrap();
            prop_assert_eq!((&credentials.user, &credentials.password), (&user, &password));
            prop_assert!(proxy.for_reqwest().is_ok());
        }
    }

    #[test]
    fn urls() {
        for (text, wanted) in [
            ("socks5://127.0.0.1:9050", "socks5://127.0.0.1:9050"),
            ("socks5h://P.example", "socks5://p.example:1080"),
            ("SOCKS5://[::1]:80/", "socks5://[::1]:80"),
            ("socks4a://p.example:21", "socks4://p.example:21"),
            ("http://user:secret@p.example", "http://p.example:80"),
            ("http://p.example:8080", "http://p.example:8080"),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(proxy.to_string(), wanted);
            assert!(!format!("{proxy:?}").contains("secret"));
        }
        for (text, wanted) in [
            ("", ProxyError::Invalid),
            ("p.example:1080", ProxyError::Invalid),
            ("https://p.example", ProxyError::Scheme),
            ("socks5://", ProxyError::Invalid),
            ("socks5://p.example:0", ProxyError::Port),
            ("socks5://a%00:b@p.example", ProxyError::Field),
        ] {
            assert_eq!(Proxy::parse(text).unwrap_err(), wanted, "{text}");
        }
        let long = format!("socks5://{}@p.example", "a".repeat(256));
        assert_eq!(Proxy::parse(&long).unwrap_err(), ProxyError::Field);
    }

    #[test]
    fn other_credentials_are_another_proxy() {
        let parse = |text| Proxy::parse(text).unwrap();
        assert_eq!(parse("socks5://p:1"), parse("socks5h://P:1"));
        assert_ne!(parse("socks5://a:b@p:1"), parse("socks5://a:c@p:1"));
    }
}

//! Whose word on a client's address counts.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// Which `X-Forwarded-For` headers are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustProxy {
    /// None.
    #[default]
    No,
    /// All, and of the list the first entry, as in the original. A client can send a header of its
    /// own, so this is only for a proxy in front that replaces it.
    First,
    /// Those of connections from these addresses. Read from the right, the first entry that is none of
    /// them is the client's: what it claims itself stands further left.
    Proxies(Vec<Cidr>),
}

/// An address, or a network of addresses: `192.0.2.1`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    ip: IpAddr,
    prefix: u8,
}

/// A text that is no address or network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address or a network such as 192.0.2.0/24")]
pub struct ParseCidrError;

/// A header that is believed and names no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid x-forwarded-for header")]
pub(super) struct InvalidForwarded;

impl TrustProxy {
    /// The client's address. `forwarded` is the header's lines in order.
    pub(super) fn client_ip<'a>(
        &self,
        remote: SocketAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<IpAddr, InvalidForwarded> {
        let remote = remote.ip().to_canonical();
        let mut entries = forwarded.flat_map(|line| line.split(|&byte| byte == b','));
        match self {
            Self::No => Ok(remote),
            Self::First => match entries.next() {
                Some(entry) => parse_entry(entry).ok_or(InvalidForwarded),
                None => Ok(remote),
            },
            Self::Proxies(proxies) => {
                let trusted = |ip| proxies.iter().any(|proxy| proxy.contains(ip));
                let mut client = remote;
                let mut entries = entries.rev();
                while trusted(client) {
                    let Some(entry) = entries.next() else { break };
                    client = parse_entry(entry).ok_or(InvalidForwarded)?;
                }
                Ok(client)
            }
        }
    }
}

impl Cidr {
    /// Whether the address is in the network. An IPv4-mapped one counts as IPv4.
    pub fn contains(self, ip: IpAddr) -> bool {
        match (self.ip, ip.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => same_prefix(
                network.to_bits().into(),
                ip.to_bits().into(),
                32 - self.prefix,
            ),
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                same_prefix(network.to_bits(), ip.to_bits(), 128 - self.prefix)
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = ParseCidrError;

    fn from_str(text: &str) -> Result<Self, ParseCidrError> {
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| ParseCidrError)?;
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| ParseCidrError)?,
            None => longest,
        };
        if prefix > longest {
            return Err(ParseCidrError);
        }
        Ok(match (ip, ip.to_canonical()) {
            // As addresses are looked up, so that `::ffff:192.0.2.1` names whom it says.
            (IpAddr::V6(_), IpAddr::V4(mapped)) if prefix >= 96 => Self {
                ip: mapped.into(),
                prefix: prefix - 96,
            },
            _ => Self { ip, prefix },
        })
    }
}

fn same_prefix(a: u128, b: u128, rest: u8) -> bool {
    // A shift by all 128 bits leaves nothing, and so nothing to differ in.
    (a ^ b).checked_shr(rest.into()).unwrap_or(0) == 0
}

/// An entry: an address, maybe in brackets, maybe with a port.
fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    let ip: IpAddr = entry
        .parse()
        .ok()
        .or_else(|| entry.parse::<SocketAddr>().ok().map(|addr| addr.ip()))
        .or_else(|| entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(trust: &TrustProxy, remote: &str, lines: &[&str]) -> Result<String, InvalidForwarded> {
        let lines = lines.iter().map(|line| line.as_bytes());
        trust
            .client_ip(SocketAddr::new(remote.parse().unwrap(), 1), lines)
            .map(|ip| ip.to_string())
    }

    fn proxies(list: &[&str]) -> TrustProxy {
        TrustProxy::Proxies(list.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn entries() {
        for (entry, ip) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1:99 ", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:99", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("", None),
        ] {
            let ip = ip.map(|ip| ip.parse().unwrap());
            assert_eq!(parse_entry(entry.as_bytes()), ip, "{entry}");
        }
    }

    #[test]
    fn untrusted_headers_are_ignored() {
        let lines = ["198.51.100.7"];
        assert_eq!(
            ip(&TrustProxy::No, "::ffff:192.0.2.1", &lines).unwrap(),
            "192.0.2.1"
        );
        assert_eq!(
            ip(&proxies(&["10.0.0.0/8"]), "192.0.2.1", &lines).unwrap(),
            "192.0.2.1"
        );
    }

    #[test]
    fn first_entry() {
        let first = TrustProxy::First;
        assert_eq!(
            ip(&first, "192.0.2.1", &["1.1.1.1, 2.2.2.2", "3.3.3.3"]).unwrap(),
            "1.1.1.1"
        );
        assert_eq!(ip(&first, "192.0.2.1", &[]).unwrap(), "192.0.2.1");
        assert_eq!(ip(&first, "192.0.2.1", &["x"]), Err(InvalidForwarded));
    }

    #[test]
    fn right_most_untrusted_entry() {
        let trust = proxies(&["10.0.0.0/8", "2001:db8::1"]);
        for (lines, expected) in [
            (&["6.6.6.6, 1.1.1.1"][..], "1.1.1.1"),
            (&["6.6.6.6, 1.1.1.1, 10.2.3.4"], "1.1.1.1"),
            (&["6.6.6.6, 1.1.1.1", "2001:db8::1, 10.9.9.9"], "1.1.1.1"),
            (&["10.0.0.9"], "10.0.0.9"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(
                ip(&trust, "10.0.0.1", lines).unwrap(),
                expected,
                "{lines:?}"
            );
        }
        assert_eq!(
            ip(&trust, "10.0.0.1", &["1.1.1.1, x"]),
            Err(InvalidForwarded)
        );
        assert_eq!(ip(&trust, "10.0.0.1", &["x, 1.1.1.1"]).unwrap(), "1.1.1.1");
    }

    #[test]
    fn networks() {
        let contains = |network: &str, ip: &str| {
            network
                .parse::<Cidr>()
                .unwrap()
                .contains(ip.parse().unwrap())
        };
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(contains("::/0", "ffff::"));
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(contains("192.0.2.128/25", "::ffff:192.0.2.200"));
        assert!(!contains("192.0.2.128/25", "192.0.2.127"));
        assert!(!contains("192.0.2.1", "192.0.2.2"));
        assert!(contains("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(contains("::ffff:192.0.2.0/120", "::ffff:192.0.2.9"));
        assert!(!contains("::ffff:192.0.2.0/120", "192.0.3.9"));
        for text in ["", "x", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/-1"] {
            assert_eq!(text.parse::<Cidr>(), Err(ParseCidrError), "{text}");
        }
    }
}

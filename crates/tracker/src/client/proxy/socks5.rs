//! SOCKS5: bytes of the handshake (RFC 1928, RFC 1929) and of UDP datagrams, and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Credentials, MAX_FIELD};
use crate::client::{os_error::Cause, url::Host};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USERNAME_PASSWORD: u8 = 2;
const AUTHENTICATION_VERSION: u8 = 1;
const IPV4: u8 = 1;
const DOMAIN: u8 = 3;
const IPV6: u8 = 4;

/// What is asked of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Connect = 1,
    UdpAssociate = 3,
}

/// A host and port; names are the proxy's to resolve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::client) struct Target {
    pub(in crate::client) host: Host,
    pub(in crate::client) port: u16,
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self {
            host: Host::Ip(addr.ip()),
            port: addr.port(),
        }
    }
}

/// The whole handshake on a fresh connection. Returns the address that the proxy binds.
pub(super) async fn handshake(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    credentials: Option<&Credentials>,
    command: Command,
    target: &Target,
) -> Result<Target, Cause> {
    let offered = [NO_AUTHENTICATION, USERNAME_PASSWORD];
    let offered = if credentials.is_some() {
        &offered[..]
    } else {
        &offered[..1]
    };
    let mut message = vec![VERSION, offered.len() as u8];
    message.extend_from_slice(offered);
    send(stream, &message).await?;
    match (read::<2>(stream).await?, credentials) {
        ([VERSION, NO_AUTHENTICATION], _) => {}
        ([VERSION, USERNAME_PASSWORD], Some(credentials)) => {
            send(stream, &authentication(credentials)?).await?;
            // The version is wrong in some servers' answers.
            if read::<2>(stream).await?[1] != 0 {
                return Err(Cause::text("the proxy refuses the user or password"));
            }
        }
        ([VERSION, _], _) => return Err(Cause::text("the proxy wants another authentication")),
        _ => return Err(nonsense()),
    }
    let mut message = vec![VERSION, command as u8, 0];
    write_address(&mut message, target)?;
    send(stream, &message).await?;
    let [version, reply, _] = read::<3>(stream).await?;
    match (version, reply) {
        (VERSION, 0) => read_address(stream).await,
        (VERSION, code) => Err(Cause::text(refusal(code))),
        _ => Err(nonsense()),
    }
}

/// Puts the header in front of what is sent to a relay.
pub(in crate::client) fn wrap(payload: &[u8], target: &Target) -> Result<Vec<u8>, Cause> {
    let mut datagram = Vec::with_capacity(payload.len() + 4 + MAX_FIELD);
    // Two reserved bytes, and no fragment.
    datagram.extend_from_slice(&[0, 0, 0]);
    write_address(&mut datagram, target)?;
    datagram.extend_from_slice(payload);
    Ok(datagram)
}

/// Takes the header off what came from a relay: where it was sent from, and what was sent. `None` for
/// anything else, fragments included: RFC 1928 lets us drop them, and nobody makes them.
pub(in crate::client) fn unwrap(datagram: &[u8]) -> Option<(Target, &[u8])> {
    let [_, _, 0, kind, rest @ ..] = datagram else {
        return None;
    };
    let (host, rest) = match *kind {
        IPV4 => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            (Host::Ip(IpAddr::from(*ip)), rest)
        }
        IPV6 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            (Host::Ip(IpAddr::from(*ip).to_canonical()), rest)
        }
        DOMAIN => {
            let (len, rest) = rest.split_first()?;
            let (name, rest) = rest.split_at_checked(usize::from(*len))?;
            (host(name)?, rest)
        }
        _ => return None,
    };
    let (port, payload) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    Some((Target { host, port }, payload))
}

fn authentication(credentials: &Credentials) -> Result<Vec<u8>, Cause> {
    let mut message = vec![AUTHENTICATION_VERSION];
    for field in [&credentials.user, &credentials.password] {
        write_field(&mut message, field)?;
    }
    Ok(message)
}

fn write_address(out: &mut Vec<u8>, target: &Target) -> Result<(), Cause> {
    match &target.host {
        Host::Ip(IpAddr::V4(ip)) => {
            out.push(IPV4);
            out.extend_from_slice(&ip.octets());
        }
        Host::Ip(IpAddr::V6(ip)) => {
            out.push(IPV6);
            out.extend_from_slice(&ip.octets());
        }
        Host::Name(name) => {
            out.push(DOMAIN);
            write_field(out, name)?;
        }
    }
    out.extend_from_slice(&target.port.to_be_bytes());
    Ok(())
}

fn write_field(out: &mut Vec<u8>, field: &str) -> Result<(), Cause> {
    let len = u8::try_from(field.len()).map_err(|_| Cause::text("a name is too long for SOCKS"))?;
    out.push(len);
    out.extend_from_slice(field.as_bytes());
    Ok(())
}

async fn read_address(stream: &mut (impl AsyncRead + Unpin)) -> Result<Target, Cause> {
    let host = match read::<1>(stream).await?[0] {
        IPV4 => Host::Ip(Ipv4Addr::from(read::<4>(stream).await?).into()),
        IPV6 => Host::Ip(IpAddr::from(Ipv6Addr::from(read::<16>(stream).await?)).to_canonical()),
        DOMAIN => {
            let [len] = read::<1>(stream).await?;
            let mut name = vec![0; usize::from(len)];
            let read = stream.read_exact(&mut name).await;
            read.map_err(|error| super::connect::broken(&error))?;
            host(&name).ok_or_else(nonsense)?
        }
        _ => return Err(nonsense()),
    };
    let port = u16::from_be_bytes(read::<2>(stream).await?);
    Ok(Target { host, port })
}

/// Some servers send addresses as names.
fn host(name: &[u8]) -> Option<Host> {
    let name = str::from_utf8(name).ok()?.to_ascii_lowercase();
    Some(match name.parse::<IpAddr>() {
        Ok(ip) => Host::Ip(ip.to_canonical()),
        Err(_) => Host::Name(name),
    })
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> Result<(), Cause> {
    let sent = stream.write_all(message).await;
    sent.map_err(|error| super::connect::broken(&error))
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> Result<[u8; N], Cause> {
    let mut bytes = [0; N];
    let read = stream.read_exact(&mut bytes).await;
    read.map_err(|error| super::connect::broken(&error))?;
    Ok(bytes)
}

fn nonsense() -> Cause {
    Cause::text("the proxy does not speak SOCKS5")
}

fn refusal(code: u8) -> String {
    let text = match code {
        1 => "general failure",
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "timed out",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown reason",
    };
    format!("the proxy refuses: {text} ({code})")
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn hosts() -> impl Strategy<Value = Host> {
        prop_oneof![
            any::<[u8; 4]>().prop_map(|ip| Host::Ip(ip.into())),
            any::<[u8; 16]>().prop_map(|ip| Host::Ip(IpAddr::from(ip).to_canonical())),
            "[a-z]{1,20}\\.[a-z]{2,200}".prop_map(Host::Name),
        ]
    }

    /// What a proxy that sends these bytes and closes makes of a handshake.
    fn answered(bytes: &[u8], credentials: Option<&Credentials>) -> Result<Target, Cause> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
            let target = Target::from(SocketAddr::from(([192, 0, 2, 1], 80)));
            handshake(&mut ours, credentials, Command::Connect, &target).await
        })
    }

    proptest! {
        #[test]
        fn datagrams_round_trip(host in hosts(), port: u16, payload in vec(any::<u8>(), 0..200)) {
            let target = Target { host, port };
            let datagram = wrap(&payload, &target).unwrap();
            prop_assert_eq!(unwrap(&datagram), Some((target, &payload[..])));
        }

        #[test]
        fn no_datagram_panics(head in vec(0_u8..5, 0..5), rest in vec(any::<u8>(), 0..300)) {
            let _ = unwrap(&[head, rest].concat());
        }

        #[test]
        fn no_answer_panics(bytes in vec(prop_oneof![0_u8..6, any::<u8>()], 0..300)) {
            let credentials = Credentials { user: "u".into(), password: "p".into() };
            let _ = answered(&bytes, None);
            let _ = answered(&bytes, Some(&credentials));
        }
    }

    #[test]
    fn literal_bytes() {
        let target = Target {
            host: Host::Name("t.example".into()),
            port: 6969,
        };
        assert_eq!(
            wrap(b"x", &target).unwrap(),
            b"\0\0\0\x03\x09t.example\x1b\x39x"
        );
        assert_eq!(
            unwrap(b"\0\0\x01\x01\x7f\0\0\x01\0\x50x"),
            None,
            "a fragment"
        );
    }

    #[test]
    fn answers() {
        let credentials = Credentials {
            user: "u".into(),
            password: "p".into(),
        };
        let bound = answered(b"\x05\0\x05\0\0\x01\x7f\0\0\x01\x04\x38", None).unwrap();
        assert_eq!(
            bound,
            Target::from(SocketAddr::from(([127, 0, 0, 1], 1080)))
        );
        let failed = |bytes: &[u8]| answered(bytes, Some(&credentials)).unwrap_err().message;
        assert!(failed(b"\x05\x02\x01\x01").contains("user or password"));
        assert!(failed(b"\x05\xff").contains("authentication"));
        assert!(failed(b"HTTP/1.1 400").contains("SOCKS5"));
        assert!(failed(b"\x05\0\x05\x07\0").contains("command not supported (7)"));
        assert!(failed(b"\x05").contains("ended"));
        // Not offered, hence not to be chosen.
        assert!(answered(b"\x05\x02\x01\0\x05\0\0\x01\x7f\0\0\x01\x04\x38", None).is_err());
    }
}

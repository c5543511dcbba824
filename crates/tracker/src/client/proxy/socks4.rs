//! SOCKS4 with names (4a): one message and its answer.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Credentials, connect::broken, socks5::Target};
use crate::client::{os_error::Cause, url::Host};

const GRANTED: u8 = 90;

/// Asks for a connection to the target.
pub(super) async fn handshake(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    credentials: Option<&Credentials>,
    target: &Target,
) -> Result<(), Cause> {
    let message = request(credentials, target)?;
    let written = stream.write_all(&message).await;
    written.map_err(|error| broken(&error))?;
    let mut reply = [0; 8];
    let read = stream.read_exact(&mut reply).await;
    read.map_err(|error| broken(&error))?;
    match reply {
        [0, GRANTED, ..] => Ok(()),
        [0, code, ..] => Err(Cause::text(format!("the proxy refuses ({code})"))),
        _ => Err(Cause::text("the proxy does not speak SOCKS4")),
    }
}

fn request(credentials: Option<&Credentials>, target: &Target) -> Result<Vec<u8>, Cause> {
    let mut message = vec![4, 1];
    message.extend_from_slice(&target.port.to_be_bytes());
    let (ip, name) = match &target.host {
        Host::Ip(IpAddr::V4(ip)) => (ip.octets(), None),
        Host::Ip(IpAddr::V6(_)) => return Err(Cause::text("SOCKS4 has no IPv6")),
        // 4a: an impossible address says that a name follows.
        Host::Name(name) => ([0, 0, 0, 1], Some(name)),
    };
    message.extend_from_slice(&ip);
    // Neither has a zero byte: one in a URL's host is no URL, one in a user no proxy.
    message.extend_from_slice(credentials.map_or("", |known| &known.user).as_bytes());
    message.push(0);
    if let Some(name) = name {
        message.extend_from_slice(name.as_bytes());
        message.push(0);
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_bytes() {
        let target = |host| Target { host, port: 80 };
        let name = target(Host::Name("t.example".into()));
        assert_eq!(
            request(None, &name).unwrap(),
            b"\x04\x01\0\x50\0\0\0\x01\0t.example\0"
        );
        let credentials = Credentials {
            user: "u".into(),
            password: String::new(),
        };
        let ip = target(Host::Ip([127, 0, 0, 1].into()));
        assert_eq!(
            request(Some(&credentials), &ip).unwrap(),
            b"\x04\x01\0\x50\x7f\0\0\x01u\0"
        );
        assert!(request(None, &target(Host::Ip("::1".parse().unwrap()))).is_err());
    }
}

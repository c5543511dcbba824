//! Connections through a proxy.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpStream, time::timeout};

use super::{
    Proxy, ProxyScheme, socks4,
    socks5::{self, Command, Target},
    tunnel,
};
use crate::client::{os_error::Cause, resolve::Resolver, url::Host};

/// A connection to the target by way of the proxy. `limit` is the time for each of the proxy's
/// addresses, and for the handshake.
pub(in crate::client) async fn connect(
    proxy: &Proxy,
    target: &Target,
    resolver: &Arc<Resolver>,
    limit: Duration,
) -> Result<TcpStream, Cause> {
    let mut stream = dial(proxy, resolver, limit).await?;
    let credentials = proxy.credentials();
    let handshake = async {
        match proxy.scheme() {
            ProxyScheme::Socks5 => {
                let connect = Command::Connect;
                let bound = socks5::handshake(&mut stream, credentials, connect, target).await;
                bound.map(drop)
            }
            ProxyScheme::Socks4 => socks4::handshake(&mut stream, credentials, target).await,
            ProxyScheme::Http => tunnel::handshake(&mut stream, credentials, target).await,
        }
    };
    timeout(limit, handshake)
        .await
        .unwrap_or_else(|_| Err(silent()))?;
    Ok(stream)
}

/// Asks for a relay of UDP datagrams: its address, and the connection with whose end it ends.
pub(in crate::client) async fn associate(
    proxy: &Proxy,
    resolver: &Arc<Resolver>,
    limit: Duration,
) -> Result<(SocketAddr, TcpStream), Cause> {
    if proxy.scheme() != ProxyScheme::Socks5 {
        return Err(Cause::text(format!("{proxy} carries no UDP")));
    }
    let mut stream = dial(proxy, resolver, limit).await?;
    // Where we send from is not known before we know where to, and is another one behind a NAT.
    let any = Target::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let associate = Command::UdpAssociate;
    let handshake = socks5::handshake(&mut stream, proxy.credentials(), associate, &any);
    let bound = timeout(limit, handshake)
        .await
        .unwrap_or_else(|_| Err(silent()))?;
    let server = stream
        .peer_addr()
        .map_err(|error| Cause::io(&error, "connect", None))?;
    Ok((relay(&bound, server.ip())?, stream))
}

/// Many proxies tell no address, or none that they know by this name: then it is their own.
fn relay(bound: &Target, server: IpAddr) -> Result<SocketAddr, Cause> {
    if bound.port == 0 {
        return Err(Cause::text("the proxy's relay has no port"));
    }
    let ip = match &bound.host {
        Host::Ip(ip) if !ip.is_unspecified() => *ip,
        Host::Ip(_) | Host::Name(_) => server,
    };
    Ok(SocketAddr::new(ip, bound.port))
}

/// A TCP connection to the proxy, whose own name is resolved here: somebody has to.
async fn dial(
    proxy: &Proxy,
    resolver: &Arc<Resolver>,
    limit: Duration,
) -> Result<TcpStream, Cause> {
    let addresses = timeout(limit, resolver.resolve(proxy.host()))
        .await
        .unwrap_or_else(|_| Err(silent()))?;
    let mut failure = Cause::no_address(&proxy.host().to_string());
    for ip in addresses.iter() {
        let addr = SocketAddr::new(*ip, proxy.port());
        let attempt = timeout(limit, TcpStream::connect(addr)).await;
        match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                // Handshakes are small and awaited. A socket without it still works.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failure = Cause::io(&error, "connect", Some(addr)),
        }
    }
    resolver.forget(proxy.host());
    Err(failure)
}

/// An error in the middle of a handshake.
pub(super) fn broken(error: &io::Error) -> Cause {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Cause::text("the proxy ended the connection");
    }
    Cause::io(error, "read", None)
}

fn silent() -> Cause {
    Cause::text("the proxy does not answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays() {
        let server = IpAddr::from([192, 0, 2, 1]);
        let bound = |host, port| relay(&Target { host, port }, server);
        let other = Host::Ip([192, 0, 2, 9].into());
        assert_eq!(
            bound(other, 5).unwrap(),
            SocketAddr::from(([192, 0, 2, 9], 5))
        );
        for host in [
            Host::Ip([0; 4].into()),
            Host::Ip([0; 16].into()),
            Host::Name("x".into()),
        ] {
            assert_eq!(bound(host, 5).unwrap(), SocketAddr::new(server, 5));
        }
        assert!(bound(Host::Ip(server), 0).is_err());
    }
}

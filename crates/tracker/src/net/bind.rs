//! Binding the sockets of one service: both address families on one port, several sockets each.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};

/// How often another port is tried when the kernel chose one for IPv4 that IPv6 can't have.
const PORT_ATTEMPTS: usize = 32;

/// Connections that the kernel completes ahead of `accept`. Capped by the system's `somaxconn`.
const TCP_BACKLOG: i32 = 4096;

/// Where to bind, per family; `None` leaves that family out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyAddrs {
    /// The IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// The IPv6 address and its scope (the interface of a link-local address, else 0).
    pub v6: Option<(Ipv6Addr, u32)>,
    /// Whether a system without IPv6 may leave that family out: true where the user named no
    /// address, so that "all" means "all there is".
    pub v6_optional: bool,
}

impl FamilyAddrs {
    /// All addresses of both families.
    pub const UNSPECIFIED: Self = Self {
        v4: Some(Ipv4Addr::UNSPECIFIED),
        v6: Some((Ipv6Addr::UNSPECIFIED, 0)),
        v6_optional: true,
    };
}

/// The transport that a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections; the sockets come back listening.
    Tcp,
}

/// What a service is bound to.
#[derive(Debug)]
pub struct PortSockets {
    /// IPv4 sockets: none, or as many as were asked for.
    pub v4: Vec<Socket>,
    /// IPv6 sockets, which carry no IPv4: none, or as many as were asked for.
    pub v6: Vec<Socket>,
    /// The IPv4 address and port.
    pub v4_addr: Option<SocketAddr>,
    /// The IPv6 address and port.
    pub v6_addr: Option<SocketAddr>,
    /// Set when IPv6 was wanted, could be left out, and is not there.
    pub v6_missing: Option<io::Error>,
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("{syscall} {addr}: {source}")]
pub struct BindError {
    /// The system call that failed, in Node's words: `bind` or `listen`.
    pub syscall: &'static str,
    /// The address that was asked for.
    pub addr: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Binds `count` UDP sockets per family to one port; 0 lets the kernel choose it.
pub fn bind_udp(addrs: FamilyAddrs, port: u16, count: usize) -> Result<PortSockets, BindError> {
    bind_port(Transport::Udp, addrs, port, count)
}

/// Binds `count` listening TCP sockets per family to one port; 0 lets the kernel choose it.
pub fn bind_tcp(addrs: FamilyAddrs, port: u16, count: usize) -> Result<PortSockets, BindError> {
    bind_port(Transport::Tcp, addrs, port, count)
}

fn bind_port(
    transport: Transport,
    addrs: FamilyAddrs,
    port: u16,
    count: usize,
) -> Result<PortSockets, BindError> {
    let mut attempt = 1;
    loop {
        match bind_families(transport, addrs, port, count) {
            // The port that the kernel chose for IPv4 is taken on IPv6: ask for another one.
            Err(error)
                if port == 0
                    && attempt < PORT_ATTEMPTS
                    && error.source.kind() == io::ErrorKind::AddrInUse =>
            {
                attempt += 1;
            }
            result => return result,
        }
    }
}

fn bind_families(
    transport: Transport,
    addrs: FamilyAddrs,
    port: u16,
    count: usize,
) -> Result<PortSockets, BindError> {
    let mut bound = PortSockets {
        v4: Vec::new(),
        v6: Vec::new(),
        v4_addr: None,
        v6_addr: None,
        v6_missing: None,
    };
    let mut port = port;
    if let Some(ip) = addrs.v4 {
        let (sockets, addr) = bind_group(transport, SocketAddr::new(ip.into(), port), count)?;
        port = addr.port();
        (bound.v4, bound.v4_addr) = (sockets, Some(addr));
    }
    if let Some((ip, scope)) = addrs.v6 {
        let wanted = std::net::SocketAddrV6::new(ip, port, 0, scope).into();
        match bind_group(transport, wanted, count) {
            Ok((sockets, addr)) => (bound.v6, bound.v6_addr) = (sockets, Some(addr)),
            Err(error) if addrs.v6_optional && addrs.v4.is_some() && no_ipv6(&error.source) => {
                bound.v6_missing = Some(error.source);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bound)
}

/// Binds `count` sockets to one address.
///
/// The first is bound without `SO_REUSEPORT`, so that a taken port is `EADDRINUSE` as ever: with
/// the flag, a second process of the same user would share the port in silence. Only then is the
/// flag set on it, which lets its siblings in.
fn bind_group(
    transport: Transport,
    addr: SocketAddr,
    count: usize,
) -> Result<(Vec<Socket>, SocketAddr), BindError> {
    // Node binds TCP sockets within `listen`, and its errors say so.
    let syscall = match transport {
        Transport::Udp => "bind",
        Transport::Tcp => "listen",
    };
    let failed = |source| BindError {
        syscall,
        addr,
        source,
    };
    let first = new_socket(transport, addr).map_err(failed)?;
    first.bind(&addr.into()).map_err(failed)?;
    let bound_addr = first
        .local_addr()
        .and_then(|addr| {
            addr.as_socket()
                .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
        })
        .map_err(failed)?;
    let mut sockets = vec![first];
    if count > 1 {
        share_port(&sockets[0]).map_err(failed)?;
        for _ in 1..count {
            let sibling = new_socket(transport, addr).map_err(failed)?;
            share_port(&sibling).map_err(failed)?;
            sibling.bind(&bound_addr.into()).map_err(failed)?;
            sockets.push(sibling);
        }
    }
    if transport == Transport::Tcp {
        for socket in &sockets {
            socket.listen(TCP_BACKLOG).map_err(failed)?;
        }
    }
    Ok((sockets, bound_addr))
}

fn new_socket(transport: Transport, addr: SocketAddr) -> io::Result<Socket> {
    let (kind, protocol) = match transport {
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    if addr.is_ipv6() {
        // IPv4 has sockets of its own; without this the second bind would fail.
        socket.set_only_v6(true)?;
    }
    // A restarted server must get its port back while old connections are in TIME_WAIT. On
    // Windows the flag means something else: it would let anyone take the port over.
    #[cfg(unix)]
    if transport == Transport::Tcp {
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Only Linux spreads load over the sockets of a port; elsewhere a service has one per family.
#[cfg(not(target_os = "linux"))]
fn share_port(_socket: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether the error says that this machine has no (usable) IPv6.
fn no_ipv6(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    if matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT)
    ) {
        return true;
    }
    // `::` is unavailable where IPv6 is compiled in but switched off. WSAEAFNOSUPPORT is 10047.
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::Unsupported
        || (cfg!(windows) && error.raw_os_error() == Some(10_047))
        || (cfg!(target_vendor = "apple") && error.raw_os_error() == Some(47))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: FamilyAddrs = FamilyAddrs {
        v4: Some(Ipv4Addr::LOCALHOST),
        v6: Some((Ipv6Addr::LOCALHOST, 0)),
        v6_optional: true,
    };

    #[test]
    fn families_share_the_chosen_port() {
        for bind in [bind_udp, bind_tcp] {
            let bound = bind(LOOPBACK, 0, 1).unwrap();
            let v4 = bound.v4_addr.unwrap();
            assert_ne!(v4.port(), 0);
            if let Some(v6) = bound.v6_addr {
                assert_eq!(v6.port(), v4.port());
            } else {
                assert!(bound.v6_missing.is_some());
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn group_shares_its_port_with_siblings_alone() {
        for bind in [bind_udp, bind_tcp] {
            let bound = bind(LOOPBACK, 0, 3).unwrap();
            assert_eq!(bound.v4.len(), 3);
            let port = bound.v4_addr.unwrap().port();
            for count in [1, 3] {
                let error = bind(LOOPBACK, port, count).unwrap_err();
                assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
                assert_eq!(error.addr.port(), port);
            }
        }
    }

    #[test]
    fn one_family_alone() {
        let v4 = FamilyAddrs {
            v6: None,
            ..LOOPBACK
        };
        let bound = bind_udp(v4, 0, 1).unwrap();
        assert!(bound.v6.is_empty() && bound.v6_addr.is_none() && bound.v6_missing.is_none());
    }
}

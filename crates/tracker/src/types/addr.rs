use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// An IPv4 address and port in compact form (BEP 23): the bytes that go into an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct PeerAddrV4(pub [u8; 6]);

/// An IPv6 address and port in compact form (BEP 7): the bytes that go into an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct PeerAddrV6(pub [u8; 18]);

/// Where a peer can be reached, in the form in which it is stored and sent.
///
/// An IPv4-mapped IPv6 address becomes the IPv4 address that it stands for: a dual-stack socket
/// must not make one peer into two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerAddr {
    /// Over IPv4.
    V4(PeerAddrV4),
    /// Over IPv6.
    V6(PeerAddrV6),
}

impl PeerAddr {
    /// The compact form of an address and port.
    pub fn new(ip: IpAddr, port: u16) -> Self {
        let port = port.to_be_bytes();
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let mut bytes = [0; 6];
                bytes[..4].copy_from_slice(&ip.octets());
                bytes[4..].copy_from_slice(&port);
                Self::V4(PeerAddrV4(bytes))
            }
            IpAddr::V6(ip) => {
                let mut bytes = [0; 18];
                bytes[..16].copy_from_slice(&ip.octets());
                bytes[16..].copy_from_slice(&port);
                Self::V6(PeerAddrV6(bytes))
            }
        }
    }

    /// The address without the port.
    pub fn ip(self) -> IpAddr {
        match self {
            Self::V4(addr) => addr.ip().into(),
            Self::V6(addr) => addr.ip().into(),
        }
    }

    /// The port.
    pub fn port(self) -> u16 {
        match self {
            Self::V4(addr) => addr.port(),
            Self::V6(addr) => addr.port(),
        }
    }
}

impl PeerAddrV4 {
    /// Appends the compact forms of `addrs` one after the other.
    pub fn append_all(addrs: &[Self], out: &mut Vec<u8>) {
        append_all(addrs.iter().map(|addr| addr.0), addrs.len(), out);
    }

    /// The address without the port.
    pub fn ip(self) -> Ipv4Addr {
        let [a, b, c, d, ..] = self.0;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The port.
    pub fn port(self) -> u16 {
        u16::from_be_bytes([self.0[4], self.0[5]])
    }
}

impl PeerAddrV6 {
    /// Appends the compact forms of `addrs` one after the other.
    pub fn append_all(addrs: &[Self], out: &mut Vec<u8>) {
        append_all(addrs.iter().map(|addr| addr.0), addrs.len(), out);
    }

    /// The address without the port.
    pub fn ip(self) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.0[..16]);
        octets.into()
    }

    /// The port.
    pub fn port(self) -> u16 {
        u16::from_be_bytes([self.0[16], self.0[17]])
    }
}

/// Sized first and then filled: the compiler makes plain moves of it, without a check per address.
fn append_all<const N: usize>(
    addrs: impl Iterator<Item = [u8; N]>,
    count: usize,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.resize(start + N * count, 0);
    for (slot, addr) in out[start..].as_chunks_mut().0.iter_mut().zip(addrs) {
        *slot = addr;
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::new(addr.ip(), addr.port())
    }
}

impl From<PeerAddr> for SocketAddr {
    fn from(addr: PeerAddr) -> Self {
        Self::new(addr.ip(), addr.port())
    }
}

/// `192.0.2.1:6881`, `[2001:db8::1]:6881`.
impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_address_round_trip() {
        for text in ["192.0.2.1:6881", "[2001:db8::1]:65535", "[::]:0"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(SocketAddr::from(PeerAddr::from(addr)), addr);
            assert_eq!(PeerAddr::from(addr).to_string(), text);
        }
    }

    #[test]
    fn appends_compact_forms() {
        let mut out = vec![7];
        PeerAddrV4::append_all(&[PeerAddrV4([1; 6]), PeerAddrV4([2; 6])], &mut out);
        PeerAddrV6::append_all(&[], &mut out);
        assert_eq!(out, [7, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn mapped_address_is_ipv4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().unwrap();
        assert_eq!(
            PeerAddr::from(mapped),
            PeerAddr::V4(PeerAddrV4([192, 0, 2, 1, 0, 80]))
        );
    }
}

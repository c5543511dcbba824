/// One open WebSocket, numbered by the process that accepted it.
///
/// Numbers rise and are never used again: of two sockets the one with the higher number is newer. The
/// lowest bit tells the family, which keeps that order. Numbers are below 2^53, so that a 64-bit
/// floating point number holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

impl SocketId {
    /// The socket that was the `serial`-th to be opened, by a client over IPv6 or not. No process opens
    /// 2^52 of them.
    pub const fn new(serial: u64, is_v6: bool) -> Self {
        Self(serial << 1 | is_v6 as u64)
    }

    /// Whether its client is connected over IPv6.
    pub const fn is_v6(self) -> bool {
        self.0 & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_socket_has_the_higher_number_whatever_its_family() {
        let mut last = None;
        for serial in [0, 1, 2, (1 << 52) - 1] {
            let v4 = SocketId::new(serial, false);
            let v6 = SocketId::new(serial, true);
            assert!(v6.is_v6() && !v4.is_v6());
            assert!(last < Some(v4) && v4 < v6);
            assert!(v6.0 < 1 << 53);
            last = Some(v6);
        }
    }
}

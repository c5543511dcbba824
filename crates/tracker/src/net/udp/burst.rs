//! Many packets of one tokio socket by one system call, where the system has such a call.

use std::{io, net::SocketAddr};

use tokio::net::UdpSocket;

#[cfg(target_os = "linux")]
use super::linux_burst as system;
#[cfg(not(target_os = "linux"))]
use one_by_one as system;

/// The largest UDP packet. A smaller buffer is an error on Windows, not a cut packet.
pub(super) const LARGEST: usize = 1 << 16;

/// Sends packets in bursts.
pub struct Sender(system::Sender);

impl Sender {
    /// For one socket: it learns what the way of the packets allows.
    #[expect(clippy::new_without_default, reason = "there is no other")]
    pub const fn new() -> Self {
        Self(system::Sender::new())
    }

    /// Sends packets of one length, which lie side by side, to one address: as many as the system takes at
    /// once. That is at least one; or it is an error, the first packet's or [`io::ErrorKind::WouldBlock`].
    pub fn send_burst(
        &self,
        socket: &UdpSocket,
        packets: &[u8],
        length: usize,
        to: SocketAddr,
    ) -> io::Result<usize> {
        self.0.send_burst(socket, packets, length.max(1), to)
    }
}

/// What has come in at once.
pub struct Incoming(system::Incoming);

impl Incoming {
    /// Room, and nothing in it.
    #[expect(clippy::new_without_default, reason = "it takes up to two megabytes")]
    pub fn new() -> Self {
        Self(system::Incoming::new())
    }

    /// Receives what is there in the place of what was there before, and returns how many packets that are:
    /// at least one, or it is an error, [`io::ErrorKind::WouldBlock`] among them.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.0.receive(socket)
    }

    /// A packet of those received, and who sent it.
    pub fn packet(&self, index: usize) -> Option<(&[u8], SocketAddr)> {
        self.0.packet(index)
    }
}

/// For systems without such a call.
#[cfg(any(test, not(target_os = "linux")))]
mod one_by_one {
    use std::{io, net::SocketAddr};

    use tokio::net::UdpSocket;

    use super::LARGEST;

    pub(super) struct Sender;

    impl Sender {
        pub(super) const fn new() -> Self {
            Self
        }

        #[expect(clippy::unused_self, reason = "others have a state")]
        pub(super) fn send_burst(
            &self,
            socket: &UdpSocket,
            packets: &[u8],
            length: usize,
            to: SocketAddr,
        ) -> io::Result<usize> {
            let mut sent = 0;
            for packet in packets.chunks_exact(length) {
                match socket.try_send_to(packet, to) {
                    Ok(_) => sent += 1,
                    Err(error) if sent == 0 => return Err(error),
                    // It shows again when the rest is sent.
                    Err(_) => break,
                }
            }
            Ok(sent)
        }
    }

    pub(super) struct Incoming {
        packet: Box<[u8]>,
        received: Option<(usize, SocketAddr)>,
    }

    impl Incoming {
        pub(super) fn new() -> Self {
            Self {
                packet: vec![0; LARGEST].into(),
                received: None,
            }
        }

        pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
            self.received = None;
            self.received = Some(socket.try_recv_from(&mut self.packet)?);
            Ok(1)
        }

        pub(super) fn packet(&self, index: usize) -> Option<(&[u8], SocketAddr)> {
            let (length, from) = self.received.filter(|_| index == 0)?;
            Some((self.packet.get(..length)?, from))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    async fn socket() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = socket.local_addr().unwrap();
        (socket, addr)
    }

    /// Every system's way and this one's: what one sends the other receives.
    macro_rules! test_bursts {
        ($name:ident, $sender:ident, $receiver:ident) => {
            #[tokio::test]
            async fn $name() {
                let (from, from_addr) = socket().await;
                let (to, to_addr) = socket().await;
                let packets: Vec<u8> = (0..100_u8).flat_map(|n| [n, n, 255]).collect();
                let sender = $sender::Sender::new();
                let mut sent = 0;
                while sent < 100 {
                    from.writable().await.unwrap();
                    match sender.send_burst(&from, &packets[3 * sent..], 3, to_addr) {
                        Ok(count) => sent += count,
                        Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                    }
                }
                let mut incoming = $receiver::Incoming::new();
                let mut received = Vec::new();
                while received.len() < packets.len() {
                    to.readable().await.unwrap();
                    let Ok(count) = incoming.receive(&to) else {
                        continue;
                    };
                    for index in 0..count {
                        let (packet, sender) = incoming.packet(index).unwrap();
                        assert_eq!(sender, from_addr);
                        received.extend_from_slice(packet);
                    }
                    assert!(incoming.packet(count).is_none());
                }
                assert_eq!(received, packets);
                let nothing = incoming.receive(&to).unwrap_err();
                assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
            }
        };
    }

    test_bursts!(by_this_system, system, system);
    test_bursts!(one_by_one_to_this_system, one_by_one, system);
    test_bursts!(this_system_to_one_by_one, system, one_by_one);

    #[tokio::test]
    async fn a_packet_that_cannot_be_sent_is_an_error() {
        let (from, _) = socket().await;
        from.writable().await.unwrap();
        let nowhere = "[2001:db8::1]:6881".parse().unwrap();
        let sender = Sender::new();
        let error = sender.send_burst(&from, &[1, 2, 3, 4], 2, nowhere);
        assert!(error.is_err());
    }
}

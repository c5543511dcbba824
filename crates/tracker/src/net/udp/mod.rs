//! A thread's datagram loop: receive a batch, answer it, look at the clock, repeat.
//!
//! On Linux a batch is up to 64 packets for one system call each way (`linux.rs`); everywhere,
//! and where it is asked for, one packet at a time on tokio (`portable.rs`). The two behave alike
//! and run the same tests.

mod burst;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod linux_burst;
mod portable;

use std::{io, net::SocketAddr, sync::Arc};

use socket2::Socket;

pub use burst::{Incoming, Sender};

/// Longest datagram that is looked at, in bytes: a scrape of 74 torrents has 1496, and an announce
/// with BEP 41 options rarely 400. What is longer arrives cut.
pub const MAX_PACKET: usize = 2048;

/// Batches of one family before the other one and the end get their turn: under a flood neither
/// IPv6 nor `close` may have to wait for ever.
const MAX_BATCHES: usize = 8;

/// What a datagram loop calls.
pub trait Handler {
    /// Called before the packets of a batch: the place to look at the clock.
    fn tick(&mut self);

    /// Called about once a second while there is nothing to do.
    fn idle(&mut self);

    /// All datagrams of a batch, before the first of them is handled: what they will need can be
    /// fetched at the same time. Not called where packets come one at a time.
    fn batch<'a>(&mut self, packets: impl Iterator<Item = (&'a [u8], SocketAddr)>) {
        let _ = packets;
    }

    /// One datagram. What is appended to `reply` goes back to where it came from; nothing
    /// appended, nothing sent.
    fn packet(&mut self, packet: &[u8], from: SocketAddr, reply: &mut Vec<u8>);

    /// Called when the answers of a batch have been handed to the kernel.
    fn sent(&mut self);

    /// The sockets failed in a way that is no single packet's fault.
    fn error(&mut self, error: io::Error);
}

/// The sockets of one thread.
#[derive(Debug)]
pub struct Sockets {
    /// The IPv4 socket.
    pub v4: Option<Socket>,
    /// The IPv6 socket.
    pub v6: Option<Socket>,
}

/// Asks for this many bytes of kernel buffer each way, as far as the system allows it: bursts of
/// a busy tracker overrun the default 208 KiB within milliseconds.
pub fn set_buffer_sizes(socket: &Socket, receive: usize, send: usize) {
    // Best effort: the system caps the size in silence or refuses it, and both still work.
    let _ = socket.set_recv_buffer_size(receive);
    let _ = socket.set_send_buffer_size(send);
}

/// Ends a datagram loop from another thread.
#[derive(Clone, Debug)]
pub struct Stop(Arc<StopInner>);

#[derive(Debug)]
enum StopInner {
    #[cfg(target_os = "linux")]
    Linux(linux::Waker),
    Portable(tokio::sync::watch::Sender<bool>),
}

impl Stop {
    /// For one loop. `portable` must be what is given to [`serve`].
    pub fn new(portable: bool) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if !portable {
            return Ok(Self(Arc::new(StopInner::Linux(linux::Waker::new()?))));
        }
        let _ = portable;
        Ok(Self(Arc::new(StopInner::Portable(
            tokio::sync::watch::Sender::new(false),
        ))))
    }

    /// Ends the loop after the batch that it is at.
    pub fn stop(&self) {
        match &*self.0 {
            #[cfg(target_os = "linux")]
            StopInner::Linux(waker) => waker.wake(),
            StopInner::Portable(sender) => {
                sender.send_replace(true);
            }
        }
    }
}

/// Runs until `stop`. Call it on a thread of its own; it may be called again after a panic of the
/// handler.
pub fn serve(sockets: &Sockets, stop: &Stop, handler: &mut impl Handler) -> io::Result<()> {
    match &*stop.0 {
        #[cfg(target_os = "linux")]
        StopInner::Linux(waker) => linux::serve(sockets, waker, handler),
        StopInner::Portable(sender) => portable::serve(sockets, sender.subscribe(), handler),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, Ipv6Addr, UdpSocket},
        thread,
        time::Duration,
    };

    use super::*;
    use crate::net::{FamilyAddrs, bind_udp};

    /// Answers with the packet and who sent it; nothing if the packet is empty.
    struct Echo {
        ticks: usize,
        sent: usize,
    }

    impl Handler for Echo {
        fn tick(&mut self) {
            self.ticks += 1;
        }

        fn idle(&mut self) {}

        fn packet(&mut self, packet: &[u8], from: SocketAddr, reply: &mut Vec<u8>) {
            if !packet.is_empty() {
                reply.extend_from_slice(packet);
                reply.extend_from_slice(from.to_string().as_bytes());
            }
        }

        fn sent(&mut self) {
            self.sent += 1;
        }

        fn error(&mut self, error: io::Error) {
            panic!("{error}");
        }
    }

    fn with_server(portable: bool, test: impl FnOnce(&[SocketAddr])) -> Echo {
        let addrs = FamilyAddrs {
            v4: Some(Ipv4Addr::LOCALHOST),
            v6: Some((Ipv6Addr::LOCALHOST, 0)),
            v6_optional: true,
        };
        let mut bound = bind_udp(addrs, 0, 1).unwrap();
        let servers: Vec<_> = [bound.v4_addr, bound.v6_addr]
            .into_iter()
            .flatten()
            .collect();
        let sockets = Sockets {
            v4: bound.v4.pop(),
            v6: bound.v6.pop(),
        };
        let stop = Stop::new(portable).unwrap();
        let thread = thread::spawn({
            let stop = stop.clone();
            move || {
                let mut echo = Echo { ticks: 0, sent: 0 };
                serve(&sockets, &stop, &mut echo).unwrap();
                echo
            }
        });
        test(&servers);
        stop.stop();
        thread.join().unwrap()
    }

    fn client(server: SocketAddr) -> UdpSocket {
        let any = if server.is_ipv4() {
            "127.0.0.1:0"
        } else {
            "[::1]:0"
        };
        let socket = UdpSocket::bind(any).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        socket.connect(server).unwrap();
        socket
    }

    #[test]
    fn answers_both_families_to_the_sender() {
        for portable in [false, true] {
            let echo = with_server(portable, |servers| {
                for &server in servers {
                    let socket = client(server);
                    let mut answer = [0; 256];
                    // The empty packet gets no answer: the next one's comes first.
                    for packet in [&b""[..], b"hello "] {
                        socket.send(packet).unwrap();
                    }
                    let length = socket.recv(&mut answer).unwrap();
                    let expected = format!("hello {}", socket.local_addr().unwrap());
                    assert_eq!(&answer[..length], expected.as_bytes());
                }
            });
            assert!(echo.ticks > 0 && echo.sent > 0);
        }
    }

    #[test]
    fn keeps_packets_of_a_burst_apart() {
        for portable in [false, true] {
            with_server(portable, |servers| {
                let socket = client(servers[0]);
                let own = socket.local_addr().unwrap().to_string();
                let mut answer = [0; 4096];
                for burst in 0..20_u32 {
                    for number in 0..100_u32 {
                        let text = format!("{burst}/{number}:{}", "x".repeat(number as usize));
                        socket.send(text.as_bytes()).unwrap();
                    }
                    let mut seen: Vec<_> = (0..100)
                        .map(|_| {
                            let length = socket.recv(&mut answer).unwrap();
                            String::from_utf8(answer[..length].to_vec()).unwrap()
                        })
                        .collect();
                    let mut expected: Vec<_> = (0..100)
                        .map(|n| format!("{burst}/{n}:{}{own}", "x".repeat(n)))
                        .collect();
                    seen.sort();
                    expected.sort();
                    assert_eq!(seen, expected);
                }
            });
        }
    }

    #[test]
    fn cuts_what_is_too_long_and_goes_on() {
        for portable in [false, true] {
            with_server(portable, |servers| {
                let socket = client(servers[0]);
                let mut answer = [0; 4096];
                socket.send(&[b'y'; MAX_PACKET + 500]).unwrap();
                let length = socket.recv(&mut answer).unwrap();
                let own = socket.local_addr().unwrap().to_string();
                assert_eq!(length, MAX_PACKET + own.len());
                assert!(answer[..MAX_PACKET].iter().all(|&byte| byte == b'y'));
                socket.send(b"z").unwrap();
                let length = socket.recv(&mut answer).unwrap();
                assert_eq!(answer[0], b'z');
                assert!(length > 1);
            });
        }
    }

    #[test]
    fn stops_when_idle() {
        for portable in [false, true] {
            with_server(portable, |_| ());
        }
    }
}

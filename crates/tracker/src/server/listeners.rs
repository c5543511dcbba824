//! The HTTP listening sockets once more, beside the threads that accept from them: for whoever they are
//! handed over to.

use std::{
    io,
    net::Shutdown,
    sync::{Mutex, MutexGuard, PoisonError},
};

use socket2::Socket;

use crate::net::PortSockets;

/// Connections that are taken out of one listener's queue; no system queues more.
const MAX_QUEUED: usize = 8192;

/// Second descriptors of all listeners, until they are given away.
pub(super) struct Listeners(Mutex<Option<Sockets>>);

struct Sockets {
    v4: Vec<Socket>,
    v6: Vec<Socket>,
}

/// What is handed over.
#[derive(Debug, Default)]
pub struct HandOver {
    /// The listening socket for IPv4.
    pub v4: Option<Socket>,
    /// The listening socket for IPv6.
    pub v6: Option<Socket>,
    /// Connections that waited on listeners which are no more.
    pub accepted: Vec<Socket>,
}

impl Listeners {
    pub(super) const fn none() -> Self {
        Self(Mutex::new(None))
    }

    /// Of the sockets that the threads are about to get.
    pub(super) fn keep(&self, sockets: &PortSockets) -> io::Result<()> {
        let clone = |sockets: &[Socket]| -> io::Result<Vec<_>> {
            sockets.iter().map(Socket::try_clone).collect()
        };
        *self.lock() = Some(Sockets {
            v4: clone(&sockets.v4)?,
            v6: clone(&sockets.v6)?,
        });
        Ok(())
    }

    /// One listener of each family, and what waits on the others, which end now: whoever holds them
    /// still, the system gives them no more. Between the last look at a queue and its end some
    /// microseconds pass, in which a connection would be reset.
    pub(super) fn hand_over(&self) -> Option<HandOver> {
        let Sockets { v4, v6 } = self.lock().take()?;
        let mut accepted = Vec::new();
        let mut only_first = |sockets: Vec<Socket>| {
            let mut sockets = sockets.into_iter();
            let first = sockets.next();
            sockets.for_each(|other| drain(&other, &mut accepted));
            first
        };
        Some(HandOver {
            v4: only_first(v4),
            v6: only_first(v6),
            accepted,
        })
    }

    /// The thread that accepted from the `index`-th of each family is no more: nor are these, or the
    /// system would go on to give them their part of all connections.
    pub(super) fn end(&self, index: usize) {
        if let Some(Sockets { v4, v6 }) = &*self.lock() {
            for socket in [v4.get(index), v6.get(index)].into_iter().flatten() {
                // Best effort: it has failed already, and that was reported.
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    /// The threads close the ports; nothing here may keep them open.
    pub(super) fn drop_all(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Sockets>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drain(listener: &Socket, accepted: &mut Vec<Socket>) {
    // Blocking, it would hold up whoever hands over.
    if listener.set_nonblocking(true).is_ok() {
        let queued = std::iter::from_fn(|| listener.accept().ok());
        accepted.extend(queued.take(MAX_QUEUED).map(|(socket, _)| socket));
    }
    let _ = listener.shutdown(Shutdown::Both);
}

// Where one socket serves all threads, none has a queue of its own to lose.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;
    use crate::net::{FamilyAddrs, bind_tcp};

    #[test]
    fn no_connection_that_waits_is_lost() {
        let addrs = FamilyAddrs {
            v4: Some(Ipv4Addr::LOCALHOST),
            v6: None,
            v6_optional: false,
        };
        let sockets = bind_tcp(addrs, 0, 4).unwrap();
        let addr = sockets.v4_addr.unwrap();
        let listeners = Listeners::none();
        listeners.keep(&sockets).unwrap();
        let clients: Vec<_> = (0..64).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let mut given = listeners.hand_over().unwrap();
        let first = given.v4.take().unwrap();
        let mut served = given.accepted.len();
        assert!(served > 0, "all 64 waited on one of four listeners");
        first.set_nonblocking(true).unwrap();
        served += std::iter::from_fn(|| first.accept().ok()).count();
        assert_eq!(served, clients.len());
        assert!(listeners.hand_over().is_none());
    }
}

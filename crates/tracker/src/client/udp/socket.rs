//! One UDP socket for all trackers of an address family.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use tokio::{net::UdpSocket, runtime::Handle, sync::oneshot, task::AbortHandle};

use crate::{
    client::resolve::Family,
    protocol::udp::{Response, ResponseError, parse_response},
};

/// Room for a burst of answers: the largest answer to any of our requests is about 2 KiB. The
/// kernel grants what it likes.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The largest UDP packet. A smaller buffer is an error on Windows, not a cut packet.
const MAX_PACKET: usize = 1 << 16;

/// Between two failed receives, should a system report one error for ever.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// The kind of answer that a request waits for. An error packet answers any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Connect,
    Announce,
    Scrape,
}

/// A socket and those who wait for packets from it. Ends when dropped.
pub(super) struct Socket {
    shared: Arc<Shared>,
    receiver: AbortHandle,
}

struct Shared {
    io: UdpSocket,
    waiting: Mutex<HashMap<u32, Waiting>>,
}

/// A request that waits for its answer.
struct Waiting {
    from: SocketAddr,
    action: Action,
    answer: oneshot::Sender<Vec<u8>>,
    /// What was wrong with the last packet that had the right source and transaction id. It does
    /// not end the wait: a late duplicate of another answer must not.
    fault: Option<ResponseError>,
}

/// A place among the waiting; gives it up when dropped.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    transaction_id: u32,
    answer: oneshot::Receiver<Vec<u8>>,
}

impl Socket {
    /// Binds a socket and starts to receive. Must be called inside the runtime.
    pub(super) fn bind(family: Family, handle: &Handle) -> io::Result<Self> {
        let (domain, any) = match family {
            Family::V4 => (Domain::IPV4, IpAddr::from(Ipv4Addr::UNSPECIFIED)),
            Family::V6 => (Domain::IPV6, IpAddr::from(Ipv6Addr::UNSPECIFIED)),
        };
        let socket = RawSocket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if family == Family::V6 {
            socket.set_only_v6(true)?;
        }
        // Refused by some sandboxes; the default will do.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::new(any, 0).into())?;
        let shared = Arc::new(Shared {
            io: UdpSocket::from_std(socket.into())?,
            waiting: Mutex::default(),
        });
        let receiver = handle.spawn(receive(Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, receiver })
    }

    /// Takes a place among the waiting, under a random transaction id.
    pub(super) fn wait_for(&self, action: Action, from: SocketAddr) -> Ticket {
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting {
            from,
            action,
            answer: sender,
            fault: None,
        };
        let mut all = self.shared.waiting();
        let transaction_id = loop {
            let id = random_u32();
            if !all.contains_key(&id) {
                break id;
            }
        };
        all.insert(transaction_id, waiting);
        drop(all);
        Ticket {
            shared: Arc::clone(&self.shared),
            transaction_id,
            answer,
        }
    }

    /// Sends a packet. An error is this packet's own.
    pub(super) async fn send(&self, packet: &[u8], to: SocketAddr) -> io::Result<()> {
        match self.shared.io.send_to(packet, to).await {
            // Some systems report here that an earlier packet, to anyone, met a closed port.
            Err(error) if is_of_another(&error) => {
                self.shared.io.send_to(packet, to).await.map(drop)
            }
            sent => sent.map(drop),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.receiver.abort();
    }
}

impl Ticket {
    pub(super) const fn transaction_id(&self) -> u32 {
        self.transaction_id
    }

    /// The answer; `None` if the socket has ended. May be dropped and called again.
    pub(super) async fn answer(&mut self) -> Option<Vec<u8>> {
        (&mut self.answer).await.ok()
    }

    /// What was wrong with the last packet that came instead of the answer.
    pub(super) fn fault(&self) -> Option<ResponseError> {
        self.shared.waiting().get(&self.transaction_id)?.fault
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.waiting().remove(&self.transaction_id);
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a packet to the one who waits for it. All others are ignored: a stranger's packet
    /// must not end a request.
    fn deliver(&self, packet: &[u8], from: SocketAddr) {
        let Some((_, &[a, b, c, d])) = packet
            .first_chunk::<8>()
            .and_then(|head| head.split_first_chunk::<4>())
            .and_then(|(action, id)| Some((action, id.first_chunk::<4>()?)))
        else {
            return;
        };
        let transaction_id = u32::from_be_bytes([a, b, c, d]);
        let mut all = self.waiting();
        let Some(waiting) = all.get_mut(&transaction_id) else {
            return;
        };
        // Ports and addresses only: the scope and flow of an IPv6 address are local matters.
        if (waiting.from.ip(), waiting.from.port()) != (from.ip(), from.port()) {
            return;
        }
        match fault(packet, waiting.action) {
            Some(fault) => waiting.fault = Some(fault),
            None => {
                if let Some(waiting) = all.remove(&transaction_id) {
                    // The one who waited may have just left.
                    let _ = waiting.answer.send(packet.to_vec());
                }
            }
        }
    }
}

/// Why a packet is no answer to a request of this kind.
fn fault(packet: &[u8], wanted: Action) -> Option<ResponseError> {
    match (parse_response(packet), wanted) {
        (Ok(Response::Scrape { rows: [], .. }), Action::Scrape) => {
            Some(ResponseError::InvalidScrape)
        }
        (Ok(Response::Connect { .. }), Action::Connect)
        | (Ok(Response::Announce { .. }), Action::Announce)
        | (Ok(Response::Scrape { .. }), Action::Scrape)
        | (Ok(Response::Error { .. }), _) => None,
        (Ok(_), _) => Some(ResponseError::InvalidAction),
        (Err(error), _) => Some(error),
    }
}

async fn receive(shared: Arc<Shared>) {
    let mut packet = vec![0; MAX_PACKET];
    loop {
        match shared.io.recv_from(&mut packet).await {
            Ok((len, from)) => {
                if let Some(packet) = packet.get(..len) {
                    shared.deliver(packet, from);
                }
            }
            Err(error) if is_of_another(&error) => {}
            Err(_) => tokio::time::sleep(ERROR_PAUSE).await,
        }
    }
}

/// Whether an error tells of an ICMP message, which says nothing about the packet at hand.
fn is_of_another(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}

/// Unpredictable, for a transaction id is all that keeps strangers from answering for a tracker.
fn random_u32() -> u32 {
    getrandom::u32().unwrap_or_else(|_| fastrand::u32(..))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn no_packet_panics(action in 0_u32..5, rest in vec(any::<u8>(), 0..60)) {
            let packet = [&action.to_be_bytes()[..], &rest].concat();
            for wanted in [Action::Connect, Action::Announce, Action::Scrape] {
                let accepted = fault(&packet, wanted).is_none();
                let kind = match wanted {
                    Action::Connect => 0,
                    Action::Announce => 1,
                    Action::Scrape => 2,
                };
                prop_assert!(!accepted || action == kind || action == 3);
            }
        }
    }
}

//! One UDP socket for all trackers of an address family, or of a proxy.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use tokio::{
    io::AsyncReadExt,
    net::{TcpStream, UdpSocket},
    runtime::Handle,
    sync::oneshot,
    task::AbortHandle,
};

use super::inbox::Inbox;
use crate::{
    client::{
        os_error::Cause,
        proxy::socks5::{Target, unwrap, wrap},
        resolve::Family,
        url::Host,
    },
    net::udp::{Incoming, Sender},
    protocol::udp::{Response, ResponseError, parse_response},
};

/// Room for a burst of answers: the largest answer to any of our requests is about 2 KiB. The
/// kernel grants what it likes.
const RECEIVE_BUFFER: usize = 1 << 20;

/// `ENOBUFS`, which macOS and the BSDs have for the full queue of an interface.
const NO_BUFFERS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };

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
    sender: Sender,
    path: Path,
    waiting: Mutex<Waiters>,
}

/// How packets get to trackers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Direct,
    /// To a proxy's relay, which the socket is connected to: the system drops all other packets.
    Relay,
}

#[derive(Default)]
struct Waiters {
    all: HashMap<u32, Waiting>,
    /// The relay is gone: nothing will come any more.
    ended: bool,
}

/// What a tracker sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) packet: Vec<u8>,
    /// Of the address that it came from, which decides about the peers in it.
    pub(super) family: Family,
}

/// A request that waits for its answer.
struct Waiting {
    from: Target,
    action: Action,
    recipient: Recipient,
    /// What was wrong with the last packet that had the right source and transaction id. It does
    /// not end the wait: a late duplicate of another answer must not.
    fault: Option<ResponseError>,
}

enum Recipient {
    One(oneshot::Sender<Answer>),
    /// A member of a volley.
    Member(Arc<Inbox>, usize),
}

/// A place among the waiting; gives it up when dropped.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    transaction_id: u32,
    answer: oneshot::Receiver<Answer>,
}

impl Socket {
    /// Binds a socket and starts to receive. Must be called inside the runtime.
    pub(super) fn bind(family: Family, handle: &Handle) -> io::Result<Self> {
        let shared = Shared::new(raw_socket(family)?, Path::Direct)?;
        let receiver = handle.spawn(receive(Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, receiver })
    }

    /// A socket to a proxy's relay, which ends with the connection that asked for it (RFC 1928).
    pub(super) fn relayed(
        relay: SocketAddr,
        mut control: TcpStream,
        handle: &Handle,
    ) -> io::Result<Self> {
        let socket = raw_socket(Family::of(relay.ip()))?;
        socket.connect(&relay.into())?;
        let shared = Shared::new(socket, Path::Relay)?;
        let receiving = Arc::clone(&shared);
        let receiver = handle.spawn(async move {
            tokio::select! {
                () = receive(Arc::clone(&receiving)) => {}
                // The proxy has nothing to say there: whatever comes is the end.
                _ = control.read_u8() => {}
            }
            receiving.end();
        });
        let receiver = receiver.abort_handle();
        Ok(Self { shared, receiver })
    }

    /// Whether the relay is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.shared.waiting().ended
    }

    /// Takes a place among the waiting, under a random transaction id.
    pub(super) fn wait_for(&self, action: Action, from: Target) -> Ticket {
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting {
            from,
            action,
            recipient: Recipient::One(sender),
            fault: None,
        };
        let mut waiters = self.shared.waiting();
        // Once it has ended the ticket learns at once that there will be no answer.
        let transaction_id = waiters.insert(random_u32(), waiting);
        drop(waiters);
        Ticket {
            shared: Arc::clone(&self.shared),
            transaction_id,
            answer,
        }
    }

    /// The same for announces of many members of a volley, whose answers go into its inbox. Calls back with the
    /// transaction id of each. They are to be given up.
    pub(super) fn wait_for_members(
        &self,
        members: &[usize],
        from: SocketAddr,
        inbox: &Arc<Inbox>,
        mut each: impl FnMut(usize, u32),
    ) {
        let mut random = vec![0; 4 * members.len()];
        let is_random = getrandom::fill(&mut random).is_ok();
        let (random, _) = random.as_chunks();
        let mut waiters = self.shared.waiting();
        for (member, random) in members.iter().zip(random) {
            let waiting = Waiting {
                from: from.into(),
                action: Action::Announce,
                recipient: Recipient::Member(Arc::clone(inbox), *member),
                fault: None,
            };
            let id = if is_random {
                u32::from_ne_bytes(*random)
            } else {
                random_u32()
            };
            each(*member, waiters.insert(id, waiting));
        }
    }

    /// Nobody waits for this answer any longer. Returns what was wrong with the last packet that came instead.
    pub(super) fn give_up(&self, transaction_id: u32) -> Option<ResponseError> {
        self.shared.give_up(transaction_id)
    }

    /// Sends packets of one length, that lie side by side. Calls back for each that the system refuses.
    pub(super) async fn send_all(
        &self,
        packets: &[u8],
        length: usize,
        to: SocketAddr,
        mut refused: impl FnMut(usize, Cause),
    ) {
        let mut rest = packets;
        let mut again = true;
        while rest.len() >= length {
            let sent = match self
                .shared
                .sender
                .send_burst(&self.shared.io, rest, length, to)
            {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The runtime ends, and all who wait with it.
                    if self.shared.io.writable().await.is_err() {
                        return;
                    }
                    continue;
                }
                // No room on the way: lost, as on any other part of it.
                Err(error) if error.raw_os_error() == Some(NO_BUFFERS) => 1,
                Err(error) if is_of_another(&error) && again => {
                    again = false;
                    continue;
                }
                Err(error) => {
                    let index = (packets.len() - rest.len()) / length;
                    refused(index, Cause::io(&error, "send", Some(to)));
                    1
                }
            };
            again = true;
            rest = rest.get(sent * length..).unwrap_or_default();
        }
    }

    /// Sends a packet. An error is this packet's own.
    pub(super) async fn send(&self, packet: &[u8], to: &Target) -> Result<(), Cause> {
        let addr = match (self.shared.path, &to.host) {
            (Path::Relay, _) => None,
            (Path::Direct, Host::Ip(ip)) => Some(SocketAddr::new(*ip, to.port)),
            // It never is: only a proxy takes names.
            (Path::Direct, Host::Name(name)) => return Err(Cause::no_address(name)),
        };
        let wrapped = match addr {
            Some(_) => None,
            None => Some(wrap(packet, to)?),
        };
        let packet = wrapped.as_deref().unwrap_or(packet);
        let sent = match self.shared.send(packet, addr).await {
            // Some systems report here that an earlier packet, to anyone, met a closed port.
            Err(error) if is_of_another(&error) => self.shared.send(packet, addr).await,
            sent => sent,
        };
        sent.map(drop)
            .map_err(|error| Cause::io(&error, "send", addr))
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
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        (&mut self.answer).await.ok()
    }

    /// What was wrong with the last packet that came instead of the answer.
    pub(super) fn fault(&self) -> Option<ResponseError> {
        self.shared.waiting().all.get(&self.transaction_id)?.fault
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.give_up(self.transaction_id);
    }
}

impl Waiters {
    /// Under this transaction id, or if it is taken another.
    fn insert(&mut self, mut transaction_id: u32, waiting: Waiting) -> u32 {
        while self.all.contains_key(&transaction_id) {
            transaction_id = random_u32();
        }
        if !self.ended {
            self.all.insert(transaction_id, waiting);
        }
        transaction_id
    }
}

impl Shared {
    fn new(socket: RawSocket, path: Path) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            io: UdpSocket::from_std(socket.into())?,
            sender: Sender::new(),
            path,
            waiting: Mutex::default(),
        }))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiters> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_up(&self, transaction_id: u32) -> Option<ResponseError> {
        self.waiting().all.remove(&transaction_id)?.fault
    }

    async fn send(&self, packet: &[u8], addr: Option<SocketAddr>) -> io::Result<usize> {
        match addr {
            Some(addr) => self.io.send_to(packet, addr).await,
            None => self.io.send(packet).await,
        }
    }

    /// Tells all who wait that there will be no answers.
    fn end(&self) {
        let mut waiters = self.waiting();
        waiters.ended = true;
        waiters.all.clear();
    }

    fn received(&self, datagram: &[u8], from: SocketAddr) {
        match self.path {
            Path::Direct => self.deliver(datagram, &from.into()),
            Path::Relay => {
                if let Some((from, packet)) = unwrap(datagram) {
                    self.deliver(packet, &from);
                }
            }
        }
    }

    /// Hands a packet to the one who waits for it. All others are ignored: a stranger's packet
    /// must not end a request.
    fn deliver(&self, packet: &[u8], from: &Target) {
        let Some((_, &[a, b, c, d])) = packet
            .first_chunk::<8>()
            .and_then(|head| head.split_first_chunk::<4>())
            .and_then(|(action, id)| Some((action, id.first_chunk::<4>()?)))
        else {
            return;
        };
        let transaction_id = u32::from_be_bytes([a, b, c, d]);
        let mut waiters = self.waiting();
        let Some(waiting) = waiters.all.get_mut(&transaction_id) else {
            return;
        };
        if !is_from(&waiting.from, from) {
            return;
        }
        let family = match (&from.host, &waiting.from.host) {
            (Host::Ip(ip), _) | (_, Host::Ip(ip)) => Family::of(*ip),
            _ => Family::V4,
        };
        if let Some(fault) = fault(packet, waiting.action) {
            waiting.fault = Some(fault);
            return;
        }
        let Some(waiting) = waiters.all.remove(&transaction_id) else {
            return;
        };
        drop(waiters);
        match waiting.recipient {
            Recipient::One(answer) => {
                let packet = packet.to_vec();
                // The one who waited may have just left.
                let _ = answer.send(Answer { packet, family });
            }
            Recipient::Member(inbox, member) => inbox.deliver(member, packet),
        }
    }
}

fn raw_socket(family: Family) -> io::Result<RawSocket> {
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
    Ok(socket)
}

/// Whether a packet comes from the one who was asked. Of a name only a proxy knows the addresses:
/// then the port, and the transaction id, have to do.
fn is_from(asked: &Target, from: &Target) -> bool {
    asked.port == from.port
        && match (&asked.host, &from.host) {
            (Host::Name(asked), Host::Name(from)) => asked == from,
            (Host::Name(_), Host::Ip(_)) => true,
            (asked, from) => asked == from,
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
    let mut incoming = Incoming::new();
    loop {
        let received = match shared.io.readable().await {
            Ok(()) => incoming.receive(&shared.io),
            Err(error) => Err(error),
        };
        match received {
            Ok(count) => {
                for index in 0..count {
                    if let Some((packet, from)) = incoming.packet(index) {
                        shared.received(packet, from);
                    }
                }
                // However much comes, the others on this thread have their turns.
                tokio::task::coop::consume_budget().await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_of_another(&error) => {}
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

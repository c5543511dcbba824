//! Batches by `recvmmsg` and `sendmmsg`.
//!
//! About nine tenths of a UDP tracker's time are the kernel's, so calls are what there is to save:
//! one responder answers 193,000 packets a second with a call for each and 220,000 with batches.

#![expect(unsafe_code, reason = "system calls that std and socket2 do not have")]

use std::{
    io, mem,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr,
    time::Duration,
};

use socket2::Socket;

use super::{Handler, MAX_BATCHES, MAX_PACKET, Sockets};

/// Packets moved by one call.
const BATCH: usize = 64;

/// So many at once show that more are on their way: it pays to look again before asking which sockets have any.
const FEW: usize = 4;

/// Longest sleep without a look at the clock, in milliseconds.
const IDLE_TICK_MS: i32 = 1000;

/// Longest wait for room in the send buffer, in milliseconds: a stuck interface of one family
/// must not hold up the other.
const SEND_TIMEOUT_MS: u64 = 100;

/// Pause after a failure that is not a packet's fault.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// Wakes a loop that sleeps in `poll`.
#[derive(Debug)]
pub(super) struct Waker(OwnedFd);

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the descriptor that comes back is new and owned by nobody else.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        check(fd)?;
        // SAFETY: as above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The loop ends: nothing ever reads the event, so it stays set.
    pub(super) fn wake(&self) {
        let one = 1_u64;
        // SAFETY: eight readable bytes, as eventfd(2) asks. It can only fail when the counter is
        // full, and then the loop is awake already.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }
}

pub(super) fn serve(sockets: &Sockets, stop: &Waker, handler: &mut impl Handler) -> io::Result<()> {
    let sockets: Vec<&Socket> = [&sockets.v4, &sockets.v6].into_iter().flatten().collect();
    for socket in &sockets {
        // Receiving never blocks (MSG_DONTWAIT); sending may, for a while.
        socket.set_nonblocking(false)?;
        socket.set_write_timeout(Some(Duration::from_millis(SEND_TIMEOUT_MS)))?;
    }
    let mut polled: Vec<libc::pollfd> = sockets
        .iter()
        .map(|socket| socket.as_raw_fd())
        .chain([stop.0.as_raw_fd()])
        .map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let mut batch = Batch::new();
    loop {
        // SAFETY: the pointer and the length are one vector's.
        let ready = unsafe {
            libc::poll(
                polled.as_mut_ptr(),
                polled.len() as libc::nfds_t,
                IDLE_TICK_MS,
            )
        };
        if let Err(error) = check(ready) {
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        if ready == 0 {
            handler.idle();
            continue;
        }
        let (families, wake) = polled.split_at(sockets.len());
        if wake[0].revents != 0 {
            return Ok(());
        }
        for (socket, polled) in sockets.iter().zip(families) {
            if polled.revents != 0 {
                drain(socket.as_raw_fd(), &mut batch, handler);
            }
        }
    }
}

fn drain(fd: RawFd, batch: &mut Batch, handler: &mut impl Handler) {
    for _ in 0..MAX_BATCHES {
        let received = match batch.receive(fd) {
            Ok(received) => received,
            Err(error) => {
                // ICMP errors come only to connected sockets; what is left is this machine's.
                if !matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) {
                    handler.error(error);
                    // `poll` would report the socket again at once.
                    std::thread::sleep(ERROR_PAUSE);
                }
                return;
            }
        };
        handler.tick();
        batch.answer(received, handler);
        batch.send(fd);
        handler.sent();
        if received < FEW {
            return;
        }
    }
}

/// Buffers of one batch, and the arrays that describe them to the kernel.
///
/// All of it lives on the heap and is never resized, so the pointers between the parts hold.
struct Batch {
    packets: Box<[[u8; MAX_PACKET]]>,
    names: Box<[libc::sockaddr_in6]>,
    replies: Box<[Vec<u8>]>,
    receive_slices: Box<[libc::iovec]>,
    receive_headers: Box<[libc::mmsghdr]>,
    send_slices: Box<[libc::iovec]>,
    send_headers: Box<[libc::mmsghdr]>,
    /// How many of the send arrays are filled.
    to_send: usize,
}

impl Batch {
    fn new() -> Self {
        // SAFETY: all zeros is a value of each of these C structures.
        let (name, header): (libc::sockaddr_in6, libc::mmsghdr) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let slice = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        let mut batch = Self {
            packets: vec![[0; MAX_PACKET]; BATCH].into(),
            names: vec![name; BATCH].into(),
            replies: (0..BATCH).map(|_| Vec::with_capacity(MAX_PACKET)).collect(),
            receive_slices: vec![slice; BATCH].into(),
            receive_headers: vec![header; BATCH].into(),
            send_slices: vec![slice; BATCH].into(),
            send_headers: vec![header; BATCH].into(),
            to_send: 0,
        };
        for index in 0..BATCH {
            batch.receive_slices[index] = libc::iovec {
                iov_base: batch.packets[index].as_mut_ptr().cast(),
                iov_len: MAX_PACKET,
            };
            let header = &mut batch.receive_headers[index].msg_hdr;
            header.msg_name = (&raw mut batch.names[index]).cast();
            header.msg_iov = &raw mut batch.receive_slices[index];
            header.msg_iovlen = 1;
        }
        batch
    }

    fn receive(&mut self, fd: RawFd) -> io::Result<usize> {
        for header in &mut *self.receive_headers {
            // The kernel wrote the length of the last name here.
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        }
        // SAFETY: BATCH headers, each with a name and a slice that point into this structure's
        // own heap buffers, of the sizes that they state.
        let received = unsafe {
            libc::recvmmsg(
                fd,
                self.receive_headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        check(received)?;
        Ok(usize::try_from(received).unwrap_or(0))
    }

    /// A packet of those received, and who sent it; `None` if that is nobody we could answer.
    fn packet(&self, index: usize) -> Option<(&[u8], SocketAddr)> {
        let length = (self.receive_headers[index].msg_len as usize).min(MAX_PACKET);
        let from = socket_addr(&self.names[index])?;
        Some((&self.packets[index][..length], from))
    }

    fn answer(&mut self, received: usize, handler: &mut impl Handler) {
        self.to_send = 0;
        let received = received.min(BATCH);
        handler.batch((0..received).filter_map(|index| self.packet(index)));
        for index in 0..received {
            let mut reply = mem::take(&mut self.replies[index]);
            reply.clear();
            if let Some((packet, from)) = self.packet(index) {
                handler.packet(packet, from, &mut reply);
            }
            self.replies[index] = reply;
            let reply = &mut self.replies[index];
            if reply.is_empty() {
                continue;
            }
            let slot = self.to_send;
            self.send_slices[slot] = libc::iovec {
                iov_base: reply.as_mut_ptr().cast(),
                iov_len: reply.len(),
            };
            let header = &mut self.send_headers[slot].msg_hdr;
            header.msg_name = (&raw mut self.names[index]).cast();
            header.msg_namelen = self.receive_headers[index].msg_hdr.msg_namelen;
            header.msg_iov = &raw mut self.send_slices[slot];
            header.msg_iovlen = 1;
            self.to_send += 1;
        }
    }

    /// Sends what [`Self::answer`] made. A packet that the kernel refuses (no route, a firewall's
    /// EPERM) is skipped: UDP may lose it, and the others must go out. Where there is no room in
    /// time, the rest is dropped: to wait for each of them would take seconds.
    fn send(&mut self, fd: RawFd) {
        let mut done = 0;
        while done < self.to_send {
            let rest = &mut self.send_headers[done..self.to_send];
            // SAFETY: the headers were filled in `answer`; names and replies have not moved.
            let sent =
                unsafe { libc::sendmmsg(fd, rest.as_mut_ptr(), rest.len() as libc::c_uint, 0) };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => done += sent,
                _ => match io::Error::last_os_error().kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return,
                    _ => done += 1,
                },
            }
        }
    }
}

/// The sender, from what the kernel wrote; `None` if it is of no family that we bind.
pub(super) fn socket_addr(name: &libc::sockaddr_in6) -> Option<SocketAddr> {
    match i32::from(name.sin6_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a sockaddr_in here; it is smaller and
            // less aligned than the sockaddr_in6 that holds it.
            let name = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddr::new(ip.into(), u16::from_be(name.sin_port)))
        }
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let port = u16::from_be(name.sin6_port);
            Some(SocketAddrV6::new(ip, port, 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

pub(super) fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    /// Waiting for each packet of the batch would take 64 times as long as for one.
    #[test]
    fn no_room_in_the_send_buffer_costs_one_wait() {
        // A pair whose other end never reads: its buffer gets full, and stays so.
        let (socket, _unread) =
            Socket::pair(socket2::Domain::UNIX, socket2::Type::DGRAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        while socket.send(&[0]).is_ok() {}
        socket.set_nonblocking(false).unwrap();
        let wait = Duration::from_millis(SEND_TIMEOUT_MS);
        socket.set_write_timeout(Some(wait)).unwrap();
        let mut batch = Batch::new();
        for slot in 0..BATCH {
            batch.replies[slot].push(0);
            batch.send_slices[slot] = libc::iovec {
                iov_base: batch.replies[slot].as_mut_ptr().cast(),
                iov_len: 1,
            };
            batch.send_headers[slot].msg_hdr.msg_iov = &raw mut batch.send_slices[slot];
            batch.send_headers[slot].msg_hdr.msg_iovlen = 1;
        }
        batch.to_send = BATCH;
        let start = clock::instant();
        batch.send(socket.as_raw_fd());
        assert!(start.elapsed() < wait * (BATCH as u32) / 2);
    }
}

//! Packets moved by `recvmmsg` and `sendmmsg`: the only place with system calls of our own.

#![expect(unsafe_code, reason = "system calls that std does not have")]

use std::{
    io, mem,
    net::UdpSocket,
    os::fd::{AsRawFd, RawFd},
    ptr,
};

/// Packets moved by one call; as many as in the tracker.
pub(super) const BATCH: usize = 64;

/// Longest packet; as in the tracker.
pub(super) const MAX_PACKET: usize = 2048;

/// Kernel buffers in bytes, each as large as the tracker's; the system may grant less.
const RECEIVE_BUFFER: libc::c_int = 8 << 20;
const SEND_BUFFER: libc::c_int = 4 << 20;

/// Whether a call may sleep until there is something to receive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// For the first packet; what is there beside it comes along.
    ForOne,
    Never,
}

/// Asks for kernel buffers that hold a burst.
pub(super) fn set_buffer_sizes(socket: &UdpSocket) {
    for (option, size) in [
        (libc::SO_RCVBUF, RECEIVE_BUFFER),
        (libc::SO_SNDBUF, SEND_BUFFER),
    ] {
        // SAFETY: the pointer and the length are those of one integer. It may fail: the default
        // works too.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const size).cast(),
                size_of_val(&size) as libc::socklen_t,
            );
        }
    }
}

/// Buffers of a batch each way, and the arrays that describe them to the kernel.
///
/// All of it lives on the heap and is never resized, so the pointers between the parts hold.
pub(super) struct Batch {
    received: Box<[[u8; MAX_PACKET]]>,
    names: Box<[libc::sockaddr_in]>,
    // Only reached through pointers in the headers.
    _receive_slices: Box<[libc::iovec]>,
    receive_headers: Box<[libc::mmsghdr]>,
    outgoing: Box<[[u8; MAX_PACKET]]>,
    send_slices: Box<[libc::iovec]>,
    send_headers: Box<[libc::mmsghdr]>,
    /// How many of the send arrays are filled.
    to_send: usize,
}

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: all zeros is a value of each of these C structures.
        let (name, header): (libc::sockaddr_in, libc::mmsghdr) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let mut received: Box<[_]> = vec![[0; MAX_PACKET]; BATCH].into();
        let mut outgoing: Box<[_]> = vec![[0; MAX_PACKET]; BATCH].into();
        let mut names: Box<[_]> = vec![name; BATCH].into();
        let mut receive_slices = slices(&mut received);
        let mut send_slices = slices(&mut outgoing);
        let mut receive_headers: Box<[_]> = vec![header; BATCH].into();
        let mut send_headers: Box<[_]> = vec![header; BATCH].into();
        for index in 0..BATCH {
            let header = &mut receive_headers[index].msg_hdr;
            header.msg_name = (&raw mut names[index]).cast();
            header.msg_iov = &raw mut receive_slices[index];
            header.msg_iovlen = 1;
            let header = &mut send_headers[index].msg_hdr;
            header.msg_iov = &raw mut send_slices[index];
            header.msg_iovlen = 1;
        }
        Self {
            received,
            names,
            _receive_slices: receive_slices,
            receive_headers,
            outgoing,
            send_slices,
            send_headers,
            to_send: 0,
        }
    }

    /// How many packets have come, none if there were none.
    pub(super) fn receive(&mut self, socket: &UdpSocket, wait: Wait) -> io::Result<usize> {
        for header in &mut *self.receive_headers {
            // The kernel wrote the length of the last name here.
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        }
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::Never => libc::MSG_DONTWAIT,
        };
        // SAFETY: BATCH headers, each with a name and a slice that point into this structure's
        // own heap buffers, of the sizes that they state.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.receive_headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                flags as _,
                ptr::null_mut(),
            )
        };
        if let Ok(received) = usize::try_from(received) {
            return Ok(received);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
            _ => Err(error),
        }
    }

    /// Writes an answer to one of the packets that came; what `write` returns is its length, 0 for no
    /// answer. There may be one for each packet.
    pub(super) fn answer(&mut self, index: usize, write: impl FnOnce(&[u8], &mut [u8]) -> usize) {
        let length = self.receive_headers[index].msg_len as usize;
        let request = &self.received[index][..length.min(MAX_PACKET)];
        let slot = self.to_send;
        let length = write(request, &mut self.outgoing[slot]);
        if length == 0 {
            return;
        }
        self.send_slices[slot].iov_len = length;
        let header = &mut self.send_headers[slot].msg_hdr;
        header.msg_name = (&raw mut self.names[index]).cast();
        header.msg_namelen = self.receive_headers[index].msg_hdr.msg_namelen;
        self.to_send += 1;
    }

    /// One of the packets that came with the last call.
    pub(super) fn received(&self, index: usize) -> &[u8] {
        let length = self.receive_headers[index].msg_len as usize;
        &self.received[index][..length.min(MAX_PACKET)]
    }

    /// Writes a packet for where the socket is connected to; what `write` returns is its length.
    /// There may be [`BATCH`] of them.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut [u8]) -> usize) {
        let slot = self.to_send;
        self.send_slices[slot].iov_len = write(&mut self.outgoing[slot]);
        let header = &mut self.send_headers[slot].msg_hdr;
        header.msg_name = ptr::null_mut();
        header.msg_namelen = 0;
        self.to_send += 1;
    }

    /// Puts everything that is to be sent on its way, or as much as there is room for: packets may be
    /// lost.
    pub(super) fn send(&mut self, socket: &UdpSocket) -> io::Result<()> {
        let to_send = mem::take(&mut self.to_send);
        send_all(socket.as_raw_fd(), &mut self.send_headers[..to_send])
    }
}

fn slices(buffers: &mut [[u8; MAX_PACKET]]) -> Box<[libc::iovec]> {
    let slice = |buffer: &mut [u8; MAX_PACKET]| libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: MAX_PACKET,
    };
    buffers.iter_mut().map(slice).collect()
}

fn send_all(fd: RawFd, mut headers: &mut [libc::mmsghdr]) -> io::Result<()> {
    while !headers.is_empty() {
        // SAFETY: the pointer and the length are one slice's; its headers point to names and slices
        // of the batch that lent it.
        let sent =
            unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), headers.len() as libc::c_uint, 0) };
        if let Ok(sent) = usize::try_from(sent) {
            headers = &mut headers[sent..];
            continue;
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock => return Ok(()),
            _ => return Err(error),
        }
    }
    Ok(())
}

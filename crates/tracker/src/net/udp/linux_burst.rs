//! Bursts by `recvmmsg`, and by `sendmmsg` or as one large packet that the kernel cuts, on a tokio socket.

#![expect(
    unsafe_code,
    reason = "system calls that tokio and socket2 do not have"
)]

use std::{
    io, mem,
    net::SocketAddr,
    os::fd::AsRawFd,
    ptr,
    sync::atomic::{AtomicU8, Ordering},
};

use socket2::SockAddr;
use tokio::{io::Interest, net::UdpSocket};

use super::{
    burst::LARGEST,
    linux::{check, socket_addr},
};

/// Packets moved by one call: of more the gain is small. Half of what the kernel takes at most to cut.
const BURST: usize = 32;

/// Bytes that the kernel takes at most to cut: what fits into one packet.
const MAX_UNCUT: usize = 65_000;

const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

/// Sends bursts.
pub(super) struct Sender {
    /// Whether the kernel cuts packets (`UDP_SEGMENT`, since Linux 4.18): on its way through the system a burst is one
    /// then. Not on devices that leave checksums to the system.
    cuts: AtomicU8,
}

impl Sender {
    pub(super) const fn new() -> Self {
        Self {
            cuts: AtomicU8::new(UNKNOWN),
        }
    }

    /// Older kernels would not complain, but send the burst as one packet: so they are asked first.
    fn cuts(&self, socket: &UdpSocket) -> bool {
        let mut known = self.cuts.load(Ordering::Relaxed);
        if known == UNKNOWN {
            let mut size: libc::c_int = 0;
            let mut length = size_of_val(&size) as libc::socklen_t;
            // SAFETY: both pointers are to what they should be to, and the length is that of the first.
            let result = unsafe {
                libc::getsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_UDP,
                    libc::UDP_SEGMENT,
                    (&raw mut size).cast(),
                    &raw mut length,
                )
            };
            known = if result == 0 { YES } else { NO };
            self.cuts.store(known, Ordering::Relaxed);
        }
        known == YES
    }

    pub(super) fn send_burst(
        &self,
        socket: &UdpSocket,
        packets: &[u8],
        length: usize,
        to: SocketAddr,
    ) -> io::Result<usize> {
        let to = SockAddr::from(to);
        let count = (packets.len() / length).min(BURST).min(MAX_UNCUT / length);
        if count > 1 && self.cuts(socket) {
            match send_uncut(socket, &packets[..count * length], length, &to) {
                Ok(()) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // It may be about one of the packets, and is told when that is sent.
                Err(error) => {
                    let never = [libc::EIO, libc::EOPNOTSUPP];
                    if error
                        .raw_os_error()
                        .is_some_and(|code| never.contains(&code))
                    {
                        self.cuts.store(NO, Ordering::Relaxed);
                    }
                }
            }
        }
        send_each(socket, packets.chunks_exact(length), &to)
    }
}

fn send_uncut(socket: &UdpSocket, packets: &[u8], length: usize, to: &SockAddr) -> io::Result<()> {
    let Ok(length) = u16::try_from(length) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut slice = libc::iovec {
        iov_base: packets.as_ptr().cast_mut().cast(),
        iov_len: packets.len(),
    };
    // Numbers of eight bytes, for it has to lie as a `cmsghdr` has to.
    let mut control = [0_u64; 4];
    // SAFETY: all zeros is a value of this C structure.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = to.as_ptr().cast_mut().cast();
    header.msg_namelen = to.len();
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    // SAFETY: mere arithmetic.
    let (space, size) = unsafe { (libc::CMSG_SPACE(2), libc::CMSG_LEN(2)) };
    debug_assert!(space as usize <= size_of_val(&control));
    header.msg_controllen = space as _;
    // SAFETY: there is room for one header and two bytes of data, as the lengths above say; the data may lie anywhere.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(&raw const header);
        (*message).cmsg_level = libc::SOL_UDP;
        (*message).cmsg_type = libc::UDP_SEGMENT;
        (*message).cmsg_len = size as _;
        ptr::write_unaligned(libc::CMSG_DATA(message).cast(), length);
    }
    socket.try_io(Interest::WRITABLE, || {
        // SAFETY: the header is filled in, and all that it points to outlives this call.
        let sent = unsafe {
            libc::sendmsg(
                socket.as_raw_fd(),
                &raw const header,
                libc::MSG_DONTWAIT as _,
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    })
}

fn send_each<'a>(
    socket: &UdpSocket,
    packets: impl Iterator<Item = &'a [u8]>,
    to: &SockAddr,
) -> io::Result<usize> {
    // SAFETY: all zeros is a value of each of these C structures.
    let (mut slices, mut headers): ([libc::iovec; BURST], [libc::mmsghdr; BURST]) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    let mut count = 0;
    for ((packet, slice), header) in packets.zip(&mut slices).zip(&mut headers) {
        // The kernel reads from there and from the name, though the structure does not say so.
        slice.iov_base = packet.as_ptr().cast_mut().cast();
        slice.iov_len = packet.len();
        header.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_hdr.msg_namelen = to.len();
        header.msg_hdr.msg_iov = slice;
        header.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    socket.try_io(Interest::WRITABLE, || {
        // SAFETY: `count` of the headers are filled in, with a name, a slice and a packet each that outlive
        // this call.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
            )
        };
        check(sent)?;
        Ok(usize::try_from(sent).unwrap_or(0))
    })
}

/// Buffers, and the arrays that describe them to the kernel.
///
/// All of it lives on the heap and is never resized, so the pointers between the parts hold. Of a buffer
/// nothing is resident before a packet gets there, and then as many pages as it takes.
pub(super) struct Incoming {
    packets: Box<[u8]>,
    names: Box<[libc::sockaddr_in6]>,
    #[expect(dead_code, reason = "the kernel reads them")]
    slices: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    received: usize,
}

// SAFETY: the pointers are to this structure's own heap buffers.
unsafe impl Send for Incoming {}
// SAFETY: as above, and what is shared is not written to.
unsafe impl Sync for Incoming {}

impl Incoming {
    pub(super) fn new() -> Self {
        // SAFETY: all zeros is a value of each of these C structures.
        let (name, slice, header): (libc::sockaddr_in6, libc::iovec, libc::mmsghdr) =
            unsafe { mem::zeroed() };
        let mut packets: Box<[u8]> = vec![0; BURST * LARGEST].into();
        let mut names: Box<[_]> = vec![name; BURST].into();
        let mut slices: Box<[_]> = vec![slice; BURST].into();
        let mut headers: Box<[_]> = vec![header; BURST].into();
        let parts = packets
            .chunks_exact_mut(LARGEST)
            .zip(&mut names)
            .zip(&mut slices)
            .zip(&mut headers);
        for (((packet, name), slice), header) in parts {
            slice.iov_base = packet.as_mut_ptr().cast();
            slice.iov_len = packet.len();
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
        }
        Self {
            packets,
            names,
            slices,
            headers,
            received: 0,
        }
    }

    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.received = 0;
        for header in &mut self.headers {
            // The kernel wrote the length of the last name here.
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        }
        socket.try_io(Interest::READABLE, || {
            // SAFETY: BURST headers, each with a name and a slice that point into this structure's own heap
            // buffers, of the sizes that they state.
            let received = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    BURST as libc::c_uint,
                    libc::MSG_DONTWAIT as _,
                    ptr::null_mut(),
                )
            };
            check(received)?;
            self.received = usize::try_from(received).unwrap_or(0).min(BURST);
            Ok(self.received)
        })
    }

    pub(super) fn packet(&self, index: usize) -> Option<(&[u8], SocketAddr)> {
        let header = self.headers.get(..self.received)?.get(index)?;
        let buffer = self.packets.get(index * LARGEST..)?;
        let packet = buffer.get(..(header.msg_len as usize).min(LARGEST))?;
        Some((packet, socket_addr(&self.names[index])?))
    }
}

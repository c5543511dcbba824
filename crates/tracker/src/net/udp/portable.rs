//! One packet at a time on tokio: every system's path, and the one that tests force on Linux too.

use std::{io, net::SocketAddr, ops::ControlFlow, time::Duration};

use socket2::Socket;
use tokio::{net::UdpSocket, sync::watch, time};

use super::{Handler, MAX_BATCHES, MAX_PACKET, Sockets};

/// Packets of one family before the other one and the clock get their turn.
const MAX_PACKETS: usize = 64 * MAX_BATCHES;

/// Longest time without a look at the clock.
const IDLE_TICK: Duration = Duration::from_secs(1);

pub(super) fn serve(
    sockets: &Sockets,
    mut stop: watch::Receiver<bool>,
    handler: &mut impl Handler,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let v4 = sockets.v4.as_ref().map(register).transpose()?;
        let v6 = sockets.v6.as_ref().map(register).transpose()?;
        let mut reply = Vec::with_capacity(MAX_PACKET);
        let mut tick = time::interval(IDLE_TICK);
        tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Errors when the other end is gone, which is a stop as well.
                _ = stop.wait_for(|&stop| stop) => return Ok(()),
                () = readable(v4.as_ref()) => drain(v4.as_ref(), handler, &mut reply),
                () = readable(v6.as_ref()) => drain(v6.as_ref(), handler, &mut reply),
                _ = tick.tick() => handler.idle(),
            }
        }
    })
}

fn register(socket: &Socket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.try_clone()?.into())
}

/// Waits for a packet; for ever if there is no socket of that family.
async fn readable(socket: Option<&UdpSocket>) {
    match socket {
        // An error shows again in the read that follows.
        Some(socket) => drop(socket.readable().await),
        None => std::future::pending().await,
    }
}

fn drain(socket: Option<&UdpSocket>, handler: &mut impl Handler, reply: &mut Vec<u8>) {
    let Some(socket) = socket else { return };
    handler.tick();
    let mut packet = [0; MAX_PACKET];
    for _ in 0..MAX_PACKETS {
        let (length, from) = match receive(socket, &mut packet) {
            Ok(received) => received,
            Err(ControlFlow::Continue(())) => continue,
            Err(ControlFlow::Break(error)) => {
                if let Some(error) = error {
                    handler.error(error);
                }
                break;
            }
        };
        reply.clear();
        handler.packet(&packet[..length], from, reply);
        if !reply.is_empty() {
            // A full send buffer or an unreachable peer loses the packet, as UDP may.
            let _ = socket.try_send_to(reply, from);
        }
    }
    handler.sent();
}

type Received = Result<(usize, SocketAddr), ControlFlow<Option<io::Error>>>;

fn receive(socket: &UdpSocket, packet: &mut [u8]) -> Received {
    match socket.try_recv_from(packet) {
        Ok(received) => Ok(received),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => Err(ControlFlow::Break(None)),
            // ICMP errors of earlier answers are reported here on some systems; on Windows as a
            // reset each, which costs one call and no packet.
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::Interrupted => Err(ControlFlow::Continue(())),
            // WSAEMSGSIZE: Windows fails where others cut; an over-long packet is no request.
            _ if cfg!(windows) && error.raw_os_error() == Some(10_040) => {
                Err(ControlFlow::Continue(()))
            }
            _ => Err(ControlFlow::Break(Some(error))),
        },
    }
}

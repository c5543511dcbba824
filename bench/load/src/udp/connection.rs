//! A socket that has, or is about to get, a connection id of the tracker.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use super::{
    batch::{BATCH, Batch, Wait, set_buffer_sizes},
    packet::{Answer, write_connect},
};

/// The transaction id of connect requests. Others are below it.
const CONNECT_ID: u32 = u32::MAX;

/// A request that is not answered for so long is lost: loopback drops what finds a buffer full.
pub(super) const RESEND: Duration = Duration::from_millis(500);

/// Ids are good for two minutes with most trackers.
const RENEW: Duration = Duration::from_secs(60);

pub(super) struct Connection {
    socket: UdpSocket,
    id: Option<u64>,
    /// When the id was asked for last.
    asked: Option<Instant>,
}

impl Connection {
    pub(super) fn open(port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        set_buffer_sizes(&socket);
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        Ok(Self {
            socket,
            id: None,
            asked: None,
        })
    }

    /// The connection id, from when it has come. Asks for it, and for another one in time.
    pub(super) fn id(&mut self, batch: &mut Batch, now: Instant) -> io::Result<Option<u64>> {
        let wait = if self.id.is_some() { RENEW } else { RESEND };
        if self
            .asked
            .is_none_or(|asked| now.duration_since(asked) > wait)
        {
            self.asked = Some(now);
            batch.push(|output| write_connect(output, CONNECT_ID));
            batch.send(&self.socket)?;
        }
        Ok(self.id)
    }

    /// Takes what has come. `answer` is told of all but connection ids. Whether there may be more.
    pub(super) fn receive(
        &mut self,
        batch: &mut Batch,
        mut answer: impl FnMut(u32, Answer<'_>),
    ) -> io::Result<bool> {
        let received = batch.receive(&self.socket, Wait::Never)?;
        for index in 0..received {
            match Answer::parse(batch.received(index)) {
                Some((CONNECT_ID, Answer::Connected(id))) => self.id = Some(id),
                Some((_, Answer::Error(text))) => {
                    let text = String::from_utf8_lossy(text);
                    return Err(io::Error::other(format!("the tracker answered '{text}'")));
                }
                Some((id, other)) => answer(id, other),
                None => return Err(io::Error::other("the tracker sent what is no answer")),
            }
        }
        Ok(received == BATCH)
    }

    pub(super) fn send(&self, batch: &mut Batch) -> io::Result<()> {
        batch.send(&self.socket)
    }
}

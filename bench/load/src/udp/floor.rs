//! What the kernel leaves to a tracker at best: one thread that moves packets in batches and answers
//! announces without a look at them, as long as a tracker's answers are.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
};

use super::{
    batch::{Batch, MAX_PACKET, Wait, set_buffer_sizes},
    packet::{ANSWER_HEAD, Request, announce_answer, write_answer, write_connected},
};
use crate::settings::Settings;

const CONNECTION_ID: u64 = 0x0f1e_2d3c_4b5a_6978;

/// Answers until it is killed. `port` (0 for any) is on 127.0.0.1; `bytes` is the length of an answer
/// to an announce, without the headers of UDP and IP. Prints `{"at":"ready","port":...}`.
pub(crate) fn floor(settings: &Settings) -> io::Result<()> {
    let bytes = settings.count("bytes")?;
    if !(ANSWER_HEAD..=MAX_PACKET).contains(&bytes) || !(bytes - ANSWER_HEAD).is_multiple_of(6) {
        return Err(io::Error::other(format!(
            "bytes={bytes} is no length of an answer: {ANSWER_HEAD} and 6 for each peer"
        )));
    }
    let answer = announce_answer(bytes);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, settings.port()?))?;
    set_buffer_sizes(&socket);
    println!(
        "{{\"at\":\"ready\",\"port\":{}}}",
        socket.local_addr()?.port()
    );

    let mut batch = Batch::new();
    loop {
        let received = batch.receive(&socket, Wait::ForOne)?;
        for index in 0..received {
            batch.answer(index, |request, output| match Request::parse(request) {
                Some(Request::Connect(id)) => write_connected(output, id, CONNECTION_ID),
                Some(Request::Announce(id)) => write_answer(output, &answer, id),
                None => 0,
            });
        }
        batch.send(&socket)?;
    }
}

//! Many connections that announce once and then only answer pings.

use std::{
    cell::Cell,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    LINGER,
    connection::Connection,
    message,
    peer::{Descriptions, Peer},
};
use crate::settings::Settings;

/// An offer fits.
const READ_BUFFER: usize = 4 * 1024;

/// Connections that are on their way at a time; the kernel's queue for them is short.
const OPENING: usize = 64;

/// For one connection to open and its announce to be answered.
const OPEN_LIMIT: Duration = Duration::from_secs(30);

/// Opens all connections, prints a begin when things have settled, and an end after the idle time.
pub(crate) async fn run(settings: &Settings) -> io::Result<()> {
    let port = settings.get("port")? as u16;
    let (sockets, torrents, offers) = (
        settings.count("sockets")?,
        settings.count("torrents")?,
        settings.count("offers")?,
    );
    let descriptions = Rc::new(Descriptions::new());
    let dropped = Rc::new(Cell::new(0_u64));
    let opening = Rc::new(Semaphore::new(OPENING));
    let mut opened = JoinSet::new();
    let began = Instant::now();
    for number in 0..sockets {
        let (descriptions, dropped, opening) = (
            Rc::clone(&descriptions),
            Rc::clone(&dropped),
            Rc::clone(&opening),
        );
        opened.spawn_local(async move {
            let _turn = opening.acquire().await.map_err(io::Error::other)?;
            let announced = announced(port, Peer::new(number, torrents, offers, &descriptions));
            let mut connection = timeout(OPEN_LIMIT, announced).await??;
            tokio::task::spawn_local(async move {
                // Ends with the connection.
                while connection.exchange(|_, _| Ok(())).await.is_ok() {}
                dropped.set(dropped.get() + 1);
            });
            Ok::<_, io::Error>(())
        });
    }
    while let Some(result) = opened.join_next().await {
        result.map_err(io::Error::other)??;
    }
    let opened = began.elapsed().as_millis();
    sleep(Duration::from_secs(settings.get("settle")?)).await;
    println!("{{\"at\":\"begin\",\"millis\":{opened}}}");
    sleep(Duration::from_secs(settings.get("seconds")?)).await;
    println!("{{\"at\":\"end\",\"dropped\":{}}}", dropped.get());
    sleep(LINGER).await;
    Ok(())
}

/// A connection whose announce has been answered.
async fn announced(port: u16, mut peer: Peer) -> io::Result<Connection> {
    let mut connection = Connection::open(port, READ_BUFFER).await?;
    connection.output().text(peer.announce());
    let mut is_answered = false;
    while !is_answered {
        connection
            .exchange(|text, _| {
                is_answered |=
                    message::parse(text, &[]).is_some_and(|message| message.interval.is_some());
                Ok(())
            })
            .await?;
    }
    Ok(connection)
}

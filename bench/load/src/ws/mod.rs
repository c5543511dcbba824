//! `WebTorrent` peers: a load that keeps a tracker busy, or idle connections. All of it runs on one
//! thread, and connections write and read frames by hand: the tracker's core is to be full before the
//! load's.

mod connection;
mod idle;
mod load;
mod message;
mod peer;

use std::{io, time::Duration};

use tokio::task::LocalSet;

use crate::settings::Settings;

/// After the last line the caller reads how much CPU time this process has used.
const LINGER: Duration = Duration::from_secs(1);

/// Peers that announce and answer as quickly as they can.
pub(crate) fn load(settings: &Settings) -> io::Result<()> {
    block_on(load::run(settings))
}

/// Peers that announce once.
pub(crate) fn idle(settings: &Settings) -> io::Result<()> {
    block_on(idle::run(settings))
}

fn block_on(task: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, task)
}

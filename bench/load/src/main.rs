//! `WebTorrent` peers for benchmarks. `ws_load load <key>=<number> ...` keeps a tracker busy,
//! `ws_load idle <key>=<number> ...` opens many connections and leaves them alone. What happens is
//! printed as one JSON object per line, so that the caller can measure between two of them:
//! `{"at":"begin"}`, then `{"at":"end",...}` with the counts. A second later it ends.
//!
//! All of it runs on one thread, and connections write and read frames by hand: the tracker's core is
//! to be full before the load's.

mod connection;
mod idle;
mod load;
mod message;
mod peer;

use std::{collections::HashMap, io, process::ExitCode, time::Duration};

use tokio::task::LocalSet;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let settings = Settings::parse(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = LocalSet::new();
    match mode.as_str() {
        "load" => tasks.block_on(&runtime, load::run(&settings)),
        "idle" => tasks.block_on(&runtime, idle::run(&settings)),
        _ => Err(io::Error::other(
            "usage: ws_load load|idle <key>=<number> ...",
        )),
    }
}

/// After the last line the caller reads how much CPU time this process has used.
const LINGER: Duration = Duration::from_secs(1);

/// The numbers of the command line by name.
struct Settings(HashMap<String, u64>);

impl Settings {
    fn parse(arguments: impl Iterator<Item = String>) -> io::Result<Self> {
        let pair = |text: String| {
            let (key, number) = text.split_once('=')?;
            Some((key.to_owned(), number.parse().ok()?))
        };
        arguments
            .map(|text| {
                pair(text.clone())
                    .ok_or_else(|| io::Error::other(format!("'{text}' is no <key>=<number>")))
            })
            .collect::<io::Result<_>>()
            .map(Self)
    }

    fn get(&self, key: &str) -> io::Result<u64> {
        let number = self.0.get(key).copied();
        number.ok_or_else(|| io::Error::other(format!("{key}=<number> is missing")))
    }

    fn count(&self, key: &str) -> io::Result<usize> {
        self.get(key).map(|number| number as usize)
    }
}

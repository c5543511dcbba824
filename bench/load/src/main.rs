//! Loads for benchmarks of trackers, and a floor to hold them against:
//! `bench_load <mode> <key>=<number> ...`, where the mode is one of
//!
//! - `load`: `WebTorrent` peers keep a tracker busy;
//! - `idle`: many WebSocket connections are opened and left alone;
//! - `floor`: no tracker, but what the kernel lets one do: equally long answers to UDP announces;
//! - `fill`: many peers announce over UDP, as quickly as the tracker answers;
//! - `count`: how many of them it says to have;
//! - `latency`: UDP announces at a fixed rate, whatever comes back.
//!
//! What happens is printed as one JSON object per line, `{"at":"begin"}` for instance, so that the
//! caller can measure between two of them.

mod settings;
mod udp;
mod ws;

use std::{io, process::ExitCode};

use settings::Settings;

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
    match mode.as_str() {
        "load" => ws::load(&settings),
        "idle" => ws::idle(&settings),
        "floor" => udp::floor(&settings),
        "fill" => udp::fill(&settings),
        "count" => udp::count(&settings),
        "latency" => udp::latency(&settings),
        _ => Err(io::Error::other(
            "usage: bench_load load|idle|floor|fill|count|latency <key>=<number> ...",
        )),
    }
}

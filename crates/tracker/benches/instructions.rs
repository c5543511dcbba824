//! Runs one case a number of times, for callgrind: `node bench/instructions.js` counts all of them.
//! Without arguments it lists the cases, after their groups.

mod cases;

use std::{
    env,
    io::{self, Write},
};

use self::cases::{Case, Group, Operation};

fn main() -> io::Result<()> {
    let all = [Group::Codecs, Group::Store, Group::Announce]
        .into_iter()
        .flat_map(cases::of);
    // `cargo bench` adds `--bench`.
    let args: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [name, times] = &args[..] else {
        return list(all);
    };
    let case = all.into_iter().find(|case| case.name == name);
    let case = case.ok_or_else(|| wrong("no such case"))?;
    let times = times.parse().map_err(|_| wrong("not a number of times"))?;
    let mut operation = (case.set_up)();
    // What is allocated once is.
    repeat(&mut operation, 10);
    counted(&mut operation, times);
    Ok(())
}

fn list(cases: impl Iterator<Item = &'static Case>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for case in cases {
        writeln!(out, "{:?}\t{}", case.group, case.name)?;
    }
    Ok(())
}

/// callgrind counts inside of this function alone, and knows it by its name.
#[inline(never)]
fn counted(operation: &mut Operation, times: usize) {
    repeat(operation, times);
}

fn repeat(operation: &mut Operation, times: usize) {
    for _ in 0..times {
        operation();
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

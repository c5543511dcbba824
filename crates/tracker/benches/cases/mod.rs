//! What is measured: one list for the benches, which tell time, and for `instructions`, which is run under
//! callgrind. A case is one operation on prepared memory, the same at any speed and for any number of runs.

mod codecs;
mod http;
mod store;
pub(crate) mod udp;
mod websocket;
mod world;

/// An operation, called again and again.
pub(crate) type Operation = Box<dyn FnMut()>;

pub(crate) struct Case {
    pub(crate) group: Group,
    pub(crate) name: &'static str,
    /// Prepares the memory that it works on.
    pub(crate) set_up: fn() -> Operation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Bytes to values, values to bytes.
    Codecs,
    /// The store alone.
    Store,
    /// From a request's bytes to those of its answer, as the servers do it, but for the socket and events.
    Announce,
}

pub(crate) fn of(group: Group) -> impl Iterator<Item = &'static Case> {
    let all = [
        codecs::CASES,
        store::CASES,
        udp::CASES,
        http::CASES,
        websocket::CASES,
    ];
    all.into_iter()
        .flatten()
        .filter(move |case| case.group == group)
}

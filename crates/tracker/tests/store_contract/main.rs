//! What a store of swarms has to do, held against the real one and a naive model of it.

mod ceilings;
mod conformance;
mod model;
mod properties;
mod sockets;
mod support;
mod threads;

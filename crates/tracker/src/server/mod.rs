//! The servers: sockets, wire formats and the tracker's policy, joined.

pub mod events;

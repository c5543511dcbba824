//! The wire formats as pure functions: bytes in, values out; values in, bytes appended.
//!
//! Parsers borrow from the packet and writers append to a buffer of the caller's, so that a
//! server's answer costs no allocation.

pub mod compact;
pub mod connection_id;
pub mod http;
pub mod udp;

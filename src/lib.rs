//! The binding: JavaScript values to engine types and back, no logic.
//!
//! The only Rust code that names napi. What it exports is private to `lib/`, which makes the public
//! classes out of it.

#![expect(
    clippy::needless_pass_by_value,
    reason = "napi hands over owned values"
)]

mod client;
mod doorbell;
mod server;
mod system_error;

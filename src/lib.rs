//! The binding: JavaScript values to engine types and back, no logic.
//!
//! The only Rust code that names napi. What it exports is private to `lib/`, which makes the public
//! classes out of it.

// Node calls these functions; nothing in Rust does.
#![expect(
    missing_docs,
    reason = "documented where users see it: lib/ and index.d.ts"
)]

mod doorbell;
mod server;
mod system_error;

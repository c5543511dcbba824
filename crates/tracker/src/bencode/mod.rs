//! Bencode (BEP 3): a borrowing decoder that hostile documents cannot make expensive, and an
//! encoder that appends to a buffer.

mod decode;
pub mod encode;

pub use decode::{DecodeError, DecodeErrorKind, Limits, MAX_DEPTH, Value, decode, decode_prefix};

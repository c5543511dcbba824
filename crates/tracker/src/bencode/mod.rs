//! Bencode (BEP 3): a borrowing decoder that hostile documents cannot make expensive, and an
//! encoder that appends to a buffer.

mod decode;
pub mod encode;
mod value;

pub use decode::{DecodeError, DecodeErrorKind, Limits, MAX_DEPTH, decode, decode_prefix};
pub use value::Value;

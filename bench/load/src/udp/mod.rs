//! UDP announces (BEP 15), moved in batches, as a tracker does.

mod batch;
mod floor;
mod packet;

pub(crate) use floor::floor;

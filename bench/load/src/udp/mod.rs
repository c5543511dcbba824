//! UDP announces (BEP 15), moved in batches, as a tracker does.

mod batch;
mod closed;
mod connection;
mod fill;
mod floor;
mod histogram;
mod latency;
mod packet;
mod population;

pub(crate) use fill::{count, fill};
pub(crate) use floor::floor;
pub(crate) use latency::latency;

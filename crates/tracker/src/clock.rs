//! The one reader of time.
//!
//! Everything else gets the time as an argument, so that tests can set it.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::types::Timestamp;

/// The process-wide zero of [`Timestamp`].
static EPOCH: OnceLock<Instant> = OnceLock::new();

/// Seconds an hour before the first reading: a fresh process can subtract from its first timestamp.
const HEAD_START: u32 = 3600;

/// The monotonic time now.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn instant() -> Instant {
    Instant::now()
}

/// The monotonic time now, in whole seconds of the process's own epoch.
pub fn timestamp() -> Timestamp {
    let epoch = *EPOCH.get_or_init(instant);
    Timestamp::from_secs(HEAD_START.saturating_add(elapsed_secs(epoch.elapsed())))
}

/// Saturates after 136 years.
fn elapsed_secs(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX)
}

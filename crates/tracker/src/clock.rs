//! The one reader of time.
//!
//! Everything else gets the time as an argument, so that tests can set it.

use std::{
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use crate::types::Timestamp;

/// The process-wide zero of [`Timestamp`].
static EPOCH: OnceLock<Instant> = OnceLock::new();

/// The epoch is an hour before the first reading: a fresh process can subtract from its first timestamp.
const HEAD_START: Duration = Duration::from_secs(3600);

/// The monotonic time now.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn instant() -> Instant {
    Instant::now()
}

/// The monotonic time since the process's own epoch.
pub fn uptime() -> Duration {
    let epoch = *EPOCH.get_or_init(instant);
    HEAD_START + epoch.elapsed()
}

/// The same in whole seconds.
pub fn timestamp() -> Timestamp {
    Timestamp::from_uptime(uptime())
}

/// The time of day, for people and for what other machines are told.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn time_of_day() -> SystemTime {
    SystemTime::now()
}

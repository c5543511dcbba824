use std::time::Duration;

/// Whole seconds since an epoch of the process's own; not wall-clock time.
///
/// Four bytes, because the store keeps one per peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u32);

impl Timestamp {
    /// A timestamp this many seconds after the epoch.
    pub const fn from_secs(secs: u32) -> Self {
        Self(secs)
    }

    /// A timestamp this long after the epoch; saturates after 136 years.
    pub fn from_uptime(uptime: Duration) -> Self {
        Self(u32::try_from(uptime.as_secs()).unwrap_or(u32::MAX))
    }

    /// Seconds since the epoch.
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0) as u64)
    }

    /// This timestamp moved forward, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)),
        )
    }

    /// This timestamp moved back, saturating at the epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)),
        )
    }
}

//! When to announce and when to send again: pure arithmetic over what a tracker said.

use std::time::Duration;

/// The first retransmission of BEP 15 when there is time for it; it doubles from there.
const BEP15_BASE: Duration = Duration::from_secs(15);

/// BEP 15 gives up after `15 * 2^8` s.
const BEP15_MAX_DOUBLINGS: u32 = 8;

/// A budget under 75 s puts the first retransmission at a fifth of itself: the packets then leave
/// at 0, 1/5 and 3/5, and the last one still has 2/5 of the budget to be answered in.
const SHORT_BUDGET_SHARE: u32 = 5;

/// The largest interval that is believed to be meant, in seconds (68 years). Larger ones are a
/// tracker's mistake (milliseconds, overflow), and are reported, not clamped.
const MAX_SANE_SECS: i64 = i32::MAX as i64;

/// The range into which a tracker's intervals are forced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalLimits {
    /// Shorter intervals become this: 60 s by default, so that no tracker can make its clients
    /// into a flood.
    pub min: Duration,
    /// Longer intervals become this: 24 h by default, well within a 32-bit millisecond timer
    /// (24.8 days), which would fire at once if it overflowed.
    pub max: Duration,
}

impl Default for IntervalLimits {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(60),
            max: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl IntervalLimits {
    /// The interval forced into the range. The upper limit wins over a lower one above it.
    pub fn clamp(self, interval: Duration) -> Duration {
        interval.max(self.min).min(self.max)
    }
}

/// When a tracker may be asked again after it refused (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryIn {
    /// Not before this time has passed.
    After(Duration),
    /// Not in this session.
    Never,
}

/// The interval fields of a reply as they came over the wire, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawIntervals {
    /// `interval`: the regular time between announces.
    pub interval: Option<i64>,
    /// `min interval`: the floor, for forced announces too.
    pub min_interval: Option<i64>,
}

/// The interval fields of a reply, believable and in range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    /// Time until the next regular announce; `None` keeps the one in force.
    ///
    /// The tracker's `interval`, else its `min interval`, never less than the latter.
    pub interval: Option<Duration>,
    /// The tracker's floor for announces between the regular ones.
    pub min_interval: Option<Duration>,
    /// A value that makes no sense (negative, or over 2^31 - 1 s), to be reported. The field that
    /// held it counts as absent.
    pub rejected: Option<i64>,
}

impl RawIntervals {
    /// Checks and clamps the fields.
    pub fn check(self, limits: IntervalLimits) -> Intervals {
        let interval = sane(self.interval);
        let min_interval = sane(self.min_interval);
        let rejected = interval.err().or(min_interval.err());
        let interval = interval.unwrap_or(None);
        let min_interval = min_interval.unwrap_or(None);
        Intervals {
            // `None` sorts below any value.
            interval: interval.max(min_interval).map(|raw| limits.clamp(raw)),
            min_interval: min_interval.map(|raw| limits.clamp(raw)),
            rejected,
        }
    }
}

/// Zero is what trackers send for "none".
fn sane(secs: Option<i64>) -> Result<Option<Duration>, i64> {
    match secs {
        None | Some(0) => Ok(None),
        Some(secs) if secs > MAX_SANE_SECS => Err(secs),
        Some(secs) => u64::try_from(secs)
            .map(|secs| Some(Duration::from_secs(secs)))
            .map_err(|_| secs),
    }
}

/// Time from now to the next regular announce to a tracker.
///
/// `current` is the interval in force; `None` as a result means never again (BEP 31).
/// `retry_in` of a failure wins over the intervals, but is kept in range as they are.
pub fn next_announce(
    intervals: Intervals,
    retry_in: Option<RetryIn>,
    current: Duration,
    limits: IntervalLimits,
) -> Option<Duration> {
    match retry_in {
        Some(RetryIn::Never) => None,
        Some(RetryIn::After(time)) => Some(limits.clamp(time)),
        None => Some(intervals.interval.unwrap_or(current)),
    }
}

/// The moments, counted from the first packet, at which an unanswered UDP packet is sent again.
///
/// BEP 15 says `15 * 2^n` s for n up to 8: at 15, 45, 105 s and so on. Under a total budget too
/// small for that (75 s, of which the original allows itself 15) the same doubling starts at a
/// fifth of the budget: with 15 s, packets leave at 0, 3 and 9 s, and the request fails at 15 s.
pub fn retransmissions(budget: Duration) -> impl Iterator<Item = Duration> {
    let base = BEP15_BASE.min(budget / SHORT_BUDGET_SHARE);
    (0..=BEP15_MAX_DOUBLINGS)
        .map(move |n| base * ((1 << (n + 1)) - 1))
        .take_while(move |at| *at < budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn check(interval: Option<i64>, min_interval: Option<i64>) -> Intervals {
        RawIntervals {
            interval,
            min_interval,
        }
        .check(IntervalLimits::default())
    }

    #[test]
    fn intervals_are_clamped() {
        for (raw, wanted) in [
            (1, 60),
            (60, 60),
            (1800, 1800),
            (86_400, 86_400),
            (2_147_484, 86_400),
            (i64::from(i32::MAX), 86_400),
        ] {
            assert_eq!(check(Some(raw), None).interval, Some(secs(wanted)), "{raw}");
            assert_eq!(check(Some(raw), None).rejected, None, "{raw}");
        }
    }

    #[test]
    fn senseless_intervals_are_reported_and_dropped() {
        for raw in [-1, i64::MIN, 1 << 31, 1 << 40, i64::MAX] {
            let checked = check(Some(raw), None);
            assert_eq!(checked.interval, None, "{raw}");
            assert_eq!(checked.rejected, Some(raw));
            let checked = check(Some(raw), Some(900));
            assert_eq!(checked.interval, Some(secs(900)));
            assert_eq!(checked.rejected, Some(raw));
        }
        assert_eq!(check(Some(1800), Some(-5)).interval, Some(secs(1800)));
        assert_eq!(check(Some(1800), Some(-5)).rejected, Some(-5));
    }

    #[test]
    fn min_interval_is_a_floor_and_a_fallback() {
        assert_eq!(check(Some(300), Some(900)).interval, Some(secs(900)));
        assert_eq!(check(Some(1800), Some(900)).interval, Some(secs(1800)));
        assert_eq!(check(Some(0), Some(900)).interval, Some(secs(900)));
        assert_eq!(check(None, None), Intervals::default());
        assert_eq!(check(Some(0), Some(0)), Intervals::default());
    }

    #[test]
    fn lower_limits_can_be_set() {
        let limits = IntervalLimits {
            min: Duration::ZERO,
            ..IntervalLimits::default()
        };
        let raw = RawIntervals {
            interval: Some(2),
            min_interval: None,
        };
        assert_eq!(raw.check(limits).interval, Some(secs(2)));
    }

    #[test]
    fn next_announce_follows_retry_in_then_interval() {
        let limits = IntervalLimits::default();
        let next = |intervals, retry| next_announce(intervals, retry, secs(1800), limits);
        assert_eq!(next(check(Some(600), None), None), Some(secs(600)));
        assert_eq!(next(check(None, None), None), Some(secs(1800)));
        assert_eq!(next(check(Some(600), None), Some(RetryIn::Never)), None);
        let retry = Some(RetryIn::After(secs(7200)));
        assert_eq!(next(check(Some(600), None), retry), Some(secs(7200)));
        let retry = Some(RetryIn::After(Duration::MAX));
        assert_eq!(next(check(None, None), retry), Some(secs(86_400)));
    }

    #[test]
    fn retransmission_timetables() {
        let table = |budget| {
            retransmissions(secs(budget))
                .map(|at| at.as_secs())
                .collect::<Vec<_>>()
        };
        assert_eq!(table(15), [3, 9]);
        assert_eq!(table(75), [15, 45]);
        assert_eq!(table(106), [15, 45, 105]);
        assert_eq!(
            table(100_000),
            [15, 45, 105, 225, 465, 945, 1905, 3825, 7665]
        );
        assert_eq!(table(0), [0; 0]);
    }

    #[test]
    fn every_budget_has_a_retransmission() {
        for millis in 1..100_000 {
            let budget = Duration::from_millis(millis);
            let first = retransmissions(budget).next().unwrap();
            assert!(first <= budget / 2, "{budget:?}: {first:?}");
        }
    }
}

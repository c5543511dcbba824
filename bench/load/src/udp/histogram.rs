//! Percentiles of many durations in little memory.

use std::time::Duration;

/// Buckets between a power of two and the next one: a value is known to 1 part in 128.
const BITS: u32 = 7;
const STEPS: usize = 1 << BITS;

/// Counts of nanoseconds, in buckets that are wider the longer the durations.
pub(super) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max: Duration,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self {
            counts: vec![0; (64 - BITS as usize + 1) * STEPS].into(),
            total: 0,
            max: Duration::ZERO,
        }
    }

    pub(super) fn add(&mut self, duration: Duration) {
        self.counts[bucket(duration.as_nanos() as u64)] += 1;
        self.total += 1;
        self.max = self.max.max(duration);
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn max(&self) -> Duration {
        self.max
    }

    /// What `share` thousandths do not exceed, where `lost` more were longer than all that were counted.
    /// `None` if it is one of those.
    pub(super) fn per_mille(&self, share: u64, lost: u64) -> Option<Duration> {
        let wanted = ((self.total + lost) * share).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(Duration::from_nanos(last_of(bucket)).min(self.max));
            }
        }
        None
    }
}

fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(BITS + 1);
    shift as usize * STEPS + (nanos >> shift) as usize
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let shift = (bucket / STEPS).saturating_sub(1);
    let first = ((bucket - shift * STEPS) as u64) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_narrow() {
        let mut last = 0;
        for nanos in (0..5000).chain((13..63).flat_map(|power| [(1 << power) - 1, 1 << power])) {
            let bucket = bucket(nanos);
            assert!(bucket >= last, "{nanos}");
            last = bucket;
            let most = last_of(bucket);
            assert!(
                (nanos..=nanos + nanos / 128 + 1).contains(&most),
                "{nanos}: {most}"
            );
        }
        assert!(bucket(u64::MAX) < Histogram::new().counts.len());
    }

    #[test]
    fn percentiles_are_of_all_that_was_sent() {
        let mut histogram = Histogram::new();
        for micros in 1..=1000 {
            histogram.add(Duration::from_micros(micros));
        }
        let near = |share, lost, micros: u64| {
            let found = histogram.per_mille(share, lost).unwrap().as_nanos() as u64;
            let wanted = micros * 1000;
            assert!((wanted..=wanted + wanted / 100).contains(&found), "{found}");
        };
        near(500, 0, 500);
        near(999, 0, 999);
        near(1000, 0, 1000);
        near(500, 1000, 1000);
        assert_eq!(histogram.per_mille(501, 1000), None);
        assert_eq!(Histogram::new().per_mille(500, 0), None);
    }
}

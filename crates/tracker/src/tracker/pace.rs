use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The longest round over all torrents: what is silent stays listed for as long after its time.
const LONGEST_ROUND_SECS: u64 = 60;

const MILLIS: u64 = 1000;

/// Spreads the steps of housekeeping evenly over time, whoever asks and however often.
pub(super) struct Pace {
    /// Steps of a round.
    steps: u64,
    /// Seconds of a round.
    secs: u64,
    /// Steps taken, counted from time 0.
    taken: AtomicU64,
}

impl Pace {
    /// `steps` a round; peers that may be silent for `ttl` are gone a quarter of that later.
    pub(super) fn new(steps: usize, ttl: Duration) -> Self {
        Self {
            steps: (steps as u64).max(1),
            secs: (ttl.as_secs() / 4).clamp(1, LONGEST_ROUND_SECS),
            taken: AtomicU64::new(0),
        }
    }

    /// Whether [`take`](Self::take) may have something to do. Changes nothing, so the threads that ask
    /// after each batch do not take a line of the cache from each other.
    pub(super) fn is_due(&self, uptime: Duration) -> bool {
        let taken = self.taken.load(Ordering::Relaxed);
        taken == 0 || taken < self.due(uptime)
    }

    fn due(&self, uptime: Duration) -> u64 {
        let millis = uptime.as_millis() as u64;
        millis.saturating_mul(self.steps) / (self.secs * MILLIS)
    }

    /// Takes a step if one is due.
    pub(super) fn take(&self, uptime: Duration) -> bool {
        let due = self.due(uptime);
        let taken = self.taken.load(Ordering::Relaxed);
        if taken == 0 {
            // The first look: a store that has just been made has nothing to drop, and a whole round of steps
            // at once would be in the way of whatever begins with it.
            self.taken.store(due, Ordering::Relaxed);
            return false;
        }
        if taken >= due {
            return false;
        }
        // After a long sleep one round is enough: what was missed would find nothing more.
        let next = taken.max(due.saturating_sub(self.steps)) + 1;
        // Whoever loses the race leaves the step to the winner.
        self.taken
            .compare_exchange(taken, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_until(pace: &Pace, secs: u64) -> usize {
        std::iter::from_fn(|| pace.take(Duration::from_secs(secs)).then_some(())).count()
    }

    #[test]
    fn a_round_takes_its_time() {
        let pace = Pace::new(600, Duration::from_secs(1200));
        assert_eq!(steps_until(&pace, 3600), 0);
        assert_eq!(steps_until(&pace, 3601), 10);
        assert_eq!(
            (3602..=3661)
                .map(|now| steps_until(&pace, now))
                .sum::<usize>(),
            600
        );
    }

    #[test]
    fn a_second_is_spread_as_well() {
        let pace = Pace::new(6000, Duration::from_secs(1200));
        steps_until(&pace, 10);
        for millis in 10_001..=10_100 {
            let at = Duration::from_millis(millis);
            assert_eq!(pace.is_due(at), millis % 10 == 0, "{millis}");
            assert_eq!(pace.take(at), millis % 10 == 0, "{millis}");
            assert!(!pace.take(at));
        }
    }

    #[test]
    fn a_sleep_costs_one_round() {
        let pace = Pace::new(100, Duration::from_secs(4));
        assert_eq!(steps_until(&pace, 1_000), 0);
        assert_eq!(steps_until(&pace, 10_000), 100);
        assert_eq!(steps_until(&pace, 20_000), 100);
    }

    #[test]
    fn short_lifetimes_have_short_rounds() {
        let pace = Pace::new(8, Duration::from_millis(1));
        steps_until(&pace, 10);
        assert_eq!(steps_until(&pace, 11), 8);
    }
}

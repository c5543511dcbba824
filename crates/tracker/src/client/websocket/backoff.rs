use std::time::Duration;

use super::WebSocketTiming;

/// How long to wait before the attempt after `retries` failed ones.
pub(super) fn delay(retries: u32, timing: &WebSocketTiming, rng: &mut fastrand::Rng) -> Duration {
    let factor = 1u32.checked_shl(retries).unwrap_or(u32::MAX);
    let base = timing
        .reconnect_min
        .saturating_mul(factor)
        .min(timing.reconnect_max);
    base.saturating_add(timing.reconnect_jitter.mul_f64(rng.f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_an_hour_and_jitters_by_five_minutes() {
        let timing = WebSocketTiming::default();
        let mut rng = fastrand::Rng::with_seed(1);
        let mut seen = Vec::new();
        for (retries, seconds) in [(0, 10), (1, 20), (3, 80), (8, 2560), (9, 3600), (40, 3600)] {
            let least = Duration::from_secs(seconds);
            for _ in 0..200 {
                let delay = delay(retries, &timing, &mut rng);
                assert!(delay >= least && delay < least + timing.reconnect_jitter);
                seen.push(delay.saturating_sub(least));
            }
        }
        // From end to end.
        assert!(seen.iter().any(|jitter| *jitter < Duration::from_secs(30)));
        assert!(seen.iter().any(|jitter| *jitter > Duration::from_secs(270)));
        assert!(delay(u32::MAX, &timing, &mut rng) < Duration::from_secs(3900));
    }
}

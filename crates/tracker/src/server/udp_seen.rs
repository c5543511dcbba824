//! What a look at a batch of datagrams has found out about each.

/// Packets that are remembered; more are handled as if nobody had looked.
const MAX: usize = u64::BITS as usize;

/// The packets of a batch, in order.
pub(super) struct Seen {
    /// A bit for each: an announce with a connection id that holds.
    valid: u64,
    /// How many were looked at.
    count: usize,
    /// How many have been handled.
    handled: usize,
    /// Of the random numbers of the batch.
    seed: u64,
}

/// What is known of one packet.
pub(super) struct SeenPacket {
    /// Whether it is an announce with a connection id that holds.
    pub(super) valid: bool,
    /// The random numbers that it is answered with.
    pub(super) rng: fastrand::Rng,
}

impl Seen {
    /// Nothing yet.
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            valid: 0,
            count: 0,
            handled: 0,
            seed,
        }
    }

    /// How many were looked at.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Another one was looked at; its random numbers.
    pub(super) fn add(&mut self, valid: bool) -> fastrand::Rng {
        if self.count < MAX {
            self.valid |= u64::from(valid) << self.count;
        }
        self.count += 1;
        self.rng(self.count - 1)
    }

    /// What is known of the packet that is handled now, if it was looked at.
    pub(super) fn next(&mut self) -> Option<SeenPacket> {
        let index = self.handled;
        self.handled += 1;
        (index < self.count.min(MAX)).then(|| SeenPacket {
            valid: self.valid >> index & 1 != 0,
            rng: self.rng(index),
        })
    }

    fn rng(&self, index: usize) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed.wrapping_add(index as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_packets_in_their_order() {
        let mut seen = Seen::new(7);
        let mut rngs: Vec<_> = (0..70).map(|index| seen.add(index % 3 == 0)).collect();
        assert_eq!(seen.count(), 70);
        for (index, rng) in rngs.iter_mut().take(MAX).enumerate() {
            let mut packet = seen.next().unwrap();
            assert_eq!(packet.valid, index % 3 == 0, "{index}");
            assert_eq!(packet.rng.u64(..), rng.u64(..));
        }
        assert!(seen.next().is_none());
        assert!(Seen::new(7).next().is_none());
    }
}

//! What a look at a batch of datagrams has found out about each.

/// Packets that are remembered; more are handled as if nobody had looked.
const MAX: usize = u64::BITS as usize;

/// The packets of a batch, in order.
#[derive(Default)]
pub(super) struct Seen {
    /// A bit for each: an announce with a connection id that holds.
    valid: u64,
    /// How many were looked at.
    count: usize,
    /// How many have been handled.
    handled: usize,
}

impl Seen {
    /// How many were looked at.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Another one was looked at: whether it is an announce with a connection id that holds.
    pub(super) fn add(&mut self, valid: bool) {
        if self.count < MAX {
            self.valid |= u64::from(valid) << self.count;
        }
        self.count += 1;
    }

    /// What was said of the packet that is handled now, if it was looked at.
    pub(super) fn next(&mut self) -> Option<bool> {
        let index = self.handled;
        self.handled += 1;
        (index < self.count.min(MAX)).then(|| self.valid >> index & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_packets_in_their_order() {
        let mut seen = Seen::default();
        for index in 0..70 {
            seen.add(index % 3 == 0);
        }
        assert_eq!(seen.count(), 70);
        for index in 0..MAX {
            assert_eq!(seen.next(), Some(index % 3 == 0), "{index}");
        }
        assert_eq!(seen.next(), None);
        assert_eq!(Seen::default().next(), None);
    }
}

//! The order in which the trackers of a multitracker torrent are tried (BEP 12).

/// Trackers in tiers. A tier's trackers are shuffled once; one that answered moves to the front
/// of its tier; the next tier is tried only after every tracker of the one before it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers<T> {
    tiers: Vec<Vec<T>>,
}

/// A place in [`Tiers`]. It stays good until [`Tiers::succeeded`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    tier: usize,
    index: usize,
}

impl<T> Tiers<T> {
    /// Shuffles each tier. Empty tiers are dropped.
    pub fn new(tiers: Vec<Vec<T>>, rng: &mut fastrand::Rng) -> Self {
        let mut tiers: Vec<_> = tiers.into_iter().filter(|tier| !tier.is_empty()).collect();
        for tier in &mut tiers {
            rng.shuffle(tier);
        }
        Self { tiers }
    }

    /// The tracker with which a round of announcing starts.
    pub fn first(&self) -> Option<Place> {
        let place = Place { tier: 0, index: 0 };
        self.get(place).map(|_| place)
    }

    /// The tracker to try when the one at `failed` has failed; `None` when all have.
    pub fn after(&self, failed: Place) -> Option<Place> {
        let in_tier = Place {
            tier: failed.tier,
            index: failed.index.checked_add(1)?,
        };
        if self.get(in_tier).is_some() {
            return Some(in_tier);
        }
        let next_tier = Place {
            tier: failed.tier.checked_add(1)?,
            index: 0,
        };
        self.get(next_tier).map(|_| next_tier)
    }

    /// Moves the tracker at `place` to the front of its tier: it answered.
    pub fn succeeded(&mut self, place: Place) {
        if let Some(head) = self
            .tiers
            .get_mut(place.tier)
            .and_then(|tier| tier.get_mut(..=place.index))
        {
            head.rotate_right(1);
        }
    }

    /// The tracker at this place.
    pub fn get(&self, place: Place) -> Option<&T> {
        self.tiers.get(place.tier)?.get(place.index)
    }

    /// All trackers in the order in which they would be tried now.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.tiers.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(tiers: &Tiers<u32>) -> Vec<u32> {
        let mut order = Vec::new();
        let mut place = tiers.first();
        while let Some(at) = place {
            order.push(*tiers.get(at).unwrap());
            place = tiers.after(at);
        }
        order
    }

    fn find(tiers: &Tiers<u32>, wanted: u32) -> Place {
        let mut place = tiers.first().unwrap();
        while tiers.get(place) != Some(&wanted) {
            place = tiers.after(place).unwrap();
        }
        place
    }

    #[test]
    fn tiers_stay_in_order_and_are_shuffled_within() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..100 {
            let tiers = Tiers::new(
                vec![vec![1, 2, 3], vec![], vec![4], vec![5, 6]],
                &mut fastrand::Rng::with_seed(seed),
            );
            let order = order(&tiers);
            assert_eq!(order, tiers.iter().copied().collect::<Vec<_>>());
            let mut sorted = [&order[..3], &order[3..4], &order[4..]].map(<[u32]>::to_vec);
            for tier in &mut sorted {
                tier.sort_unstable();
            }
            assert_eq!(sorted, [vec![1, 2, 3], vec![4], vec![5, 6]]);
            seen.insert(order);
        }
        assert_eq!(seen.len(), 12, "each order of each tier turns up");
    }

    #[test]
    fn success_moves_to_the_front_of_its_tier() {
        let mut tiers = Tiers {
            tiers: vec![vec![1, 2, 3], vec![4, 5]],
        };
        tiers.succeeded(find(&tiers, 3));
        assert_eq!(order(&tiers), [3, 1, 2, 4, 5]);
        tiers.succeeded(find(&tiers, 5));
        assert_eq!(order(&tiers), [3, 1, 2, 5, 4]);
        tiers.succeeded(find(&tiers, 3));
        assert_eq!(order(&tiers), [3, 1, 2, 5, 4]);
    }

    #[test]
    fn no_trackers() {
        let mut tiers: Tiers<u32> = Tiers::new(vec![vec![], vec![]], &mut fastrand::Rng::new());
        assert_eq!(tiers.first(), None);
        let place = Place { tier: 7, index: 7 };
        assert_eq!(tiers.after(place), None);
        tiers.succeeded(place);
        assert_eq!(tiers.iter().count(), 0);
    }
}

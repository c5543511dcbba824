//! Which peers an answer gets.

use std::ops::Range;

use super::Wanted;

/// How many of each family (IPv4, IPv6) an answer gets out of those that there are.
///
/// Each family gets its share of `wanted.count` in proportion to its size. The fraction is decided by
/// chance, so that every peer of the swarm is as likely as any other to be in the answer.
pub(super) fn share(
    wanted: Wanted,
    v4: usize,
    v6: usize,
    rng: &mut fastrand::Rng,
) -> (usize, usize) {
    let v4 = if wanted.v4 { v4 } else { 0 };
    let v6 = if wanted.v6 { v6 } else { 0 };
    let take = wanted.count.min(v4 + v6);
    let from_v4 = split(take, v4, v4 + v6, rng);
    (from_v4, take - from_v4)
}

/// `count` different indices below `len`, as ranges in which none is empty.
///
/// Peers lie in random order, so a run of neighbours is as good as single picks, and is one copy. The
/// run starts anywhere and wraps around. There is one in each half of the swarm: two peers who are
/// neighbours then still differ in who else they come with.
pub(super) fn windows(
    len: usize,
    count: usize,
    rng: &mut fastrand::Rng,
) -> impl Iterator<Item = Range<usize>> + Clone + use<> {
    let middle = len / 2;
    let ranges = if count >= len {
        [0..len, 0..0, 0..0, 0..0]
    } else {
        let first = split(count, middle, len, rng);
        let [a, b] = window(0..middle, first, rng);
        let [c, d] = window(middle..len, count - first, rng);
        [a, b, c, d]
    };
    ranges.into_iter().filter(|range| !range.is_empty())
}

/// The part of `count` that falls to `part` out of `whole`, rounded up or down by chance so that it is
/// right on average. At most `part`, and what remains is at most `whole - part`, if `count <= whole`.
fn split(count: usize, part: usize, whole: usize, rng: &mut fastrand::Rng) -> usize {
    if part == 0 || whole == 0 {
        return 0;
    }
    // Both factors are numbers of peers, far below 2^32.
    let product = count as u64 * part as u64;
    let whole = whole as u64;
    let rest = product % whole;
    let up = rest > 0 && rng.u64(0..whole) < rest;
    (product / whole) as usize + usize::from(up)
}

/// `count` neighbours in `range`, from anywhere and around its end.
fn window(range: Range<usize>, count: usize, rng: &mut fastrand::Rng) -> [Range<usize>; 2] {
    if count == 0 || range.is_empty() {
        return [0..0, 0..0];
    }
    let start = rng.usize(range.clone());
    let to_end = count.min(range.end - start);
    [
        start..start + to_end,
        range.start..range.start + (count - to_end),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_exact_and_never_repeat() {
        let mut rng = fastrand::Rng::with_seed(1);
        for len in 0..40 {
            for count in 0..45 {
                for _ in 0..20 {
                    let mut picked: Vec<usize> = windows(len, count, &mut rng).flatten().collect();
                    picked.sort_unstable();
                    picked.dedup();
                    assert_eq!(picked.len(), count.min(len), "{count} of {len}");
                    assert!(picked.iter().all(|&index| index < len));
                }
            }
        }
    }

    #[test]
    fn every_index_is_as_likely() {
        let mut rng = fastrand::Rng::with_seed(2);
        for (len, count) in [(2, 1), (5, 1), (7, 3), (31, 10), (100, 50)] {
            let rounds = 20_000;
            let mut hits = vec![0; len];
            for _ in 0..rounds {
                windows(len, count, &mut rng)
                    .flatten()
                    .for_each(|index| hits[index] += 1);
            }
            let expected = rounds * count / len;
            for (index, hits) in hits.into_iter().enumerate() {
                assert!(
                    hits > expected * 9 / 10 && hits < expected * 11 / 10,
                    "index {index} of {len}: {hits}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn share_is_exact_and_within_what_there_is() {
        let mut rng = fastrand::Rng::with_seed(3);
        for v4 in 0..12 {
            for v6 in 0..12 {
                for count in 0..30 {
                    let wanted = Wanted {
                        v4: true,
                        v6: true,
                        count,
                    };
                    let (from_v4, from_v6) = share(wanted, v4, v6, &mut rng);
                    assert!(from_v4 <= v4 && from_v6 <= v6);
                    assert_eq!(from_v4 + from_v6, count.min(v4 + v6));
                }
            }
        }
        let only = |v4, v6| Wanted { v4, v6, count: 5 };
        assert_eq!(share(only(true, false), 9, 9, &mut rng), (5, 0));
        assert_eq!(share(only(false, true), 9, 3, &mut rng), (0, 3));
        assert_eq!(share(only(false, false), 9, 3, &mut rng), (0, 0));
    }

    #[test]
    fn share_is_in_proportion_on_average() {
        let mut rng = fastrand::Rng::with_seed(4);
        let wanted = Wanted {
            v4: true,
            v6: true,
            count: 10,
        };
        let rounds = 10_000;
        let v6: usize = (0..rounds)
            .map(|_| share(wanted, 970, 30, &mut rng).1)
            .sum();
        // 3 % of 10 each.
        assert!((2_800..3_200).contains(&v6), "{v6}");
    }
}

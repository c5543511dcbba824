//! Connection ids of the UDP protocol (BEP 15), without a table of them.
//!
//! An id proves that its holder receives packets at the address that it claims. Without that
//! proof a tracker would announce peers for victims who know nothing of it, and send to a spoofed
//! source four times what it was sent.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use siphasher::sip::SipHasher24;

use crate::types::Timestamp;

/// The life of an id that BEP 15 asks of trackers.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(120);

/// The longest life that can be had: the low 16 bits of the time must tell ids apart.
pub const MAX_LIFETIME: Duration = Duration::from_secs(60_000);

/// Threads read the clock at different moments and keep the reading for a while, so an id may seem
/// to come from the future. None can be forged for it.
const CLOCK_SKEW: u32 = 5;

/// Issues and checks ids.
///
/// An id is 48 bits of a keyed hash of the client's address and the second of issue, then the low
/// 16 bits of that second. The port is no part of it: NATs change it, and clients announce from
/// several sockets.
#[derive(Clone)]
pub struct ConnectionIds {
    hasher: SipHasher24,
    lifetime: u32,
}

impl ConnectionIds {
    /// Ids under a secret, random `key` that live this long, in whole seconds and at most
    /// [`MAX_LIFETIME`].
    pub fn new(key: [u8; 16], lifetime: Duration) -> Self {
        let secs = lifetime.min(MAX_LIFETIME).as_secs();
        Self {
            hasher: SipHasher24::new_with_key(&key),
            lifetime: u32::try_from(secs).unwrap_or(u32::MAX),
        }
    }

    /// The id of a client at this address.
    pub fn issue(&self, ip: IpAddr, now: Timestamp) -> u64 {
        self.id(ip, now.as_secs())
    }

    /// Whether `id` was issued to this address, no longer ago than its lifetime. It may be accepted
    /// for up to a second more, since time is read in whole seconds.
    pub fn is_valid(&self, id: u64, ip: IpAddr, now: Timestamp) -> bool {
        let latest = now.as_secs().wrapping_add(CLOCK_SKEW);
        let age = (latest as u16).wrapping_sub(id as u16);
        let issued = latest.wrapping_sub(u32::from(age));
        // Age and second are no secret. The hash is compared as one word, so in constant time.
        u32::from(age) <= self.lifetime + CLOCK_SKEW && self.id(ip, issued) == id
    }

    fn id(&self, ip: IpAddr, issued: u32) -> u64 {
        // A dual-stack socket gives IPv4 clients as mapped addresses; both forms are one client.
        let octets = match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        self.hasher.hash(&input(octets, issued)) & !0xffff | u64::from(issued as u16)
    }
}

/// Keeps the key out of logs.
impl fmt::Debug for ConnectionIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionIds")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

fn input(ip: Ipv6Addr, issued: u32) -> [u8; 20] {
    let mut input = [0; 20];
    input[..16].copy_from_slice(&ip.octets());
    input[16..].copy_from_slice(&issued.to_be_bytes());
    input
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: u32) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn ids(key: u8) -> ConnectionIds {
        ConnectionIds::new([key; 16], DEFAULT_LIFETIME)
    }

    #[test]
    fn lives_its_lifetime_and_little_longer() {
        let ip = "192.0.2.1".parse().unwrap();
        // Also over the wrap of the low 16 bits, and of all 32.
        for start in [3600, 65_535, 65_536 * 3 - 60, u32::MAX - 1] {
            let id = ids(1).issue(ip, at(start));
            for age in 0..=120 {
                let now = at(start.wrapping_add(age));
                assert!(ids(1).is_valid(id, ip, now), "{start} {age}");
            }
            for age in [121, 122, 240, 65_535, 65_536, 65_537, 1 << 20] {
                let now = at(start.wrapping_add(age));
                assert!(!ids(1).is_valid(id, ip, now), "{start} {age}");
            }
        }
    }

    #[test]
    fn clocks_may_differ_a_little() {
        let ip = "192.0.2.1".parse().unwrap();
        let id = ids(1).issue(ip, at(1000));
        assert!(ids(1).is_valid(id, ip, at(995)));
        assert!(!ids(1).is_valid(id, ip, at(994)));
    }

    #[test]
    fn long_and_zero_lifetimes() {
        let ip = "192.0.2.1".parse().unwrap();
        let long = ConnectionIds::new([1; 16], Duration::MAX);
        let id = long.issue(ip, at(1000));
        assert!(long.is_valid(id, ip, at(61_000)));
        assert!(!long.is_valid(id, ip, at(61_001)));
        let short = ConnectionIds::new([1; 16], Duration::ZERO);
        assert!(short.is_valid(id, ip, at(1000)));
        assert!(!short.is_valid(id, ip, at(1001)));
    }

    #[test]
    fn mapped_address_is_the_same_client() {
        let id = ids(1).issue("192.0.2.1".parse().unwrap(), at(1000));
        assert!(ids(1).is_valid(id, "::ffff:192.0.2.1".parse().unwrap(), at(1000)));
    }

    #[test]
    fn hides_its_key() {
        assert_eq!(
            format!("{:?}", ids(7)),
            "ConnectionIds { lifetime: 120, .. }"
        );
    }

    proptest! {
        #[test]
        fn belongs_to_address_key_and_time(
            a in any::<IpAddr>(), b in any::<IpAddr>(), now in any::<u32>(), later in 0..115u32,
            bit in 0..64u32,
        ) {
            let id = ids(1).issue(a, at(now));
            let then = at(now.wrapping_add(later));
            prop_assert!(ids(1).is_valid(id, a, then));
            prop_assert!(!ids(2).is_valid(id, a, then));
            prop_assert!(!ids(1).is_valid(id ^ 1 << bit, a, then));
            let same = a.to_canonical() == b.to_canonical();
            prop_assert_eq!(ids(1).is_valid(id, b, then), same);
        }

        #[test]
        fn guesses_are_refused(id in any::<u64>(), ip in any::<IpAddr>(), now in any::<u32>()) {
            prop_assert!(!ids(1).is_valid(id, ip, at(now)));
        }
    }
}

//! At which of a tracker's addresses to ask, and for how long.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::time::Instant;

use crate::client::{request::TrackerRequest, resolve::Family};

/// The share of the budget that IPv4 gets when IPv6 is to be tried after it, in tenths.
const FIRST_FAMILY_TENTHS: u32 = 6;

/// The addresses to ask at, in order.
pub(super) fn targets(families: &[Family], addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let mut targets: Vec<_> = families
        .iter()
        .filter_map(|family| first_of(*family, addresses))
        .map(|ip| SocketAddr::new(ip, port))
        .collect();
    // One stays in any case: its error is the one to tell.
    if let [first, second] = targets[..] {
        if !has_route(second) {
            targets.pop();
        } else if !has_route(first) {
            targets.remove(0);
        }
    }
    targets
}

/// How long to ask at the first of so many addresses.
pub(super) fn until(request: &TrackerRequest, deadline: Instant, addresses: usize) -> Instant {
    if addresses > 1 {
        let share = request.timeout * FIRST_FAMILY_TENTHS / 10;
        deadline.min(Instant::now() + share)
    } else {
        deadline
    }
}

/// Whether the system knows a way to this address; sends nothing. On a machine without IPv6, IPv4
/// then has the whole budget.
fn has_route(tracker: SocketAddr) -> bool {
    let any = match Family::of(tracker.ip()) {
        Family::V4 => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    std::net::UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(tracker).is_ok())
}

fn first_of(family: Family, addresses: &[IpAddr]) -> Option<IpAddr> {
    addresses
        .iter()
        .copied()
        .find(|ip| Family::of(*ip) == family)
}

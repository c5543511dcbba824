//! What an announce is answered with: peers of its swarm that it can reach.

use super::{Outcome, PeerSink, Run, SocketSink, Wanted, heap::Rows, select, torrent::Torrent};
use crate::{prefetch::Lines, types::PeerId};

/// Peers of the announcer's own peer id that an answer over a WebSocket makes up for. A client that
/// reconnects has one or two. Whoever joins under the id of another can join under any id as well, and
/// gains no more by it: they take the same part of the places that are looked at.
const SAME_ID: usize = 16;

/// Hands peers that take connections at an address to the sink.
pub(super) fn with_addrs(
    swarm: &Torrent,
    outcome: &Outcome,
    wanted: Wanted,
    rng: &mut fastrand::Rng,
    sink: &mut impl PeerSink,
) {
    let (v4, v6) = (swarm.v4(), swarm.v6());
    let (from_v4, from_v6) = select::share(wanted, v4.len(), v6.len(), rng);
    sink.begin(outcome, from_v4, from_v6);
    each_run(v4, from_v4, rng, |run| sink.v4(run));
    each_run(v6, from_v6, rng, |run| sink.v6(run));
}

/// Names the addresses that [`with_addrs`] will copy, to be fetched: those that it will draw with the same random
/// numbers, if nobody joins or leaves before.
pub(super) fn expect_addrs(
    swarm: &Torrent,
    wanted: Wanted,
    rng: &mut fastrand::Rng,
    lines: &mut Lines,
) {
    let (v4, v6) = (swarm.v4(), swarm.v6());
    let (from_v4, from_v6) = select::share(wanted, v4.len(), v6.len(), rng);
    each_run(v4, from_v4, rng, |run| lines.add(run.addrs));
    each_run(v6, from_v6, rng, |run| lines.add(run.addrs));
}

/// Hands WebSocket peers to the sink, none of them called `announcer`: that is who asks, or a socket of
/// theirs that is dead and not yet closed.
pub(super) fn with_sockets(
    swarm: &Torrent,
    outcome: &Outcome,
    announcer: PeerId,
    wanted: usize,
    rng: &mut fastrand::Rng,
    sink: &mut impl SocketSink,
) {
    let keys = swarm.sockets().addrs;
    let looked_at = if wanted == 0 {
        0
    } else {
        wanted.saturating_add(SAME_ID)
    };
    let others = select::windows(keys.len(), looked_at, rng)
        .flat_map(|window| &keys[window])
        .filter(|key| key.peer_id() != announcer);
    let mut rest = others.clone().count();
    let mut missing = rest.min(wanted);
    sink.begin(outcome, missing);
    for key in others {
        if missing == 0 {
            break;
        }
        // Each of the rest is as likely as any other to be among those missing.
        if rng.usize(..rest) < missing {
            sink.peer(key.socket(), key.peer_id());
            missing -= 1;
        }
        rest -= 1;
    }
}

fn each_run<A: Copy>(
    rows: Rows<'_, A>,
    count: usize,
    rng: &mut fastrand::Rng,
    mut take: impl FnMut(Run<'_, A>),
) {
    for window in select::windows(rows.len(), count, rng) {
        take(Run {
            addrs: &rows.addrs[window.clone()],
            peers: &rows.metas[window],
        });
    }
}

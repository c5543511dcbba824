//! The peers of an answer, as the user's code gets them.

use super::{
    desk::{AnnounceAnswer, PeerRow},
    websocket::Hub,
};
use crate::{
    swarm::{Outcome, PeerSink, Run, SocketSink},
    types::{PeerAddr, PeerAddrV4, PeerAddrV6, PeerId, SocketId},
};

/// Gathers the peers of an answer.
pub(super) struct Rows<'a> {
    hub: &'a Hub,
    pub(super) answer: AnnounceAnswer,
}

impl<'a> Rows<'a> {
    pub(super) fn new(hub: &'a Hub) -> Self {
        Self {
            hub,
            answer: AnnounceAnswer::default(),
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        self.answer.complete = outcome.complete;
        self.answer.incomplete = outcome.incomplete;
    }

    fn run<A: Copy>(&mut self, run: Run<'_, A>, addr: impl Fn(A) -> PeerAddr) {
        for (&peer, meta) in run.addrs.iter().zip(run.peers) {
            self.answer.peers.push(PeerRow {
                peer_id: meta.peer_id,
                addr: Some(addr(peer).into()),
                socket: None,
                complete: meta.is_seeder(),
            });
        }
    }
}

impl PeerSink for Rows<'_> {
    fn begin(&mut self, outcome: &Outcome, v4: usize, v6: usize) {
        self.outcome(outcome);
        self.answer.peers.reserve(v4 + v6);
    }

    fn v4(&mut self, run: Run<'_, PeerAddrV4>) {
        self.run(run, PeerAddr::V4);
    }

    fn v6(&mut self, run: Run<'_, PeerAddrV6>) {
        self.run(run, PeerAddr::V6);
    }
}

impl SocketSink for Rows<'_> {
    fn begin(&mut self, outcome: &Outcome, _count: usize) {
        self.outcome(outcome);
    }

    fn peer(&mut self, socket: SocketId, peer_id: PeerId) {
        self.answer.peers.push(PeerRow {
            peer_id,
            addr: self.hub.addr(socket),
            socket: Some(socket),
            complete: false,
        });
    }
}

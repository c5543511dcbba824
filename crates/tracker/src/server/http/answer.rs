//! The body of an announce's answer.

use crate::{
    protocol::http::{self, AnnounceQuery, AnnounceReply},
    swarm::{Outcome, PeerSink, Run},
    types::{PeerAddr, PeerAddrV4, PeerAddrV6},
};

/// Writes an announce's answer as the store comes up with it.
pub(super) struct Answer<'a> {
    query: &'a AnnounceQuery,
    reply: AnnounceReply<'a>,
    body: &'a mut Vec<u8>,
    /// How many IPv6 peers there will be.
    v6: usize,
    v6_begun: bool,
}

impl<'a> Answer<'a> {
    /// Appends to `body`. Of `reply` the numbers of peers are filled in.
    pub(super) const fn new(
        query: &'a AnnounceQuery,
        reply: AnnounceReply<'a>,
        body: &'a mut Vec<u8>,
    ) -> Self {
        Self {
            query,
            reply,
            body,
            v6: 0,
            v6_begun: false,
        }
    }

    fn list<A: Copy>(&mut self, run: Run<'_, A>, addr: impl Fn(A) -> PeerAddr) {
        for (&peer, meta) in run.addrs.iter().zip(run.peers) {
            let id = (!self.query.no_peer_id).then_some(meta.peer_id);
            http::write_peer(self.body, addr(peer), id);
        }
    }

    /// Appends what stands after the peers.
    pub(super) fn finish(self) {
        if !self.query.compact {
            http::end_peer_list(self.body);
        } else if !self.v6_begun {
            http::begin_peers_v6(self.body, 0);
        }
        self.reply.write_tail(self.body);
    }
}

impl PeerSink for Answer<'_> {
    fn begin(&mut self, outcome: &Outcome, v4: usize, v6: usize) {
        self.reply.complete = outcome.complete;
        self.reply.incomplete = outcome.incomplete;
        self.reply.write_head(self.body);
        if !self.query.compact {
            http::begin_peer_list(self.body);
            return;
        }
        http::begin_peers_v4(self.body, v4);
        self.v6 = v6;
    }

    fn v4(&mut self, run: Run<'_, PeerAddrV4>) {
        if self.query.compact {
            PeerAddrV4::append_all(run.addrs, self.body);
        } else {
            self.list(run, PeerAddr::V4);
        }
    }

    fn v6(&mut self, run: Run<'_, PeerAddrV6>) {
        if !self.query.compact {
            return self.list(run, PeerAddr::V6);
        }
        if !self.v6_begun {
            http::begin_peers_v6(self.body, self.v6);
            self.v6_begun = true;
        }
        PeerAddrV6::append_all(run.addrs, self.body);
    }
}

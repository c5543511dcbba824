//! What an announce gave back.

use std::collections::BTreeSet;

use tracker::{
    swarm::{
        Announce, Outcome, PeerSink, PeerSnapshot, PeerSource, Run, SocketAnnounce, SocketSink,
        Store, Wanted,
    },
    types::{InfoHash, PeerAddr, PeerAddrV4, PeerAddrV6, PeerId, SocketId, Timestamp},
};

use crate::support::{Call, Key, Peer};

/// Everything an announce gave back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    /// What an address was given.
    pub(crate) peers: Vec<PeerSnapshot>,
    /// What a socket was given.
    pub(crate) sockets: Vec<Peer>,
}

impl Answer {
    /// The peers that were handed out, of whom there must be none twice.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        let peers = self.peers.iter().map(Peer::from);
        let keys: Vec<_> = peers
            .chain(self.sockets.iter().copied())
            .map(Peer::key)
            .collect();
        let set: BTreeSet<_> = keys.iter().copied().collect();
        assert_eq!(set.len(), keys.len(), "none twice: {keys:?}");
        set
    }
}

/// An announce through a sink that holds the store to the order and numbers that it promised.
pub(crate) fn answer_of(
    store: &Store,
    call: &Call,
    wanted: Wanted,
    now: Timestamp,
    rng: &mut fastrand::Rng,
) -> Answer {
    let mut sink = Collector::default();
    let outcome = match call.peer.source {
        PeerSource::Addr(addr) => {
            let announce = Announce {
                info_hash: call.info_hash,
                peer_id: call.peer.peer_id,
                addr,
                event: call.event,
                left: call.left,
            };
            store.announce(&announce, wanted, now, rng, &mut sink)
        }
        PeerSource::Socket(socket) => {
            let announce = SocketAnnounce {
                info_hash: call.info_hash,
                peer_id: call.peer.peer_id,
                socket,
                event: call.event,
                left: call.left,
            };
            store.announce_socket(&announce, wanted.count, now, rng, &mut sink)
        }
    };
    sink.finish(outcome)
}

/// A draw for an address without an announce.
pub(crate) fn select_from(
    store: &Store,
    info_hash: &InfoHash,
    wanted: Wanted,
    rng: &mut fastrand::Rng,
) -> Answer {
    let mut sink = Collector::default();
    let outcome = store.select(info_hash, wanted, rng, &mut sink);
    sink.finish(outcome)
}

/// A draw for a socket without an announce.
pub(crate) fn select_sockets_from(
    store: &Store,
    info_hash: &InfoHash,
    own: PeerId,
    wanted: usize,
    rng: &mut fastrand::Rng,
) -> Answer {
    let mut sink = Collector::default();
    let outcome = store.select_sockets(info_hash, own, wanted, rng, &mut sink);
    sink.finish(outcome)
}

#[derive(Default)]
struct Collector {
    begun: Option<Outcome>,
    promised_v4: usize,
    promised_v6: usize,
    promised_sockets: usize,
    v4: usize,
    v6: usize,
    peers: Vec<PeerSnapshot>,
    sockets: Vec<Peer>,
}

impl Collector {
    fn finish(self, outcome: Outcome) -> Answer {
        assert_eq!(self.begun, Some(outcome), "begin is called once, with it");
        assert_eq!((self.v4, self.v6), (self.promised_v4, self.promised_v6));
        assert_eq!(self.sockets.len(), self.promised_sockets);
        Answer {
            outcome,
            peers: self.peers,
            sockets: self.sockets,
        }
    }

    fn take<A: Copy>(&mut self, run: Run<'_, A>, addr: impl Fn(A) -> PeerAddr) -> usize {
        assert!(self.begun.is_some(), "begin comes first");
        assert!(!run.addrs.is_empty());
        assert_eq!(run.addrs.len(), run.peers.len());
        for (&own, peer) in run.addrs.iter().zip(run.peers) {
            self.peers.push(PeerSnapshot {
                peer_id: peer.peer_id,
                source: PeerSource::Addr(addr(own)),
                complete: peer.is_seeder(),
            });
        }
        run.addrs.len()
    }
}

impl PeerSink for Collector {
    fn begin(&mut self, outcome: &Outcome, v4: usize, v6: usize) {
        assert_eq!(self.begun, None, "begin is called once");
        self.begun = Some(*outcome);
        (self.promised_v4, self.promised_v6) = (v4, v6);
    }

    fn v4(&mut self, run: Run<'_, PeerAddrV4>) {
        assert_eq!(self.v6, 0, "IPv4 comes first");
        self.v4 += self.take(run, PeerAddr::V4);
    }

    fn v6(&mut self, run: Run<'_, PeerAddrV6>) {
        self.v6 += self.take(run, PeerAddr::V6);
    }
}

impl SocketSink for Collector {
    fn begin(&mut self, outcome: &Outcome, peers: usize) {
        assert_eq!(self.begun, None, "begin is called once");
        self.begun = Some(*outcome);
        self.promised_sockets = peers;
    }

    fn peer(&mut self, socket: SocketId, peer_id: PeerId) {
        assert!(self.begun.is_some(), "begin comes first");
        self.sockets.push(Peer {
            source: PeerSource::Socket(socket),
            peer_id,
        });
    }
}

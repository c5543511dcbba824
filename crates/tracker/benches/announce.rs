//! The cost of a whole announce, but for its socket. `cargo bench -p tracker --bench announce`.

mod cases;

use std::net::SocketAddr;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tracker::{
    protocol::udp::{self, Request},
    swarm::Expected,
    types::{AnnounceEvent, PeerAddr},
};

use self::cases::udp::{CARRIES, Endpoint};

/// Datagrams that a UDP thread gets from the kernel at once, at most.
const BATCH: usize = 64;

fn announce(c: &mut Criterion) {
    for case in cases::of(cases::Group::Announce) {
        let mut operation = (case.set_up)();
        c.bench_function(case.name, |bencher| bencher.iter(&mut operation));
    }
    batches(c, "2 million peers in a million torrents", 1_000_000, 2);
    batches(c, "2 million peers in 10,000 torrents", 10_000, 200);
}

/// Announces of known peers at random, in a store that no cache holds: what fetching ahead is worth.
fn batches(c: &mut Criterion, name: &str, torrents: u32, peers: u16) {
    let mut group = c.benchmark_group(format!("UDP, a batch of 64 of {name}"));
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut endpoint = Endpoint::new(torrents, peers);
    let mut packets: Vec<_> = (0..BATCH)
        .map(|_| (endpoint.packet(AnnounceEvent::Update), None))
        .collect();
    let mut rng = fastrand::Rng::with_seed(5);
    for prefetched in [false, true] {
        let way = if prefetched {
            "fetched ahead"
        } else {
            "as it comes"
        };
        group.bench_function(BenchmarkId::from_parameter(way), |bencher| {
            bencher.iter(|| {
                for (packet, from) in &mut packets {
                    *from = Some(packet.aim(rng.u32(..torrents), rng.u16(..peers)));
                }
                let batch = || {
                    let packets = packets.iter();
                    packets.filter_map(|(packet, from)| Some((&packet.0[..], (*from)?)))
                };
                if prefetched {
                    prefetch(&endpoint, batch());
                }
                for (packet, from) in batch() {
                    endpoint.answer(packet, from);
                }
            });
        });
    }
    group.finish();
}

/// As `server/udp.rs` does.
fn prefetch<'a>(endpoint: &Endpoint, batch: impl Iterator<Item = (&'a [u8], SocketAddr)>) {
    let announces = batch.filter_map(|(packet, from)| match udp::parse_request(packet) {
        Ok(Request::Announce(request)) => Some(Expected {
            info_hash: request.info_hash,
            addr: PeerAddr::new(from.ip(), request.port),
            wanted: (endpoint.tracker).wanted(Some(request.num_want.into()), CARRIES),
        }),
        _ => None,
    });
    endpoint.tracker.store().prefetch(announces, &endpoint.rng);
}

criterion_group!(benches, announce);
criterion_main!(benches);

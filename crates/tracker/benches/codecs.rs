//! The cost of the wire formats. `cargo bench -p tracker --bench codecs`.

mod cases;

use criterion::{Criterion, criterion_group, criterion_main};

fn codecs(c: &mut Criterion) {
    for case in cases::of(cases::Group::Codecs) {
        let mut operation = (case.set_up)();
        c.bench_function(case.name, |bencher| bencher.iter(&mut operation));
    }
}

criterion_group!(benches, codecs);
criterion_main!(benches);

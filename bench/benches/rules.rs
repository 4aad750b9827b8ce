//! How long the rules take: `cargo bench -p coatroom-bench --bench rules -- peek`.

mod cases;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use self::cases::Work;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn rules(criterion: &mut Criterion) {
    for case in cases::all() {
        let (group, name) = case.name.split_once('/').expect("a group and a name");
        let mut group = criterion.benchmark_group(group);
        if let Some(kib) = case.kib {
            group.throughput(Throughput::Bytes(kib * 1024));
        }
        group.bench_function(name, |bencher| match case.make() {
            Work::Again(mut work) => bencher.iter(&mut work),
            Work::Anew(next) => bencher.iter_batched(next, |work| work(), BatchSize::SmallInput),
        });
    }
}

criterion_group!(benches, rules);
criterion_main!(benches);

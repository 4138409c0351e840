//! `ipam`'s main calls: `cargo bench -p benches --bench ipam`. How to read them:
//!
//! - `claim/*`: one container that ends and one that starts, among as many live claims. A store's commit (three
//!   `fdatasync`s with `ipam-redb`) costs a thousand times that: the allocator is not what a node agent waits for.
//!   Larger states cost more only because their records are no longer in the processor's caches.
//! - `claim/decided/*`: the same in two steps, as whoever persists does it: the difference is what changes as data cost.
//! - `replica/claim`: the whole round of deciding, writing records to a store in memory, and applying.
//! - `open/*`: a restart: all records of a store are checked and indexed. A claim is some hundred bytes of record.
//! - `routes/host`: the fewest prefixes that cover one host's addresses.
#![forbid(unsafe_code)]

mod common;

use common::quick;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use ipam::store::{MemoryStore, ready};
use ipam::{Ipam, PoolSpec, Replica, Request, Timestamp};
use std::hint::black_box;
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

/// Hosts of the state.
const HOSTS: u64 = 500;

/// The names of the n-th container.
struct Names {
    owner: String,
    workload: String,
    host: String,
}

impl Names {
    fn of(n: u64) -> Self {
        Self {
            owner: format!("4f2a{n:012x}/eth0"),
            workload: format!("shop/web-{n}"),
            host: format!("host-{:04}", n % HOSTS),
        }
    }

    fn request(&self) -> Request<'_> {
        let request = Request::new(&self.owner).workload(&self.workload);
        request.host(&self.host).sticky(Duration::from_secs(3600))
    }
}

fn pool() -> Result<PoolSpec, Failure> {
    Ok(PoolSpec::new("p", "10.0.0.0/8".parse()?))
}

/// An allocator with as many live claims; the n-th has sequence n + 1.
fn filled(claims: u64) -> Result<Ipam, Failure> {
    let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    ipam.add_pool(now, pool()?)?;
    for n in 0..claims {
        ipam.claim(now, &Names::of(n).request())?;
    }
    Ok(ipam)
}

/// Releases the oldest claim and makes a new one, by one call each or by changes that are decided and then applied.
fn turn(
    ipam: &mut Ipam,
    now: &mut Timestamp,
    gone: u64,
    names: &(Names, Names),
    decided: bool,
) -> Result<(), Failure> {
    *now = now.after(Duration::from_millis(1));
    let (leaver, comer) = names;
    if !decided {
        ipam.release(*now, &leaver.owner, gone + 1)?;
        black_box(ipam.claim(*now, &comer.request())?);
        return Ok(());
    }
    ipam.advance(*now);
    let released = ipam.decide_release(&leaver.owner, gone + 1)?;
    ipam.apply(&released)?;
    let claimed = ipam.decide_claim(&comer.request())?;
    ipam.apply_all(&claimed.changes)?;
    Ok(())
}

fn claims(c: &mut Criterion) {
    let mut group = c.benchmark_group("claim");
    for claims in [1_000, 100_000_u64] {
        for (decided, name) in [(false, "at-once"), (true, "decided")] {
            let mut ipam = filled(claims).expect("there is room");
            let (mut now, mut next) = (Timestamp::from_secs(2), 0);
            group.bench_function(BenchmarkId::new(name, claims), |b| {
                let names = |next: &mut u64| {
                    let gone = *next;
                    *next += 1;
                    (gone, (Names::of(gone), Names::of(claims + gone)))
                };
                b.iter_batched(
                    || names(&mut next),
                    |(gone, names)| {
                        turn(&mut ipam, &mut now, gone, &names, decided)
                            .expect("released and claimed");
                        names
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

fn replica(c: &mut Criterion) {
    let now = Timestamp::from_secs(1);
    let mut replica = ready(Replica::open(MemoryStore::default(), now, 7))
        .expect("ready")
        .expect("opened");
    let added = replica.add_pool(now, pool().expect("a pool"), |_| std::future::ready(()));
    ready(added).expect("ready").expect("added");
    let mut next = 0;
    c.bench_function("replica/claim", |b| {
        b.iter(|| {
            let names = Names::of(next);
            next += 1;
            let request = names.request();
            let claimed = replica.claim(now, &request, |_| std::future::ready(()));
            ready(claimed).expect("ready").expect("claimed");
        });
    });
}

fn open(c: &mut Criterion) {
    let ipam = filled(10_000).expect("there is room");
    let records = ipam.records();
    let now = Timestamp::from_secs(2);
    c.bench_function("open/10000", |b| {
        b.iter(|| Ipam::restore(now, records.iter().cloned()));
    });
    c.bench_function("routes/host", |b| b.iter(|| ipam.routes("host-0007")));
}

criterion_group! { name = main_paths; config = quick(); targets = claims, replica, open }
criterion_main!(main_paths);

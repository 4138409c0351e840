//! Operations on parts of a stored state do what they do on the whole: the same answers, and the same stored in the end.

use ipam::{
    Ipam, PoolSpec, Replica, Request, Store as _, Timestamp,
    claim::Families,
    pool::{Affinity, Order},
    store::{MemoryStore, PartialReplica, Record, Txn, ready},
};
use proptest::prelude::*;
use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::Duration;

fn wait(_: Duration) -> std::future::Ready<()> {
    std::future::ready(())
}

fn now<T>(future: impl Future<Output = T>) -> T {
    ready(future).expect("memory never waits")
}

/// One operation on both.
#[derive(Clone, Debug)]
enum Op {
    Claim {
        owner: u8,
        workload: Option<u8>,
        host: Option<u8>,
        kept: u8,
        pool: Option<u8>,
        asked: Option<u8>,
        dual: bool,
        lease: bool,
    },
    Release(u8),
    Renew(u8),
    Reserve(u8, u8),
    BeginMove(u8, u8, u8),
    FinishMove(u8, u8),
    AbortMove(u8),
    Collect,
    Drain(u8, bool),
    Quarantine(u8, u8),
    Later(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let owner = 0..24u8;
    let claim = (
        owner.clone(),
        prop::option::weighted(0.6, 0..8u8),
        prop::option::weighted(0.7, 0..4u8),
        0..4u8,
        prop::option::weighted(0.5, 0..5u8),
        prop::option::weighted(0.1, any::<u8>()),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    );
    let claim =
        claim.prop_map(
            |(owner, workload, host, kept, pool, asked, dual, lease)| Op::Claim {
                owner,
                workload,
                host,
                kept,
                pool,
                asked,
                dual,
                lease,
            },
        );
    prop_oneof![
        12 => claim,
        8 => owner.clone().prop_map(Op::Release),
        2 => owner.prop_map(Op::Renew),
        1 => (0..8u8, any::<u8>()).prop_map(|(w, a)| Op::Reserve(w, a)),
        1 => (0..8u8, 0..4u8, 0..4u8).prop_map(|(w, a, b)| Op::BeginMove(w, a, b)),
        1 => (0..8u8, 0..24u8).prop_map(|(w, o)| Op::FinishMove(w, o)),
        1 => (0..8u8).prop_map(Op::AbortMove),
        1 => Just(Op::Collect),
        1 => (0..5u8, any::<bool>()).prop_map(|(p, on)| Op::Drain(p, on)),
        1 => (0..5u8, 0..90u8).prop_map(|(p, s)| Op::Quarantine(p, s)),
        6 => (0..200u16).prop_map(Op::Later),
    ]
}

const POOLS: [&str; 5] = ["lru", "off", "round", "random", "six"];

fn specs() -> [PoolSpec; 5] {
    let spec = |name: &str, cidr: &str, block| {
        let spec = PoolSpec::new(name, cidr.parse().expect("a prefix"));
        spec.block_size(block).quarantine(Duration::from_secs(60))
    };
    [
        spec("lru", "10.0.0.0/26", 29),
        spec("off", "10.1.0.0/27", 29).affinity(Affinity::Off),
        spec("round", "10.2.0.0/26", 30)
            .affinity(Affinity::Strict)
            .order(Order::RoundRobin)
            .gateway([10, 2, 0, 9].into()),
        spec("random", "10.3.0.0/27", 29)
            .order(Order::Random)
            .exclude(
                "10.3.0.8-10.3.0.17"
                    .parse::<ipam::net::AddressRange>()
                    .expect("a range"),
            ),
        spec("six", "fd00::/64", 122).order(Order::Lowest),
    ]
}

/// The whole state in one store, and parts of the other.
struct Both {
    whole: Replica<MemoryStore>,
    parts: MemoryStore,
    at: Timestamp,
    whole_reads: u64,
    small: u64,
}

impl Both {
    fn new() -> Self {
        let at = Timestamp::from_secs(1000);
        let open = || now(Replica::open(MemoryStore::default(), at, 7)).expect("open");
        let (mut whole, mut other) = (open(), open());
        for spec in specs() {
            for replica in [&mut whole, &mut other] {
                now(replica.add_pool(at, spec.clone(), wait)).expect("a pool");
            }
        }
        Self {
            whole,
            parts: other.into_store(),
            at,
            whole_reads: 0,
            small: 0,
        }
    }

    /// Does something by a part of the other store.
    fn part<T>(&mut self, work: impl FnOnce(&mut PartialReplica<&mut MemoryStore>) -> T) -> T {
        let mut part = PartialReplica::new(&mut self.parts, 7);
        let answer = work(&mut part);
        self.whole_reads += part.whole_reads();
        self.small += 1;
        answer
    }

    /// Does the same to the whole state of both.
    fn on_both<T: PartialEq + std::fmt::Debug>(
        &mut self,
        work: impl Fn(&mut Replica<&mut MemoryStore>, Timestamp) -> T,
    ) {
        let at = self.at;
        let mut store = std::mem::take(&mut self.parts);
        let mut other = now(Replica::open(&mut store, at, 7)).expect("open");
        let theirs = work(&mut other, at);
        drop(other);
        self.parts = store;
        let whole = std::mem::replace(&mut self.whole, empty());
        let mut store = whole.into_store();
        let mut own = now(Replica::open(&mut store, at, 7)).expect("open");
        let ours = work(&mut own, at);
        drop(own);
        self.whole = now(Replica::open(store, at, 7)).expect("open");
        assert_eq!(ours, theirs);
    }

    fn sequence(&self, owner: &str) -> u64 {
        let claim = self.whole.ipam().claim_of(owner);
        claim.map_or(0, ipam::claim::ClaimRef::sequence)
    }

    fn apply(&mut self, op: &Op) {
        // No two operations at once: what ends a tie is not the same for who does not see everything.
        self.at = self.at.after(Duration::from_millis(1));
        let at = self.at;
        match op {
            Op::Claim {
                owner,
                workload,
                host,
                kept,
                pool,
                asked,
                dual,
                lease,
            } => {
                let (owner, host) = (format!("o{owner}"), host.map(|h| format!("h{h}")));
                let workload = workload.map(|w| format!("w{w}"));
                let pools: Vec<&str> = pool.iter().map(|&p| POOLS[usize::from(p)]).collect();
                let asked: Vec<IpAddr> = asked
                    .iter()
                    .map(|&a| IpAddr::from([10, a % 4, 0, a / 4]))
                    .collect();
                let mut request = Request::new(&owner).pools(&pools).addresses(&asked);
                if *pool == Some(4) {
                    request.families = Families::V6;
                }
                if *dual && pools.is_empty() {
                    request.families = Families::Dual;
                }
                request.host = host.as_deref();
                request.lease = lease.then_some(Duration::from_secs(90));
                if let Some(workload) = &workload {
                    request = request.workload(workload);
                    request = match kept {
                        0 => request.sticky(Duration::from_secs(100)),
                        1 => request.fixed(&[]),
                        _ => request,
                    };
                }
                let ours = now(self.whole.claim(at, &request, wait));
                let theirs = self.part(|part| now(part.claim(at, &request, wait)));
                assert_eq!(ours, theirs, "{request:?}");
            }
            Op::Release(owner) => {
                let owner = format!("o{owner}");
                let sequence = self.sequence(&owner);
                let ours = now(self.whole.release(at, &owner, sequence, wait));
                let theirs = self.part(|part| now(part.release(at, &owner, sequence, wait)));
                assert_eq!(ours, theirs);
            }
            Op::Renew(owner) => {
                let owner = format!("o{owner}");
                let (sequence, lease) = (self.sequence(&owner), Some(Duration::from_secs(120)));
                let ours = now(self.whole.renew(at, &owner, sequence, lease, wait));
                let theirs = self.part(|part| now(part.renew(at, &owner, sequence, lease, wait)));
                assert_eq!(ours, theirs);
            }
            Op::Later(secs) => self.at = at.after(Duration::from_secs((*secs).into())),
            other => self.both(other),
        }
    }

    fn both(&mut self, op: &Op) {
        match *op {
            Op::Reserve(workload, address) => {
                let workload = format!("w{workload}");
                let range = IpAddr::from([10, address % 4, 0, address / 4]).into();
                self.on_both(|r, at| now(r.reserve(at, (&*workload).into(), &[range], wait)));
            }
            Op::BeginMove(workload, from, to) => {
                let (workload, from, to) =
                    (format!("w{workload}"), format!("h{from}"), format!("h{to}"));
                self.on_both(|r, at| {
                    now(r.begin_move(at, (&*workload).into(), (&from, &to), wait))
                });
            }
            Op::FinishMove(workload, owner) => {
                let (workload, owner) = (format!("w{workload}"), format!("o{owner}"));
                self.on_both(|r, at| now(r.finish_move(at, (&*workload).into(), &owner, wait)));
            }
            Op::AbortMove(workload) => {
                let workload = format!("w{workload}");
                self.on_both(|r, at| now(r.abort_move(at, (&*workload).into(), wait)));
            }
            Op::Collect => self.on_both(|r, at| now(r.collect(at, None, wait)).map(|c| c.changes)),
            Op::Drain(pool, on) => {
                self.on_both(|r, at| now(r.drain_pool(at, POOLS[usize::from(pool)], on, wait)));
            }
            Op::Quarantine(pool, secs) => {
                let quarantine = Duration::from_secs(secs.into());
                let spec = specs()[usize::from(pool)].clone().quarantine(quarantine);
                self.on_both(|r, at| now(r.change_pool(at, spec.clone(), wait)));
            }
            _ => {}
        }
    }

    /// Lets the store that has committed less commit nothing: what time made untrue is written by the next commit of who sees
    /// it, and draws and tokens follow from how many there were.
    fn level(&mut self) {
        let whole = std::mem::replace(&mut self.whole, empty());
        let mut whole = whole.into_store();
        loop {
            let ours = now(whole.get(&[])).expect("a read").1;
            let theirs = now(self.parts.get(&[])).expect("a read").1;
            let behind = match ours.cmp(&theirs) {
                Ordering::Less => &mut whole,
                Ordering::Greater => &mut self.parts,
                Ordering::Equal => break,
            };
            now(behind.commit(Txn::default())).expect("a commit");
        }
        self.whole = now(Replica::open(whole, self.at, 7)).expect("open");
    }

    /// Both stores hold the same, and nothing in them contradicts anything.
    fn check(&mut self) {
        let other = now(Replica::open(self.parts.clone(), self.at, 7)).expect("open");
        assert_eq!(other.rejected(), []);
        other.ipam().check_invariants().expect("a sound state");
        self.level();
        assert_eq!(self.whole.rejected(), []);
        let (ours, theirs) = (listing(self.whole.ipam()), listing(other.ipam()));
        let differ = |(a, b): &(&Record<'_>, &Record<'_>)| a != b;
        assert_eq!(ours.iter().zip(&theirs).find(differ), None);
        assert_eq!(ours.len(), theirs.len());
    }
}

fn empty() -> Replica<MemoryStore> {
    now(Replica::open(MemoryStore::default(), Timestamp::ZERO, 7)).expect("open")
}

/// A state's records, but for what only orders releases at one time, and since when blocks are empty.
fn listing(ipam: &Ipam) -> Vec<Record<'static>> {
    let mut records: Vec<Record<'static>> =
        ipam.records().iter().map(|record| owned(record)).collect();
    for record in &mut records {
        if let Record::Block {
            released,
            empty_since,
            ..
        } = record
        {
            // Where a pool's quarantine is altered it depends on when the block was last written.
            *empty_since = Timestamp::ZERO;
            released.iter_mut().for_each(|rest| rest.order = 0);
        }
    }
    records
}

fn owned(record: &Record<'_>) -> Record<'static> {
    let json = serde_json::to_string(record).expect("JSON");
    serde_json::from_str(&json).expect("the same")
}

/// As many cases, or more where `PROPTEST_CASES` says so.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: cases.max(default.cases),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config(200))]
    #[test]
    fn parts_do_what_the_whole_does(ops in prop::collection::vec(op(), 1..80)) {
        let mut both = Both::new();
        for op in &ops {
            both.apply(op);
            both.check();
        }
    }
}

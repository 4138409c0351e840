//! Operations on parts of a stored state do what they do on the whole: the same answers, and the same stored in the end.

use ipam::{
    Ipam, Replica, Request, Store as _, Timestamp,
    claim::Families,
    store::{HostReplica, PartialReplica, Record, Txn, ready},
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

mod op;
#[path = "../shared/mod.rs"]
mod shared;

use op::{Op, POOLS, op, specs};
use shared::Shared;

fn wait(_: Duration) -> std::future::Ready<()> {
    std::future::ready(())
}

fn now<T>(future: impl Future<Output = T>) -> T {
    ready(future).expect("memory never waits")
}

/// The whole state in one store, parts of the second, and each host's allocator on the third.
struct All {
    whole: Shared,
    parts: Shared,
    hosts: Shared,
    allocators: BTreeMap<String, HostReplica<Shared>>,
    at: Timestamp,
}

fn open(store: &Shared, at: Timestamp) -> Replica<Shared> {
    now(Replica::open(store.clone(), at, 7)).expect("open")
}

impl All {
    fn new() -> Self {
        let at = Timestamp::from_secs(1000);
        let all = Self {
            whole: Shared::default(),
            parts: Shared::default(),
            hosts: Shared::default(),
            allocators: BTreeMap::new(),
            at,
        };
        for spec in specs() {
            for store in all.stores() {
                now(open(&store, at).add_pool(at, spec.clone(), wait)).expect("a pool");
            }
        }
        all
    }

    fn stores(&self) -> [Shared; 3] {
        [&self.whole, &self.parts, &self.hosts].map(Clone::clone)
    }

    fn part(&self) -> PartialReplica<Shared> {
        PartialReplica::new(self.parts.clone(), 7)
    }

    /// A host's allocator, which knows what others did.
    fn host(&mut self, host: &str) -> &mut HostReplica<Shared> {
        let store = self.hosts.clone();
        let allocator = self.allocators.entry(host.to_owned());
        let allocator = allocator.or_insert_with(|| HostReplica::new(store, host, 7));
        now(allocator.refresh()).expect("a watch");
        allocator
    }

    /// Does the same to the whole state of all.
    fn on_all<T: PartialEq + std::fmt::Debug>(
        &mut self,
        work: impl Fn(&mut Replica<Shared>, Timestamp) -> T,
    ) {
        let at = self.at;
        let [ours, theirs, third] = self.stores().map(|store| work(&mut open(&store, at), at));
        assert_eq!(ours, theirs);
        assert_eq!(ours, third);
    }

    fn sequence(&self, owner: &str) -> u64 {
        let whole = open(&self.whole, self.at);
        let claim = whole.ipam().claim_of(owner);
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
                self.claim(&request);
            }
            Op::Release(owner) => {
                let owner = format!("o{owner}");
                let sequence = self.sequence(&owner);
                let ours = now(open(&self.whole, at).release(at, &owner, sequence, wait));
                let theirs = now(self.part().release(at, &owner, sequence, wait));
                assert_eq!(ours, theirs);
                // Whoever has it, and sometimes another.
                let host = format!("h{}", owner.len() + usize::from(sequence.is_multiple_of(3)));
                let third = now(self.host(&host).release(at, &owner, sequence, wait));
                assert_eq!(ours, third);
            }
            Op::Renew(owner) => {
                let owner = format!("o{owner}");
                let (sequence, lease) = (self.sequence(&owner), Some(Duration::from_secs(120)));
                let ours = now(open(&self.whole, at).renew(at, &owner, sequence, lease, wait));
                let theirs = now(self.part().renew(at, &owner, sequence, lease, wait));
                assert_eq!(ours, theirs);
                let third = self.host("h1").renew(at, &owner, sequence, lease, wait);
                assert_eq!(ours, now(third));
            }
            Op::Later(secs) => self.at = at.after(Duration::from_secs((*secs).into())),
            other => self.all(other),
        }
    }

    /// The three answer the same.
    fn claim(&mut self, request: &Request<'_>) {
        let at = self.at;
        let ours = now(open(&self.whole, at).claim(at, request, wait));
        let theirs = now(self.part().claim(at, request, wait));
        assert_eq!(ours, theirs, "{request:?}");
        let third = match request.host {
            Some(host) => now(self.host(host).claim(at, request, wait)),
            None => {
                let store = self.hosts.clone();
                now(PartialReplica::new(store, 7).claim(at, request, wait))
            }
        };
        assert_eq!(ours, third, "{request:?}");
    }

    fn all(&mut self, op: &Op) {
        match *op {
            Op::Reserve(workload, address) => {
                let workload = format!("w{workload}");
                let range = IpAddr::from([10, address % 4, 0, address / 4]).into();
                self.on_all(|r, at| now(r.reserve(at, (&*workload).into(), &[range], wait)));
            }
            Op::BeginMove(workload, from, to) => {
                let (workload, from, to) =
                    (format!("w{workload}"), format!("h{from}"), format!("h{to}"));
                self.on_all(|r, at| now(r.begin_move(at, (&*workload).into(), (&from, &to), wait)));
            }
            Op::FinishMove(workload, owner) => {
                let (workload, owner) = (format!("w{workload}"), format!("o{owner}"));
                self.on_all(|r, at| now(r.finish_move(at, (&*workload).into(), &owner, wait)));
            }
            Op::AbortMove(workload) => {
                let workload = format!("w{workload}");
                self.on_all(|r, at| now(r.abort_move(at, (&*workload).into(), wait)));
            }
            Op::Collect => self.on_all(|r, at| now(r.collect(at, None, wait)).map(|c| c.changes)),
            Op::Drain(pool, on) => {
                self.on_all(|r, at| now(r.drain_pool(at, POOLS[usize::from(pool)], on, wait)));
            }
            Op::Quarantine(pool, secs) => {
                let quarantine = Duration::from_secs(secs.into());
                let spec = specs()[usize::from(pool)].clone().quarantine(quarantine);
                self.on_all(|r, at| now(r.change_pool(at, spec.clone(), wait)));
            }
            _ => {}
        }
    }

    /// Lets the stores that have committed less commit nothing: what time made untrue is written by the next commit of who sees
    /// it, and draws and tokens follow from how many there were.
    fn level(&mut self) {
        let revision = |store: &mut Shared| now(store.get(&[])).expect("a read").1;
        let mut stores = self.stores();
        let most = stores.iter_mut().map(revision).max().unwrap_or(0);
        for mut store in stores {
            while revision(&mut store) < most {
                now(store.commit(Txn::default())).expect("a commit");
            }
        }
    }

    /// The stores hold the same, and nothing in them contradicts anything.
    fn check(&mut self) {
        self.level();
        let [ours, theirs, third] = self.stores().map(|store| {
            let whole = open(&store, self.at);
            assert_eq!(whole.rejected(), []);
            whole.ipam().check_invariants().expect("a sound state");
            listing(whole.ipam())
        });
        let differ = |(a, b): &(&Record<'_>, &Record<'_>)| a != b;
        for other in [theirs, third] {
            assert_eq!(ours.iter().zip(&other).find(differ), None);
            assert_eq!(ours.len(), other.len());
        }
    }
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
        let mut all = All::new();
        for op in &ops {
            all.apply(op);
            all.check();
        }
    }
}

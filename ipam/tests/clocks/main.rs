//! Processes whose clocks differ share a store: no time about an address runs backwards past what is stored of it.

mod ahead;

use ipam::{
    Ipam, PoolSpec, Request, Timestamp, change::ChangeKind, pool::Affinity, rng::stream,
    store::Record,
};
use rand::RngExt as _;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const QUARANTINE: Duration = Duration::from_secs(60);
const DAY: u64 = 24 * 3600;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A store that processes read, one after another, each by its own clock.
struct Shared {
    records: Vec<Vec<u8>>,
    sequence: u64,
}

impl Shared {
    fn new(cidr: &str, quarantine: Duration) -> Self {
        let mut ipam = Ipam::new(7);
        let spec = PoolSpec::new("p", cidr.parse().expect("a prefix"));
        let spec = spec.affinity(Affinity::Off).quarantine(quarantine);
        ipam.add_pool(at(1), spec).expect("a pool");
        Self::of(&ipam)
    }

    fn of(ipam: &Ipam) -> Self {
        Self {
            records: ipam.records().iter().map(Record::encode).collect(),
            sequence: ipam.sequence(),
        }
    }

    fn read(&self, clock: Timestamp) -> Ipam {
        let records = self
            .records
            .iter()
            .map(|r| Record::decode(r).expect("a record"));
        let (mut ipam, rejected) = Ipam::restore(clock, records);
        assert_eq!(rejected, []);
        ipam.resume_sequence(self.sequence);
        ipam.check_invariants().expect("a sound state");
        ipam
    }

    /// What a process does whose clock says so.
    fn by<T>(&mut self, clock: Timestamp, work: impl FnOnce(&mut Ipam) -> T) -> T {
        let mut ipam = self.read(clock);
        let done = work(&mut ipam);
        ipam.check_invariants().expect("a sound state");
        *self = Self::of(&ipam);
        done
    }

    fn claim(&mut self, clock: Timestamp, request: &Request<'_>) -> Option<IpAddr> {
        let grant = self.by(clock, |ipam| ipam.claim(clock, request));
        grant.ok().and_then(|g| g.address())
    }

    fn release(&mut self, clock: Timestamp, owner: &str) {
        self.by(clock, |ipam| {
            let sequence = ipam.claim_of(owner).expect("a claim").sequence();
            ipam.release(clock, owner, sequence).expect("a release");
        });
    }
}

/// The one address of the pool, and a claim for it that is nobody's in particular.
const ONE: &str = "10.0.0.1/32";

fn stranger(store: &mut Shared, clock: u64) -> Option<IpAddr> {
    let given = store
        .read(at(clock))
        .claim(at(clock), &Request::new("stranger"));
    given.ok().and_then(|g| g.address())
}

#[test]
fn a_clock_that_is_behind_ends_no_quarantine_early() {
    let mut store = Shared::new(ONE, QUARANTINE);
    store
        .claim(at(1_000), &Request::new("o"))
        .expect("an address");
    store.release(at(100), "o");
    assert_eq!(stranger(&mut store, 1_001), None);
    assert_eq!(stranger(&mut store, 1_059), None);
    assert!(stranger(&mut store, 1_060).is_some());
    // Nor does one without a quarantine, by the clock that is behind itself.
    let mut store = Shared::new(ONE, Duration::ZERO);
    store
        .claim(at(1_000), &Request::new("o"))
        .expect("an address");
    store.release(at(100), "o");
    assert_eq!(stranger(&mut store, 999), None);
    assert!(stranger(&mut store, 1_000).is_some());
}

#[test]
fn a_clock_that_is_behind_ends_no_retention_early() {
    // Sticky.
    let mut store = Shared::new(ONE, QUARANTINE);
    let sticky = Request::new("o").workload("w").sticky(seconds(500));
    store.claim(at(1_000), &sticky).expect("an address");
    store.release(at(100), "o");
    assert_eq!(stranger(&mut store, 1_559), None);
    assert!(store.read(at(1_499)).retained_for("w").next().is_some());
    assert!(stranger(&mut store, 1_560).is_some());
    // Claimed and given back by a clock that is behind, it is as old as it was.
    let mut store = Shared::new(ONE, QUARANTINE);
    store.claim(at(1_000), &sticky).expect("an address");
    store.release(at(1_010), "o");
    store
        .claim(at(100), &Request::new("p").workload("w"))
        .expect("its own");
    store.release(at(110), "p");
    assert_eq!(stranger(&mut store, 1_069), None);
    assert!(stranger(&mut store, 1_070).is_some());
    // Fixed, the reservation ended by a clock that is behind.
    let mut store = Shared::new(ONE, QUARANTINE);
    let fixed = Request::new("o").workload("w").fixed(&[]);
    store.claim(at(1_000), &fixed).expect("an address");
    store.release(at(1_010), "o");
    store.by(at(100), |ipam| {
        ipam.unreserve(at(100), "w").expect("its end");
    });
    assert_eq!(stranger(&mut store, 1_069), None);
    assert!(stranger(&mut store, 1_070).is_some());
}

#[test]
fn a_clock_that_is_behind_cuts_no_lease_short() {
    let lease = Request::new("o").lease(seconds(300));
    let mut store = Shared::new(ONE, QUARANTINE);
    store.claim(at(1_000), &lease).expect("an address");
    let until = |store: &Shared| store.read(at(1)).claim_of("o").expect("a claim").until();
    store.by(at(100), |ipam| {
        let renewed = ipam.renew(at(100), "o", 1, Some(seconds(300)));
        assert_eq!(renewed, Ok(Some(at(1_300))));
    });
    // Claimed again, under suspicion: by a clock that is behind it is prolonged all the same.
    store.by(at(1_100), |ipam| {
        let pass = ipam.reconcile(at(1_100), at(1_099), seconds(900), |_| false);
        assert_eq!(pass.suspects, ["o"]);
    });
    store.claim(at(200), &lease).expect("the same");
    assert_eq!(until(&store), Some(at(1_400)));
    // Gone on with after its end, and taken from quarantine not long ago.
    store.claim(at(1_500), &lease).expect("the same");
    assert_eq!(until(&store), Some(at(1_800)));
    store.release(at(1_600), "o");
    let sticky = Request::new("s")
        .workload("w")
        .sticky(seconds(900))
        .lease(seconds(300));
    store.claim(at(2_000), &sticky).expect("an address");
    store.release(at(2_010), "s");
    store.by(at(100), |ipam| {
        let grant = ipam.claim(at(100), &sticky).expect("its own");
        assert_eq!(grant.until, Some(at(2_310)));
    });
}

#[test]
fn who_was_suspected_by_a_clock_that_is_behind_has_its_grace() {
    let mut store = Shared::new(ONE, QUARANTINE);
    store
        .claim(at(1_000), &Request::new("o"))
        .expect("an address");
    let pass = |store: &mut Shared, now: u64, began: u64| {
        store.by(at(now), |ipam| {
            ipam.reconcile(at(now), at(began), seconds(900), |_| false)
                .released
        })
    };
    // A pass that began before it was last heard of, by a clock that is behind.
    assert_eq!(pass(&mut store, 100, 99), [""; 0]);
    assert_eq!(pass(&mut store, 1_001, 1_001), [""; 0]);
    assert_eq!(pass(&mut store, 1_900, 1_899), [""; 0]);
    assert_eq!(pass(&mut store, 1_901, 1_900), ["o"]);
}

/// Everything that is known of an address: the latest time, and from when on a stranger may have it.
#[derive(Clone, Copy, Debug)]
struct Known {
    at: Timestamp,
    lease: Option<Timestamp>,
    free: Timestamp,
}

/// Random lives under clocks that differ by up to twenty hours.
#[test]
fn whichever_clock_comes_next_nothing_ends_early() {
    let (ttl, lease) = (seconds(500), seconds(300));
    for seed in 0..60 {
        let mut rng = stream(seed, "clocks");
        let mut store = Shared::new("10.0.0.0/30", QUARANTINE);
        let mut known: BTreeMap<IpAddr, Known> = BTreeMap::new();
        let mut now = 100_000u64;
        for _ in 0..120 {
            now += rng.random_range(0..120);
            let clock = at(match rng.random_range(0..4) {
                0 => now - rng.random_range(0..900),
                1 => now - rng.random_range(0..72_000),
                2 => now + rng.random_range(0..900),
                _ => now,
            });
            let (who, kind) = (rng.random_range(0..4), rng.random_range(0..4));
            let (owner, workload) = (format!("o{who}"), format!("w{who}"));
            let base = Request::new(&owner).workload(&workload);
            let request = match kind {
                0 => base,
                1 => base.lease(lease),
                2 => base.sticky(ttl),
                _ => base.fixed(&[]),
            };
            let held = store.read(at(1)).claim_of(&owner).map(|c| {
                (
                    c.addresses().next().expect("an address"),
                    c.retention(),
                    c.sequence(),
                )
            });
            if let Some((address, kept, sequence)) = held {
                let entry = known.get_mut(&address).expect("what is held is known");
                if rng.random_range(0..3) == 0 {
                    // Renewed, unless its lease is over.
                    let length = entry.lease.map(|_| lease);
                    let renewed =
                        store.by(clock, |ipam| ipam.renew(clock, &owner, sequence, length));
                    if renewed.is_ok() {
                        entry.at = entry.at.max(clock);
                        entry.lease = length.map(|l| entry.at.after(l));
                        assert_eq!(renewed, Ok(entry.lease), "seed {seed}");
                    }
                    continue;
                }
                store.release(clock, &owner);
                entry.at = entry.at.max(clock);
                entry.lease = None;
                entry.free = match kept {
                    ipam::claim::RetentionKind::Ephemeral => entry.at.after(QUARANTINE),
                    ipam::claim::RetentionKind::Sticky(ttl) => {
                        entry.at.after(ttl).after(QUARANTINE)
                    }
                    ipam::claim::RetentionKind::Fixed => Timestamp::MAX,
                };
                if kept == ipam::claim::RetentionKind::Fixed && rng.random_range(0..2) == 0 {
                    store.by(clock, |ipam| {
                        ipam.unreserve(clock, &*workload).expect("an end");
                    });
                    entry.free = entry.at.after(QUARANTINE);
                }
                continue;
            }
            let own = store.read(at(1)).retained_for(&*workload).next();
            let before: BTreeMap<String, Option<Timestamp>> = {
                let ipam = store.read(at(1));
                ipam.claims()
                    .map(|c| (c.owner().to_owned(), c.until()))
                    .collect()
            };
            // Collection by the same clock first: it ends only what is over by it.
            store.by(clock, |ipam| ipam.expire(clock));
            let left = store.read(at(1));
            for (owner, until) in before {
                if left.claim_of(&owner).is_none() {
                    assert!(until.is_some_and(|u| u <= clock), "seed {seed}");
                    let gone = known.values_mut().find(|k| k.lease == until);
                    let gone = gone.expect("a lease that is known");
                    gone.at = gone.at.max(clock);
                    (gone.free, gone.lease) = (gone.at.after(QUARANTINE), None);
                }
            }
            let Some(address) = store.claim(clock, &request) else {
                continue;
            };
            let entry = known.entry(address).or_insert(Known {
                at: clock,
                lease: None,
                free: Timestamp::ZERO,
            });
            assert!(
                own == Some(address) || clock >= entry.free,
                "seed {seed}: {address} given at {clock}: {entry:?}"
            );
            entry.at = entry.at.max(clock);
            entry.lease = (kind == 1).then(|| entry.at.after(lease));
            let until = store.read(at(1)).claim_of(&owner).expect("a claim").until();
            assert_eq!(until, entry.lease, "seed {seed}");
        }
    }
}

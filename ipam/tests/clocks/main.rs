//! Processes whose clocks differ share a store: no time about an address runs backwards past what is stored of it.

mod ahead;
mod lives;

use ipam::{Ipam, PoolSpec, Request, Timestamp, change::ChangeKind, pool::Affinity, store::Record};
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
    records: Vec<(String, Vec<u8>)>,
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
            records: ipam
                .records()
                .iter()
                .map(|record| (record.key(), record.encode()))
                .collect(),
            sequence: ipam.sequence(),
        }
    }

    fn read(&self, clock: Timestamp) -> Ipam {
        let records = self
            .records
            .iter()
            .map(|(key, bytes)| Record::decode(key, bytes).expect("a record"));
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

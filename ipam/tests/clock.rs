//! The store's time never runs faster than real time, and no host takes for over what another still uses.

use ipam::{
    Timestamp,
    store::{MemoryStore, Record, Store, StoreClock, StoreError, Txn, ready},
};
use proptest::prelude::*;
use std::cell::Cell;
use std::time::Duration;

#[path = "shared/mod.rs"]
mod shared;

use shared::Shared;

fn now<T>(future: impl Future<Output = T>) -> T {
    ready(future).expect("memory never waits")
}

/// What real time does, and who looks.
#[derive(Clone, Debug)]
enum Step {
    /// Milliseconds go by.
    Later(u32),
    /// A host serves; its wall clock shows anything; each look at its monotonic clock takes milliseconds.
    Serve(usize, u64, u16),
    Read(usize, u16),
    /// A host grants itself a lease of seconds.
    Grant(usize, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let host = 0..3usize;
    prop_oneof![
        4 => prop_oneof![0..3000u32, 0..100_000u32].prop_map(Step::Later),
        4 => (host.clone(), any::<u64>(), 0..400u16).prop_map(|(h, w, ms)| Step::Serve(h, w >> 20, ms)),
        2 => (host.clone(), 0..400u16).prop_map(|(h, ms)| Step::Read(h, ms)),
        3 => (host, 10..100u16).prop_map(|(h, s)| Step::Grant(h, s)),
    ]
}

struct Lease {
    until: Timestamp,
    /// In real time.
    usable_until: Timestamp,
}

struct World {
    store: Shared,
    clocks: Vec<StoreClock>,
    real: Cell<Timestamp>,
    leases: Vec<Lease>,
    /// What was stored last, and when.
    stored: Option<(Timestamp, Timestamp)>,
}

/// Each host started some other time ago.
const OFFSETS: [u64; 3] = [0, 77_777, 1_000_000];

impl World {
    fn new() -> Self {
        Self {
            store: Shared::new(MemoryStore::default()),
            clocks: vec![StoreClock::default(); 3],
            real: Cell::new(Timestamp::from_secs(100)),
            leases: Vec::new(),
            stored: None,
        }
    }

    fn monotonic(&self, host: usize) -> Timestamp {
        self.real.get().after(Duration::from_secs(OFFSETS[host]))
    }

    /// Does something that reads a host's monotonic clock, each time of which takes as long.
    fn with<T>(
        &mut self,
        host: usize,
        millis: u16,
        work: impl FnOnce(&mut StoreClock, &mut Shared, &dyn Fn() -> Timestamp) -> T,
    ) -> T {
        let mut clock = self.clocks[host].clone();
        let mut store = self.store.clone();
        let tick = || {
            let step = Duration::from_millis(millis.into());
            self.real.set(self.real.get().after(step));
            self.monotonic(host)
        };
        let answer = work(&mut clock, &mut store, &tick);
        self.clocks[host] = clock;
        answer
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Later(millis) => {
                let later = self.real.get().after(Duration::from_millis(millis.into()));
                self.real.set(later);
            }
            Step::Serve(host, wall, millis) => {
                let wall = Timestamp::from_nanos(wall);
                let served = self.with(host, millis, |clock, store, tick| {
                    now(clock.serve(store, wall, tick))
                });
                served.expect("served");
            }
            Step::Read(host, millis) => {
                let seen = self.with(host, millis, |clock, store, tick| {
                    now(clock.read(store, tick))
                });
                seen.expect("a look");
            }
            Step::Grant(host, secs) => {
                let monotonic = self.monotonic(host);
                if let Some(store) = self.clocks[host].now(monotonic) {
                    let lease = Duration::from_secs(secs.into());
                    let margin = ipam::store::Margin::default().of(lease);
                    self.leases.push(Lease {
                        until: store.after(lease),
                        usable_until: self.real.get().after(lease.saturating_sub(margin)),
                    });
                }
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let real = self.real.get();
        let (values, _) = now(self.store.get(&["t/".to_owned()])).expect("a read");
        if let Some(Some(value)) = values.first() {
            let Ok(Record::Time { now: time }) = Record::decode("t/", value) else {
                panic!("no time");
            };
            if let Some((before, at)) = self.stored.filter(|(before, _)| *before != time) {
                assert!(time > before, "it goes back");
                let most = real.since(at).min(StoreClock::STEP);
                assert!(time.since(before) <= most, "faster than real time");
            }
            let same = self.stored.filter(|(before, _)| *before == time);
            self.stored = same.or(Some((time, real)));
        }
        for lease in self.leases.iter().filter(|l| real < l.usable_until) {
            for (host, clock) in self.clocks.iter().enumerate() {
                let over = clock
                    .now(self.monotonic(host))
                    .is_some_and(|now| now >= lease.until);
                assert!(!over, "host {host} takes for over what is in use");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_lease_is_over_for_anybody_while_it_is_used(steps in prop::collection::vec(step(), 1..200)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
    }
}

#[test]
fn the_first_time_is_no_earlier_than_anything_stored() {
    let mut store = MemoryStore::default();
    let stored = Timestamp::from_secs(5000);
    let record = Record::Claim {
        owner: "o".into(),
        workload: None,
        interface: "eth0".into(),
        host: None,
        sequence: 1,
        touched: stored,
        until: Some(Timestamp::from_secs(9000)),
        retention: ipam::claim::RetentionKind::Ephemeral,
        addresses: Vec::new(),
        suspect: None,
    };
    let txn = Txn {
        put: vec![(record.key(), record.encode())],
        ..Txn::default()
    };
    now(store.commit(txn)).expect("a write");
    let mut clock = StoreClock::default();
    let time = now(clock.serve(&mut store, Timestamp::from_secs(1), || Timestamp::ZERO));
    assert_eq!(time, Ok(stored));
    // One that is damaged goes on from there too, whatever a wall clock says.
    let (mut values, _) = now(store.get(&["t/".to_owned()])).expect("a read");
    let mut value = values.remove(0).expect("a time");
    value[3] ^= 1;
    let txn = Txn {
        put: vec![("t/".to_owned(), value)],
        ..Txn::default()
    };
    now(store.commit(txn)).expect("a write");
    let mut clock = StoreClock::default();
    let read = now(clock.read(&mut store, || Timestamp::ZERO));
    assert_eq!(read, Ok(Some(stored)));
    assert_eq!(clock.now(Timestamp::ZERO), None, "nothing to count on from");
    let time = now(clock.serve(&mut store, Timestamp::from_secs(6000), || Timestamp::ZERO));
    assert_eq!(time, Ok(stored));
    // A whole allocator does without it.
    let whole = now(ipam::Replica::open(store, stored, 7)).expect("open");
    assert_eq!(
        whole.rejected().len(),
        1,
        "the claim above, which holds nothing"
    );
}

#[test]
fn of_a_look_that_took_too_long_nothing_is_learned() {
    let mut store = MemoryStore::default();
    let mut clock = StoreClock::default();
    let wall = Timestamp::from_secs(1000);
    now(clock.serve(&mut store, wall, || Timestamp::ZERO)).expect("served");
    let secs = Cell::new(0);
    let slow = || {
        secs.set(secs.get() + 2);
        Timestamp::from_secs(secs.get())
    };
    let mut other = StoreClock::default();
    let seen = now(other.read(&mut store, slow));
    assert!(
        matches!(&seen, Err(StoreError::Io(why)) if why.contains("2000 ms") && why.contains("1000 ms")),
        "{seen:?}"
    );
    assert_eq!(other.now(Timestamp::from_secs(4)), None);
    // A look is good for a step.
    assert!(clock.now(Timestamp::from_secs(5)).is_some());
    assert_eq!(clock.now(Timestamp::from_millis(5001)), None);
}

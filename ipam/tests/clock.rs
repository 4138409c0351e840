//! The store's time never runs faster than real time, passes whether or not anybody looks where the store has a clock, and no host takes
//! for over what another still uses.

use ipam::{
    Timestamp,
    store::{MemoryStore, Record, Store, StoreClock, StoreError, Txn, ready},
};
use proptest::prelude::*;
use std::cell::Cell;
use std::time::Duration;

#[path = "clock/ticking.rs"]
mod ticking;

use ticking::Ticking;

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
    /// A host starts anew, and knows nothing.
    Restart(usize),
    /// A host grants itself a lease of seconds.
    Grant(usize, u16),
    /// The store elects a leader after so many messages: what its stopwatches show counts anew, but for so many permille.
    Elect(u8, u16),
    /// Somebody removes the store's stopwatches.
    Revoke,
}

fn step() -> impl Strategy<Value = Step> {
    let host = 0..3usize;
    prop_oneof![
        8 => prop_oneof![0..3000u32, 0..100_000u32, 0..900_000_000u32].prop_map(Step::Later),
        8 => (host.clone(), any::<u64>(), 0..200u16).prop_map(|(h, w, ms)| Step::Serve(h, w >> 20, ms)),
        4 => (host.clone(), 0..200u16).prop_map(|(h, ms)| Step::Read(h, ms)),
        1 => host.clone().prop_map(Step::Restart),
        6 => (host, 10..100u16).prop_map(|(h, s)| Step::Grant(h, s)),
        1 => (0..6u8, 0..1000u16).prop_map(|(m, p)| Step::Elect(m, p)),
        1 => Just(Step::Revoke),
    ]
}

struct Lease {
    until: Timestamp,
    /// In real time.
    usable_until: Timestamp,
}

struct World {
    store: Ticking,
    clocks: Vec<StoreClock>,
    leases: Vec<Lease>,
    /// Commands go by what they were served for a while: the times, and until when in real time.
    acting: Vec<(Timestamp, Timestamp)>,
    /// What was stored first, and what was stored last, and when.
    stored: Option<[(Timestamp, Timestamp); 2]>,
}

/// Each host started some other time ago.
const OFFSETS: [u64; 3] = [0, 77_777, 1_000_000];

impl World {
    /// Of a store with a clock, or without.
    fn new(counts: bool) -> Self {
        Self {
            store: Ticking::new(counts),
            clocks: vec![StoreClock::default(); 3],
            leases: Vec::new(),
            acting: Vec::new(),
            stored: None,
        }
    }

    fn monotonic(&self, host: usize) -> Timestamp {
        self.store.real().after(Duration::from_secs(OFFSETS[host]))
    }

    /// Does something that reads a host's monotonic clock, each time of which takes as long.
    fn with<T>(
        &mut self,
        host: usize,
        millis: u16,
        work: impl FnOnce(&mut StoreClock, &mut Ticking, &dyn Fn() -> Timestamp) -> T,
    ) -> T {
        let mut clock = self.clocks[host].clone();
        let mut store = self.store.clone();
        let tick = || {
            self.store.pass(Duration::from_millis(millis.into()));
            self.monotonic(host)
        };
        let answer = work(&mut clock, &mut store, &tick);
        self.clocks[host] = clock;
        answer
    }

    fn take(&mut self, step: &Step) {
        let began = self.store.real();
        match *step {
            Step::Later(millis) => self.store.pass(Duration::from_millis(millis.into())),
            Step::Serve(host, wall, millis) => {
                let wall = Timestamp::from_nanos(wall);
                let served = self.with(host, millis, |clock, store, tick| {
                    now(clock.serve(store, wall, tick))
                });
                self.expect_on_time(served.expect("served"));
            }
            Step::Read(host, millis) => {
                let seen = self.with(host, millis, |clock, store, tick| {
                    now(clock.read(store, tick))
                });
                seen.expect("a look");
            }
            Step::Restart(host) => self.clocks[host] = StoreClock::default(),
            Step::Grant(host, secs) => {
                let monotonic = self.monotonic(host);
                if let Some(store) = self.clocks[host].now(monotonic) {
                    let lease = Duration::from_secs(secs.into());
                    let margin = ipam::store::Margin::default().of(lease);
                    self.leases.push(Lease {
                        until: store.after(lease),
                        usable_until: self.store.real().after(lease.saturating_sub(margin)),
                    });
                }
            }
            Step::Elect(messages, kept) => self.store.elect(messages, kept),
            Step::Revoke => self.store.revoke(),
        }
        self.check(began);
    }

    /// Where the store has a clock, what was served is no further behind real time than it may be.
    fn expect_on_time(&mut self, served: Timestamp) {
        let real = self.store.real();
        self.acting.push((served, real.after(StoreClock::STEP)));
        if let (true, Some([(first, at), _])) = (self.store.counts, self.stored) {
            let behind = real.since(at).saturating_sub(served.since(first));
            let most = self.store.lost() + Duration::from_secs(3);
            assert!(behind <= most, "{behind:?} behind, not {most:?}");
        }
    }

    /// After a step that began then.
    fn check(&mut self, began: Timestamp) {
        let real = self.store.real();
        if let Some(time) = self.store.stored() {
            let [first, before] = self.stored.unwrap_or([(time, began); 2]);
            assert!(time >= before.0, "it goes back");
            let (passed, most) = (time.since(first.0), real.since(first.1));
            assert!(passed <= most, "faster than real time");
            if !self.store.counts && time > before.0 {
                assert!(time.since(before.0) <= StoreClock::STEP, "it leaps");
            }
            let last = if time > before.0 {
                (time, began)
            } else {
                before
            };
            self.stored = Some([first, last]);
        }
        self.acting.retain(|(_, until)| real < *until);
        for lease in self.leases.iter().filter(|l| real < l.usable_until) {
            let over = self.acting.iter().any(|(time, _)| *time >= lease.until);
            assert!(!over, "a command takes for over what is in use");
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
        let mut world = World::new(false);
        for step in &steps {
            world.take(step);
        }
    }

    #[test]
    fn a_store_s_own_clock_passes_whoever_looks_and_ends_nothing_early(steps in prop::collection::vec(step(), 1..200)) {
        let mut world = World::new(true);
        for step in &steps {
            world.take(step);
        }
    }
}

#[test]
fn the_first_time_is_what_is_stored_and_no_wall_clock_s() {
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
    for wall in [1, 1_000_000] {
        let (mut clock, mut store) = (StoreClock::default(), store.clone());
        let wall = Timestamp::from_secs(wall);
        let time = now(clock.serve(&mut store, wall, || Timestamp::ZERO));
        assert_eq!(time, Ok(stored), "it would end what others hold");
    }
    let time = now(clock.serve(&mut store, stored, || Timestamp::ZERO));
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
    let others = whole.rejected().iter().filter(|r| r.key != "m/");
    assert_eq!(
        others.count(),
        1,
        "the claim above, which holds nothing, in a store that nobody has begun"
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

/// One command, and days later another, each with a wall clock of its own: nobody need run in between.
#[test]
fn time_passes_while_nobody_runs() {
    let mut store = Ticking::new(true);
    let day = Duration::from_secs(86_400);
    let command = |store: &mut Ticking, wall: u64| {
        let mut clock = StoreClock::default();
        let real = store.clone();
        let wall = Timestamp::from_secs(wall);
        now(clock.serve(store, wall, || real.real())).expect("served")
    };
    let first = command(&mut store, 1_000_000);
    store.pass(day * 3);
    let later = command(&mut store, 7);
    let passed = later.since(first);
    let most = Duration::from_secs(3);
    assert!(
        passed <= day * 3 && passed + most >= day * 3,
        "{passed:?} passed"
    );
    // An election loses what nobody has seen, and no more: a lease lasts its own length once more at the longest.
    store.pass(day);
    store.elect(0, 0);
    store.pass(day);
    let last = command(&mut store, u64::MAX >> 40);
    let passed = last.since(later);
    assert!(passed <= day && passed + most >= day, "{passed:?} passed");
}

/// A command read what was stored, the store elected a leader, another command looked, and then the first goes on: it does not write down
/// what it learned from the leader that was.
#[test]
fn what_a_deposed_leader_counted_is_not_written_over_what_others_went_by() {
    let mut store = Ticking::new(true);
    let serve = |store: &mut Ticking| {
        let mut clock = StoreClock::default();
        let real = store.clone();
        let wall = Timestamp::from_secs(1_000_000);
        now(clock.serve(store, wall, || real.real())).expect("served")
    };
    let first = serve(&mut store);
    store.pass(Duration::from_secs(86_400));
    let mut slow = store.clone();
    slow.before_commit(move |store| {
        let mut other = store.clone();
        other.elect(0, 0);
        let seen = serve(&mut other);
        assert!(seen.since(first) < Duration::from_secs(5), "{seen}");
    });
    let seen = serve(&mut slow);
    assert!(seen.since(first) < Duration::from_secs(5), "{seen}");
}

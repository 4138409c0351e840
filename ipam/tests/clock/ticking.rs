//! A store in memory that has a clock, which loses now and then what it counted.

use ipam::Timestamp;
use ipam::store::{
    Elapsed, MemoryStore, Page, Record, Revision, Started, Store, StoreError, Txn, Watched, ready,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Hook = Box<dyn FnOnce(&Ticking) + Send>;

/// One store behind several handles, and real time.
#[derive(Clone)]
pub(crate) struct Ticking {
    shared: Arc<Mutex<State>>,
    /// Whether it has a clock.
    pub(crate) counts: bool,
    /// What happens before this handle commits.
    hook: Arc<Mutex<Option<Hook>>>,
}

struct State {
    memory: MemoryStore,
    real: Timestamp,
    /// From when each stopwatch counts.
    stopwatches: BTreeMap<u64, Timestamp>,
    next: u64,
    term: u64,
    /// When the time was written down last, and what may have been lost since the beginning.
    written: Timestamp,
    lost: Duration,
    /// Whether all that passes is lost until a stopwatch is started.
    revoked: bool,
    /// An election after so many messages, and the permille of what is counted that outlives it.
    election: Option<(u8, u16)>,
}

impl State {
    /// What passed since time was written down may be lost, and as much again as the stopwatch had counted by then.
    fn lose(&mut self) {
        self.lost += self.real.since(self.written) + Duration::from_secs(305);
    }

    fn elect(&mut self, kept: u16) {
        self.lose();
        self.term += 1;
        for from in self.stopwatches.values_mut() {
            let counted = self.real.since(*from).as_nanos() * u128::from(kept) / 1000;
            let counted = Duration::from_nanos(u64::try_from(counted).unwrap_or(u64::MAX));
            let from_zero = self.real.since(Timestamp::ZERO).saturating_sub(counted);
            *from = Timestamp::ZERO.after(from_zero);
        }
    }
}

impl Ticking {
    pub(crate) fn new(counts: bool) -> Self {
        Self {
            shared: Arc::new(Mutex::new(State {
                memory: MemoryStore::default(),
                real: Timestamp::from_secs(100),
                stopwatches: BTreeMap::new(),
                next: 1,
                term: 1,
                written: Timestamp::ZERO,
                lost: Duration::ZERO,
                revoked: false,
                election: None,
            })),
            counts,
            hook: Arc::default(),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.shared.lock().expect("no panic"))
    }

    /// The same, as a message.
    fn ask<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        self.with(|state| {
            match state.election {
                Some((0, kept)) => {
                    state.election = None;
                    state.elect(kept);
                }
                Some((messages, kept)) => state.election = Some((messages - 1, kept)),
                None => {}
            }
            work(state)
        })
    }

    pub(crate) fn real(&self) -> Timestamp {
        self.with(|state| state.real)
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.with(|state| {
            state.real = state.real.after(time);
            state.lost += if state.revoked { time } else { Duration::ZERO };
        });
    }

    pub(crate) fn elect(&self, messages: u8, kept: u16) {
        self.with(|state| match messages {
            0 => state.elect(kept),
            _ => state.election = Some((messages, kept)),
        });
    }

    pub(crate) fn revoke(&self) {
        self.with(|state| {
            state.lose();
            state.revoked = true;
            state.stopwatches.clear();
        });
    }

    /// By how much the store's time may be behind.
    pub(crate) fn lost(&self) -> Duration {
        self.with(|state| state.lost)
    }

    /// Has something happen before this handle commits the next time.
    pub(crate) fn before_commit(&mut self, hook: impl FnOnce(&Self) + Send + 'static) {
        self.hook = Arc::new(Mutex::new(Some(Box::new(hook))));
    }

    /// The time that is stored.
    pub(crate) fn stored(&self) -> Option<Timestamp> {
        let keys = ["t/".to_owned()];
        let (mut values, _) = self.with(|state| {
            ready(state.memory.get(&keys))
                .expect("at once")
                .expect("a read")
        });
        let value = values.pop().flatten()?;
        match Record::decode("t/", &value) {
            Ok(Record::Time { now, .. }) => Some(now),
            other => panic!("no time: {other:?}"),
        }
    }
}

#[async_trait::async_trait]
impl Store for Ticking {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.ask(|state| ready(state.memory.get(keys)).expect("at once"))
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.ask(|state| ready(state.memory.list(prefix, after, limit)).expect("at once"))
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        let hook = self.hook.lock().expect("no panic").take();
        if let Some(hook) = hook {
            hook(&Self {
                hook: Arc::default(),
                ..self.clone()
            });
        }
        self.ask(|state| {
            state.written = state.real;
            ready(state.memory.commit(txn)).expect("at once")
        })
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.ask(|state| ready(state.memory.watch(prefix, from)).expect("at once"))
    }

    async fn start_stopwatch(&mut self) -> Result<Option<Started>, StoreError> {
        Ok(self.counts.then(|| {
            self.ask(|state| {
                state.next += 1;
                state.revoked = false;
                // What is not counted on from is what the old one had not shown yet.
                state.lost += Duration::from_millis(1_600);
                state.stopwatches.insert(state.next, state.real);
                Started {
                    stopwatch: state.next,
                    term: state.term,
                }
            })
        }))
    }

    /// Of what is left of it whole seconds are told, as of etcd's leases.
    async fn stopwatch(&mut self, stopwatch: u64) -> Result<Option<Elapsed>, StoreError> {
        Ok(self.ask(|state| {
            let from = state.stopwatches.get(&stopwatch)?;
            let counted = state.real.since(*from);
            let left = Duration::from_secs(u64::from(u32::MAX)).saturating_sub(counted);
            Some(Elapsed {
                time: Duration::from_secs(u64::from(u32::MAX - 1).saturating_sub(left.as_secs())),
                term: state.term,
            })
        }))
    }

    async fn stop_stopwatch(&mut self, stopwatch: u64) -> Result<(), StoreError> {
        self.ask(|state| state.stopwatches.remove(&stopwatch));
        Ok(())
    }
}

//! The endpoints of a balancer and their weights.

use discovery_core::health::CallOutcome;
use discovery_core::pick::Request;
use discovery_core::warm_up::WarmUp;
use discovery_core::{Picker, Timestamp};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two steps of slow start.
const STEP: Duration = Duration::from_millis(100);

/// A handle to a balancer's endpoints; clones are the same one.
pub struct Endpoints<K, S> {
    shared: Arc<Mutex<Shared<K, S>>>,
    start: Instant,
}

impl<K, S> Clone for Endpoints<K, S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            start: self.start,
        }
    }
}

impl<K, S> std::fmt::Debug for Endpoints<K, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints")
            .field("endpoints", &self.lock().slots.len())
            .finish_non_exhaustive()
    }
}

struct Shared<K, S> {
    picker: Box<dyn Picker + Send>,
    slots: HashMap<K, usize>,
    /// By slot; those that are free again are taken first.
    services: Vec<Option<S>>,
    free: Vec<usize>,
    warming: Vec<Warming>,
    stepped: Timestamp,
}

/// An endpoint on its way to its weight.
struct Warming {
    slot: usize,
    since: Timestamp,
    weight: u32,
    warm_up: WarmUp,
}

/// A request's endpoint, until it is told how the call ended.
pub(crate) struct Picked<K, S> {
    endpoints: Endpoints<K, S>,
    pub(crate) slot: usize,
    began: Timestamp,
    ended: bool,
}

impl<K, S> Endpoints<K, S> {
    pub(crate) fn new(picker: impl Picker + Send + 'static) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                picker: Box::new(picker),
                slots: HashMap::new(),
                services: Vec::new(),
                free: Vec::new(),
                warming: Vec::new(),
                stepped: Timestamp::ZERO,
            })),
            start: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared<K, S>> {
        // No step leaves it half done: a panic elsewhere is none of its own.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        // The epoch is long before any call: a latency is never beyond it.
        Timestamp::from_secs(86_400).after(self.start.elapsed())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An endpoint for a request, none of those that were tried unless there is no other; `None` when none has weight.
    pub(crate) fn pick(&self, key: u64, tried: &[usize]) -> Option<(Picked<K, S>, S)>
    where
        S: Clone,
    {
        let now = self.now();
        let mut shared = self.lock();
        shared.step(now);
        let request = Request::new(now).with_key(key);
        let slot = match tried {
            [] => shared.picker.pick(&request),
            _ => shared.picker.pick_except(&request, tried),
        }?;
        let service = shared.services.get(slot)?.clone()?;
        let picked = Picked {
            endpoints: self.clone(),
            slot,
            began: now,
            ended: false,
        };
        Some((picked, service))
    }
}

impl<K: Eq + Hash, S> Endpoints<K, S> {
    /// Adds an endpoint, or replaces its service. The weight is in any unit, as long as it is the same for all: an engine's are
    /// thousandths.
    pub fn insert(&self, key: K, service: S, weight: u32) {
        self.put(key, service, weight);
    }

    /// The same for one that was just started: its weight rises as `warm_up` says, in steps of a tenth of a second. One that is
    /// known already is not cold again.
    pub fn insert_cold(&self, key: K, service: S, weight: u32, warm_up: WarmUp) {
        let since = self.now();
        let (slot, new) = self.put(key, service, weight);
        if !new || warm_up.window().is_zero() {
            return;
        }
        let mut shared = self.lock();
        shared.warming.push(Warming {
            slot,
            since,
            weight,
            warm_up,
        });
        shared.warm(since);
    }

    /// Gives an endpoint another weight at once, and ends its slow start; 0 takes nothing new. Whether it is known.
    pub fn set_weight(&self, key: &K, weight: u32) -> bool {
        let mut shared = self.lock();
        let Some(&slot) = shared.slots.get(key) else {
            return false;
        };
        shared.warming.retain(|warming| warming.slot != slot);
        shared.picker.set_weight(slot, weight);
        true
    }

    /// Takes an endpoint away; calls that are under way end. Whether it was known.
    pub fn remove(&self, key: &K) -> bool {
        let now = self.now();
        let mut shared = self.lock();
        let Some(slot) = shared.slots.remove(key) else {
            return false;
        };
        shared.warming.retain(|warming| warming.slot != slot);
        shared.picker.free(slot, now);
        if let Some(service) = shared.services.get_mut(slot) {
            *service = None;
        }
        shared.free.push(slot);
        true
    }

    /// The slot, and whether it is a new one.
    fn put(&self, key: K, service: S, weight: u32) -> (usize, bool) {
        let mut shared = self.lock();
        let known = shared.slots.get(&key).copied();
        let slot = known.or_else(|| shared.free.pop());
        let slot = slot.unwrap_or(shared.services.len());
        match shared.services.get_mut(slot) {
            Some(place) => *place = Some(service),
            None => shared.services.push(Some(service)),
        }
        if known.is_none() {
            shared.slots.insert(key, slot);
        }
        match shared.warming.iter_mut().find(|w| w.slot == slot) {
            Some(warming) => warming.weight = weight,
            None => shared.picker.set_weight(slot, weight),
        }
        (slot, known.is_none())
    }
}

impl<K, S> Shared<K, S> {
    fn step(&mut self, now: Timestamp) {
        if !self.warming.is_empty() && now.since(self.stepped) >= STEP {
            self.warm(now);
        }
    }

    fn warm(&mut self, now: Timestamp) {
        self.stepped = now;
        let picker = &mut self.picker;
        self.warming.retain(|warming| {
            let age = now.since(warming.since);
            let factor = warming.warm_up.factor(age, warming.weight);
            let weight = (f64::from(warming.weight) * factor).ceil();
            picker.set_weight(warming.slot, weight as u32);
            age < warming.warm_up.window()
        });
    }
}

impl<K, S> Picked<K, S> {
    /// The call is over.
    pub(crate) fn ended(mut self, outcome: CallOutcome) {
        self.tell(Some(outcome));
    }

    fn tell(&mut self, outcome: Option<CallOutcome>) {
        self.ended = true;
        let now = self.endpoints.now();
        let latency = now.since(self.began);
        let picker = &mut self.endpoints.lock().picker;
        match outcome {
            Some(outcome) => picker.ended(self.slot, now, latency, outcome),
            None => picker.done(self.slot, now, latency),
        }
    }
}

impl<K, S> Drop for Picked<K, S> {
    /// A call that was given up took at least as long as it was waited for.
    fn drop(&mut self) {
        if !self.ended {
            self.tell(None);
        }
    }
}

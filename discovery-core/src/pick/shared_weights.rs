//! One writer, many readers: weights that every thread's picker follows without a lock.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use super::picker::{Picker, Request};
use crate::health::CallOutcome;
use crate::time::Timestamp;

/// Changes that are kept for readers; who falls further behind reads all weights.
const LOG: u64 = 1024;

#[derive(Debug)]
struct Shared {
    /// By slot: its weight in the lower half; above it how often it was freed, so that whoever sees a weight sees whose
    /// it is.
    weights: Vec<AtomicU64>,
    /// The slots of the latest changes, in a ring.
    log: Vec<AtomicU32>,
    /// How many changes there were.
    changes: AtomicU64,
}

/// The weights of one service's slots, written by one owner. Threads pick through [`Follower`]s of it.
///
/// ```
/// use discovery_core::pick::{SharedWeights, LowDiscrepancy, Request};
///
/// let mut shared = SharedWeights::new(2);
/// shared.set_weight(0, 100);
/// let mut follower = shared.follow(|weights| LowDiscrepancy::new(weights, 1)); // one for each thread
/// assert_eq!(follower.pick(&Request::default()), Some(0));
/// shared.set_weight(0, 0);
/// shared.set_weight(1, 100);
/// assert_eq!(follower.pick(&Request::default()), Some(1));
/// ```
#[derive(Debug)]
#[doc(alias = "Board")]
pub struct SharedWeights {
    shared: Arc<Shared>,
}

impl SharedWeights {
    /// Room for so many slots, all of weight 0. A service that outgrows them gets new ones; the
    /// followers of the old one go on with what it says.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                weights: (0..slots).map(|_| AtomicU64::new(0)).collect(),
                log: (0..LOG).map(|_| AtomicU32::new(0)).collect(),
                changes: AtomicU64::new(0),
            }),
        }
    }

    /// Gives a slot a weight; whether there is room for it. O(1).
    pub fn set_weight(&mut self, slot: usize, weight: u32) -> bool {
        self.write(slot, |(tenants, _)| (tenants, weight))
    }

    /// The endpoint in a slot is gone: followers' pickers free the slot ([`Picker::free`]) before they give it another
    /// weight. Whether there is such a slot. O(1).
    pub fn free(&mut self, slot: usize) -> bool {
        self.write(slot, |(tenants, _)| (tenants.wrapping_add(1), 0))
    }

    fn write(&mut self, slot: usize, change: impl FnOnce((u32, u32)) -> (u32, u32)) -> bool {
        let Some(place) = self.shared.weights.get(slot) else {
            return false;
        };
        let before = place.load(Ordering::Relaxed);
        let after = join(change(split(before)));
        if after == before {
            return true;
        }
        place.store(after, Ordering::Relaxed);
        let changes = self.shared.changes.load(Ordering::Relaxed);
        if let Some(entry) = self.shared.log.get((changes % LOG) as usize) {
            // Whoever sees this entry where it looked for an older one sees the count that came before it.
            entry.store(slot as u32, Ordering::Release);
        }
        // Whoever sees this count sees the entry and the weight as well.
        self.shared.changes.store(changes + 1, Ordering::Release);
        true
    }

    /// How many slots there is room for.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.shared.weights.len()
    }

    /// A handle for one thread: the picker that `make` makes of the weights as they are, kept up to date.
    /// Seed each handle's picker differently, so that they do not all begin with the same slots.
    #[must_use]
    pub fn follow<P: Picker>(&self, make: impl FnOnce(&[u32]) -> P) -> Follower<P> {
        let seen = self.shared.changes.load(Ordering::Acquire);
        let now = |w: &AtomicU64| split(w.load(Ordering::Relaxed));
        let (tenants, weights): (Vec<u32>, Vec<u32>) = self.shared.weights.iter().map(now).unzip();
        Follower {
            shared: Arc::clone(&self.shared),
            seen,
            tenants,
            picker: make(&weights),
        }
    }
}

/// How often a slot was freed, and its weight.
fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

fn join((tenants, weight): (u32, u32)) -> u64 {
    u64::from(tenants) << 32 | u64::from(weight)
}

/// A thread's own picker over a [`SharedWeights`]: it shares no cache line that is written with each pick, and looks
/// at one counter to see whether weights changed. A [`Picker`] itself; what is told to it alone (a weight, a slot that
/// is free) holds for this handle, and until its owner gives that slot another weight.
#[derive(Debug)]
pub struct Follower<P> {
    shared: Arc<Shared>,
    seen: u64,
    /// How often each slot had been freed when it was last looked at.
    tenants: Vec<u32>,
    picker: P,
}

impl<P: Picker> Follower<P> {
    /// The slot of the next request, after taking in what changed. O(changes since the last pick) besides
    /// the picker's own cost.
    pub fn pick(&mut self, request: &Request) -> Option<usize> {
        self.look(request);
        self.picker.pick(request)
    }

    /// A request that was given to a slot is over, and well; see [`Picker::ended`] for other outcomes.
    pub fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
        self.picker.done(slot, now, latency);
    }

    /// The picker as it is.
    #[must_use]
    pub fn picker(&self) -> &P {
        &self.picker
    }

    fn look(&mut self, request: &Request) {
        let changes = self.shared.changes.load(Ordering::Acquire);
        if changes != self.seen {
            self.catch_up(changes, request.now);
        }
    }

    fn catch_up(&mut self, changes: u64, now: Timestamp) {
        if changes - self.seen >= LOG {
            return self.read_all(now);
        }
        for change in self.seen..changes {
            let entry = self.shared.log.get((change % LOG) as usize);
            self.read(entry.map_or(0, |e| e.load(Ordering::Acquire)) as usize, now);
        }
        // The writer may have come round the ring in the meantime and overwritten what was read.
        if self.shared.changes.load(Ordering::Acquire) - self.seen >= LOG {
            return self.read_all(now);
        }
        self.seen = changes;
    }

    fn read(&mut self, slot: usize, now: Timestamp) {
        let (Some(word), Some(seen)) = (self.shared.weights.get(slot), self.tenants.get_mut(slot))
        else {
            return;
        };
        let (tenants, weight) = split(word.load(Ordering::Relaxed));
        if core::mem::replace(seen, tenants) != tenants {
            // All that this handle picked so far was the former endpoint's.
            self.picker.free(slot, now);
        }
        if self.picker.weight(slot) != weight {
            self.picker.set_weight(slot, weight);
        }
    }

    fn read_all(&mut self, now: Timestamp) {
        self.seen = self.shared.changes.load(Ordering::Acquire);
        for slot in 0..self.shared.weights.len() {
            self.read(slot, now);
        }
    }
}

impl<P: Picker> Picker for Follower<P> {
    fn pick(&mut self, request: &Request) -> Option<usize> {
        Self::pick(self, request)
    }

    fn pick_except(&mut self, request: &Request, tried: &[usize]) -> Option<usize> {
        self.look(request);
        self.picker.pick_except(request, tried)
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        self.picker.set_weight(slot, weight);
    }

    fn weight(&self, slot: usize) -> u32 {
        self.picker.weight(slot)
    }

    fn slots(&self) -> usize {
        self.picker.slots()
    }

    fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
        self.picker.done(slot, now, latency);
    }

    fn ended(&mut self, slot: usize, now: Timestamp, latency: Duration, outcome: CallOutcome) {
        self.picker.ended(slot, now, latency, outcome);
    }

    fn free(&mut self, slot: usize, now: Timestamp) {
        self.picker.free(slot, now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::LowDiscrepancy;
    use super::*;
    use crate::rng;
    use rand::RngExt as _;

    #[test]
    fn followers_take_in_what_changed_few_or_many() {
        let mut owner = SharedWeights::new(500);
        assert!(!owner.set_weight(500, 1));
        let mut followers = [1, 2].map(|seed| owner.follow(|w| LowDiscrepancy::new(w, seed)));
        assert_eq!(followers[0].pick(&Request::default()), None);
        let mut rng = rng::stream(1, "board");
        for round in [1u64, 10, 5_000, 3] {
            for _ in 0..round {
                let slot = rng.random_range(0..500) as usize;
                owner.set_weight(slot, rng.random_range(0..9) as u32);
                if rng.random_ratio(1, 9) {
                    owner.free(slot);
                }
            }
            for f in &mut followers {
                f.pick(&Request::default());
                for (slot, weight) in owner.shared.weights.iter().enumerate() {
                    assert_eq!(
                        f.picker().weight(slot),
                        split(weight.load(Ordering::Relaxed)).1
                    );
                }
            }
        }
    }
}

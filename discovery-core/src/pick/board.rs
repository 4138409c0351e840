//! One writer, many readers: weights that every thread's picker follows without a lock.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use super::{Picker, Request};
use crate::time::Timestamp;

/// Changes that are kept for readers; who falls further behind reads all weights.
const LOG: u64 = 1024;

#[derive(Debug)]
struct Shared {
    weights: Vec<AtomicU32>,
    /// The slots of the latest changes, in a ring.
    log: Vec<AtomicU32>,
    /// How many changes there were.
    changes: AtomicU64,
}

/// The weights of one service's slots, written by one owner. Threads pick through [`Follower`]s of it.
#[derive(Debug)]
pub struct Board {
    shared: Arc<Shared>,
}

impl Board {
    /// Room for so many slots, all of weight 0. A service that outgrows its board gets a new one; the
    /// followers of the old one go on with what it says.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let zeros = |n: usize| (0..n).map(|_| AtomicU32::new(0)).collect();
        let (weights, log) = (zeros(slots), zeros(LOG as usize));
        Self {
            shared: Arc::new(Shared {
                weights,
                log,
                changes: AtomicU64::new(0),
            }),
        }
    }

    /// Gives a slot a weight; whether there is room for it. O(1).
    pub fn set_weight(&mut self, slot: usize, weight: u32) -> bool {
        let Some(place) = self.shared.weights.get(slot) else {
            return false;
        };
        if place.swap(weight, Ordering::Relaxed) == weight {
            return true;
        }
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
        let weights: Vec<u32> = self
            .shared
            .weights
            .iter()
            .map(|w| w.load(Ordering::Relaxed))
            .collect();
        Follower {
            shared: Arc::clone(&self.shared),
            seen,
            picker: make(&weights),
        }
    }
}

/// A thread's own picker over a [`Board`]: it shares no cache line that is written with each pick, and looks
/// at one counter to see whether weights changed.
#[derive(Debug)]
pub struct Follower<P> {
    shared: Arc<Shared>,
    seen: u64,
    picker: P,
}

impl<P: Picker> Follower<P> {
    /// The slot of the next request, after taking in what changed. O(changes since the last pick) besides
    /// the picker's own cost.
    pub fn pick(&mut self, request: &Request) -> Option<usize> {
        let changes = self.shared.changes.load(Ordering::Acquire);
        if changes != self.seen {
            self.catch_up(changes);
        }
        self.picker.pick(request)
    }

    /// A request that was given to a slot is over.
    pub fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
        self.picker.done(slot, now, latency);
    }

    /// The picker as it is.
    #[must_use]
    pub fn picker(&self) -> &P {
        &self.picker
    }

    fn catch_up(&mut self, changes: u64) {
        if changes - self.seen >= LOG {
            return self.read_all();
        }
        for change in self.seen..changes {
            let entry = self.shared.log.get((change % LOG) as usize);
            self.read(entry.map_or(0, |e| e.load(Ordering::Acquire)) as usize);
        }
        // The writer may have come round the ring in the meantime and overwritten what was read.
        if self.shared.changes.load(Ordering::Acquire) - self.seen >= LOG {
            return self.read_all();
        }
        self.seen = changes;
    }

    fn read(&mut self, slot: usize) {
        let Some(weight) = self.shared.weights.get(slot) else {
            return;
        };
        let weight = weight.load(Ordering::Relaxed);
        if self.picker.weight(slot) != weight {
            self.picker.set_weight(slot, weight);
        }
    }

    fn read_all(&mut self) {
        self.seen = self.shared.changes.load(Ordering::Acquire);
        for slot in 0..self.shared.weights.len() {
            self.read(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Golden;
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn followers_take_in_what_changed_few_or_many() {
        let mut board = Board::new(500);
        assert!(!board.set_weight(500, 1));
        let mut followers = [1, 2].map(|seed| board.follow(|w| Golden::new(w, seed)));
        assert_eq!(followers[0].pick(&Request::default()), None);
        let mut rng = Rng::new(1, "board");
        for round in [1u64, 10, 5_000, 3] {
            for _ in 0..round {
                board.set_weight(rng.below(500) as usize, rng.below(9) as u32);
            }
            for f in &mut followers {
                f.pick(&Request::default());
                for (slot, weight) in board.shared.weights.iter().enumerate() {
                    assert_eq!(f.picker().weight(slot), weight.load(Ordering::Relaxed));
                }
            }
        }
    }
}

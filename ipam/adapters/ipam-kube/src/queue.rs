//! What is to be looked at, and when.

use ipam::Timestamp;
use ipam::rng::{Xoshiro256PlusPlus, stream};
use rand::RngExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The shortest pause before something that failed is tried again; it doubles each time.
const LEAST: Duration = Duration::from_secs(1);
/// How often it doubles: up to 64 seconds.
const DOUBLINGS: u32 = 6;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    due: Option<Timestamp>,
    failures: u32,
}

/// Items, each with the time when it is due; each stands in it once.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T> {
    order: BTreeSet<(Timestamp, T)>,
    entries: BTreeMap<T, Entry>,
    rng: Xoshiro256PlusPlus,
}

impl<T: Ord + Clone> Queue<T> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            order: BTreeSet::new(),
            entries: BTreeMap::new(),
            rng: stream(seed, "queue"),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.order.clear();
        self.entries.clear();
    }

    /// An item is due at a time, or before if it was.
    pub(crate) fn add(&mut self, item: T, at: Timestamp) {
        let entry = self.entries.entry(item.clone()).or_default();
        let due = entry.due.map_or(at, |due| due.min(at));
        if let Some(before) = entry.due.replace(due) {
            self.order.remove(&(before, item.clone()));
        }
        self.order.insert((due, item));
    }

    /// What has been due longest.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<T> {
        let (due, _) = self.order.first()?;
        if *due > now {
            return None;
        }
        let (_, item) = self.order.pop_first()?;
        if let Some(entry) = self.entries.get_mut(&item) {
            entry.due = None;
        }
        Some(item)
    }

    /// An item failed: it is due again after a pause, with jitter.
    pub(crate) fn failed(&mut self, item: T, now: Timestamp) {
        let entry = self.entries.entry(item.clone()).or_default();
        let most = LEAST * 2u32.pow(entry.failures.min(DOUBLINGS));
        entry.failures = entry.failures.saturating_add(1);
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let pause = self.rng.random_range(most / 2..=most);
        self.add(item, now.after(Duration::from_nanos(pause)));
    }

    /// Nothing is left to do about an item, unless it was added again meanwhile.
    pub(crate) fn settled(&mut self, item: &T) {
        if let Some(entry) = self.entries.get_mut(item) {
            entry.failures = 0;
            if entry.due.is_none() {
                self.entries.remove(item);
            }
        }
    }

    /// When the next item is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.order.first().map(|(due, _)| *due)
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_once_in_order_of_time() {
        let at = Timestamp::from_secs;
        let mut queue = Queue::new(7);
        for (item, secs) in [('b', 2), ('a', 3), ('c', 9), ('a', 1), ('b', 5)] {
            queue.add(item, at(secs));
        }
        let due: Vec<char> = std::iter::from_fn(|| queue.pop(at(4))).collect();
        assert_eq!(due, ['a', 'b']);
        assert_eq!(queue.next_due(), Some(at(9)));
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_are_reset_by_success() {
        let mut queue = Queue::new(7);
        let mut now = Timestamp::from_secs(100);
        for most in [1, 2, 4, 8, 16, 32, 64, 64] {
            queue.failed('a', now);
            let due = queue.next_due().unwrap();
            let pause = due.since(now);
            let most = Duration::from_secs(most);
            assert!(pause >= most / 2 && pause <= most, "{pause:?} of {most:?}");
            now = due;
            assert_eq!(queue.pop(now), Some('a'));
        }
        queue.settled(&'a');
        queue.failed('a', now);
        assert!(queue.next_due().unwrap().since(now) <= Duration::from_secs(1));
    }
}

//! Requests under way to endpoints whose slot is free, or another's, by now.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::time::Timestamp;

/// By slot: how many are still to end, and when the slot was freed.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans(BTreeMap<usize, (u32, Timestamp)>);

impl Orphans {
    /// The endpoint in a slot is gone, with so many requests under way to it.
    pub(super) fn add(&mut self, slot: usize, under_way: u32, now: Timestamp) {
        if under_way > 0 {
            let (left, since) = self.0.entry(slot).or_default();
            *left = left.saturating_add(under_way);
            *since = now.max(*since);
        }
    }

    /// Whether a request that ends is a former endpoint's: it began before the slot was freed, as far as can be told.
    /// Of requests without times the first to end count as those.
    pub(super) fn take(&mut self, slot: usize, now: Timestamp, latency: Duration) -> bool {
        if self.0.is_empty() {
            return false;
        }
        self.find(slot, now, latency)
    }

    #[cold]
    fn find(&mut self, slot: usize, now: Timestamp, latency: Duration) -> bool {
        let Some((left, since)) = self.0.get_mut(&slot) else {
            return false;
        };
        let began = now
            .as_nanos()
            .saturating_sub(crate::duration::nanos(latency));
        if began > since.as_nanos() {
            return false;
        }
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.0.remove(&slot);
        }
        true
    }
}

//! Whether a service has heard of all its endpoints: what is not known may be a predecessor's until then.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use crate::engine::clock::Moved;
use crate::hash::hash;
use crate::time::Timestamp;

/// The most departures that a service remembers while it settles; with more it has settled.
const MOST_GONE: usize = 4_096;

/// How far a service has settled.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Settling {
    /// MAX before the first endpoint. Until then, or the first snapshot, an added endpoint may be an old one that
    /// a predecessor of this engine registered.
    settled_at: Timestamp,
    /// Hashed names of those that went before then.
    gone: BTreeSet<u64>,
    /// How many went in this engine's life: all that a registry may hold, once a loss is confirmed.
    dropped: u64,
}

impl Settling {
    pub(super) const NEW: Self = Self {
        settled_at: Timestamp::MAX,
        gone: BTreeSet::new(),
        dropped: 0,
    };

    pub(in crate::engine) fn settled(&self, now: Timestamp) -> bool {
        self.settled_at <= now
    }

    /// An endpoint comes: whether a registry may know it from a predecessor of this engine.
    pub(in crate::engine) fn arrives(
        &mut self,
        now: Timestamp,
        name: &str,
        window: Duration,
    ) -> bool {
        if self.settled_at == Timestamp::MAX {
            self.settled_at = now.after(window);
        }
        if self.settled(now) {
            self.gone.clear();
            return false;
        }
        !self.gone.contains(&hash(name.as_bytes()))
    }

    /// An endpoint went: should it come again, the registry's word on it is this engine's own.
    pub(in crate::engine) fn departs(&mut self, now: Timestamp, name: &str) {
        self.dropped = self.dropped.saturating_add(1);
        if self.settled(now) {
            self.gone.clear();
            return;
        }
        self.gone.insert(hash(name.as_bytes()));
        if self.gone.len() > MOST_GONE {
            (self.settled_at, self.gone) = (now, BTreeSet::new());
        }
    }

    /// A whole view of the service came.
    pub(in crate::engine) fn seen_whole(&mut self, now: Timestamp) {
        self.settled_at = self.settled_at.min(now);
    }

    /// An operator says that what is missing is gone.
    pub(in crate::engine) fn confirm(&mut self) {
        self.dropped = u64::MAX;
    }

    /// Of so many entries that are not known, those that this engine's own departures do not explain.
    pub(in crate::engine) fn unexplained(&self, entries: u64) -> u64 {
        entries.saturating_sub(self.dropped)
    }

    /// Follows a new configuration.
    pub(super) fn shorten(&mut self, now: Timestamp, window: Duration) {
        if self.settled_at < Timestamp::MAX {
            self.settled_at = self.settled_at.min(now.after(window));
        }
    }

    pub(super) fn retime(&mut self, moved: &Moved) {
        self.settled_at = moved.at(self.settled_at);
    }

    /// When it settles, hashed names of those that went, and how many went.
    pub(super) fn save(&self) -> (Timestamp, Vec<u64>, u64) {
        let gone = self.gone.iter().copied().collect();
        (self.settled_at, gone, self.dropped)
    }

    pub(super) fn restore(settled_at: Timestamp, gone: &[u64], dropped: u64) -> Self {
        Self {
            settled_at,
            gone: gone.iter().copied().collect(),
            dropped,
        }
    }
}

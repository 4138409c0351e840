//! Self-preservation: endpoints that a source lost too suddenly, held for a while.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::ServiceConfig;
use crate::engine::clock::Moved;
use crate::time::Timestamp;

/// Losses that count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(in crate::engine) struct Loss {
    /// When the first of them was.
    pub(in crate::engine) since: Timestamp,
    /// How many members there were then.
    pub(in crate::engine) of: u32,
    /// How many are lost.
    pub(in crate::engine) lost: u32,
}

/// The present run of losses, and who is held.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Holds {
    loss: Loss,
    /// Since when endpoints are held, by record index.
    since: BTreeMap<u32, Timestamp>,
    /// When the first of them has been held for too long; MAX without one, or while that is worked out.
    due: Timestamp,
}

impl Holds {
    pub(super) const NONE: Self = Self {
        loss: Loss {
            since: Timestamp::ZERO,
            of: 0,
            lost: 0,
        },
        since: BTreeMap::new(),
        due: Timestamp::MAX,
    };

    /// Whether so many may go at once, of a service of `size` members; if so, they are counted.
    pub(super) fn may_lose(
        &mut self,
        now: Timestamp,
        count: usize,
        size: u32,
        config: &ServiceConfig,
    ) -> bool {
        if self.loss.lost == 0 || now.since(self.loss.since) >= config.hold_window {
            self.loss = Loss {
                since: now,
                of: size,
                lost: 0,
            };
        }
        let lost = u64::from(self.loss.lost) + count as u64;
        let percent = u64::from(config.hold_percent);
        // Who comes and goes again within the window may be lost more often than there are members.
        let may = percent >= 100 || lost * 100 <= u64::from(self.loss.of) * percent;
        if may {
            self.loss.lost = u32::try_from(lost).unwrap_or(u32::MAX);
        }
        may
    }

    pub(in crate::engine) fn hold(&mut self, index: u32, since: Timestamp) {
        self.since.insert(index, since);
    }

    /// One is held no longer; whether it was the last.
    pub(in crate::engine) fn release(&mut self, index: u32) -> bool {
        self.since.remove(&index);
        let last = self.since.is_empty();
        if last {
            self.due = Timestamp::MAX;
        }
        last
    }

    /// How many are held.
    pub(in crate::engine) fn len(&self) -> u32 {
        u32::try_from(self.since.len()).unwrap_or(u32::MAX)
    }

    /// Since when an endpoint is held.
    pub(in crate::engine) fn since(&self, index: u32) -> Option<Timestamp> {
        self.since.get(&index).copied()
    }

    /// When the first hold ends. O(held).
    pub(super) fn first_end(&self, config: &ServiceConfig) -> Option<Timestamp> {
        let first = self.since.values().min()?;
        Some(first.after(config.hold_limit))
    }

    /// When to set a timer for the first hold that ends, if there is none yet. O(held).
    pub(super) fn arm(&mut self, config: &ServiceConfig) -> Option<Timestamp> {
        let due = self.first_end(config).unwrap_or(Timestamp::MAX);
        let new = due != self.due;
        self.due = due;
        new.then_some(due)
    }

    /// Whether there is a timer for the first that ends.
    pub(in crate::engine) fn armed(&self) -> bool {
        self.due < Timestamp::MAX
    }

    /// The timer of `at` fires: who has been held for long enough; `None` if the timer is an old one.
    pub(super) fn fire(
        &mut self,
        at: Timestamp,
        now: Timestamp,
        config: &ServiceConfig,
    ) -> Option<Vec<u32>> {
        if self.due != at {
            return None;
        }
        self.due = Timestamp::MAX;
        let over = |(_, since): &(&u32, &Timestamp)| since.after(config.hold_limit) <= now;
        Some(self.since.iter().filter(over).map(|(&i, _)| i).collect())
    }

    pub(super) fn retime(&mut self, moved: &Moved, config: &ServiceConfig) {
        self.loss.since = moved.past(self.loss.since);
        self.due = Timestamp::MAX;
        for since in self.since.values_mut() {
            *since = moved.held(*since, config);
        }
    }

    pub(super) fn loss(&self) -> Loss {
        self.loss
    }

    /// The losses of a snapshot; those who are held are added one by one.
    pub(super) fn restore(loss: Loss) -> Self {
        Self { loss, ..Self::NONE }
    }
}

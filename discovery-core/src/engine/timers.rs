//! What is due when. Entries are never searched: one that no longer matches its owner is passed over.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use crate::id::{RegionId, ServiceId};
use crate::time::Timestamp;

/// Whose timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A region whose drain goes in steps.
    Region(RegionId),
    /// A service whose callers' reports are judged.
    Service(ServiceId),
    /// A service some of whose endpoints are held.
    Hold(ServiceId),
    /// An endpoint's probe or step of weight.
    Endpoint(u32),
}

/// A heap of due times.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Timestamp, Owner)>>);

impl Timers {
    pub(super) fn push(&mut self, at: Timestamp, owner: Owner) {
        if at < Timestamp::MAX {
            self.0.push(Reverse((at, owner)));
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, Owner)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }
}

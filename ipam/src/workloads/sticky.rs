//! When the addresses that workloads retain expire.

use crate::pool::cells::Paged;
use crate::spots::Spot;
use crate::time::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap};
use core::cmp::Reverse;

/// Not by time.
const NEVER: Timestamp = Timestamp::MAX;

/// Points in time, by workload; the soonest is at hand.
#[derive(Clone, Debug)]
pub(super) struct Sticky {
    /// By workload.
    until: Paged<Timestamp, 512>,
    /// The same, soonest first. Entries that `until` no longer bears out are passed over; the first is never one of
    /// them.
    queue: BinaryHeap<Reverse<(Timestamp, u32)>>,
    len: usize,
}

impl Default for Sticky {
    fn default() -> Self {
        Self {
            until: Paged::new(NEVER),
            queue: BinaryHeap::new(),
            len: 0,
        }
    }
}

impl Sticky {
    /// When what a workload retains expires; `None`: not by time.
    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<Timestamp> {
        Some(self.until.get(id)).filter(|&u| u != NEVER)
    }

    /// The workload whose retention expires first, and when.
    #[inline]
    pub(super) fn first(&self) -> Option<(Timestamp, u32)> {
        self.queue.peek().map(|&Reverse(first)| first)
    }

    /// Notes when the retention of a workload without one expires: the time that is noted, which is before the end of time.
    /// Nothing is read that may be far away.
    #[inline]
    pub(super) fn add(&mut self, id: u32, until: Timestamp) -> Timestamp {
        debug_assert_eq!(self.get(id), None);
        // The end of time is a time too: records say "not by time" with it.
        let until = until.min(Timestamp::from_nanos(NEVER.as_nanos() - 1));
        *self.until.entry(id) = until;
        self.len += 1;
        self.queue.push(Reverse((until, id)));
        until
    }

    /// The retention of a workload does not expire any more.
    pub(super) fn remove(&mut self, id: u32) {
        if self.get(id).is_some() {
            *self.until.entry(id) = NEVER;
            self.len -= 1;
            self.drop_untrue();
        }
    }

    /// Takes entries off the queue that are no longer true: those at its front, and all once they are most.
    fn drop_untrue(&mut self) {
        let until = &self.until;
        let holds = |&(at, id): &(Timestamp, u32)| until.get(id) == at;
        while self.queue.peek().is_some_and(|Reverse(e)| !holds(e)) {
            self.queue.pop();
        }
        if self.queue.len() > self.len * 2 + 64 {
            self.queue.retain(|Reverse(e)| holds(e));
        }
    }

    /// Every workload whose retention expires, with the time.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        self.until.iter()
    }

    /// Whether the queue has all of them, and its front is one.
    pub(super) fn is_consistent(&self) -> bool {
        let queued: BTreeSet<_> = self.queue.iter().map(|r| r.0).collect();
        let mut times = self.iter().map(|(id, until)| (until, id));
        times.all(|e| queued.contains(&e))
            && self.iter().count() == self.len
            && self
                .first()
                .is_none_or(|(until, id)| self.get(id) == Some(until))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.until.heap_bytes() + self.queue.capacity() * size_of::<(Timestamp, u32)>()
    }
}

/// Sticky addresses that do not share the one time of their workload's interface: retained beside a reservation, in several
/// pools with several ends, or for as long as a move takes ([`NEVER`]). Few are.
#[derive(Clone, Debug, Default)]
pub(super) struct Apart {
    until: BTreeMap<(u32, Spot), Timestamp>,
    /// Those that end by time, soonest first.
    queue: BTreeSet<(Timestamp, u32, Spot)>,
}

impl Apart {
    pub(super) fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// A workload's, in order of pool and slot.
    pub(super) fn of(&self, id: u32) -> impl Iterator<Item = (Spot, Timestamp)> + '_ {
        let (first, last) = (Spot::FIRST, Spot::LAST);
        let range = self.until.range((id, first)..=(id, last));
        range.map(|(&(_, spot), &until)| (spot, until))
    }

    pub(super) fn insert(&mut self, id: u32, spot: Spot, until: Timestamp) {
        self.remove(id, spot);
        self.until.insert((id, spot), until);
        if until != NEVER {
            self.queue.insert((until, id, spot));
        }
    }

    pub(super) fn remove(&mut self, id: u32, spot: Spot) -> Option<Timestamp> {
        let until = self.until.remove(&(id, spot))?;
        self.queue.remove(&(until, id, spot));
        Some(until)
    }

    /// The one that ends first, and when.
    pub(super) fn first(&self) -> Option<(Timestamp, u32, Spot)> {
        self.queue.first().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Spot, Timestamp)> + '_ {
        self.until
            .iter()
            .map(|(&(id, spot), &until)| (id, spot, until))
    }

    /// Gives spots other numbers.
    pub(super) fn renumber(&mut self, spot: impl Fn(Spot) -> Spot) {
        let before = core::mem::take(self);
        for (id, old, until) in before.iter() {
            self.insert(id, spot(old), until);
        }
    }

    pub(super) fn is_consistent(&self) -> bool {
        let timed = self.iter().filter(|&(.., until)| until != NEVER);
        let timed: BTreeSet<_> = timed.map(|(id, spot, until)| (until, id, spot)).collect();
        timed == self.queue
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // Nodes of trees are two thirds full.
        (self.until.len() + self.queue.len()) * size_of::<(u32, Spot, Timestamp)>() * 3 / 2
    }
}

//! Released addresses in order of release: those in quarantine, and (for pools that give out the least
//! recently used first) those that have left it.

use super::cells::ID_MASK;
use crate::time::Timestamp;
use alloc::collections::VecDeque;

/// One released slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    /// When it was released.
    pub(crate) at: Timestamp,
    /// Breaks ties of `at`: counts a pool's releases.
    pub(crate) order: u64,
    /// The slot, or [`GONE`].
    pub(crate) slot: u32,
}

/// The slot of an entry that has left before its turn; its place is passed over, or used again.
const GONE: u32 = u32::MAX;
/// Entries gone that a queue puts up with beside three times the ones it holds.
const GONE_MOST: usize = 4096;

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// In quarantine.
    Quarantine = 0,
    /// Out of it, free.
    Queued = 1,
}

/// Entries by time and tie-breaker. Each has a number by which its slot's cell finds it; numbers rise by one
/// from the front on and wrap at the width of a cell's id.
#[derive(Clone, Debug, Default)]
struct Queue {
    entries: VecDeque<Released>,
    /// The number of the front entry.
    first: u32,
    /// Entries that are not gone; the front never is.
    live: u32,
}

impl Queue {
    #[inline]
    fn index(&self, id: u32) -> usize {
        (id.wrapping_sub(self.first) & ID_MASK) as usize
    }

    #[inline]
    fn id(&self, index: usize) -> u32 {
        self.first.wrapping_add(index as u32) & ID_MASK
    }

    /// Drops entries that are gone, up to the first that is not.
    #[inline]
    fn drop_gone(&mut self) {
        while self.entries.front().is_some_and(|e| e.slot == GONE) {
            self.entries.pop_front();
            self.first = self.first.wrapping_add(1) & ID_MASK;
        }
    }
}

/// Both lists. An entry leaves in constant time; nearly all arrive at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReleaseQueues {
    queues: [Queue; 2],
    next_order: u64,
}

/// Where an entry was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) id: u32,
    /// Whether the numbers of the entries after it have changed.
    pub(crate) shifted: bool,
}

impl ReleaseQueues {
    pub(crate) fn count(&self, list: List) -> u32 {
        self.queues[list as usize].live
    }

    #[inline]
    pub(crate) fn get(&self, list: List, id: u32) -> Option<&Released> {
        let queue = &self.queues[list as usize];
        let entry = queue.entries.get(queue.index(id));
        entry.filter(|e| e.slot != GONE)
    }

    /// How many entries of a list stand before one: the less, the longer ago it was released.
    #[inline]
    pub(crate) fn rank(&self, list: List, id: u32) -> usize {
        self.queues[list as usize].index(id)
    }

    /// The entry that was released longest ago.
    #[inline]
    pub(crate) fn front(&self, list: List) -> Option<&Released> {
        self.queues[list as usize].entries.front()
    }

    /// The slot of the entry after the front one, if that is still there.
    #[inline]
    pub(crate) fn second(&self, list: List) -> Option<u32> {
        let second = self.queues[list as usize].entries.get(1)?;
        (second.slot != GONE).then_some(second.slot)
    }

    pub(crate) fn next_order(&self) -> u64 {
        self.next_order
    }

    /// Adds an entry at its place by time and tie-breaker: at the end, but for restored ones and those that
    /// move from list to list.
    pub(crate) fn push(&mut self, list: List, slot: u32, at: Timestamp, order: u64) -> Put {
        self.next_order = self.next_order.max(order.saturating_add(1));
        let queue = &mut self.queues[list as usize];
        let entry = Released { at, order, slot };
        queue.live += 1;
        let put = |id| Put { id, shifted: false };
        if queue
            .entries
            .back()
            .is_none_or(|e| (e.at, e.order) < (at, order))
        {
            queue.entries.push_back(entry);
            return put(queue.id(queue.entries.len() - 1));
        }
        let index = queue
            .entries
            .partition_point(|e| (e.at, e.order) < (at, order));
        if index == 0 {
            queue.entries.push_front(entry);
            queue.first = queue.first.wrapping_sub(1) & ID_MASK;
            return put(queue.first);
        }
        // The place of one that is gone, most often this one itself: read anew with its block.
        for near in [index, index - 1] {
            if let Some(place) = queue.entries.get_mut(near).filter(|e| e.slot == GONE) {
                *place = entry;
                return put(queue.id(near));
            }
        }
        queue.entries.insert(index, entry);
        Put {
            id: queue.id(index),
            shifted: true,
        }
    }

    /// Takes out the entry that was released longest ago.
    #[inline]
    pub(crate) fn pop_front(&mut self, list: List) -> Option<Released> {
        let queue = &mut self.queues[list as usize];
        let front = queue.entries.pop_front()?;
        queue.first = queue.first.wrapping_add(1) & ID_MASK;
        queue.live = queue.live.saturating_sub(1);
        queue.drop_gone();
        Some(front)
    }

    /// Takes out an entry, which is in the list.
    #[inline]
    pub(crate) fn remove(&mut self, list: List, id: u32) {
        debug_assert!(self.get(list, id).is_some());
        let queue = &mut self.queues[list as usize];
        let index = queue.index(id);
        queue.live = queue.live.saturating_sub(1);
        if let Some(entry) = queue.entries.get_mut(index) {
            entry.slot = GONE;
        }
        queue.drop_gone();
    }

    /// Whether a list holds far more entries that are gone than others.
    #[inline]
    pub(crate) fn is_sparse(&self, list: List) -> bool {
        let queue = &self.queues[list as usize];
        queue.entries.len() > queue.live as usize * 4 + GONE_MOST
    }

    /// Drops what is gone; every entry has another number afterwards.
    pub(crate) fn compact(&mut self, list: List) {
        let queue = &mut self.queues[list as usize];
        queue.entries.retain(|e| e.slot != GONE);
    }

    /// The entries of a list with their numbers, longest released first.
    pub(crate) fn iter(&self, list: List) -> impl Iterator<Item = (u32, &Released)> {
        let queue = &self.queues[list as usize];
        let entries = queue.entries.iter().enumerate();
        entries
            .map(|(index, e)| (queue.id(index), e))
            .filter(|(_, e)| e.slot != GONE)
    }

    /// As [`ReleaseQueues::iter`], of the entries after one.
    pub(crate) fn iter_after(&self, list: List, id: u32) -> impl Iterator<Item = (u32, &Released)> {
        let queue = &self.queues[list as usize];
        let from = queue.index(id) + 1;
        let entries = queue
            .entries
            .range(from.min(queue.entries.len())..)
            .enumerate();
        entries
            .map(move |(index, e)| (queue.id(from + index), e))
            .filter(|(_, e)| e.slot != GONE)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let entries: usize = self.queues.iter().map(|q| q.entries.capacity()).sum();
        entries * size_of::<Released>()
    }
}

//! Released addresses in order of release: those in quarantine, and (for pools that give out the least
//! recently used first) those that have left it.

use crate::slab::Slab;
use crate::time::Timestamp;

/// One released slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// When it was released.
    pub(crate) at: Timestamp,
    /// Breaks ties of `at`: counts a pool's releases.
    pub(crate) order: u64,
    pub(crate) slot: u32,
    previous: u32,
    next: u32,
}

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// In quarantine.
    Resting = 0,
    /// Out of it, free.
    Queued = 1,
}

const NONE: u32 = u32::MAX;

/// Both lists, doubly linked in one slab: any entry leaves in constant time, so nothing stale stays behind.
#[derive(Clone, Debug)]
pub(crate) struct RestLists {
    entries: Slab<Rest>,
    ends: [(u32, u32); 2],
    counts: [u32; 2],
    next_order: u64,
}

impl Default for RestLists {
    fn default() -> Self {
        Self {
            entries: Slab::default(),
            ends: [(NONE, NONE); 2],
            counts: [0; 2],
            next_order: 0,
        }
    }
}

impl RestLists {
    pub(crate) fn count(&self, list: List) -> u32 {
        self.counts[list as usize]
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Rest> {
        self.entries.get(id)
    }

    /// The entry that was released longest ago.
    pub(crate) fn front(&self, list: List) -> Option<&Rest> {
        self.entries.get(self.ends[list as usize].0)
    }

    /// Appends a slot that was released at `at`.
    pub(crate) fn push(&mut self, list: List, slot: u32, at: Timestamp) -> u32 {
        let order = self.next_order;
        self.push_ordered(list, slot, at, order)
    }

    pub(crate) fn next_order(&self) -> u64 {
        self.next_order
    }

    /// Adds an entry at its place by time and tie-breaker: at the end, but for restored ones and those that
    /// move from list to list.
    pub(crate) fn push_ordered(&mut self, list: List, slot: u32, at: Timestamp, order: u64) -> u32 {
        self.next_order = self.next_order.max(order.saturating_add(1));
        let mut previous = self.ends[list as usize].1;
        while let Some(entry) = self
            .entries
            .get(previous)
            .filter(|e| (e.at, e.order) > (at, order))
        {
            previous = entry.previous;
        }
        let next = match self.entries.get(previous) {
            Some(entry) => entry.next,
            None => self.ends[list as usize].0,
        };
        let id = self.entries.insert(Rest {
            at,
            order,
            slot,
            previous,
            next,
        });
        match self.entries.get_mut(previous) {
            Some(entry) => entry.next = id,
            None => self.ends[list as usize].0 = id,
        }
        match self.entries.get_mut(next) {
            Some(entry) => entry.previous = id,
            None => self.ends[list as usize].1 = id,
        }
        self.counts[list as usize] += 1;
        id
    }

    /// Takes an entry out of the list it is in.
    pub(crate) fn remove(&mut self, list: List, id: u32) -> Option<Rest> {
        let entry = self.entries.remove(id)?;
        match self.entries.get_mut(entry.previous) {
            Some(previous) => previous.next = entry.next,
            None => self.ends[list as usize].0 = entry.next,
        }
        match self.entries.get_mut(entry.next) {
            Some(next) => next.previous = entry.previous,
            None => self.ends[list as usize].1 = entry.previous,
        }
        self.counts[list as usize] = self.counts[list as usize].saturating_sub(1);
        Some(entry)
    }

    /// The entries of a list, longest released first.
    pub(crate) fn iter(&self, list: List) -> impl Iterator<Item = (u32, &Rest)> {
        let mut id = self.ends[list as usize].0;
        core::iter::from_fn(move || {
            let entry = self.entries.get(id)?;
            let this = id;
            id = entry.next;
            Some((this, entry))
        })
    }
}

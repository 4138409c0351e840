//! Which endpoint is in which slot of a service.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

const NOBODY: u32 = u32::MAX;

/// Record indices by slot.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Slots {
    /// [`NOBODY`] where a slot is free.
    all: Vec<u32>,
    free: BTreeSet<u32>,
}

impl Slots {
    /// Gives a record the lowest free slot, or a new one.
    pub(in crate::engine) fn join(&mut self, index: u32) -> u32 {
        if let Some(slot) = self.free.pop_first() {
            self.enter(slot, index);
            return slot;
        }
        // There are fewer records than 2^32, so there are fewer slots.
        let slot = u32::try_from(self.all.len()).unwrap_or(NOBODY);
        self.all.push(index);
        slot
    }

    /// Gives a record the slot it had, if that is free and below `bound`; else as [`Slots::join`].
    pub(in crate::engine) fn join_at(&mut self, index: u32, slot: u32, bound: u32) -> u32 {
        if slot >= bound {
            return self.join(index);
        }
        while self.all.len() <= slot as usize {
            self.free.insert(self.all.len() as u32);
            self.all.push(NOBODY);
        }
        if !self.free.remove(&slot) {
            return self.join(index);
        }
        self.enter(slot, index);
        slot
    }

    fn enter(&mut self, slot: u32, index: u32) {
        if let Some(place) = self.all.get_mut(slot as usize) {
            *place = index;
        } else {
            debug_assert!(false, "a slot that was given is among the slots");
        }
    }

    pub(in crate::engine) fn leave(&mut self, slot: u32) {
        if let Some(place) = self.all.get_mut(slot as usize) {
            *place = NOBODY;
            self.free.insert(slot);
        } else {
            debug_assert!(false, "a slot that was given is among the slots");
        }
    }

    pub(in crate::engine) fn at(&self, slot: usize) -> Option<u32> {
        self.all.get(slot).copied().filter(|&i| i != NOBODY)
    }

    /// Record indices in order of slots.
    pub(in crate::engine) fn members(&self) -> impl Iterator<Item = u32> + '_ {
        self.all.iter().copied().filter(|&i| i != NOBODY)
    }

    /// One more than the highest slot that was ever given.
    pub(in crate::engine) fn bound(&self) -> usize {
        self.all.len()
    }

    /// How many are in use.
    pub(in crate::engine) fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }
}

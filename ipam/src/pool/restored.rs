//! A pool as records and repairs make it.

use super::Pool;
use super::cells::State;
use super::released::List;
use super::spec::{Affinity, Order};
use crate::time::Timestamp;

impl Pool {
    /// A released slot of a restored state, in its place in order of release.
    pub(crate) fn release_again(&mut self, slot: u32, at: Timestamp, order: u64, now: Timestamp) {
        // What expires has no order of its own: after all others of its time.
        let order = if order == u64::MAX {
            self.released.next_order()
        } else {
            order
        };
        if at.after(self.spec.quarantine) > now {
            self.quarantine_at(slot, at, order, now);
            return;
        }
        if self.spec.order == Order::Lru {
            self.queue_at(slot, at, order);
        }
        // Its block has been empty since then at the earliest, whoever's record told of it.
        let (block, due) = (self.block_of(slot), at.after(self.spec.quarantine));
        let known = self.blocks.get(block);
        if self.spec.affinity != Affinity::Off && known.empty_since < due {
            self.blocks.set_age(block, known.generation, due);
        }
    }

    /// Makes a slot nobody's, without any quarantine: its block's record says whether it is in one.
    pub(crate) fn clear(&mut self, slot: u32, now: Timestamp) {
        self.vacate(slot, now);
    }
}

/// Times that no sane clock can have written.
impl Pool {
    pub(crate) fn cap_quarantine(&mut self, slot: u32, now: Timestamp) {
        let State::Quarantined(id) = self.state(slot) else {
            return;
        };
        let entry = self.released.get(List::Quarantine, id);
        if entry.is_some_and(|r| r.at.is_ahead_of(now)) {
            self.quarantine(slot, now, now);
        }
    }

    pub(crate) fn cap_block(&mut self, slot: u32, now: Timestamp) {
        if self.spec.affinity == Affinity::Off {
            return;
        }
        let block = self.block_of(slot);
        let (generation, since) = {
            let block = self.blocks.get(block);
            (block.generation, block.empty_since)
        };
        if since.is_ahead_of(now) {
            self.blocks.set_age(block, generation, now);
        }
    }
}

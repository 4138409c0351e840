//! What happens to a slot: it is given to a claim, retained for a workload, quarantined, freed.

use super::Pool;
use super::cells::{Cell, State};
use super::layout::Layout;
use super::released::List;
use super::spec::{Affinity, Order};
use crate::cidr::number;
use crate::claim::Origin;
use crate::time::Timestamp;
use core::net::IpAddr;

impl Pool {
    /// Takes a slot out of the state it is in; its cell is blank and its bit not set afterwards.
    #[inline]
    fn leave(&mut self, slot: u32) -> State {
        let state = self.state(slot);
        match state {
            State::Held(_) => self.held -= 1,
            State::Retained(_) => self.reserved -= 1,
            State::Quarantined(id) => self.released.remove(List::Quarantine, id),
            // Only in these two may it be free.
            State::Queued(id) => {
                self.released.remove(List::Queued, id);
                self.free.take(slot);
            }
            State::Blank => {
                self.free.take(slot);
            }
        }
        state
    }

    /// Bookkeeping of the block after a slot went from one state to another.
    #[inline]
    fn settle(&mut self, slot: u32, was_used: bool, is_used: bool, at: Timestamp) {
        // From one use to another nothing became free, and nothing was taken.
        if self.spec.affinity == Affinity::Off || was_used && is_used {
            return;
        }
        let block = self.block_of(slot);
        let open = self.free.first_in(self.blocks.slots(block)).is_some();
        self.blocks.settle(block, was_used, is_used, open, at);
    }

    fn set(&mut self, slot: u32, state: State, at: Timestamp) {
        let was = self.leave(slot);
        self.cells.set(slot, Cell::pack(state));
        match state {
            State::Held(_) => self.held += 1,
            State::Retained(_) => self.reserved += 1,
            _ => {}
        }
        self.settle(slot, is_used(was), is_used(state), at);
        self.raise_low();
    }

    /// Where the search for the next address goes on once this one is given.
    #[inline]
    pub(crate) fn note_given(&mut self, address: IpAddr, origin: Origin, hostless: bool) {
        let beyond = || {
            let offset = number(address).saturating_sub(self.spec.cidr.base());
            offset.saturating_add(1)
        };
        match self.spec.order {
            Order::RoundRobin if origin != Origin::Reused => self.cursor = beyond(),
            // Only what was chosen from the whole pool says that all below was given out.
            Order::Lru
                if origin == Origin::Fresh && (hostless || self.spec.affinity == Affinity::Off) =>
            {
                self.cursor = self.cursor.max(beyond());
            }
            _ => {}
        }
    }

    /// Gives a slot to a claim.
    pub(crate) fn hold(&mut self, slot: u32, claim: u32, at: Timestamp) {
        self.set(slot, State::Held(claim), at);
    }

    /// Retains a slot that is known to be held for a workload.
    #[inline]
    pub(crate) fn retain_held(&mut self, slot: u32, workload: u32) {
        debug_assert!(matches!(self.state(slot), State::Held(_)));
        self.held -= 1;
        self.reserved += 1;
        self.cells.set(slot, Cell::pack(State::Retained(workload)));
    }

    /// Retains a slot for a workload.
    pub(crate) fn retain(&mut self, slot: u32, workload: u32, at: Timestamp) {
        self.set(slot, State::Retained(workload), at);
    }

    /// Puts a slot into quarantine from `released` on; without a quarantine it is free at once.
    pub(crate) fn quarantine(&mut self, slot: u32, released: Timestamp, now: Timestamp) {
        let was = self.leave(slot);
        self.quarantine_after(was, slot, released, now);
    }

    /// As [`Pool::quarantine`], of a slot that is known to be held.
    #[inline]
    pub(crate) fn quarantine_held(&mut self, slot: u32, released: Timestamp, now: Timestamp) {
        debug_assert!(matches!(self.state(slot), State::Held(_)));
        self.held -= 1;
        self.quarantine_after(State::Held(0), slot, released, now);
    }

    #[inline]
    fn quarantine_after(&mut self, was: State, slot: u32, released: Timestamp, now: Timestamp) {
        if released.after(self.spec.quarantine) > now {
            let order = self.released.next_order();
            self.push_released(List::Quarantine, slot, released, order);
            self.settle(slot, is_used(was), true, now);
        } else {
            self.put_back(slot, released, None);
            self.settle(slot, is_used(was), false, now);
        }
    }

    /// Puts a blank slot into quarantine from `at` on, at its place by order of release.
    pub(crate) fn quarantine_at(&mut self, slot: u32, at: Timestamp, order: u64, now: Timestamp) {
        let was = self.leave(slot);
        self.push_released(List::Quarantine, slot, at, order);
        self.settle(slot, is_used(was), true, now);
        self.raise_low();
    }

    /// Puts a free slot at its place by order of release.
    pub(crate) fn queue_at(&mut self, slot: u32, at: Timestamp, order: u64) {
        if self.free.is_free(slot) {
            self.free.take(slot);
            self.put_back(slot, at, Some(order));
        }
    }

    /// Makes a slot nobody's, free at once and as if never used.
    pub(crate) fn vacate(&mut self, slot: u32, now: Timestamp) {
        let was = self.leave(slot);
        self.cells.set(slot, Cell::BLANK);
        let address = self.address(slot);
        if !self.is_barred(address) {
            self.release(slot, address);
        }
        self.settle(slot, is_used(was), false, now);
    }

    /// Takes a slot that is nobody's out of free use.
    pub(crate) fn bar(&mut self, slot: u32) {
        if self.free.is_free(slot) {
            let was = self.leave(slot);
            self.cells.set(slot, Cell::BLANK);
            self.settle(slot, is_used(was), false, Timestamp::ZERO);
            self.raise_low();
        }
    }

    /// Makes a slot that is in no state free, at the end of the queue where the pool has one.
    fn put_back(&mut self, slot: u32, released: Timestamp, order: Option<u64>) {
        let address = self.address(slot);
        if self.is_barred(address) {
            self.cells.set(slot, Cell::BLANK);
            return;
        }
        if self.spec.order == Order::Lru {
            let order = order.unwrap_or_else(|| self.released.next_order());
            self.push_released(List::Queued, slot, released, order);
        } else {
            self.cells.set(slot, Cell::BLANK);
        }
        self.release(slot, address);
    }

    /// Marks a slot as free.
    fn release(&mut self, slot: u32, address: IpAddr) {
        self.free.release(slot);
        if let Layout::Sparse { base, shift, .. } = &self.layout {
            self.low = self.low.min((number(address) - base) >> shift);
        }
    }

    /// Puts a slot in no state into a list, and its number there into its cell.
    fn push_released(&mut self, list: List, slot: u32, at: Timestamp, order: u64) {
        let put = self.released.push(list, slot, at, order);
        self.cells.set(slot, list_cell(list, put.id));
        if put.shifted {
            // What comes after has moved by one: of times ahead of this one, few.
            for (id, entry) in self.released.iter_after(list, put.id) {
                self.cells.set(entry.slot, list_cell(list, id));
            }
        } else if self.released.is_sparse(list) {
            self.released.compact(list);
            self.renumber_released(list);
        }
    }

    /// Writes the numbers of a list's entries into their slots' cells anew.
    fn renumber_released(&mut self, list: List) {
        for (id, entry) in self.released.iter(list) {
            self.cells.set(entry.slot, list_cell(list, id));
        }
    }

    /// Moves `low` over blocks that are full; each is passed once until one of its slots is freed.
    fn raise_low(&mut self) {
        let Layout::Sparse { shift, blocks, .. } = &self.layout else {
            return;
        };
        while let Some(&index) = blocks.get(&self.low) {
            if self
                .free
                .first_in(index << shift..(index + 1) << shift)
                .is_some()
            {
                break;
            }
            self.low += 1;
        }
    }

    /// When the next quarantined address becomes free.
    pub(crate) fn next_due(&self) -> Timestamp {
        let front = self.released.front(List::Quarantine);
        front.map_or(Timestamp::MAX, |r| r.at.after(self.spec.quarantine))
    }

    /// Prefetches what is known of the address whose quarantine ends after the next one's.
    #[inline]
    fn prefetch_second(&self) {
        if let Some(slot) = self.released.second(List::Quarantine) {
            self.prefetch(slot);
        }
    }

    /// Prefetches what is known of a slot.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32) {
        self.cells.prefetch(slot);
        self.blocks.prefetch(self.block_of(slot));
    }

    /// Frees every address whose quarantine is over.
    pub(crate) fn mature(&mut self, now: Timestamp) {
        loop {
            let due = self.next_due();
            if due > now {
                return self.prefetch_second();
            }
            // Its cell says what the list says: it is written and not waited for.
            let Some(entry) = self.released.pop_front(List::Quarantine) else {
                return;
            };
            self.put_back(entry.slot, entry.at, Some(entry.order));
            self.settle(entry.slot, true, false, due);
        }
    }
}

fn list_cell(list: List, id: u32) -> Cell {
    Cell::pack(match list {
        List::Quarantine => State::Quarantined(id),
        List::Queued => State::Queued(id),
    })
}

pub(crate) fn is_used(state: State) -> bool {
    matches!(
        state,
        State::Held(_) | State::Retained(_) | State::Quarantined(_)
    )
}

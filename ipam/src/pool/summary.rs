//! What a pool's summary says of a block.

use super::Pool;
use super::blocks::{BlockState, NOBODY};
use super::cells::State;
use super::released::List;
use super::spec::{Affinity, Order};
use crate::store::BlockSummary;
use crate::time::Timestamp;

impl Pool {
    /// A block as a summary tells of it; until when the workload of an address that is retained retains it is for the caller to
    /// say, by workload and slot.
    pub(crate) fn block_summary(
        &self,
        block: u32,
        until: impl Fn(u32, u32) -> Option<Timestamp>,
    ) -> BlockSummary {
        let slots = self.blocks.slots(block);
        let released = |slot: u32| match self.state(slot) {
            State::Queued(id) => self.released.get(List::Queued, id).map(|r| r.at),
            State::Quarantined(id) => self.released.get(List::Quarantine, id).map(|r| r.at),
            _ => None,
        };
        let free = match self.free.first_in(slots.clone()) {
            Some(_) => Timestamp::ZERO,
            None => {
                let ends = slots.clone().filter_map(|slot| match self.state(slot) {
                    _ if self.is_barred(self.address(slot)) => None,
                    State::Retained(workload) => until(workload, slot),
                    _ => released(slot),
                });
                ends.min().unwrap_or(Timestamp::MAX)
            }
        };
        let lru = self.spec.order == Order::Lru;
        let blank = |slot: u32| self.free.is_free(slot) && self.state(slot) == State::Blank;
        let fresh = match lru && !slots.clone().any(blank) {
            true => Timestamp::MAX,
            false => Timestamp::ZERO,
        };
        let oldest = match lru && self.spec.affinity == Affinity::Off {
            true => slots.filter_map(released).min().unwrap_or(Timestamp::MAX),
            false => Timestamp::MAX,
        };
        let known = self.blocks.get(block);
        let (unclaimed, borrowed) = match known.host {
            NOBODY => (free, Timestamp::MAX),
            _ if known.state == BlockState::Releasing => (Timestamp::MAX, Timestamp::MAX),
            _ => (Timestamp::MAX, free),
        };
        let empty = match known.host {
            NOBODY => Timestamp::MAX,
            _ if free == Timestamp::MAX => Timestamp::MAX,
            _ => self.empty_from(block, until),
        };
        BlockSummary {
            free,
            unclaimed,
            fresh,
            oldest,
            borrowed,
            empty,
        }
    }

    /// From when on no address of a block is in use, should nothing but time pass.
    fn empty_from(&self, block: u32, until: impl Fn(u32, u32) -> Option<Timestamp>) -> Timestamp {
        let known = self.blocks.get(block);
        if known.used == 0 {
            return known.empty_since;
        }
        let over = |at: Timestamp| match at {
            Timestamp::MAX => Timestamp::MAX,
            at => at.after(self.spec.quarantine),
        };
        let mut last = Timestamp::ZERO;
        for slot in self.blocks.slots(block) {
            let end = match self.state(slot) {
                State::Held(_) => Timestamp::MAX,
                State::Retained(workload) => until(workload, slot).map_or(Timestamp::MAX, over),
                State::Quarantined(id) => {
                    let released = self.released.get(List::Quarantine, id);
                    released.map_or(Timestamp::MAX, |entry| over(entry.at))
                }
                State::Blank | State::Queued(_) => Timestamp::ZERO,
            };
            last = last.max(end);
            if last == Timestamp::MAX {
                break;
            }
        }
        last
    }
}

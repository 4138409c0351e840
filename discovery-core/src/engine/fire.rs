//! What is due fires.

use super::Engine;
use super::timers::Owner;
use crate::effect::Effect;
use crate::time::Timestamp;
use alloc::vec::Vec;

impl Engine {
    /// Fires everything due by `now`. Ends, since whatever fires is next due later than `now`.
    pub(super) fn fire(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        while let Some((at, owner)) = self.timers.pop_due(now) {
            match owner {
                Owner::Endpoint(index) => self.fire_endpoint(now, at, index, out),
                Owner::Service(id) => self.judge(now, at, id, out),
                Owner::Hold(id) => self.end_holds(now, at, id, out),
                Owner::Region(index) => self.step_region(now, index, out),
            }
        }
    }

    fn fire_endpoint(&mut self, now: Timestamp, at: Timestamp, index: u32, out: &mut Vec<Effect>) {
        // A timer outlives its endpoint, and is passed over.
        let Some(record) = self.records.get_mut(index) else {
            return;
        };
        if record.queued != at {
            return;
        }
        record.queued = Timestamp::MAX;
        let (check, warm) = (record.check_due <= now, record.warm_due <= now);
        if check {
            self.check_fell_due(now, index, out);
            if self.records.get(index).is_none() {
                // It was held, and its check says that it is gone.
                return;
            }
        }
        if warm {
            self.weigh(now, index, crate::effect::Reason::WarmUp, out);
        }
        self.queue(index);
    }

    /// Sees to it that the endpoint has a timer at the first of its due times.
    pub(super) fn queue(&mut self, index: u32) {
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let due = record.check_due.min(record.warm_due);
        if due < record.queued {
            record.queued = due;
            self.timers.push(due, Owner::Endpoint(index));
        }
    }
}

//! Endpoints that the source no longer has: they go, but not too many at once.

use alloc::vec::Vec;

use super::Engine;
use super::division::Counted;
use super::members::Loss;
use super::record::Class;
use super::timers::{Owner, Timers};
use crate::effect::{Effect, Reason};
use crate::error::InputError;
use crate::id::ServiceId;
use crate::time::Timestamp;

impl Engine {
    pub(super) fn confirm(
        &mut self,
        now: Timestamp,
        id: ServiceId,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let service = self.service_of(id)?;
        let held = |i: &u32| self.records.get(*i).is_some_and(|r| r.held);
        let gone: Vec<u32> = service.members().filter(held).collect();
        self.drop_all(now, gone, Reason::Confirmed, out);
        let service = self.services.of_mut(id);
        service.dropped = u64::MAX;
        Ok(())
    }

    /// Endpoints of one service that the source no longer has. Those that were to go anyway (draining,
    /// terminating, failing) go; of the others not more than the configured share at once.
    pub(super) fn lose(&mut self, now: Timestamp, gone: &[u32], out: &mut Vec<Effect>) {
        self.together(now, out, |engine, out| engine.lose_some(now, gone, out));
    }

    fn lose_some(&mut self, now: Timestamp, gone: &[u32], out: &mut Vec<Effect>) {
        let mut sudden = Vec::new();
        for &index in gone {
            match self.records.get(index) {
                Some(r) if r.held => {}
                Some(r) if matches!(r.class, Class::Good | Class::Degraded) => sudden.push(index),
                Some(r) if r.class == Class::Failed && r.ejected => sudden.push(index),
                _ => self.drop_endpoint(now, index, Reason::Gone, out),
            }
        }
        // Nobody may be left to hold.
        let Some(id) = sudden
            .first()
            .and_then(|&i| self.records.get(i))
            .map(|r| r.service)
        else {
            return;
        };
        let service = self.services.of_mut(id);
        let size = u32::try_from(service.len()).unwrap_or(u32::MAX);
        if service.loss.lost == 0 || now.since(service.loss.since) >= service.config.hold_window {
            service.loss = Loss {
                since: now,
                of: size,
                lost: 0,
            };
        }
        let lost = u64::from(service.loss.lost) + sudden.len() as u64;
        let percent = u64::from(service.config.hold_percent);
        // Who comes and goes again within the window may be lost more often than there are members.
        if percent >= 100 || lost * 100 <= u64::from(service.loss.of) * percent {
            service.loss.lost = u32::try_from(lost).unwrap_or(u32::MAX);
            for index in sudden {
                self.drop_endpoint(now, index, Reason::Gone, out);
            }
            return;
        }
        for &index in &sudden {
            service.holds.insert(index, now);
        }
        // What is held longer is due earlier.
        if service.hold_due == Timestamp::MAX {
            service.arm_holds(id, &mut self.timers);
        }
        for index in sudden {
            if let Some(record) = self.records.get_mut(index) {
                record.held = true;
            } else {
                debug_assert!(false, "its caller holds the index of a living endpoint");
            }
        }
        self.say_held(id, out);
    }

    /// Says how many are held.
    pub(super) fn say_held(&self, id: ServiceId, out: &mut Vec<Effect>) {
        let service = self.services.of(id);
        out.push(Effect::Hold {
            service: id,
            held: service.held(),
            of: u32::try_from(service.len()).unwrap_or(u32::MAX),
        });
    }

    /// One fewer is held; the last one's end is said.
    pub(super) fn release(&mut self, id: ServiceId, index: u32, out: &mut Vec<Effect>) {
        let service = self.services.of_mut(id);
        service.holds.remove(&index);
        if service.holds.is_empty() {
            service.hold_due = Timestamp::MAX;
            self.say_held(id, out);
        }
    }

    /// Some endpoints may have been held for as long as a loss is held: they go.
    pub(super) fn end_holds(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        id: ServiceId,
        out: &mut Vec<Effect>,
    ) {
        let service = self.services.of_mut(id);
        if service.hold_due != at {
            return;
        }
        service.hold_due = Timestamp::MAX;
        let limit = service.config.hold_limit;
        let over = |(_, since): &(&u32, &Timestamp)| since.after(limit) <= now;
        let over: Vec<u32> = service.holds.iter().filter(over).map(|(&i, _)| i).collect();
        self.drop_all(now, over, Reason::HoldExpired, out);
        let service = self.services.of_mut(id);
        service.arm_holds(id, &mut self.timers);
    }

    fn drop_all(&mut self, now: Timestamp, all: Vec<u32>, reason: Reason, out: &mut Vec<Effect>) {
        self.together(now, out, |engine, out| {
            for index in all {
                engine.drop_endpoint(now, index, reason, out);
            }
        });
    }

    /// Takes an endpoint out for good.
    pub(super) fn drop_endpoint(
        &mut self,
        now: Timestamp,
        index: u32,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) {
        let endpoint = self.records.id(index);
        let Some(record) = self.records.get(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let (id, slot, held) = (record.service, record.slot, record.held);
        let counted = record.counted();
        self.hints.remove(index);
        let Some(name) = self.records.remove(index) else {
            debug_assert!(false, "a living record was just found at this index");
            return;
        };
        let service = self.services.of_mut(id);
        service.leave(slot);
        service.tally.shift(counted, Counted::default());
        service.part(now, &name);
        let mut said = Vec::new();
        said.push(Effect::Deregister {
            endpoint,
            service: id,
            slot: slot as usize,
            name,
            reason,
        });
        if held {
            self.release(id, index, &mut said);
        }
        if let Some(bulk) = &mut self.bulk {
            bulk.services.insert(id);
            bulk.last.append(&mut said);
        } else {
            // Whoever takes over is said first.
            self.follow_tally(now, id, out);
            out.append(&mut said);
        }
    }
}

impl super::Service {
    /// Sees to it that there is a timer for the first hold that ends. O(held).
    pub(super) fn arm_holds(&mut self, service: ServiceId, timers: &mut Timers) {
        let first = self.holds.values().min();
        let due = first.map_or(Timestamp::MAX, |since| since.after(self.config.hold_limit));
        if due != self.hold_due {
            self.hold_due = due;
            timers.push(due, Owner::Hold(service));
        }
    }
}

//! From what is known of an endpoint to the weight it is given.

use alloc::vec::Vec;

use super::Engine;
use super::bulk::rises_first;
use super::class::{age, gauge, registration_status};
use crate::effect::{Effect, Reason};
use crate::id::ServiceId;
use crate::time::Timestamp;

impl Engine {
    /// Takes in that something about the endpoint changed: its class, its age, how its service's traffic is divided,
    /// its status in the registry, its weight. O(1), O(members) when the division changes.
    pub(super) fn refresh(
        &mut self,
        now: Timestamp,
        index: u32,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) {
        let moved = self.measure(now, index);
        let id = self.records.id(index);
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let status = registration_status(record, &self.places);
        if status != record.registration_status {
            record.registration_status = status;
            out.push(Effect::Update {
                endpoint: id,
                slot: record.slot as usize,
                status,
                reason,
            });
        }
        self.divide(now, index, moved, reason, out);
    }

    /// Looks at one endpoint's weight again: time has passed.
    pub(super) fn weigh(
        &mut self,
        now: Timestamp,
        index: u32,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) {
        let moved = self.measure(now, index);
        self.divide(now, index, moved, reason, out);
    }

    /// After an endpoint was measured: divides anew if that may change anything, else says its own weight.
    fn divide(
        &mut self,
        now: Timestamp,
        index: u32,
        moved: bool,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) {
        if let Some(bulk) = &mut self.bulk {
            bulk.touched.push((index, reason));
            return;
        }
        let Some(id) = self.records.get(index).map(|r| r.service) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let may = moved || self.services.of(id).division.follows_weights();
        if !(may && self.follow_tally(now, id, out)) {
            self.say_weight(index, reason, out);
        }
    }

    /// Follows a service's tally into another division of its traffic, if it says so; then all members are weighed.
    pub(super) fn follow_tally(
        &mut self,
        now: Timestamp,
        service: ServiceId,
        out: &mut Vec<Effect>,
    ) -> bool {
        let s = self.services.of_mut(service);
        if s.tally.divide(s.config.panic_percent) == s.division {
            return false;
        }
        // Parts follow weights, so everybody's must be those of now.
        let members: Vec<u32> = s.members().collect();
        for &index in &members {
            self.measure(now, index);
        }
        let s = self.services.of_mut(service);
        let before = s.division.mode;
        s.division = s.tally.divide(s.config.panic_percent);
        let mode = s.division.mode;
        if mode != before {
            out.push(Effect::Mode { service, mode });
        }
        let from = out.len();
        for index in members {
            self.say_weight(index, Reason::Mode(mode), out);
        }
        rises_first(out, from);
        true
    }

    /// Takes in an endpoint's age, class and weight as they are now, and sets the time of its next step; whether
    /// hosts are counted differently.
    pub(super) fn measure(&mut self, now: Timestamp, index: u32) -> bool {
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return false;
        };
        let service = self.services.of_mut(record.service);
        let before = record.counted();
        age(record, &service.config, now);
        record.warm_due = gauge(record, &service.config, &self.places, now);
        let moved = service.tally.shift(before, record.counted());
        self.queue(index);
        moved
    }

    /// Says an endpoint's weight if it changed.
    pub(super) fn say_weight(&mut self, index: u32, reason: Reason, out: &mut Vec<Effect>) {
        let endpoint = self.records.id(index);
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let service = record.service;
        let division = &self.services.of(service).division;
        let part = division.part(record.class, record.counted_region);
        let weight = part.map_or(0, |part| part.in_use(record.full));
        if weight != record.weight {
            record.weight = weight;
            out.push(Effect::SetWeight {
                endpoint,
                service,
                slot: record.slot as usize,
                weight,
                reason,
            });
        }
    }
}

//! From what changed to what is announced: the one place where weights, modes and registry status become effects.

use alloc::vec::Vec;
use core::time::Duration;

use super::Engine;
use super::batch::{Batch, rises_first};
use super::timers::Owner;
use crate::effect::{Effect, Reason};
use crate::error::InputError;
use crate::id::{EndpointId, NodeId, RegionId, ServiceId};
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
        let endpoint = self.records.id(index);
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        if let Some(status) = record.follow_status(&self.places) {
            out.push(Effect::Update {
                endpoint,
                slot: record.slot() as usize,
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

    /// Carries out changes that count as one.
    pub(super) fn batched(
        &mut self,
        now: Timestamp,
        out: &mut Vec<Effect>,
        changes: impl FnOnce(&mut Self, &mut Vec<Effect>),
    ) {
        if self.batch.is_some() {
            // They are part of more.
            return changes(self, out);
        }
        self.batch = Some(Batch::default());
        changes(self, out);
        let (measured, mut services, last) = self.batch.take().unwrap_or_default().complete();
        let service_of = |i: u32, e: &Self| e.records.get(i).map(super::Record::service);
        services.extend(measured.iter().filter_map(|(i, _)| service_of(*i, self)));
        services.retain(|&service| self.follow_tally(now, service, out));
        let from = out.len();
        for (index, reason) in measured {
            // One that went meanwhile is announced below; the members of a service that was divided anew were.
            if service_of(index, self).is_some_and(|s| !services.contains(&s)) {
                self.announce_weight(index, reason, out);
            }
        }
        rises_first(out, from);
        out.extend(last);
    }

    /// A service lost an endpoint, as these effects say: whoever takes over is announced first.
    pub(super) fn follow_loss(
        &mut self,
        now: Timestamp,
        service: ServiceId,
        mut effects: Vec<Effect>,
        out: &mut Vec<Effect>,
    ) {
        if let Some(batch) = &mut self.batch {
            batch.lost(service, &mut effects);
        } else {
            self.follow_tally(now, service, out);
            out.append(&mut effects);
        }
    }

    /// Sets the next step of a weight after the clock was set back.
    pub(super) fn remeasure(&mut self, now: Timestamp, index: u32) {
        let moved = self.measure(now, index);
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let traffic = &self.services.of(record.service()).traffic;
        if moved || traffic.weight(record.counted()) != record.weight() {
            record.weigh_at(now);
        }
        self.queue(index);
    }

    /// Sees to it that the endpoint has a timer at the first of its due times.
    pub(super) fn queue(&mut self, index: u32) {
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        if let Some(due) = record.queue() {
            self.timers.push(due, Owner::Endpoint(index));
        }
    }

    /// After an endpoint was measured: divides anew if that may change anything, else announces its own weight.
    fn divide(
        &mut self,
        now: Timestamp,
        index: u32,
        moved: bool,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) {
        if let Some(batch) = &mut self.batch {
            batch.measured(index, reason);
            return;
        }
        let Some(id) = self.records.get(index).map(super::Record::service) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let may = moved || self.services.of(id).traffic.follows_weights();
        if !(may && self.follow_tally(now, id, out)) {
            self.announce_weight(index, reason, out);
        }
    }

    /// Follows a service's tally into another division of its traffic, if it says so; then all members are weighed.
    fn follow_tally(&mut self, now: Timestamp, service: ServiceId, out: &mut Vec<Effect>) -> bool {
        let s = self.services.of(service);
        let panic_percent = s.config().panic_percent;
        if s.traffic.is_current(panic_percent) {
            return false;
        }
        // Parts follow weights, so everybody's must be those of now.
        let members: Vec<u32> = s.slots.members().collect();
        for &index in &members {
            self.measure(now, index);
        }
        let traffic = &mut self.services.of_mut(service).traffic;
        let before = traffic.mode();
        traffic.divide(panic_percent);
        let mode = traffic.mode();
        if mode != before {
            out.push(Effect::Mode { service, mode });
        }
        let from = out.len();
        for index in members {
            self.announce_weight(index, Reason::Mode(mode), out);
        }
        rises_first(out, from);
        true
    }

    /// Takes in an endpoint's age, class and weight as they are now, and sets the time of its next step; whether
    /// hosts are counted differently.
    fn measure(&mut self, now: Timestamp, index: u32) -> bool {
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return false;
        };
        let service = self.services.of_mut(record.service());
        let before = record.counted();
        record.measure(service.config(), &self.places, now);
        let moved = service.traffic.count(before, record.counted());
        self.queue(index);
        moved
    }

    /// Announces an endpoint's weight if it changed.
    fn announce_weight(&mut self, index: u32, reason: Reason, out: &mut Vec<Effect>) {
        let endpoint = self.records.id(index);
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let service = record.service();
        let weight = self.services.of(service).traffic.weight(record.counted());
        if record.set_weight(weight) {
            out.push(Effect::SetWeight {
                endpoint,
                service,
                slot: record.slot() as usize,
                weight,
                reason,
            });
        }
    }
}

/// Drains, which change nothing but weights.
impl Engine {
    pub(super) fn drain_endpoint(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        on: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let index = self.records.living(id)?;
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "the index of a living endpoint was just found");
            return Ok(());
        };
        self.drains.set(record.name(), on)?;
        record.drain(on);
        self.refresh(now, index, Reason::Drain, out);
        Ok(())
    }

    pub(super) fn drain_name(
        &mut self,
        now: Timestamp,
        name: &str,
        on: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        super::names::valid(name)?;
        match self.find(name) {
            Some(endpoint) => self.drain_endpoint(now, endpoint, on, out),
            None => self.drains.set(name, on),
        }
    }

    pub(super) fn drain_node(
        &mut self,
        now: Timestamp,
        node: NodeId,
        on: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        self.places.drain_node(node, on)?;
        let there = self.records.indices(|r| r.node() == node);
        self.drained(now, there, out);
        Ok(())
    }

    pub(super) fn drain_region(
        &mut self,
        now: Timestamp,
        region: RegionId,
        on: bool,
        over: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        if self.places.drain_region(now, region, on, over)? {
            self.step_region(now, region, out);
        }
        Ok(())
    }

    /// Takes a region's drain one step further.
    pub(super) fn step_region(&mut self, now: Timestamp, region: RegionId, out: &mut Vec<Effect>) {
        if self.places.step_region(now, region, &mut self.timers) {
            let there = self.records.indices(|r| r.region() == region);
            self.drained(now, there, out);
        }
    }

    fn drained(&mut self, now: Timestamp, all: Vec<u32>, out: &mut Vec<Effect>) {
        self.batched(now, out, |engine, out| {
            for index in all {
                engine.refresh(now, index, Reason::Drain, out);
            }
        });
    }
}

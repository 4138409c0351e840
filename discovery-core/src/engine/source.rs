//! What the source says: endpoints come, change and go; too many going at once are held.

use alloc::vec::Vec;
use core::time::Duration;

use super::names::known;
use super::record::{Class, Record};
use super::{Engine, named};
use crate::effect::{Effect, Reason};
use crate::endpoint::{EndpointSpec, MAX_WEIGHT, Warmth};
use crate::error::InputError;
use crate::health::Checker;
use crate::health::Status;
use crate::registry::RegistrationStatus;
use crate::time::Timestamp;

impl Engine {
    /// Refuses a spec that speaks of what is not known, before anything is changed.
    /// Gives the endpoint of that name, if there is one: of the spec's service, or held for another one.
    fn vet(&self, name: &str, spec: &EndpointSpec) -> Result<Option<u32>, InputError> {
        named(name)?;
        self.service_of(spec.service)?;
        known("node", &self.places.nodes, spec.node.0)?;
        known("zone", &self.zones, spec.zone.0)?;
        known("region", &self.places.regions, spec.region.0)?;
        if spec.base_weight > MAX_WEIGHT {
            return Err(InputError::Weight {
                given: spec.base_weight,
            });
        }
        let index = self.records.find(name);
        match index.and_then(|i| self.records.get(i)) {
            Some(r) if r.service != spec.service && !r.held => Err(InputError::OtherService {
                holder: r.service,
                given: spec.service,
            }),
            _ => Ok(index),
        }
    }

    pub(super) fn upsert(
        &mut self,
        now: Timestamp,
        name: &str,
        spec: EndpointSpec,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let Some(index) = self.vet(name, &spec)? else {
            return self.add(now, name, &spec, out);
        };
        let service = self.records.get(index).map(|r| r.service);
        if service == Some(spec.service) {
            self.change(now, index, &spec, out);
            return Ok(());
        }
        // It is held for a service that lost it, and turns up in another one: that explains the loss.
        self.drop_endpoint(now, index, Reason::Confirmed, out);
        self.add(now, name, &spec, out)
    }

    fn add(
        &mut self,
        now: Timestamp,
        name: &str,
        spec: &EndpointSpec,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let checked = self.service_of(spec.service)?.config.health.is_some();
        let status = if checked {
            Status::Unknown
        } else {
            Status::Passing
        };
        let mut record = fresh(name, spec, status);
        (record.warm_from, record.warm) = warmth(spec.warmth, now, self.clock.lead());
        record.drained = self.drains.contains(name);
        let service = self.services.of_mut(spec.service);
        record.unsettled = service.meet(now, name);
        let index = self
            .records
            .insert(record)
            .ok_or(InputError::Full { what: "endpoints" })?;
        let slot = self.services.of_mut(spec.service).join(index);
        if let Some(record) = self.records.get_mut(index) {
            record.slot = slot;
        } else {
            debug_assert!(false, "the record was just put in");
        }
        self.check_first(now, index);
        let at = out.len();
        out.push(Effect::Register {
            endpoint: self.records.id(index),
            slot: slot as usize,
            reason: Reason::Added,
        });
        self.refresh(now, index, Reason::Added, out);
        // The registration carries the status that the refresh found.
        if matches!(out.get(at + 1), Some(Effect::Update { .. })) {
            out.remove(at + 1);
        }
        self.queue(index);
        Ok(())
    }

    fn change(&mut self, now: Timestamp, index: u32, spec: &EndpointSpec, out: &mut Vec<Effect>) {
        let checked = self
            .config(spec.service)
            .is_some_and(|c| c.health.is_some());
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let restarted = record.started_at != spec.started_at;
        let place = (
            record.address.get(),
            record.node,
            record.zone,
            record.region,
        );
        let moved = place != (spec.address, spec.node, spec.zone, spec.region);
        let answered = record.answers();
        let same = !restarted
            && !moved
            && record.base == spec.base_weight
            && record.conditions == spec.conditions
            && !record.held;
        if same {
            return;
        }
        if moved {
            record.address = spec.address.into();
        }
        record.node = spec.node;
        (record.zone, record.region) = (spec.zone, spec.region);
        (record.base, record.conditions) = (spec.base_weight, spec.conditions);
        record.started_at = spec.started_at;
        let returned = core::mem::take(&mut record.held);
        if restarted {
            let service = self.services.of_mut(spec.service);
            service.forget(record.slot);
            (record.warm_from, record.warm) = warmth(spec.warmth, now, self.clock.lead());
            record.seen_up = false;
            record.down_at = Timestamp::ZERO;
            record.ejected = false;
            record.unsettled = false;
        }
        // A new process, or one that answers again, is looked at at once; a new process knows no past.
        if checked && restarted {
            record.checker = Checker::default();
        }
        if restarted || answered != record.answers() {
            self.check_first(now, index);
        }
        let Some((status, slot)) = self
            .records
            .get(index)
            .map(|r| (r.registration_status, r.slot))
        else {
            debug_assert!(false, "a first check takes nobody out");
            return;
        };
        let id = self.records.id(index);
        let reason = if restarted {
            Reason::Restarted
        } else {
            Reason::Changed
        };
        let at = out.len();
        self.refresh(now, index, reason, out);
        let said = matches!(out.get(at), Some(Effect::Update { .. }));
        if moved && !said {
            out.insert(
                at,
                Effect::Update {
                    endpoint: id,
                    slot: slot as usize,
                    status,
                    reason,
                },
            );
        }
        if returned {
            self.release(spec.service, index, out);
        }
        self.queue(index);
    }

    pub(super) fn remove(
        &mut self,
        now: Timestamp,
        name: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        named(name)?;
        if let Some(index) = self.records.find(name) {
            self.lose(now, &[index], out);
        }
        Ok(())
    }
}

/// From when the warm-up counts, and whether there is none to do. The time told is `lead` behind `now`.
fn warmth(told: Warmth, now: Timestamp, lead: Duration) -> (Timestamp, bool) {
    match told {
        Warmth::Cold => (Timestamp::MAX, false),
        Warmth::Since(t) => (t.after(lead).min(now), false),
        Warmth::Warm => (Timestamp::ZERO, true),
    }
}

fn fresh(name: &str, spec: &EndpointSpec, status: Status) -> Record {
    Record {
        name: name.into(),
        address: spec.address.into(),
        started_at: spec.started_at,
        warm_from: Timestamp::MAX,
        down_at: Timestamp::ZERO,
        check_due: Timestamp::MAX,
        warm_due: Timestamp::MAX,
        queued: Timestamp::MAX,
        service: spec.service,
        node: spec.node,
        zone: spec.zone,
        region: spec.region,
        generation: 0,
        slot: 0,
        base: spec.base_weight,
        weight: 0,
        full: 0,
        counted_region: spec.region.0,
        attempt: 0,
        permille: 0,
        checker: Checker {
            status,
            ..Checker::default()
        },
        class: Class::Out,
        registration_status: RegistrationStatus::Unknown,
        conditions: spec.conditions,
        alive: true,
        warm: false,
        seen_up: false,
        drained: false,
        probing: false,
        ejected: false,
        held: false,
        unsettled: false,
    }
}

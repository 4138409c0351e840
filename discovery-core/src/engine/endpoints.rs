//! What the source says: endpoints come, change and go. Too many that go at once are held.

use alloc::vec::Vec;

use super::Engine;
use super::names::valid;
use super::record::Record;
use super::view::{View, rejected};
use crate::effect::{Effect, Reason};
use crate::endpoint::{EndpointSpec, MAX_WEIGHT};
use crate::error::InputError;
use crate::id::ServiceId;
use crate::time::Timestamp;

/// They come and change.
impl Engine {
    pub(super) fn snapshot_of(
        &mut self,
        now: Timestamp,
        id: ServiceId,
        records: &[(&str, EndpointSpec)],
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let service = self.services.known(id)?;
        let view = View::new(records);
        // A bad record is no absence: what is known of its endpoint stays.
        let gone = |i: &u32| self.records.get(*i).is_some_and(|r| !view.has(r.name()));
        let lost: Vec<u32> = service.slots.members().filter(gone).collect();
        self.batched(now, out, |engine, out| {
            for (entry, name, verdict) in view.judged(id) {
                let taken = verdict.and_then(|spec| match spec {
                    Some(spec) => engine.upsert(now, name, spec, out),
                    None => Ok(()),
                });
                if let Err(problem) = taken {
                    out.push(rejected(id, entry, name, problem));
                }
            }
            engine.services.of_mut(id).settling.seen_whole(now);
            let from = out.len();
            engine.lose(now, &lost, out);
            let announced = |e: &Effect| matches!(e, Effect::Hold { .. });
            if engine.held(id) > 0 && !out.iter().skip(from).any(announced) {
                engine.announce_held(id, out);
            }
        });
        Ok(())
    }

    pub(super) fn upsert(
        &mut self,
        now: Timestamp,
        name: &str,
        spec: EndpointSpec,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let Some((index, service)) = self.vet(name, &spec)? else {
            return self.add(now, name, &spec, out);
        };
        if service == spec.service {
            self.change(now, index, &spec, out);
            return Ok(());
        }
        // It is held for a service that lost it, and turns up in another one: that explains the loss.
        self.drop_endpoint(now, index, Reason::Confirmed, out);
        self.add(now, name, &spec, out)
    }

    /// Refuses a spec that speaks of what is not known, before anything is changed. Gives the endpoint of that name, if
    /// there is one, and its service: the spec's, or another one that it is held for.
    fn vet(&self, name: &str, spec: &EndpointSpec) -> Result<Option<(u32, ServiceId)>, InputError> {
        valid(name)?;
        self.services.known(spec.service)?;
        self.places.known(spec.node, spec.zone, spec.region)?;
        if spec.base_weight > MAX_WEIGHT {
            return Err(InputError::Weight {
                given: spec.base_weight,
            });
        }
        let index = self.records.find(name);
        match index.and_then(|i| Some((i, self.records.get(i)?))) {
            Some((_, r)) if r.service() != spec.service && !r.held() => {
                Err(InputError::OtherService {
                    holder: r.service(),
                    given: spec.service,
                })
            }
            found => Ok(found.map(|(i, r)| (i, r.service()))),
        }
    }

    fn add(
        &mut self,
        now: Timestamp,
        name: &str,
        spec: &EndpointSpec,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let checked = self.services.known(spec.service)?.config().health.is_some();
        let mut record = Record::new(name, spec, checked);
        record.warm_up_from(spec.warm_up_start, now, self.clock.lead());
        record.drain(self.drains.contains(name));
        let service = self.services.of_mut(spec.service);
        record.set_unsettled(service.arrives(now, name));
        let index = self.records.insert(record)?;
        let slot = service.slots.join(index);
        if let Some(record) = self.records.get_mut(index) {
            record.enter_slot(slot);
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
        let service = self.services.of_mut(spec.service);
        let checked = service.config().health.is_some();
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let Some(changed) = record.change(spec, checked, now, self.clock.lead()) else {
            return;
        };
        let (status, slot) = (record.registration_status(), record.slot());
        if changed.restarted {
            service.reports.clear(slot);
        }
        if changed.checked_anew {
            self.check_first(now, index);
        }
        let reason = match changed.restarted {
            true => Reason::Restarted,
            false => Reason::Changed,
        };
        let at = out.len();
        self.refresh(now, index, reason, out);
        let announced = matches!(out.get(at), Some(Effect::Update { .. }));
        if changed.moved && !announced {
            let update = Effect::Update {
                endpoint: self.records.id(index),
                slot: slot as usize,
                status,
                reason,
            };
            out.insert(at, update);
        }
        if changed.returned {
            self.release(spec.service, index, out);
        }
        self.queue(index);
    }
}

/// They go.
impl Engine {
    pub(super) fn remove(
        &mut self,
        now: Timestamp,
        name: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        valid(name)?;
        if let Some(index) = self.records.find(name) {
            self.lose(now, &[index], out);
        }
        Ok(())
    }

    pub(super) fn confirm(
        &mut self,
        now: Timestamp,
        id: ServiceId,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let service = self.services.known(id)?;
        let held = |i: &u32| self.records.get(*i).is_some_and(Record::held);
        let gone: Vec<u32> = service.slots.members().filter(held).collect();
        self.drop_all(now, gone, Reason::Confirmed, out);
        self.services.of_mut(id).settling.confirm();
        Ok(())
    }

    /// Some endpoints may have been held for as long as a loss is held: they go.
    pub(super) fn end_holds(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        id: ServiceId,
        out: &mut Vec<Effect>,
    ) {
        let Some(over) = self.services.of_mut(id).end_holds(at, now) else {
            return;
        };
        self.drop_all(now, over, Reason::HoldExpired, out);
        let service = self.services.of_mut(id);
        service.arm_holds(id, &mut self.timers);
    }

    /// Endpoints of one service that the source no longer has. Those that were to go anyway (draining,
    /// terminating, failing) go; of the others not more than the configured share at once.
    fn lose(&mut self, now: Timestamp, gone: &[u32], out: &mut Vec<Effect>) {
        self.batched(now, out, |engine, out| engine.lose_some(now, gone, out));
    }

    fn lose_some(&mut self, now: Timestamp, gone: &[u32], out: &mut Vec<Effect>) {
        let mut sudden = Vec::new();
        for &index in gone {
            match self.records.get(index) {
                Some(r) if r.held() => {}
                Some(r) if r.carries_traffic() => sudden.push(index),
                _ => self.drop_endpoint(now, index, Reason::Gone, out),
            }
        }
        let first = sudden.first().and_then(|&i| self.records.get(i));
        // Nobody may be left to hold.
        let Some(id) = first.map(Record::service) else {
            return;
        };
        let service = self.services.of_mut(id);
        if service.may_lose(now, sudden.len()) {
            self.drop_all(now, sudden, Reason::Gone, out);
            return;
        }
        for &index in &sudden {
            service.holds.hold(index, now);
            if let Some(record) = self.records.get_mut(index) {
                record.hold();
            } else {
                debug_assert!(false, "its caller holds the index of a living endpoint");
            }
        }
        // What is held longer is due earlier.
        if !service.holds.armed() {
            service.arm_holds(id, &mut self.timers);
        }
        self.announce_held(id, out);
    }

    /// Announces how many are held.
    fn announce_held(&self, id: ServiceId, out: &mut Vec<Effect>) {
        let service = self.services.of(id);
        out.push(Effect::Hold {
            service: id,
            held: service.holds.len(),
            of: service.size(),
        });
    }

    /// One fewer is held; the last one's end is announced.
    fn release(&mut self, id: ServiceId, index: u32, out: &mut Vec<Effect>) {
        if self.services.of_mut(id).holds.release(index) {
            self.announce_held(id, out);
        }
    }

    fn drop_all(&mut self, now: Timestamp, all: Vec<u32>, reason: Reason, out: &mut Vec<Effect>) {
        self.batched(now, out, |engine, out| {
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
        let (id, slot, held) = (record.service(), record.slot(), record.held());
        let counted = record.counted();
        self.hints.remove(index);
        let Some(name) = self.records.remove(index) else {
            debug_assert!(false, "a living record was just found at this index");
            return;
        };
        let service = self.services.of_mut(id);
        service.departs(now, slot, counted, &name);
        let mut effects = Vec::from([Effect::Deregister {
            endpoint,
            service: id,
            slot: slot as usize,
            name,
            reason,
        }]);
        if held {
            self.release(id, index, &mut effects);
        }
        self.follow_loss(now, id, effects, out);
    }
}

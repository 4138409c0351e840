//! An engine made again from a snapshot.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;

use super::class::gauge;
use super::clock::{Clock, LATEST};
use super::division::Counted;
use super::names::known;
use super::places::Ramp;
use super::record::{Class, Record};
use super::snapshot::{KeptEndpoint, KeptService};
use super::{Engine, Service, Snapshot, named};
use crate::endpoint::MAX_WEIGHT;
use crate::error::{ConfigError, InputError, RestoreError};
use crate::health::Checker;
use crate::health::Status;
use crate::id::{Names, NodeId, RegionId, ServiceId, ZoneId};
use crate::time::Timestamp;

/// A service's highest slot is below this and twice its endpoints; of one that had many more they are given anew.
const SPARE_SLOTS: u32 = 64;

impl Engine {
    /// An engine that goes on where the snapshot was taken. What changed since then is said by the next
    /// [`Engine::handle`], which also asks anew for the probes that were under way; the time in between is no outage.
    /// Slots stay, ids are given anew; the numbers of services and places stay.
    ///
    /// A `now` before the snapshot's is taken for a clock that was set back: all times move back with it.
    ///
    /// # Errors
    /// What in the snapshot contradicts itself.
    pub fn restore(snapshot: &Snapshot, now: Timestamp) -> Result<Self, RestoreError> {
        let now = now.min(LATEST);
        let mut engine = Self::new(snapshot.seed);
        engine.clock = Clock::at(snapshot.now);
        engine.put_places_back(snapshot)?;
        for kept in &snapshot.services {
            engine.put_service_back(kept)?;
        }
        // Slots that cannot be are not made room for.
        let mut bounds = vec![SPARE_SLOTS; snapshot.services.len()];
        for kept in &snapshot.endpoints {
            if let Some(bound) = bounds.get_mut(kept.at[0] as usize) {
                *bound = bound.saturating_add(2);
            }
        }
        for kept in &snapshot.endpoints {
            engine.put_back(kept, &bounds)?;
        }
        for name in &snapshot.drains {
            named(name)?;
            engine.drains.insert(Box::from(name.as_str()));
        }
        for (_, service) in engine.services.iter_mut() {
            service.division = service.tally.divide(service.config.panic_percent);
        }
        let (clock, moved) = Clock::restored(snapshot.now, snapshot.leap, now);
        engine.clock = clock;
        engine.retime(&moved);
        Ok(engine)
    }

    fn put_places_back(&mut self, snapshot: &Snapshot) -> Result<(), RestoreError> {
        for name in &snapshot.zones {
            put_name(&mut self.zones, name, "zone")?;
        }
        for (name, drained) in &snapshot.nodes {
            put_name(&mut self.places.nodes, name, "node")?;
            self.places.node_drained.push(*drained && !name.is_empty());
        }
        for (name, ramp) in &snapshot.regions {
            put_name(&mut self.places.regions, name, "region")?;
            crate::limits::within(
                "region share",
                u64::from(ramp.share.max(ramp.from)),
                0,
                1000,
            )?;
            self.places.ramps.push(match name.is_empty() {
                true => Ramp::FULL,
                false => *ramp,
            });
        }
        Ok(())
    }

    fn put_service_back(&mut self, kept: &KeptService) -> Result<(), RestoreError> {
        let config = kept.config.clone().checked()?;
        let id = put_name(&mut self.service_names, &kept.name, "service")?;
        let mut service = Service::new(config);
        if !kept.name.is_empty() {
            service.busy = kept.busy;
            service.settled_at = kept.settled_at;
            service.gone = kept.gone.iter().copied().collect();
            service.dropped = kept.dropped;
            service.loss = kept.loss;
            service.fresh = kept.fresh;
            service.judged_at = kept.judged_at;
        }
        self.services.put(ServiceId(id), service);
        Ok(())
    }

    fn put_back(&mut self, kept: &KeptEndpoint, bounds: &[u32]) -> Result<(), RestoreError> {
        named(&kept.name)?;
        let [service, node, zone, region] = kept.at;
        self.service_of(ServiceId(service))?;
        known("node", &self.places.nodes, node)?;
        known("zone", &self.zones, zone)?;
        known("region", &self.places.regions, region)?;
        if kept.base > MAX_WEIGHT {
            return Err(InputError::Weight { given: kept.base }.into());
        }
        if self.records.find(&kept.name).is_some() {
            return Err(RestoreError::Twice {
                what: "endpoint",
                name: kept.name.clone(),
            });
        }
        let mut record = thawed(kept);
        let s = self.services.of_mut(ServiceId(service));
        // What a configuration without these checks could never end.
        if s.config.health.is_none() {
            record.checker = Checker {
                status: Status::Passing,
                ..Checker::default()
            };
        }
        record.ejected &= s.config.outlier_detection.is_some();
        gauge(&mut record, &s.config, &self.places, self.clock.now());
        s.tally.shift(Counted::default(), record.counted());
        let (held, drained) = (record.held, record.drained);
        let index = self
            .records
            .insert(record)
            .ok_or(InputError::Full { what: "endpoints" })?;
        if held {
            s.holds
                .insert(index, kept.held_since.unwrap_or(self.clock.now()));
        }
        if drained {
            self.drains.insert(Box::from(kept.name.as_str()));
        }
        let bound = bounds.get(service as usize).copied().unwrap_or(0);
        let slot = match kept.slot {
            Some(slot) => s.join_at(index, slot, bound),
            None => s.join(index),
        };
        if let (Some(reports), true) = (kept.reports, s.config.outlier_detection.is_some()) {
            *s.reports(slot) = reports;
        }
        if let Some(record) = self.records.get_mut(index) {
            record.slot = slot;
        } else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
        }
        self.hint(self.records.id(index), &kept.hints)?;
        Ok(())
    }
}

fn thawed(kept: &KeptEndpoint) -> Record {
    let [warm, seen_up, drained, ejected, held, unsettled] = kept.flags;
    let [service, node, zone, region] = kept.at;
    Record {
        name: Box::from(kept.name.as_str()),
        address: kept.address.into(),
        started_at: kept.started_at,
        warm_from: kept.warm_from,
        down_at: kept.down_at,
        check_due: kept.check_due,
        warm_due: Timestamp::MAX,
        queued: Timestamp::MAX,
        service: ServiceId(service),
        node: NodeId(node),
        zone: ZoneId(zone),
        region: RegionId(region),
        generation: 0,
        slot: 0,
        base: kept.base,
        weight: kept.weight,
        full: 0,
        counted_region: region,
        attempt: kept.attempt,
        permille: 0,
        checker: kept.checker,
        class: Class::Out,
        registration_status: kept.registration_status,
        conditions: kept.conditions,
        alive: true,
        warm,
        seen_up,
        drained,
        probing: false,
        ejected,
        held,
        unsettled,
    }
}

/// Gives the next number to a name; an empty one is a number that was free.
fn put_name(names: &mut Names, name: &str, what: &'static str) -> Result<u32, RestoreError> {
    let full = InputError::Full { what };
    if name.is_empty() {
        return Ok(names.append(None).ok_or(full)?);
    }
    named(name)?;
    if names.find(name).is_some() {
        return Err(RestoreError::Twice {
            what,
            name: name.to_string(),
        });
    }
    Ok(names.append(Some(name)).ok_or(full)?)
}

impl From<ConfigError> for RestoreError {
    fn from(error: ConfigError) -> Self {
        Self::Input(InputError::Config(error))
    }
}

//! An engine made again from a snapshot.

use alloc::boxed::Box;
use alloc::string::ToString;
use core::time::Duration;

use super::division::Counted;
use super::drain::Ramp;
use super::names::known;
use super::record::{Class, Record};
use super::snapshot::{KeptEndpoint, KeptService};
use super::timers::Owner;
use super::{Engine, Service, Snapshot, named};
use crate::endpoint::{MAX_WEIGHT, Status};
use crate::error::{ConfigError, InputError, RestoreError};
use crate::health::{CheckKind, Checker, HealthCheck, Reports};
use crate::id::{CentreId, Names, NodeId, ServiceId, ZoneId};
use crate::time::{Timestamp, nanos};

/// Moves a time of the snapshot to the present clock.
type Move<'a> = &'a dyn Fn(Timestamp) -> Timestamp;

impl Engine {
    /// An engine that goes on where the snapshot was taken. What changed since then is said by the next
    /// [`Engine::handle`]; the time in between is no outage. Ids are given anew.
    ///
    /// A `now` before the snapshot's is taken for a clock that began anew: all times move back with it.
    ///
    /// # Errors
    /// What in the snapshot contradicts itself.
    pub fn restore(snapshot: &Snapshot, now: Timestamp) -> Result<Self, RestoreError> {
        let shift = nanos(snapshot.now.since(now));
        let move_back = |t: Timestamp| match t {
            Timestamp::MAX => t,
            t => Timestamp::from_nanos(t.nanos().saturating_sub(shift)),
        };
        let mut engine = Self::new(snapshot.seed);
        engine.now = now;
        engine.put_places_back(snapshot, &move_back)?;
        for kept in &snapshot.services {
            engine.put_service_back(kept, &move_back)?;
        }
        for kept in &snapshot.endpoints {
            engine.put_back(now, kept, &move_back)?;
        }
        for service in &mut engine.services {
            service.division = service.tally.divide(service.config.panic_percent);
        }
        Ok(engine)
    }

    fn put_places_back(
        &mut self,
        snapshot: &Snapshot,
        move_back: Move<'_>,
    ) -> Result<(), RestoreError> {
        for name in &snapshot.zones {
            put_name(&mut self.zones, name, "zone")?;
        }
        for (name, drained) in &snapshot.nodes {
            put_name(&mut self.places.nodes, name, "node")?;
            self.places.node_drained.push(*drained && !name.is_empty());
        }
        for (name, ramp) in &snapshot.centres {
            let id = put_name(&mut self.places.centres, name, "centre")?;
            crate::config::within(
                "centre share",
                u64::from(ramp.share.max(ramp.from)),
                0,
                1000,
            )?;
            self.places.ramps.push(match name.is_empty() {
                true => Ramp::FULL,
                false => Ramp {
                    since: move_back(ramp.since),
                    ..*ramp
                },
            });
            self.timers.push(self.now, Owner::Centre(id));
        }
        Ok(())
    }

    fn put_service_back(
        &mut self,
        kept: &KeptService,
        move_back: Move<'_>,
    ) -> Result<(), RestoreError> {
        kept.config.check()?;
        let id = put_name(&mut self.service_names, &kept.name, "service")?;
        self.services.push(Service::new(kept.config.clone()));
        if kept.name.is_empty() {
            return Ok(());
        }
        let Some(service) = self.services.get_mut(id as usize) else {
            return Ok(());
        };
        service.busy = kept.busy;
        service.settled_at = self.now;
        service.dropped = kept.dropped;
        service.loss = kept.loss;
        service.loss.since = move_back(kept.loss.since).min(self.now);
        if let Some(config) = &service.config.outliers {
            let latest = self.now.after(config.interval);
            service.judged_at = move_back(kept.judged_at).clamp(self.now, latest);
            self.timers.push(service.judged_at, Owner::Service(id));
        }
        Ok(())
    }

    fn put_back(
        &mut self,
        now: Timestamp,
        kept: &KeptEndpoint,
        move_back: Move<'_>,
    ) -> Result<(), RestoreError> {
        named(&kept.name)?;
        let [service, node, zone, centre] = kept.at;
        self.service_of(ServiceId(service))?;
        known("node", &self.places.nodes, node)?;
        known("zone", &self.zones, zone)?;
        known("centre", &self.places.centres, centre)?;
        if kept.base > MAX_WEIGHT {
            return Err(InputError::Weight { given: kept.base }.into());
        }
        if self.records.find(&kept.name).is_some() {
            return Err(RestoreError::Twice {
                what: "endpoint",
                name: kept.name.clone(),
            });
        }
        let mut record = thawed(kept, now, move_back);
        let Some(s) = self.services.get_mut(service as usize) else {
            return Ok(());
        };
        record.check_due = due_again(kept, s.config.health.as_ref(), now, move_back);
        // What a configuration without these checks could never end.
        if s.config.health.is_none() {
            record.checker = Checker {
                status: Status::Passing,
                ..Checker::default()
            };
        }
        record.ejected &= s.config.outliers.is_some();
        super::weigh::gauge(&mut record, &s.config, &self.places, now);
        s.tally.shift(Counted::default(), record.counted());
        s.held = s.held.saturating_add(u32::from(record.held));
        let index = self
            .records
            .insert(record)
            .ok_or(InputError::Full { what: "endpoints" })?;
        let slot = s.join(index);
        if let (Some(reports), Some(config)) = (kept.reports, s.config.outliers) {
            // No ejection is longer than the longest.
            let longest = config.max_ejection.max(config.base_ejection);
            let latest = now.after(longest).after(config.ejection_jitter);
            *s.reports(slot) = Reports {
                until: move_back(reports.until).min(latest),
                ..reports
            };
        }
        if let Some(record) = self.records.get_mut(index) {
            record.slot = slot;
            // Its weight is looked at again at once: time has passed.
            record.warm_due = now;
        }
        self.hint(self.records.id(index), &kept.hints)?;
        self.queue(index);
        Ok(())
    }
}

fn thawed(kept: &KeptEndpoint, now: Timestamp, move_back: Move<'_>) -> Record {
    // What has been was not in the future.
    let past = |t: Timestamp| match t {
        Timestamp::MAX => t,
        t => move_back(t).min(now),
    };
    let [warm, seen_up, drained, ejected, held, unsettled] = kept.flags;
    let [service, node, zone, centre] = kept.at;
    Record {
        name: Box::from(kept.name.as_str()),
        address: kept.address.into(),
        started_at: kept.started_at,
        warm_from: past(kept.warm_from),
        down_at: past(kept.down_at),
        check_due: Timestamp::MAX,
        warm_due: Timestamp::MAX,
        queued: Timestamp::MAX,
        service: ServiceId(service),
        node: NodeId(node),
        zone: ZoneId(zone),
        centre: CentreId(centre),
        generation: 0,
        slot: 0,
        base: kept.base,
        weight: kept.weight,
        full: 0,
        region: centre,
        attempt: kept.attempt,
        permille: 0,
        checker: kept.checker,
        class: Class::Out,
        standing: kept.standing,
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

/// When an endpoint is checked next after a restart: as planned, at once if that is past. A beat has its
/// whole time again, since those sent meanwhile were not heard.
fn due_again(
    kept: &KeptEndpoint,
    check: Option<&HealthCheck>,
    now: Timestamp,
    move_back: Move<'_>,
) -> Timestamp {
    let answers = kept.conditions.ready || kept.conditions.serving;
    match check.filter(|_| answers).map(|c| &c.kind) {
        None => Timestamp::MAX,
        Some(CheckKind::Ttl { ttl }) => now.after(*ttl),
        Some(_) if kept.checker.status == Status::Unknown => now,
        Some(_) => match kept.check_due {
            Timestamp::MAX => now,
            due => move_back(due).clamp(now, latest(check, now)),
        },
    }
}

/// No check is due later than this: twice the longest interval, jitter included.
fn latest(check: Option<&HealthCheck>, now: Timestamp) -> Timestamp {
    let longest = check.map_or(Duration::ZERO, HealthCheck::longest_interval);
    now.after(longest).after(longest)
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

//! An engine at rest: what a restart needs so that nothing that did not change is deregistered or warmed anew.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::drain::Ramp;
use super::record::{Class, Record};
use super::timers::Owner;
use super::{Engine, Service, named};
use crate::config::ServiceConfig;
use crate::endpoint::{Conditions, MAX_WEIGHT, Status};
use crate::error::{ConfigError, InputError, RestoreError};
use crate::health::{CheckKind, Checker, HealthCheck, Reports};
use crate::id::{CentreId, NodeId, ServiceId, ZoneId};
use crate::sync::Standing;
use crate::time::{Timestamp, nanos};

/// Everything an engine knows, as data. Serialises with the `serde` feature; what is read back is checked as
/// a whole before an engine is made of it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    pub(super) zones: Vec<String>,
    pub(super) nodes: Vec<(String, bool)>,
    pub(super) centres: Vec<(String, Ramp)>,
    pub(super) services: Vec<KeptService>,
    pub(super) endpoints: Vec<KeptEndpoint>,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct KeptService {
    pub(super) name: String,
    pub(super) config: ServiceConfig,
    pub(super) busy: bool,
    pub(super) loss: super::members::Loss,
    pub(super) judged_at: Timestamp,
    /// How many endpoints went: what a registry may still hold of them.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) dropped: u64,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct KeptEndpoint {
    pub(super) name: String,
    /// Service, node, zone, centre.
    pub(super) at: [u32; 4],
    pub(super) address: SocketAddr,
    pub(super) base: u32,
    pub(super) conditions: Conditions,
    pub(super) started_at: Timestamp,
    pub(super) warm_from: Timestamp,
    pub(super) down_at: Timestamp,
    pub(super) check_due: Timestamp,
    /// As said last.
    pub(super) weight: u32,
    pub(super) standing: Standing,
    pub(super) checker: Checker,
    pub(super) attempt: u32,
    /// Warm, seen up, drained, ejected, held, unsettled.
    pub(super) flags: [bool; 6],
    pub(super) reports: Option<Reports>,
    /// Zones that its hints name.
    pub(super) hints: Vec<ZoneId>,
}

/// Moves a time of the snapshot to the present clock.
type Move<'a> = &'a dyn Fn(Timestamp) -> Timestamp;

impl Engine {
    /// All of the engine's state. O(endpoints).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let text = |names: &crate::id::Names| -> Vec<String> {
            names.iter().map(ToString::to_string).collect()
        };
        let drained = self.places.node_drained.iter().copied();
        let service = |(name, s): (&str, &Service)| KeptService {
            name: name.to_string(),
            config: s.config.clone(),
            busy: s.busy,
            loss: s.loss,
            judged_at: s.judged_at,
            dropped: s.dropped,
        };
        let mut endpoints = Vec::with_capacity(self.records.len());
        // By service and slot, so that slots are given again in the same order.
        for s in &self.services {
            for index in s.members() {
                let Some(r) = self.records.get(index) else {
                    continue;
                };
                let hints = self.hints.get(&index).cloned().unwrap_or_default();
                let reports = s.reported.get(r.slot as usize).copied();
                let reports = reports.filter(|r| *r != Reports::default());
                endpoints.push(kept(r, reports, hints));
            }
        }
        Snapshot {
            seed: self.seed,
            now: self.now,
            zones: text(&self.zones),
            nodes: text(&self.places.nodes).into_iter().zip(drained).collect(),
            centres: text(&self.places.centres)
                .into_iter()
                .zip(self.places.ramps.iter().copied())
                .collect(),
            services: self
                .service_names
                .iter()
                .zip(&self.services)
                .map(service)
                .collect(),
            endpoints,
        }
    }

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
            service.mode = service.tally.mode(service.config.panic_percent);
        }
        Ok(engine)
    }

    fn put_places_back(
        &mut self,
        snapshot: &Snapshot,
        move_back: Move<'_>,
    ) -> Result<(), RestoreError> {
        for name in &snapshot.zones {
            distinct(self.zone(name)?.index(), self.zones.len(), "zone", name)?;
        }
        for (name, drained) in &snapshot.nodes {
            let id = self.node(name)?;
            distinct(id.index(), self.places.nodes.len(), "node", name)?;
            if let Some(place) = self.places.node_drained.get_mut(id.index()) {
                *place = *drained;
            }
        }
        for (name, ramp) in &snapshot.centres {
            let id = self.centre(name)?;
            distinct(id.index(), self.places.centres.len(), "centre", name)?;
            crate::config::within(
                "centre share",
                u64::from(ramp.share.max(ramp.from)),
                0,
                1000,
            )?;
            if let Some(place) = self.places.ramps.get_mut(id.index()) {
                *place = Ramp {
                    since: move_back(ramp.since),
                    ..*ramp
                };
            }
            self.timers.push(self.now, Owner::Centre(id.0));
        }
        Ok(())
    }

    fn put_service_back(
        &mut self,
        kept: &KeptService,
        move_back: Move<'_>,
    ) -> Result<(), RestoreError> {
        let id = self.service(&kept.name, kept.config.clone())?;
        distinct(id.index(), self.services.len(), "service", &kept.name)?;
        let Some(service) = self.services.get_mut(id.index()) else {
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
            self.timers.push(service.judged_at, Owner::Service(id.0));
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
        let known = [
            ("service", service, self.services.len()),
            ("node", node, self.places.nodes.len()),
            ("zone", zone, self.zones.len()),
            ("centre", centre, self.places.centres.len()),
        ];
        for (what, given, known) in known {
            if given as usize >= known {
                return Err(InputError::UnknownPlace { what, given, known }.into());
            }
        }
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
        record.class = super::weigh::classify(&record, &self.places);
        s.tally.shift(Class::Out, record.class);
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

fn kept(r: &Record, reports: Option<Reports>, hints: Vec<ZoneId>) -> KeptEndpoint {
    KeptEndpoint {
        name: r.name.to_string(),
        at: [r.service.0, r.node.0, r.zone.0, r.centre.0],
        address: r.address.get(),
        base: r.base,
        conditions: r.conditions,
        started_at: r.started_at,
        warm_from: r.warm_from,
        down_at: r.down_at,
        // A probe that is under way is asked for again.
        check_due: if r.probing {
            Timestamp::ZERO
        } else {
            r.check_due
        },
        weight: r.weight,
        standing: r.standing,
        checker: r.checker,
        attempt: r.attempt,
        flags: [r.warm, r.seen_up, r.drained, r.ejected, r.held, r.unsettled],
        reports,
        hints,
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

/// A name of its kind must not come twice: then its number is not the newest.
fn distinct(id: usize, known: usize, what: &'static str, name: &str) -> Result<(), RestoreError> {
    if id + 1 == known {
        return Ok(());
    }
    Err(RestoreError::Twice {
        what,
        name: name.to_string(),
    })
}

impl From<ConfigError> for RestoreError {
    fn from(error: ConfigError) -> Self {
        Self::Input(InputError::Config(error))
    }
}

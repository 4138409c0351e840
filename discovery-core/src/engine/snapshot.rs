//! An engine at rest: what a restart needs so that nothing that did not change is deregistered or warmed anew.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::places::Ramp;
use super::record::Record;
use super::{Engine, Service};
use crate::config::ServiceConfig;
use crate::endpoint::Conditions;
use crate::health::{Checker, Reports};
use crate::id::ZoneId;
use crate::registry::RegistrationStatus;
use crate::time::Timestamp;

/// Everything an engine knows, as data. Serialises with the `serde` feature, in formats that describe themselves (JSON,
/// CBOR); what is read back is checked as a whole before an engine is made of it. Numbers whose names were forgotten
/// have empty names.
///
/// ```
/// use discovery_core::{Engine, ServiceConfig, Timestamp};
///
/// let mut engine = Engine::new(7);
/// engine.service("web", ServiceConfig::default())?;
/// let snapshot = engine.snapshot(); // to be written somewhere, with serde
/// let restored = Engine::restore(&snapshot, Timestamp::from_secs(5))?;
/// assert!(restored.find_service("web").is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    /// The widest gap between two tellings of the time.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) leap: (Timestamp, Timestamp),
    pub(super) zones: Vec<String>,
    pub(super) nodes: Vec<(String, bool)>,
    #[cfg_attr(feature = "serde", serde(alias = "centres"))]
    pub(super) regions: Vec<(String, Ramp)>,
    pub(super) services: Vec<KeptService>,
    pub(super) endpoints: Vec<KeptEndpoint>,
    /// Names of endpoints that are drained and not known at present.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) drains: Vec<String>,
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
    /// When it has heard of all its endpoints; hashed names of those that went before.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) settled_at: Timestamp,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) gone: Vec<u64>,
    /// The present run of first checks: when it began, how many were in it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) fresh: (Timestamp, u32),
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct KeptEndpoint {
    pub(super) name: String,
    /// Service, node, zone, region.
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
    #[cfg_attr(feature = "serde", serde(alias = "standing"))]
    pub(super) registration_status: RegistrationStatus,
    pub(super) checker: Checker,
    pub(super) attempt: u32,
    /// Warm, seen up, drained, ejected, held, unsettled.
    pub(super) flags: [bool; 6],
    pub(super) reports: Option<Reports>,
    /// Zones that its hints name.
    pub(super) hints: Vec<ZoneId>,
    /// Its slot, if that is known.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) slot: Option<u32>,
    /// Since when it is held.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) held_since: Option<Timestamp>,
}

impl Snapshot {
    /// The latest time that its engine had been told.
    #[must_use]
    pub fn taken_at(&self) -> Timestamp {
        self.now
    }
}

impl Engine {
    /// All of the engine's state. O(endpoints).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let text = |names: &crate::id::Names| -> Vec<String> {
            names
                .iter()
                .map(|name| name.unwrap_or_default().to_string())
                .collect()
        };
        let drained = self.places.node_drained.iter().copied();
        let service = |(name, s): (Option<&str>, &Service)| KeptService {
            name: name.unwrap_or_default().to_string(),
            config: s.config.clone(),
            busy: s.busy,
            loss: s.loss,
            judged_at: s.judged_at,
            dropped: s.dropped,
            settled_at: s.settled_at,
            gone: s.gone.iter().copied().collect(),
            fresh: s.fresh,
        };
        let mut endpoints = Vec::with_capacity(self.records.len());
        for index in self.records.indices() {
            let Some(r) = self.records.get(index) else {
                debug_assert!(false, "indices are those of living records");
                continue;
            };
            let service = self.services.of(r.service);
            let reports = service.reported.get(r.slot as usize).copied();
            endpoints.push(KeptEndpoint {
                hints: self.hints.of(index).to_vec(),
                reports: reports.filter(|r| *r != Reports::default()),
                held_since: service.holds.get(&index).copied(),
                ..kept(r, self.clock.now())
            });
        }
        Snapshot {
            seed: self.seed,
            now: self.clock.now(),
            leap: self.clock.leap(),
            zones: text(&self.zones),
            nodes: text(&self.places.nodes).into_iter().zip(drained).collect(),
            regions: text(&self.places.regions)
                .into_iter()
                .zip(self.places.ramps.iter().copied())
                .collect(),
            services: self
                .service_names
                .iter()
                .zip(self.services.iter().map(|(_, service)| service))
                .map(service)
                .collect(),
            endpoints,
            drains: self
                .drains()
                .filter(|name| self.find(name).is_none())
                .map(ToString::to_string)
                .collect(),
        }
    }
}

fn kept(r: &Record, now: Timestamp) -> KeptEndpoint {
    KeptEndpoint {
        name: r.name.to_string(),
        at: [r.service.0, r.node.0, r.zone.0, r.region.0],
        address: r.address.get(),
        base: r.base,
        conditions: r.conditions,
        started_at: r.started_at,
        warm_from: r.warm_from,
        down_at: r.down_at,
        // A probe that is under way is asked for again, as the same attempt.
        check_due: if r.probing { now } else { r.check_due },
        weight: r.weight,
        registration_status: r.registration_status,
        checker: r.checker,
        attempt: r.attempt.wrapping_sub(u32::from(r.probing)),
        flags: [r.warm, r.seen_up, r.drained, r.ejected, r.held, r.unsettled],
        reports: None,
        hints: Vec::new(),
        slot: Some(r.slot),
        held_since: None,
    }
}

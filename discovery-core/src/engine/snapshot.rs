//! An engine at rest, and made again: what a restart needs so that nothing that did not change is deregistered or warmed anew.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::Engine;
use super::clock::{Clock, LATEST};
use super::names::valid;
use super::places::{Places, Ramp};
use super::record::Record;
use super::service::{Counted, Loss, Services};
use crate::config::ServiceConfig;
use crate::endpoint::Conditions;
use crate::error::{ConfigError, InputError, RestoreError};
use crate::health::{Checker, Reports};
use crate::id::{ServiceId, ZoneId};
use crate::registry::RegistrationStatus;
use crate::time::Timestamp;

/// A service's highest slot is below this and twice its endpoints; of one that had many more they are given anew.
const SPARE_SLOTS: u32 = 64;

/// Everything an engine knows, as data. Serialises with the `serde` feature, in formats that describe themselves (JSON,
/// CBOR); what is read back is checked as a whole before an engine is made of it. Numbers whose names were removed
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
    pub(super) services: Vec<SavedService>,
    pub(super) endpoints: Vec<SavedEndpoint>,
    /// Names of endpoints that are drained and not known at present.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) drains: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct SavedService {
    pub(super) name: String,
    pub(super) config: ServiceConfig,
    pub(super) busy: bool,
    pub(super) loss: Loss,
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
pub(super) struct SavedEndpoint {
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
        let now = self.clock.now();
        let endpoints = self.records.iter().map(|(index, record)| {
            let service = self.services.of(record.service());
            SavedEndpoint {
                hints: self.hints.of(index).to_vec(),
                reports: service.reports.get(record.slot()),
                held_since: service.holds.since(index),
                ..record.save(now)
            }
        });
        let unknown = |name: &&str| self.records.find(name).is_none();
        Snapshot {
            seed: self.seed,
            now,
            leap: self.clock.leap(),
            zones: self.places.saved_zones(),
            nodes: self.places.saved_nodes(),
            regions: self.places.saved_regions(),
            services: self.services.save(),
            endpoints: endpoints.collect(),
            drains: self
                .drains
                .iter()
                .filter(unknown)
                .map(ToString::to_string)
                .collect(),
        }
    }

    /// An engine that goes on where the snapshot was taken. What changed since then is said by the next
    /// [`Engine::handle`], which also asks anew for the probes that were under way; the time in between is no outage.
    /// Slots stay, ids are given anew; the numbers of services and places stay.
    ///
    /// A `now` before the snapshot's is taken for a clock that was set back: all times move back with it.
    ///
    /// # Errors
    /// What in the snapshot contradicts itself.
    pub fn restore(snapshot: &Snapshot, now: Timestamp) -> Result<Self, RestoreError> {
        let mut engine = Self::new(snapshot.seed);
        engine.clock = Clock::at(snapshot.now);
        engine.places = Places::restore(&snapshot.zones, &snapshot.nodes, &snapshot.regions)?;
        engine.services = Services::restore(&snapshot.services)?;
        // Slots that cannot be are not made room for.
        let mut bounds = vec![SPARE_SLOTS; snapshot.services.len()];
        for saved in &snapshot.endpoints {
            if let Some(bound) = bounds.get_mut(saved.at[0] as usize) {
                *bound = bound.saturating_add(2);
            }
        }
        for saved in &snapshot.endpoints {
            let bound = bounds.get(saved.at[0] as usize).copied();
            engine.put_back(saved, bound.unwrap_or(0))?;
        }
        for name in &snapshot.drains {
            valid(name)?;
            engine.drains.restore(name);
        }
        for (_, service) in engine.services.iter_mut() {
            let panic_percent = service.config().panic_percent;
            service.traffic.divide(panic_percent);
        }
        let now = now.min(LATEST);
        let (clock, moved) = Clock::restored(snapshot.now, snapshot.leap, now);
        engine.clock = clock;
        engine.retime(&moved);
        Ok(engine)
    }

    /// Puts an endpoint back, in its slot if that is below `bound`.
    fn put_back(&mut self, saved: &SavedEndpoint, bound: u32) -> Result<(), RestoreError> {
        valid(&saved.name)?;
        let (id, now) = (ServiceId(saved.at[0]), self.clock.now());
        let config = self.services.known(id)?.config();
        let record = Record::restore(saved, config, &self.places, now)?;
        if self.records.find(&saved.name).is_some() {
            return Err(RestoreError::Twice {
                kind: "endpoint",
                name: saved.name.clone(),
            });
        }
        let (counted, held, drained) = (record.counted(), record.held(), record.drained());
        let index = self.records.insert(record)?;
        if drained {
            self.drains.restore(&saved.name);
        }
        let service = self.services.of_mut(id);
        service.traffic.count(Counted::default(), counted);
        if held {
            let since = saved.held_since.unwrap_or(now);
            service.holds.hold(index, since);
        }
        let slot = match saved.slot {
            Some(slot) => service.slots.join_at(index, slot, bound),
            None => service.slots.join(index),
        };
        let passive = service.config().outlier_detection.is_some();
        if let Some(reports) = saved.reports.filter(|_| passive) {
            *service.reports_on(slot) = reports;
        }
        if let Some(record) = self.records.get_mut(index) {
            record.enter_slot(slot);
        } else {
            debug_assert!(false, "the record was just put in");
        }
        self.hint(self.records.id(index), &saved.hints)?;
        Ok(())
    }
}

impl From<ConfigError> for RestoreError {
    fn from(error: ConfigError) -> Self {
        Self::Input(InputError::Config(error))
    }
}

//! An engine at rest, and made again: what a restart needs so that nothing that did not change is deregistered or warmed anew.

use alloc::string::ToString;
use alloc::vec;

use super::Engine;
use super::class::Counted;
use super::clock::{Clock, LATEST};
use super::names::valid;
use super::places::Places;
use super::record::Record;
use super::saved::{SavedEndpoint, Snapshot};
use super::service::Services;
use crate::error::{ConfigError, InputError, RestoreError};
use crate::id::ServiceId;
use crate::time::Timestamp;

/// A service's highest slot is below this and twice its endpoints; of one that had many more they are given anew.
const SPARE_SLOTS: u32 = 64;

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

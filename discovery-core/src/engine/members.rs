//! A service: its configuration, its endpoints by slot, and how they count.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::division::{Division, Tally};
use crate::config::ServiceConfig;
use crate::health::Reports;
use crate::id::ServiceId;
use crate::time::Timestamp;

const NOBODY: u32 = u32::MAX;

/// One service.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) config: ServiceConfig,
    /// Record indices by slot; [`NOBODY`] where a slot is free.
    slots: Vec<u32>,
    free: BTreeSet<u32>,
    pub(crate) tally: Tally,
    pub(crate) division: Division,
    /// Whether a call has been seen.
    pub(crate) busy: bool,
    /// The present run of losses: when it began, of how many members, how many are lost.
    pub(crate) loss: Loss,
    /// Since when endpoints are held, by record index; and when the first of them has been held for too long.
    pub(crate) holds: BTreeMap<u32, Timestamp>,
    pub(crate) hold_due: Timestamp,
    /// When the present run of first checks began, and how many were in it.
    pub(crate) fresh: (Timestamp, u32),
    /// What callers reported, by slot; empty without passive checks.
    pub(crate) reported: Vec<Reports>,
    pub(crate) spare: Reports,
    /// MAX before the first endpoint. Until then, or the first snapshot, an added endpoint may be an old one that
    /// a predecessor of this engine registered.
    pub(crate) settled_at: Timestamp,
    /// Hashed names of those that went before then, and how many went in this engine's life (all that a registry
    /// may hold, once a loss is confirmed).
    pub(crate) gone: BTreeSet<u64>,
    pub(crate) dropped: u64,
    /// The end of the present interval of passive checks.
    pub(crate) judged_at: Timestamp,
}

/// Losses that count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Loss {
    pub(crate) since: Timestamp,
    pub(crate) of: u32,
    pub(crate) lost: u32,
}

/// All services by id.
///
/// Ids are checked where they come in, and services are emptied but never taken out: what the engine itself holds an id of is
/// there ([`Services::of`]).
#[derive(Clone, Debug)]
pub(crate) struct Services {
    all: Vec<Service>,
    /// Stands in for a service that cannot be missing.
    absent: Service,
}

impl Services {
    pub(crate) fn new() -> Self {
        Self {
            all: Vec::new(),
            absent: Service::new(ServiceConfig::default()),
        }
    }

    /// A service by an id that may be anybody's.
    pub(crate) fn get(&self, id: ServiceId) -> Option<&Service> {
        self.all.get(id.index())
    }

    /// The service of an id that is known to be one.
    pub(crate) fn of(&self, id: ServiceId) -> &Service {
        let found = self.all.get(id.index());
        debug_assert!(found.is_some(), "services are never taken out");
        found.unwrap_or(&self.absent)
    }

    /// The service of an id that is known to be one.
    pub(crate) fn of_mut(&mut self, id: ServiceId) -> &mut Service {
        let found = self.all.get_mut(id.index());
        debug_assert!(found.is_some(), "services are never taken out");
        found.unwrap_or(&mut self.absent)
    }

    /// Puts a service in the place of its id: the next one, or that of one that was removed.
    pub(crate) fn put(&mut self, id: ServiceId, service: Service) {
        match self.all.get_mut(id.index()) {
            Some(removed) => *removed = service,
            None => self.all.push(service),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ServiceId, &Service)> {
        (0..).map(ServiceId).zip(&self.all)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (ServiceId, &mut Service)> {
        (0..).map(ServiceId).zip(&mut self.all)
    }
}

impl Service {
    pub(crate) fn new(config: ServiceConfig) -> Self {
        Self {
            config,
            slots: Vec::new(),
            free: BTreeSet::new(),
            tally: Tally::default(),
            division: Division::default(),
            busy: false,
            loss: Loss::default(),
            holds: BTreeMap::new(),
            hold_due: Timestamp::MAX,
            fresh: (Timestamp::ZERO, 0),
            reported: Vec::new(),
            spare: Reports::default(),
            settled_at: Timestamp::MAX,
            gone: BTreeSet::new(),
            dropped: 0,
            judged_at: Timestamp::MAX,
        }
    }

    /// Gives a record the lowest free slot, or a new one.
    pub(crate) fn join(&mut self, index: u32) -> u32 {
        if let Some(slot) = self.free.pop_first() {
            if let Some(place) = self.slots.get_mut(slot as usize) {
                *place = index;
            } else {
                debug_assert!(false, "a slot that was given is among the slots");
            }
            return slot;
        }
        // There are fewer records than 2^32, so there are fewer slots.
        let slot = u32::try_from(self.slots.len()).unwrap_or(NOBODY);
        self.slots.push(index);
        slot
    }

    /// Gives a record the slot it had, if that is free and below `bound`; else as [`Service::join`].
    pub(crate) fn join_at(&mut self, index: u32, slot: u32, bound: u32) -> u32 {
        if slot >= bound {
            return self.join(index);
        }
        while self.slots.len() <= slot as usize {
            self.free.insert(self.slots.len() as u32);
            self.slots.push(NOBODY);
        }
        if !self.free.remove(&slot) {
            return self.join(index);
        }
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = index;
        } else {
            debug_assert!(false, "a slot that was given is among the slots");
        }
        slot
    }

    /// How many endpoints are held.
    pub(crate) fn held(&self) -> u32 {
        u32::try_from(self.holds.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn leave(&mut self, slot: u32) {
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = NOBODY;
            self.free.insert(slot);
        } else {
            debug_assert!(false, "a slot that was given is among the slots");
        }
        // The slot's next tenant has no past.
        self.forget(slot);
    }

    /// Forgets what callers reported of a slot.
    pub(crate) fn forget(&mut self, slot: u32) {
        if let Some(reports) = self.reported.get_mut(slot as usize) {
            *reports = Reports::default();
        }
    }

    pub(crate) fn at(&self, slot: usize) -> Option<u32> {
        self.slots.get(slot).copied().filter(|&i| i != NOBODY)
    }

    /// Record indices in order of slots.
    pub(crate) fn members(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().copied().filter(|&i| i != NOBODY)
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

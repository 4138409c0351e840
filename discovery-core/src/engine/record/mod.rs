//! Endpoints at rest: one compact record each. Its fields are private to this module and its parts; the rest of the engine
//! reads them by getters and changes them by verbs, so that no class, weight or due time is set from outside.

mod address;
mod arena;
mod checks;
mod class;
#[cfg(feature = "testing")]
mod invariants;
mod saved;
mod source;
mod warm_up;

use alloc::boxed::Box;

use address::Address;
pub(super) use arena::Records;
pub(super) use checks::{DueCheck, Rearmed};

use super::class::{Class, Counted};
use super::places::Places;
use crate::endpoint::{Conditions, Endpoint};
use crate::hash::hash;
use crate::health::Checker;
use crate::id::{EndpointId, NodeId, RegionId, ServiceId, ZoneId};
use crate::registry::{Registration, RegistrationStatus};
use crate::time::Timestamp;

/// One endpoint. Field order and widths are chosen for size.
#[derive(Clone, Debug)]
pub(super) struct Record {
    name: Box<str>,
    address: Address,
    started_at: Timestamp,
    /// From when its age counts; MAX while it has not been up.
    warm_from: Timestamp,
    /// When it stopped being up; MAX while it is.
    down_at: Timestamp,
    /// The next probe; while one is under way, when it has failed; for a TTL, when it lapses.
    check_due: Timestamp,
    /// The next step of its weight.
    warm_due: Timestamp,
    /// Its earliest entry among the timers.
    queued: Timestamp,
    service: ServiceId,
    node: NodeId,
    zone: ZoneId,
    region: RegionId,
    generation: u32,
    slot: u32,
    base: u32,
    /// In use and announced, in thousandths.
    weight: u32,
    /// What it would weigh if it were used, in thousandths; and the region it is counted in.
    full: u32,
    counted_region: u32,
    attempt: u32,
    /// The share of its base weight that warm-up allows.
    warm_permille: u16,
    checker: Checker,
    class: Class,
    registration_status: RegistrationStatus,
    conditions: Conditions,
    alive: bool,
    /// Counts as warm whatever its age.
    warm: bool,
    /// Has been up before.
    seen_up: bool,
    drained: bool,
    probing: bool,
    ejected: bool,
    held: bool,
    /// Not checked yet, and added while its service was settling: a registry may know more.
    unsettled: bool,
}

/// What can be read.
impl Record {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn service(&self) -> ServiceId {
        self.service
    }

    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    pub(super) fn zone(&self) -> ZoneId {
        self.zone
    }

    pub(super) fn region(&self) -> RegionId {
        self.region
    }

    pub(super) fn slot(&self) -> u32 {
        self.slot
    }

    /// In use and announced, in thousandths of a unit of base weight.
    pub(super) fn weight(&self) -> u32 {
        self.weight
    }

    /// The weight in use over the base weight; 0 for a base weight of 0.
    pub(super) fn weight_share(&self) -> f64 {
        match self.base {
            0 => 0.0,
            base => f64::from(self.weight) / (f64::from(base) * 1000.0),
        }
    }

    pub(super) fn class(&self) -> Class {
        self.class
    }

    pub(super) fn held(&self) -> bool {
        self.held
    }

    pub(super) fn drained(&self) -> bool {
        self.drained
    }

    pub(super) fn ejected(&self) -> bool {
        self.ejected
    }

    pub(super) fn registration_status(&self) -> RegistrationStatus {
        self.registration_status
    }

    /// How its service counts it.
    pub(super) fn counted(&self) -> Counted {
        Counted {
            class: self.class,
            region: self.counted_region,
            weight: self.full,
        }
    }

    /// The seed of its own draws, which follow its name: nobody else's draws move them.
    pub(super) fn seed(&self, seed: u64) -> u64 {
        seed ^ hash(self.name.as_bytes())
    }

    pub(super) fn endpoint(&self, id: EndpointId, places: &Places) -> Endpoint<'_> {
        Endpoint {
            id,
            name: &self.name,
            service: self.service,
            node: self.node,
            zone: self.zone,
            region: self.region,
            address: self.address.get(),
            slot: self.slot as usize,
            base_weight: self.base,
            weight: self.weight,
            weight_if_used: self.full,
            warm_permille: self.warm_permille,
            status: self.checker.status,
            conditions: self.conditions,
            draining: self.drained || places.drained(self.node, self.region),
            ejected: self.ejected,
            held: self.held,
        }
    }

    /// What a registry should hold of it, as an endpoint of the service of this name.
    pub(super) fn registration<'a>(
        &'a self,
        service: &'a str,
        places: &'a Places,
    ) -> Option<Registration<'a>> {
        Some(Registration {
            service,
            name: &self.name,
            node: places.node_name(self.node)?,
            zone: places.zone_name(self.zone)?,
            region: places.region_name(self.region)?,
            address: self.address.get(),
            weight: self.weight,
            status: self.registration_status,
        })
    }
}

/// What happens to it.
impl Record {
    pub(super) fn enter_slot(&mut self, slot: u32) {
        self.slot = slot;
    }

    /// Takes the weight in use; whether it is another one.
    pub(super) fn set_weight(&mut self, weight: u32) -> bool {
        let changed = self.weight != weight;
        self.weight = weight;
        changed
    }

    /// Follows what a registry should be told; the new status if it is another one.
    pub(super) fn follow_status(&mut self, places: &Places) -> Option<RegistrationStatus> {
        let status = self.status_for_registry(places);
        let changed = status != self.registration_status;
        self.registration_status = status;
        changed.then_some(status)
    }

    /// An operator drains it, or ends that.
    pub(super) fn drain(&mut self, on: bool) {
        self.drained = on;
    }

    /// The source lost it, too suddenly to be believed.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    pub(super) fn eject(&mut self) {
        self.ejected = true;
    }

    pub(super) fn end_ejection(&mut self) {
        self.ejected = false;
    }

    /// Its service was configured: without outlier detection nobody stays ejected.
    pub(super) fn keep_ejection_if(&mut self, outlier_detection: bool) {
        self.ejected &= outlier_detection;
    }

    /// Sees to it that there is a timer at the first of its due times: when to set one, if there is none.
    pub(super) fn queue(&mut self) -> Option<Timestamp> {
        let due = self.check_due.min(self.warm_due);
        if due < self.queued {
            self.queued = due;
            return Some(due);
        }
        None
    }

    /// Its timer of `at` fires: whether its check and its warm-up are due by `now`; `None` if the timer is an old one.
    pub(super) fn fire(&mut self, at: Timestamp, now: Timestamp) -> Option<(bool, bool)> {
        if self.queued != at {
            return None;
        }
        self.queued = Timestamp::MAX;
        Some((self.check_due <= now, self.warm_due <= now))
    }
}

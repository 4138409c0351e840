//! Names, and what can be asked of an engine; each answer is O(1) or one step of an iterator, unless its page says so.

use alloc::vec::Vec;

use super::reconcile::{Reconciled, reconcile};
use super::service::Service;
use super::{Engine, Record};
use crate::config::ServiceConfig;
use crate::effect::Mode;
use crate::endpoint::Endpoint;
use crate::error::InputError;
use crate::id::{EndpointId, NodeId, RegionId, ServiceId, ZoneId};
use crate::registry::{Registration, Registry};
use crate::time::Timestamp;

/// Names of services, nodes, zones and regions: given ids, found again, removed.
impl Engine {
    /// The number of the service called `name`, which is made with this configuration if it is new.
    /// Change it later with [`crate::Input::Configure`].
    ///
    /// # Errors
    /// A bad name or configuration; a known service whose configuration is another one.
    pub fn service(&mut self, name: &str, config: ServiceConfig) -> Result<ServiceId, InputError> {
        let (id, new) = self.services.named(name, config)?;
        if new {
            let service = self.services.of_mut(id);
            service.begin_interval(self.clock.now(), id, &mut self.timers);
        }
        Ok(id)
    }

    /// The number of the service called `name`, if it is known. O(1).
    #[must_use]
    pub fn find_service(&self, name: &str) -> Option<ServiceId> {
        self.services.find(name)
    }

    /// The number of the node called `name`, new or known.
    ///
    /// # Errors
    /// A bad name.
    pub fn node(&mut self, name: &str) -> Result<NodeId, InputError> {
        self.places.node(name)
    }

    /// The number of the zone called `name`, new or known.
    ///
    /// # Errors
    /// A bad name.
    pub fn zone(&mut self, name: &str) -> Result<ZoneId, InputError> {
        self.places.zone(name)
    }

    /// The number of the region called `name`, new or known.
    ///
    /// # Errors
    /// A bad name.
    pub fn region(&mut self, name: &str) -> Result<RegionId, InputError> {
        self.places.region(name)
    }

    /// Removes a service without endpoints, with its configuration and its name. Its id is given to the next new service: do
    /// not use it again.
    ///
    /// # Errors
    /// An unknown service; one that still has endpoints, held ones included.
    pub fn remove_service(&mut self, id: ServiceId) -> Result<(), InputError> {
        self.services.remove(id)
    }

    /// Removes a node on which no endpoint is. Its id is given to the next new node. O(endpoints).
    ///
    /// # Errors
    /// An unknown node; one with endpoints; one that is drained, since only the operator ends a drain.
    pub fn remove_node(&mut self, id: NodeId) -> Result<(), InputError> {
        let endpoints = self.records.count(|r| r.node() == id);
        self.places.remove_node(id, endpoints)
    }

    /// Removes a zone in which no endpoint is and that no hints name. Its id is given to the next new zone.
    /// O(endpoints).
    ///
    /// # Errors
    /// An unknown zone; one that is still named.
    pub fn remove_zone(&mut self, id: ZoneId) -> Result<(), InputError> {
        let endpoints = self.records.count(|r| r.zone() == id);
        let hints = self.hints.naming(id);
        self.places.remove_zone(id, endpoints.max(hints))
    }

    /// Removes a region in which no endpoint is. Its id is given to the next new region. O(endpoints).
    ///
    /// # Errors
    /// An unknown region; one with endpoints; one that is drained or on its way out of a drain.
    pub fn remove_region(&mut self, id: RegionId) -> Result<(), InputError> {
        let endpoints = self.records.count(|r| r.region() == id);
        self.places.remove_region(id, endpoints)
    }
}

/// Questions.
impl Engine {
    /// The latest time told.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How many endpoints there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no endpoint.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The endpoint of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<EndpointId> {
        self.records.find(name).map(|i| self.records.id(i))
    }

    /// What is known of an endpoint; `None` once it is gone.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<Endpoint<'_>> {
        let record = self.records.by_id(id)?;
        Some(record.endpoint(id, &self.places))
    }

    /// The endpoint's weight in use, in thousandths of a unit of base weight; 0 when it takes no traffic or
    /// is gone. Changes only with an [`crate::Effect::SetWeight`].
    #[must_use]
    pub fn weight(&self, id: EndpointId) -> u32 {
        self.records.by_id(id).map_or(0, Record::weight)
    }

    /// The endpoint's weight in use over its base weight, 0 to 1 (0 for a base weight of 0).
    #[must_use]
    pub fn weight_share(&self, id: EndpointId) -> f64 {
        self.records.by_id(id).map_or(0.0, Record::weight_share)
    }

    /// The endpoints of a service with their weights in use (see [`Engine::weight`]), in order of slots.
    pub fn endpoints(&self, service: ServiceId) -> impl Iterator<Item = (EndpointId, u32)> + '_ {
        let members = self.members(service);
        members.filter_map(|i| Some((self.records.id(i), self.records.get(i)?.weight())))
    }

    /// The endpoint in a slot of a service: what a picker's answer stands for.
    #[must_use]
    pub fn endpoint_at(&self, service: ServiceId, slot: usize) -> Option<EndpointId> {
        let index = self.services.get(service)?.slots.at(slot)?;
        Some(self.records.id(index))
    }

    /// One more than the highest slot that a service has had in use: what a picker must have room for.
    #[must_use]
    pub fn slots(&self, service: ServiceId) -> usize {
        self.services.get(service).map_or(0, |s| s.slots.bound())
    }

    /// How a service is used now.
    #[must_use]
    pub fn mode(&self, service: ServiceId) -> Mode {
        let service = self.services.get(service);
        service.map_or(Mode::Empty, |s| s.traffic.mode())
    }

    /// How many endpoints of a service are held by self-preservation.
    #[must_use]
    pub fn held(&self, service: ServiceId) -> u32 {
        self.services.get(service).map_or(0, |s| s.holds.len())
    }

    /// When the first of a service's held endpoints goes even without [`crate::Input::Confirm`]: it has then been held
    /// for [`ServiceConfig::hold_limit`], or an engine that was down in between has listened for
    /// [`ServiceConfig::hold_window`]. `None` when none is held. O(held).
    #[must_use]
    pub fn hold_ends(&self, service: ServiceId) -> Option<Timestamp> {
        self.services.get(service).and_then(Service::hold_ends)
    }

    /// Names of the endpoints that are drained one by one, in order, whether they are known now or not. A drain stays
    /// until [`crate::Input::Drain`] or [`crate::Input::DrainName`] ends it.
    pub fn drains(&self) -> impl Iterator<Item = &str> + '_ {
        self.drains.iter()
    }

    /// A service's configuration.
    #[must_use]
    pub fn config(&self, service: ServiceId) -> Option<&ServiceConfig> {
        self.services.known(service).ok().map(Service::config)
    }

    /// The services, in order of first mention.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, &str)> + '_ {
        let all = self.services.names();
        all.filter_map(|(id, name)| Some((id, name?)))
    }

    /// The node of this name.
    #[must_use]
    pub fn find_node(&self, name: &str) -> Option<NodeId> {
        self.places.find_node(name)
    }

    /// The region of this name.
    #[must_use]
    pub fn find_region(&self, name: &str) -> Option<RegionId> {
        self.places.find_region(name)
    }

    /// A service's name.
    #[must_use]
    pub fn service_name(&self, id: ServiceId) -> Option<&str> {
        self.services.name(id)
    }

    /// A node's name.
    #[must_use]
    pub fn node_name(&self, id: NodeId) -> Option<&str> {
        self.places.node_name(id)
    }

    /// A zone's name.
    #[must_use]
    pub fn zone_name(&self, id: ZoneId) -> Option<&str> {
        self.places.zone_name(id)
    }

    /// A region's name.
    #[must_use]
    pub fn region_name(&self, id: RegionId) -> Option<&str> {
        self.places.region_name(id)
    }

    /// What a registry should hold of an endpoint.
    #[must_use]
    pub fn registration(&self, id: EndpointId) -> Option<Registration<'_>> {
        let record = self.records.by_id(id)?;
        let service = self.services.name(record.service())?;
        record.registration(service, &self.places)
    }

    /// What a registry should hold of a service, in order of slots; [`crate::registry::diff`] takes it in any order.
    pub fn registrations(&self, service: ServiceId) -> impl Iterator<Item = Registration<'_>> + '_ {
        let members = self.members(service);
        members.filter_map(|i| self.registration(self.records.id(i)))
    }

    fn members(&self, service: ServiceId) -> impl Iterator<Item = u32> + '_ {
        let service = self.services.get(service).into_iter();
        service.flat_map(|s| s.slots.members())
    }

    /// The endpoints that a caller in `zone` uses, with their weights in use, in order of slots.
    ///
    /// Kubernetes' rule: if all that are in use have hints, and one of them names the zone, those that name
    /// it; else all that are in use. O(members log endpoints).
    #[must_use]
    pub fn usable_from(&self, service: ServiceId, zone: ZoneId) -> Vec<(EndpointId, u32)> {
        let used: Vec<(EndpointId, u32)> = self
            .endpoints(service)
            .filter(|(_, weight)| *weight > 0)
            .collect();
        let hints = |id: &EndpointId| self.hints.of(id.index);
        let near = |(id, _): &&(EndpointId, u32)| hints(id).contains(&zone);
        let hinted = used.iter().all(|(id, _)| !hints(id).is_empty());
        let mine: Vec<(EndpointId, u32)> = used.iter().filter(near).copied().collect();
        if hinted && !mine.is_empty() {
            mine
        } else {
            used
        }
    }

    /// Whether the engine has heard of all endpoints of a service: from a snapshot, by being restored, or, with
    /// a source that only tells of changes, [`crate::ServiceConfig::hold_window`] after the first of them.
    #[must_use]
    pub fn settled(&self, service: ServiceId) -> bool {
        let service = self.services.get(service);
        service.is_some_and(|s| s.settling.settled(self.clock.now()))
    }

    /// [`crate::registry::diff`] of a service, save that entries which the engine never knew are not taken away blindly: none
    /// before the service has [settled](Engine::settled), and afterwards not if they are more than
    /// [`crate::ServiceConfig::hold_percent`] of ours. They go with [`crate::Input::Confirm`], or once the source
    /// has told of enough of them. O(n log n).
    ///
    /// With a snapshot to restore an engine knows what it registered, and this is [`crate::registry::diff`]; without one, an
    /// empty or half-filled first view of the source deregisters nobody.
    ///
    /// ```
    /// use discovery_core::{Engine, Registry, ServiceConfig};
    ///
    /// let mut engine = Engine::new(7);
    /// let web = engine.service("web", ServiceConfig::default())?;
    /// let found = engine.reconcile(web, &Registry::new(), "berth");
    /// assert!(found.ops.is_empty() && found.withheld == 0);
    /// # Ok::<(), discovery_core::InputError>(())
    /// ```
    #[must_use]
    pub fn reconcile(&self, service: ServiceId, registry: &Registry, owner: &str) -> Reconciled {
        let (Some(name), Some(s)) = (self.service_name(service), self.services.get(service)) else {
            return Reconciled::default();
        };
        let registrations = self.registrations(service);
        reconcile(name, s, registrations, registry, owner, self.clock.now())
    }
}

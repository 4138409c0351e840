//! What can be asked of an engine; each answer is O(1) or one step of an iterator.

use super::Engine;
use crate::config::ServiceConfig;
use crate::effect::Mode;
use crate::endpoint::Endpoint;
use crate::id::{EndpointId, NodeId, RegionId, ServiceId, ZoneId};
use crate::registry::Registration;
use crate::time::Timestamp;

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
        let r = self.records.get(self.records.living(id)?)?;
        Some(Endpoint {
            id,
            name: &r.name,
            service: r.service,
            node: r.node,
            zone: r.zone,
            region: r.region,
            address: r.address.get(),
            slot: r.slot as usize,
            base_weight: r.base,
            weight: r.weight,
            weight_if_used: r.full,
            warm_permille: r.permille,
            status: r.checker.status,
            conditions: r.conditions,
            draining: r.drained || self.places.drained(r.node.0, r.region.0),
            ejected: r.ejected,
            held: r.held,
        })
    }

    /// The endpoint's weight in use, in thousandths of a unit of base weight; 0 when it takes no traffic or
    /// is gone. Changes only with an [`crate::Effect::SetWeight`].
    #[must_use]
    pub fn weight(&self, id: EndpointId) -> u32 {
        let record = self.records.living(id).and_then(|i| self.records.get(i));
        record.map_or(0, |r| r.weight)
    }

    /// The endpoint's weight in use over its base weight, 0 to 1 (0 for a base weight of 0).
    #[must_use]
    pub fn weight_share(&self, id: EndpointId) -> f64 {
        let record = self.records.living(id).and_then(|i| self.records.get(i));
        record.map_or(0.0, |r| match r.base {
            0 => 0.0,
            base => f64::from(r.weight) / (f64::from(base) * 1000.0),
        })
    }

    /// The endpoints of a service with their weights in use (see [`Engine::weight`]), in order of slots.
    pub fn endpoints(&self, service: ServiceId) -> impl Iterator<Item = (EndpointId, u32)> + '_ {
        let members = self
            .services
            .get(service)
            .into_iter()
            .flat_map(super::members::Service::members);
        members.filter_map(|i| Some((self.records.id(i), self.records.get(i)?.weight)))
    }

    /// The endpoint in a slot of a service: what a picker's answer stands for.
    #[must_use]
    pub fn endpoint_at(&self, service: ServiceId, slot: usize) -> Option<EndpointId> {
        let index = self.services.get(service)?.at(slot)?;
        Some(self.records.id(index))
    }

    /// One more than the highest slot that a service has had in use: what a picker must have room for.
    #[must_use]
    pub fn slots(&self, service: ServiceId) -> usize {
        self.services.get(service).map_or(0, super::Service::slots)
    }

    /// How a service is used now.
    #[must_use]
    pub fn mode(&self, service: ServiceId) -> Mode {
        self.services
            .get(service)
            .map_or(Mode::Empty, |s| s.division.mode)
    }

    /// How many endpoints of a service are held by self-preservation.
    #[must_use]
    pub fn held(&self, service: ServiceId) -> u32 {
        self.services.get(service).map_or(0, super::Service::held)
    }

    /// When the first of a service's held endpoints goes even without [`crate::Input::Confirm`]: it has then been held
    /// for [`ServiceConfig::hold_limit`], or an engine that was down in between has listened for
    /// [`ServiceConfig::hold_window`]. `None` when none is held. O(held).
    #[must_use]
    pub fn hold_ends(&self, service: ServiceId) -> Option<Timestamp> {
        let service = self.services.get(service)?;
        let first = service.holds.values().min()?;
        Some(first.after(service.config.hold_limit))
    }

    /// Names of the endpoints that are drained one by one, in order, whether they are known now or not. A drain stays
    /// until [`crate::Input::Drain`] or [`crate::Input::DrainName`] ends it.
    pub fn drains(&self) -> impl Iterator<Item = &str> + '_ {
        self.drains.iter().map(|name| &**name)
    }

    /// A service's configuration.
    #[must_use]
    pub fn config(&self, service: ServiceId) -> Option<&ServiceConfig> {
        self.service_of(service).ok().map(|s| &s.config)
    }

    /// The services, in order of first mention.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, &str)> + '_ {
        let all = (0..).map(ServiceId).zip(self.service_names.iter());
        all.filter_map(|(id, name)| Some((id, name?)))
    }

    /// A service's name.
    #[must_use]
    pub fn service_name(&self, id: ServiceId) -> Option<&str> {
        self.service_names.name(id.0)
    }

    /// A node's name.
    #[must_use]
    pub fn node_name(&self, id: NodeId) -> Option<&str> {
        self.places.nodes.name(id.0)
    }

    /// A zone's name.
    #[must_use]
    pub fn zone_name(&self, id: ZoneId) -> Option<&str> {
        self.zones.name(id.0)
    }

    /// A region's name.
    #[must_use]
    pub fn region_name(&self, id: RegionId) -> Option<&str> {
        self.places.regions.name(id.0)
    }

    /// What a registry should hold of an endpoint.
    #[must_use]
    pub fn registration(&self, id: EndpointId) -> Option<Registration<'_>> {
        let r = self.records.get(self.records.living(id)?)?;
        Some(Registration {
            service: self.service_names.name(r.service.0)?,
            name: &r.name,
            node: self.places.nodes.name(r.node.0)?,
            zone: self.zones.name(r.zone.0)?,
            region: self.places.regions.name(r.region.0)?,
            address: r.address.get(),
            weight: r.weight,
            status: r.registration_status,
        })
    }

    /// What a registry should hold of a service, in order of slots; [`crate::registry::diff`] takes it in any order.
    pub fn registrations(&self, service: ServiceId) -> impl Iterator<Item = Registration<'_>> + '_ {
        let members = self
            .services
            .get(service)
            .into_iter()
            .flat_map(super::members::Service::members);
        members.filter_map(|i| self.registration(self.records.id(i)))
    }
}

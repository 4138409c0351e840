//! Names of services, nodes, zones and regions: given ids, found again, removed.

use super::places::Ramp;
use super::record::Record;
use super::{Engine, Service, named};
use crate::config::ServiceConfig;
use crate::error::InputError;
use crate::id::{Names, NodeId, RegionId, ServiceId, ZoneId};

impl Engine {
    /// The number of the service called `name`, which is made with this configuration if it is new.
    /// Change it later with [`crate::Input::Configure`].
    ///
    /// # Errors
    /// A bad name or configuration; a known service whose configuration is another one.
    pub fn service(&mut self, name: &str, config: ServiceConfig) -> Result<ServiceId, InputError> {
        named(name)?;
        let config = config.checked()?;
        if let Some(id) = self.find_service(name) {
            return match self.config(id) == Some(&config) {
                true => Ok(id),
                false => Err(InputError::OtherConfig { service: id }),
            };
        }
        let full = InputError::Full { what: "services" };
        let id = self.service_names.intern(name).ok_or(full)?;
        self.services.put(ServiceId(id), Service::new(config));
        self.start_judging(self.clock.now(), ServiceId(id));
        Ok(ServiceId(id))
    }

    /// The number of the service called `name`, if it is known. O(1).
    #[must_use]
    pub fn find_service(&self, name: &str) -> Option<ServiceId> {
        self.service_names.find(name).map(ServiceId)
    }

    /// The number of the node called `name`, new or known.
    ///
    /// # Errors
    /// A bad name.
    pub fn node(&mut self, name: &str) -> Result<NodeId, InputError> {
        named(name)?;
        self.places
            .node(name)
            .map(NodeId)
            .ok_or(InputError::Full { what: "nodes" })
    }

    /// The number of the zone called `name`, new or known.
    ///
    /// # Errors
    /// A bad name.
    pub fn zone(&mut self, name: &str) -> Result<ZoneId, InputError> {
        named(name)?;
        self.zones
            .intern(name)
            .map(ZoneId)
            .ok_or(InputError::Full { what: "zones" })
    }

    /// The number of the region called `name`, new or known.
    ///
    /// # Errors
    /// A bad name.
    pub fn region(&mut self, name: &str) -> Result<RegionId, InputError> {
        named(name)?;
        self.places
            .region(name)
            .map(RegionId)
            .ok_or(InputError::Full { what: "regions" })
    }

    /// Removes a service without endpoints, with its configuration and its name. Its id is given to the next new service: do
    /// not use it again.
    ///
    /// # Errors
    /// An unknown service; one that still has endpoints, held ones included.
    pub fn remove_service(&mut self, id: ServiceId) -> Result<(), InputError> {
        let endpoints = self.service_of(id)?.len();
        unused("service", id.0, endpoints)?;
        self.service_names.forget(id.0);
        let service = self.services.of_mut(id);
        *service = Service::new(ServiceConfig::default());
        Ok(())
    }

    /// Removes a node on which no endpoint is. Its id is given to the next new node. O(endpoints).
    ///
    /// # Errors
    /// An unknown node; one with endpoints; one that is drained, since only the operator ends a drain.
    pub fn remove_node(&mut self, id: NodeId) -> Result<(), InputError> {
        known("node", &self.places.nodes, id.0)?;
        unused("node", id.0, self.count(|r| r.node == id))?;
        if self.places.node_drained.get(id.index()) == Some(&true) {
            return Err(InputError::Drained {
                what: "node",
                given: id.0,
            });
        }
        self.places.nodes.forget(id.0);
        Ok(())
    }

    /// Removes a zone in which no endpoint is and that no hints name. Its id is given to the next new zone.
    /// O(endpoints).
    ///
    /// # Errors
    /// An unknown zone; one that is still named.
    pub fn remove_zone(&mut self, id: ZoneId) -> Result<(), InputError> {
        known("zone", &self.zones, id.0)?;
        let hints = self.hints.naming(id);
        unused("zone", id.0, self.count(|r| r.zone == id).max(hints))?;
        self.zones.forget(id.0);
        Ok(())
    }

    /// Removes a region in which no endpoint is. Its id is given to the next new region. O(endpoints).
    ///
    /// # Errors
    /// An unknown region; one with endpoints; one that is drained or on its way out of a drain.
    pub fn remove_region(&mut self, id: RegionId) -> Result<(), InputError> {
        known("region", &self.places.regions, id.0)?;
        unused("region", id.0, self.count(|r| r.region == id))?;
        match self.places.ramps.get_mut(id.index()) {
            Some(ramp) if ramp.draining || ramp.share < 1000 => Err(InputError::Drained {
                what: "region",
                given: id.0,
            }),
            Some(ramp) => {
                *ramp = Ramp::FULL;
                self.places.regions.forget(id.0);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn count(&self, is: impl Fn(&Record) -> bool) -> usize {
        let records = self.records.indices().filter_map(|i| self.records.get(i));
        records.filter(|r| is(r)).count()
    }
}

/// Refuses the number of a place that has no name.
pub(super) fn known(what: &'static str, names: &Names, given: u32) -> Result<(), InputError> {
    if names.name(given).is_some() {
        return Ok(());
    }
    let known = names.len();
    Err(InputError::UnknownPlace { what, given, known })
}

fn unused(what: &'static str, given: u32, endpoints: usize) -> Result<(), InputError> {
    match endpoints {
        0 => Ok(()),
        _ => Err(InputError::InUse {
            what,
            given,
            endpoints,
        }),
    }
}

//! All services, by id and by name.

use alloc::vec::Vec;

use super::Service;
use crate::config::ServiceConfig;
use crate::engine::names::{put_back, unused, valid};
use crate::engine::saved::SavedService;
use crate::error::{InputError, RestoreError};
use crate::id::{Names, ServiceId};

/// All services by id.
///
/// Ids are checked where they come in, and services are emptied but never taken out: what the engine itself holds an id of is
/// there ([`Services::of`]).
#[derive(Clone, Debug)]
pub(in crate::engine) struct Services {
    names: Names,
    all: Vec<Service>,
    /// Stands in for a service that cannot be missing.
    absent: Service,
}

impl Services {
    pub(in crate::engine) fn new() -> Self {
        Self {
            names: Names::default(),
            all: Vec::new(),
            absent: Service::new(ServiceConfig::default()),
        }
    }

    /// The service of this name, new or known, and whether it is new.
    pub(in crate::engine) fn named(
        &mut self,
        name: &str,
        config: ServiceConfig,
    ) -> Result<(ServiceId, bool), InputError> {
        valid(name)?;
        let config = config.checked()?;
        if let Some(id) = self.find(name) {
            return match *self.known(id)?.config() == config {
                true => Ok((id, false)),
                false => Err(InputError::OtherConfig { service: id }),
            };
        }
        let full = InputError::Full { kind: "services" };
        let id = ServiceId(self.names.intern(name).ok_or(full)?);
        self.put(id, Service::new(config));
        Ok((id, true))
    }

    pub(in crate::engine) fn find(&self, name: &str) -> Option<ServiceId> {
        self.names.find(name).map(ServiceId)
    }

    pub(in crate::engine) fn name(&self, id: ServiceId) -> Option<&str> {
        self.names.name(id.0)
    }

    /// All ids with their names, in order; `None` where an id is free.
    pub(in crate::engine) fn names(&self) -> impl Iterator<Item = (ServiceId, Option<&str>)> {
        (0..).map(ServiceId).zip(self.names.iter())
    }

    /// A service by an id that may be anybody's; an empty one if it was removed.
    pub(in crate::engine) fn get(&self, id: ServiceId) -> Option<&Service> {
        self.all.get(id.index())
    }

    /// A service by an id that may be anybody's.
    pub(in crate::engine) fn known(&self, id: ServiceId) -> Result<&Service, InputError> {
        let known = self.all.len();
        let unknown = InputError::UnknownService { given: id, known };
        self.name(id).and(self.get(id)).ok_or(unknown)
    }

    /// The service of an id that is known to be one.
    pub(in crate::engine) fn of(&self, id: ServiceId) -> &Service {
        let found = self.all.get(id.index());
        debug_assert!(found.is_some(), "services are never taken out");
        found.unwrap_or(&self.absent)
    }

    /// The service of an id that is known to be one.
    pub(in crate::engine) fn of_mut(&mut self, id: ServiceId) -> &mut Service {
        let found = self.all.get_mut(id.index());
        debug_assert!(found.is_some(), "services are never taken out");
        found.unwrap_or(&mut self.absent)
    }

    /// Puts a service in the place of its id: the next one, or that of one that was removed.
    fn put(&mut self, id: ServiceId, service: Service) {
        match self.all.get_mut(id.index()) {
            Some(removed) => *removed = service,
            None => self.all.push(service),
        }
    }

    /// Empties a service without members and frees its name and id.
    pub(in crate::engine) fn remove(&mut self, id: ServiceId) -> Result<(), InputError> {
        unused("service", id.0, self.known(id)?.slots.len())?;
        self.names.remove(id.0);
        *self.of_mut(id) = Service::new(ServiceConfig::default());
        Ok(())
    }

    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = (ServiceId, &Service)> {
        (0..).map(ServiceId).zip(&self.all)
    }

    pub(in crate::engine) fn iter_mut(
        &mut self,
    ) -> impl Iterator<Item = (ServiceId, &mut Service)> {
        (0..).map(ServiceId).zip(&mut self.all)
    }

    pub(in crate::engine) fn save(&self) -> Vec<SavedService> {
        let named = self.names.iter().zip(&self.all);
        named.map(|(name, service)| service.save(name)).collect()
    }

    /// Services as a snapshot has them, without members.
    pub(in crate::engine) fn restore(saved: &[SavedService]) -> Result<Self, RestoreError> {
        let mut services = Self::new();
        for saved in saved {
            let config = saved.config.clone().checked()?;
            let id = put_back(&mut services.names, &saved.name, "service")?;
            let service = match saved.name.is_empty() {
                true => Service::new(config),
                false => Service::restore(saved, config),
            };
            services.put(ServiceId(id), service);
        }
        Ok(services)
    }
}

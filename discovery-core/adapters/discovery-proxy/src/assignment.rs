//! What a proxy is told of a service.

use discovery_core::endpoint::ServiceId;
use discovery_core::registry::RegistrationStatus;
use discovery_core::{Effect, Engine};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// One endpoint as a proxy needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Its name, unique among all services.
    pub name: Box<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// The names of its places.
    pub zone: Box<str>,
    /// Likewise.
    pub region: Box<str>,
    /// Weight in use, in thousandths of a unit of base weight; 0 is given nothing new.
    pub weight: u32,
    /// The same when it is warm and wholly in use.
    pub full_weight: u32,
    /// Its condition.
    pub status: RegistrationStatus,
}

/// A service's endpoints by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// In order of their names.
    pub members: Vec<Member>,
}

impl Assignment {
    /// As the engine has it now. O(n log n).
    #[must_use]
    pub fn of(engine: &Engine, service: ServiceId) -> Self {
        let member = |(id, weight)| {
            let known = engine.endpoint(id)?;
            let registration = engine.registration(id)?;
            Some(Member {
                name: known.name.into(),
                address: known.address,
                zone: registration.zone.into(),
                region: registration.region.into(),
                weight,
                full_weight: known.base_weight.saturating_mul(1000),
                status: registration.status,
            })
        };
        let mut members: Vec<_> = engine.endpoints(service).filter_map(member).collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Self { members }
    }
}

/// All services by name. Those that did not change are shared between one and the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    services: BTreeMap<Box<str>, Arc<Assignment>>,
}

impl Assignments {
    /// As the engine has them now.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        let mut all = Self::default();
        for (id, name) in engine.services() {
            let assignment = Arc::new(Assignment::of(engine, id));
            all.services.insert(name.into(), assignment);
        }
        all
    }

    /// The services by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Assignment>)> {
        self.services.iter().map(|(name, a)| (&**name, a))
    }

    /// The service of this name.
    #[must_use]
    pub fn get(&self, service: &str) -> Option<&Arc<Assignment>> {
        self.services.get(service)
    }

    /// Whether there are endpoints, and something is known of each.
    pub(crate) fn settled(&self) -> bool {
        let unknown = |m: &Member| m.status == RegistrationStatus::Unknown;
        let mut members = self.services.values().flat_map(|s| &s.members).peekable();
        members.peek().is_some() && !members.any(unknown)
    }

    /// Follows what changed. O(n log n) in the members of the services that did.
    pub fn follow(&mut self, engine: &Engine, effects: &[Effect]) {
        let mut changed = BTreeSet::new();
        let of = |endpoint| engine.endpoint(endpoint).map(|e| e.service);
        for effect in effects {
            changed.extend(match effect {
                Effect::Register { endpoint, .. } | Effect::Update { endpoint, .. } => {
                    of(*endpoint)
                }
                Effect::Deregister { service, .. } | Effect::SetWeight { service, .. } => {
                    Some(*service)
                }
                _ => None,
            });
        }
        for id in changed {
            if let Some(name) = engine.service_name(id) {
                let assignment = Arc::new(Assignment::of(engine, id));
                self.services.insert(name.into(), assignment);
            }
        }
    }
}

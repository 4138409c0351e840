//! A registry as plain data: what a catalogue was seen to hold, and what operations make of it.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use core::net::SocketAddr;

use super::diff::Op;
use super::registration::{Registration, RegistrationStatus};

/// One entry of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// Who wrote it: the ownership mark. Entries of others are never touched.
    pub owner: String,
    /// The registry's own count of its changes (Consul's `ModifyIndex`); guards updates and removals.
    pub revision: u64,
    /// Node's name.
    pub node: String,
    /// Zone's name.
    pub zone: String,
    /// Region's name.
    #[cfg_attr(feature = "serde", serde(alias = "centre"))]
    pub region: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Thousandths of a unit of base weight.
    pub weight: u32,
    /// Its condition.
    #[cfg_attr(feature = "serde", serde(alias = "standing"))]
    pub status: RegistrationStatus,
}

impl Entry {
    /// The entry that a registration asks for.
    #[must_use]
    pub fn new(wanted: &Registration<'_>, owner: &str, revision: u64) -> Self {
        Self {
            owner: owner.to_string(),
            revision,
            node: wanted.node.to_string(),
            zone: wanted.zone.to_string(),
            region: wanted.region.to_string(),
            address: wanted.address,
            weight: wanted.weight,
            status: wanted.status,
        }
    }

    /// Whether traffic may go there: its weight alone says so. In a panic failing ones have one, and in the
    /// last resort departing ones.
    #[must_use]
    pub fn open(&self) -> bool {
        self.weight > 0
    }

    /// Whether it says what is wanted. A status that is not known yet is no reason to rewrite it, nor is
    /// the weight of 0 that goes with it.
    #[must_use]
    pub fn says(&self, wanted: &Registration<'_>) -> bool {
        let unknown = wanted.status == RegistrationStatus::Unknown;
        let condition = (self.status, self.weight) == (wanted.status, wanted.weight);
        (unknown || condition)
            && self.address == wanted.address
            && self.node == wanted.node
            && self.zone == wanted.zone
            && self.region == wanted.region
    }
}

/// Why a registry refused an operation; it is then unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The entry is another's.
    #[error("{service}/{name} belongs to {owner}; only its owner may change it")]
    Foreign {
        /// Its service.
        service: String,
        /// Its name.
        name: String,
        /// Who wrote it.
        owner: String,
    },
    /// The entry changed since it was read.
    #[error(
        "{service}/{name} is at revision {found}, the operation was made for {expected}; read it again and compare anew"
    )]
    Stale {
        /// Its service.
        service: String,
        /// Its name.
        name: String,
        /// The revision the operation names, 0 for none.
        expected: u64,
        /// The revision it has, 0 when it is not there.
        found: u64,
    },
}

/// A registry's contents: services, and their entries by name.
///
/// ```
/// use discovery_core::Registry;
///
/// let registry = Registry::new();
/// assert!(registry.is_empty());
/// assert_eq!(registry.get("web", "web-1"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Registry {
    services: BTreeMap<String, BTreeMap<String, Entry>>,
    revision: u64,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The entries of a service, by name, in order.
    pub fn service(&self, service: &str) -> impl Iterator<Item = (&str, &Entry)> + '_ {
        self.services
            .get(service)
            .into_iter()
            .flatten()
            .map(|(n, e)| (n.as_str(), e))
    }

    /// One entry.
    #[must_use]
    pub fn get(&self, service: &str, name: &str) -> Option<&Entry> {
        self.services.get(service)?.get(name)
    }

    /// The names of services that have entries, in order.
    pub fn service_names(&self) -> impl Iterator<Item = &str> + '_ {
        self.services.keys().map(String::as_str)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.services.values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Puts in what a catalogue was seen to hold.
    pub fn insert(&mut self, service: &str, name: &str, entry: Entry) {
        self.revision = self.revision.max(entry.revision);
        self.services
            .entry(service.to_string())
            .or_default()
            .insert(name.to_string(), entry);
    }

    /// Carries out one operation, as a registry would: guarded by owner and revision.
    ///
    /// # Errors
    /// When the entry is another's or has changed; nothing is done then.
    pub fn apply(&mut self, op: &Op) -> Result<(), ApplyError> {
        let (service, name, expected) = match op {
            Op::Register { service, name, .. } => (service, name, 0),
            Op::Update {
                service,
                name,
                entry,
                ..
            } => (service, name, entry.revision),
            Op::Deregister {
                service,
                name,
                revision,
                ..
            } => (service, name, *revision),
        };
        let there = self.get(service, name);
        let found = there.map_or(0, |e| e.revision);
        if found != expected {
            let (service, name) = (service.clone(), name.clone());
            return Err(ApplyError::Stale {
                service,
                name,
                expected,
                found,
            });
        }
        let writer = match op {
            Op::Register { entry, .. } | Op::Update { entry, .. } => &entry.owner,
            Op::Deregister { owner, .. } => owner,
        };
        if let Some(entry) = there.filter(|e| e.owner != *writer) {
            let (service, name, owner) = (service.clone(), name.clone(), entry.owner.clone());
            return Err(ApplyError::Foreign {
                service,
                name,
                owner,
            });
        }
        match op {
            Op::Register { entry, .. } | Op::Update { entry, .. } => {
                self.revision = self.revision.saturating_add(1);
                let written = Entry {
                    revision: self.revision,
                    ..entry.clone()
                };
                let entries = self.services.entry(service.clone()).or_default();
                entries.insert(name.clone(), written);
            }
            Op::Deregister { .. } => {
                if let Some(entries) = self.services.get_mut(service) {
                    entries.remove(name);
                    if entries.is_empty() {
                        self.services.remove(service);
                    }
                }
            }
        }
        Ok(())
    }
}

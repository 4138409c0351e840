//! What a snapshot is made of: data, written and read back with serde.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::places::Ramp;
use super::service::Loss;
use crate::config::ServiceConfig;
use crate::endpoint::Conditions;
use crate::health::{Checker, Reports};
use crate::id::ZoneId;
use crate::registry::RegistrationStatus;
use crate::time::Timestamp;

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

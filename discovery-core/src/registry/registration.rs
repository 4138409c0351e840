//! One endpoint as a registry holds it, and its status there.

use core::fmt;
use core::net::SocketAddr;

/// What a registry is told of an endpoint's condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum RegistrationStatus {
    /// Not yet checked by an engine that was just made: a registry that has it from a predecessor keeps what
    /// it says, so that a restart without a snapshot takes nobody out. Later newcomers are failing until they
    /// pass.
    #[default]
    Unknown,
    /// May be used.
    Passing,
    /// May be used when the passing ones do not suffice.
    Degraded,
    /// May not be used.
    Failing,
    /// May not be given anything new.
    Draining,
}

impl fmt::Display for RegistrationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Passing => "passing",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Draining => "draining",
        })
    }
}

impl RegistrationStatus {
    /// Whether traffic goes there in an ordinary way; see [`super::Entry::open`] for whether it goes there
    /// now.
    #[must_use]
    pub fn serves(self) -> bool {
        matches!(self, Self::Passing | Self::Degraded)
    }
}

/// What a registry should hold of one endpoint. Borrows from the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Registration<'a> {
    /// Its service's name.
    pub service: &'a str,
    /// Its own name: the key within the service.
    pub name: &'a str,
    /// Its node's name.
    pub node: &'a str,
    /// Its zone's name.
    pub zone: &'a str,
    /// Its region's name.
    pub region: &'a str,
    /// Where it listens.
    pub address: SocketAddr,
    /// Weight in use, in thousandths of a unit of base weight.
    pub weight: u32,
    /// Its condition.
    pub status: RegistrationStatus,
}

//! What may be wrong with an input, with what was given and what would be right.

use alloc::string::String;

use crate::endpoint::{MAX_HINTS, MAX_NAME, MAX_WEIGHT};
use crate::id::{EndpointId, ServiceId};

/// A configuration's field is out of its range; durations are given in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {given}, must be {least} to {most}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The field.
    pub field: &'static str,
    /// What it was.
    pub given: u64,
    /// The least it may be.
    pub least: u64,
    /// The most it may be.
    pub most: u64,
}

/// Why an input was refused. The engine is then as it was before.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A configuration out of range.
    #[error("service configuration: {0}")]
    Config(#[from] ConfigError),
    /// A configuration's number with a fraction is out of its range; one that is not finite is in none.
    #[error(
        "service configuration: {field} is {given}, must be a finite number from {least} to {most}"
    )]
    Fraction {
        /// The field.
        field: &'static str,
        /// What it was.
        given: f64,
        /// The least it may be.
        least: f64,
        /// The most it may be.
        most: f64,
    },
    /// No such service in this engine.
    #[error("service {} is not known; Engine::service gave {known} ids", .given.0)]
    UnknownService {
        /// The id given.
        given: ServiceId,
        /// How many there are.
        known: usize,
    },
    /// A node, zone or region that this engine did not name.
    #[error("{kind} {given} is not known; Engine::{kind} gave {known} ids")]
    UnknownPlace {
        /// `node`, `zone` or `region`.
        kind: &'static str,
        /// The id given.
        given: u32,
        /// How many there are.
        known: usize,
    },
    /// An endpoint that is not, or no longer, known.
    #[error(
        "endpoint {} of generation {} is not known; look its name up with Engine::find",
        .given.index, .given.generation
    )]
    UnknownEndpoint {
        /// The id given.
        given: EndpointId,
    },
    /// An empty name, or one that is too long.
    #[error("a name has {given} bytes, must have 1 to {MAX_NAME}")]
    Name {
        /// Its length in bytes.
        given: usize,
    },
    /// Too many zones in an endpoint's hints.
    #[error("hints name {given} zones, must be at most {MAX_HINTS}")]
    Hints {
        /// How many.
        given: usize,
    },
    /// A base weight that is too large.
    #[error("weight {given}, must be at most {MAX_WEIGHT}")]
    Weight {
        /// The weight given.
        given: u32,
    },
    /// The endpoint is known under another service; remove it there first.
    #[error("the endpoint belongs to service {}, not {}", .holder.0, .given.0)]
    OtherService {
        /// The service it belongs to.
        holder: ServiceId,
        /// The service given.
        given: ServiceId,
    },
    /// A name stands twice in one snapshot, at these two places, and the two say different things.
    #[error(
        "entries {first} and {second} of the snapshot have one name and differ; the first was taken"
    )]
    Twice {
        /// The first place, from 0.
        first: usize,
        /// The second.
        second: usize,
    },
    /// A service that is known already has another configuration.
    #[error("service {} is known with another configuration; change it with Input::Configure", .service.0)]
    OtherConfig {
        /// The known service.
        service: ServiceId,
    },
    /// A service, node, zone or region to be removed that endpoints still name.
    #[error("{kind} {given} still has {endpoints} endpoints; remove them first")]
    InUse {
        /// `service`, `node`, `zone` or `region`.
        kind: &'static str,
        /// The id given.
        given: u32,
        /// How many endpoints name it.
        endpoints: usize,
    },
    /// A node or region to be removed that an operator drained.
    #[error("{kind} {given} is drained; end the drain first")]
    Drained {
        /// `node` or `region`.
        kind: &'static str,
        /// The id given.
        given: u32,
    },
    /// As many of something as there can be: 2^32 - 1, or [`MAX_DRAINS`](crate::endpoint::MAX_DRAINS) drains.
    #[error("there are as many {kind} as there can be; remove or end some first")]
    Full {
        /// Of what.
        kind: &'static str,
    },
}

/// Why a snapshot was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Something in it would have been refused as an input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A name stands twice.
    #[error("{kind} {name} stands twice in the snapshot; names are unique")]
    Twice {
        /// Of what kind.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

//! How one endpoint counts for a caller.

use crate::endpoint::Endpoint;
use crate::health::Status;

/// The most priorities.
pub const MAX_PRIORITIES: usize = 64;

/// How one endpoint counts for a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// 0 is best. At most [`MAX_PRIORITIES`] - 1; more counts as that.
    pub priority: u32,
    /// Weight when warm, in the units of `weight`.
    pub base: u32,
    /// Weight now: warm-up and a region's drain taken off. With 0 it is neither used nor counted.
    pub weight: u32,
    /// Its health.
    pub health: EndpointHealth,
}

/// An endpoint's health as a balancer counts it, in Envoy's terms.
#[doc(alias = "HealthStatus")]
#[doc(alias = "HealthFlag")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EndpointHealth {
    /// Neither used nor counted: draining, not ready, not yet checked.
    #[default]
    Excluded,
    /// Used in panic only.
    Failing,
    /// Used when the healthy ones do not suffice.
    Degraded,
    /// Used.
    Healthy,
}

impl Member {
    /// An endpoint of an engine, at a priority for this caller (see [`super::locality_priority`]). Draining is
    /// excluded, as in Envoy: a planned drain must not look like a failure and start a panic; unless the
    /// engine gives it weight all the same, as the last resort of its service ([`crate::engine::Mode::LastResort`]).
    #[must_use]
    pub fn of(endpoint: &Endpoint<'_>, priority: u32) -> Self {
        let c = endpoint.conditions;
        let leaving = endpoint.draining || c.terminating || !c.ready;
        let health = match endpoint.status {
            _ if leaving && endpoint.weight > 0 => EndpointHealth::Healthy,
            _ if leaving => EndpointHealth::Excluded,
            Status::Unknown => EndpointHealth::Excluded,
            _ if endpoint.ejected => EndpointHealth::Failing,
            Status::Failing => EndpointHealth::Failing,
            Status::Degraded => EndpointHealth::Degraded,
            Status::Passing => EndpointHealth::Healthy,
        };
        let base = endpoint.base_weight.saturating_mul(1000);
        // Not what is in use: in panic, or degraded, it is this balancer that divides.
        let weight = endpoint.weight_if_used;
        Self {
            priority,
            base,
            weight,
            health,
        }
    }
}

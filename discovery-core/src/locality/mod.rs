//! Localities: how much each priority, region and zone carries, and a balancer over them.
//!
//! - [`priority_loads`]: Envoy's priorities with overprovisioning, degraded hosts and panic.
//! - [`locality_priority`], [`compact_priorities`]: Istio's failover order as priorities; [`locality_weight`]: Envoy's.
//! - [`zone_shares`], [`zone_weights`]: Envoy's zone-aware routing, as weights for any picker.
//! - [`usable`]: Kubernetes' `EndpointSlice` rules with hints.
//! - [`Balancer`]: pickers over priorities for one caller. Its verdicts count hosts; warm-up and drains move load between
//!   healthy hosts only, so that it leaves and returns without a step.
//!
//! Shares by zone do not touch the engine's weights: what a caller may use depends on where it stands.

mod balancer;
mod load;
mod member;
mod preference;
mod usable;
mod zones;

pub use balancer::Balancer;
pub(crate) use load::Capacity;
pub use load::{Loads, PriorityHealth, PriorityRules, priority_loads};
pub use member::{EndpointHealth, MAX_PRIORITIES, Member};
pub use preference::{Failover, Locality, compact_priorities, locality_priority, locality_weight};
pub use usable::{Candidate, TrafficPolicy, usable};
pub use zones::{ZoneRules, zone_shares, zone_weights};

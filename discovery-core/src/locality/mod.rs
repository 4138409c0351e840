//! Which region, zone or priority carries how much: pure functions of counts, and the balancer over them.

mod balancer;
mod load;
mod preference;
mod usable;
mod zones;

pub use balancer::{Balancer, EndpointHealth, MAX_PRIORITIES, Member};
pub(crate) use load::Capacity;
pub use load::{Loads, PriorityHealth, PriorityRules, priority_loads};
pub use preference::{Failover, Locality, compact_priorities, locality_priority, locality_weight};
pub use usable::{Candidate, TrafficPolicy, usable};
pub use zones::{ZoneRules, zone_shares, zone_weights};

//! Which centre, zone or priority carries how much: pure functions of counts, and the balancer over them.

mod balancer;
mod load;
mod locality;
mod usable;
mod zones;

pub use balancer::{Balancer, Fare, MAX_PRIORITIES, Member};
pub(crate) use load::Capacity;
pub use load::{Loads, PriorityHealth, PriorityRules, priority_loads};
pub use locality::{Failover, Locality, compact, locality_priority, locality_weight};
pub use usable::{Policy, Seen, usable};
pub use zones::{ZoneRules, zone_shares, zone_weights};

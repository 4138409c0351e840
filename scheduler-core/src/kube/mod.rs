//! What Kubernetes' scheduler and descheduler would decide, as pure functions: for side-by-side figures, for
//! predicting what they will do beside us, and for users who migrate.
//!
//! - [`Scorer`]: the scheduler's `LeastAllocated`, `MostAllocated` and `BalancedAllocation` (1.23).
//! - [`Evictor`]: the descheduler's `LowNodeUtilization` and `HighNodeUtilization`: who would be evicted.
//! - [`classify`], [`percents`], [`average`], [`around`]: the descheduler's classes of nodes.
//!
//! Not our own rules: the descheduler compares victims with the *pooled* headroom of all destinations and
//! keeps no state between victims. Use [`Protector`](crate::live::Protector) to decide; this is what it is compared
//! with. Inter-pod affinity, volumes and disruption budgets are not looked at.

mod balance;
mod classes;
mod evict;
mod fit;
mod objects;
#[cfg(test)]
mod properties;
mod scores;
#[cfg(test)]
mod tests;

pub use balance::{Evictor, EvictorError, Goal, Namespaces};
pub use classes::{
    Percents, Rule, around, average, classify, heaviest_first, lightest_first, percents,
};
pub use evict::evictable;
pub use fit::{Effect, Expression, Operator, Taint, Tolerates, Toleration};
pub use objects::{Container, Node, Pod, Qos, Quantities};
pub use scores::{ScoreError, Scorer, Strategy, Weight};

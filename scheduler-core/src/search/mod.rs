//! Search for cheaper placements.

mod anneal;
mod budget;
mod exact;
mod lns;
mod prune;
mod solve;
mod walk;

pub use budget::{Budget, Evaluations};
pub use solve::{Answer, Improver, Solver, lower_bound};

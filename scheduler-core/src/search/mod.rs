//! Search for cheaper placements.

mod anneal;
mod budget;
mod exact;
mod noising;
mod prune;
mod solve;
mod steps;
mod urgent;
mod walk;

pub use budget::{Budget, Evaluations};
pub use solve::{Answer, Improver, Solver, lower_bound};
pub use urgent::{Urgent, UrgentMove, relieve};

//! Search for cheaper placements.

mod anneal;
mod block;
mod budget;
mod keeper;
mod lanes;
mod portfolio;
mod prune;
mod scope;
mod soft;
mod solve;
mod steps;
mod together;
mod urgent;

pub use budget::{Budget, Evaluations};
pub use solve::{Answer, Exchange, Improver, Solver, lower_bound};
pub use urgent::{Urgent, UrgentMove, relieve};

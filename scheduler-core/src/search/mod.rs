//! Search for cheaper placements: initial placement, reassignment within a budget, short answers, lower bounds.

mod anneal;
mod block;
mod bound;
mod budget;
mod incumbent;
mod lanes;
mod penalised;
mod place;
mod prune;
mod race;
mod schedules;
mod scope;
mod solve;
mod steps;
mod together;
mod urgent;

pub use crate::repair::{UrgentMove, UrgentMoves, repair};
pub use bound::relaxed_bound;
pub use budget::{Budget, Evaluations};
pub use place::{ByCount, Placer, Unplaced, keep_best_moves};
pub use solve::{Answer, Exchange, Improver, Solver, lower_bound};
pub use urgent::relieve;

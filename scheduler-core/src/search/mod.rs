//! Initial placement, cheaper assignments within a budget, repair, short answers for one node, and lower bounds.
//!
//! | question | answer |
//! | --- | --- |
//! | where does each task start? | [`ByCount`], [`ByLoad`], or a [`Placer`] of your own |
//! | what is a cheaper assignment? | [`Solver`], or an [`Improver`] of your own, within a [`Budget`] |
//! | how much of it if only so many tasks may move? | [`keep_best_moves`] |
//! | how do I get tasks off this node now? | [`relieve`] |
//! | how do I get back to an assignment that breaks no rule? | [`repair()`] |
//! | how cheap can it be at all? | [`lower_bound`], [`relaxed_bound`] |
//!
//! ```
//! use scheduler_core::order::{OrderLimits, order_moves};
//! use scheduler_core::search::{Evaluations, Improver as _};
//! use scheduler_core::{Solver, roadef};
//!
//! // A tiny instance of the challenge: two resources, two nodes, two tasks on node 0.
//! let text = b"1\n1 10\n2\n0 0 20 5 0 1\n1 1 20 30 1 0\n2\n0 0\n0 0\n2\n0 8 1\n1 4 1\n0\n1 0 0\n";
//! let model = roadef::read_model(text)?;
//! let initial = roadef::read_assignment(&model, b"0 0")?;
//! let found = Solver { seed: 1 }.improve(&model, &initial, &mut Evaluations(10_000), &mut |_, _| {})?;
//! assert!(found.cost < found.initial && found.cost >= found.lower_bound);
//! let order = order_moves(&model, &initial, &found.assignment, OrderLimits::default())?;
//! assert!(order.given_up.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How the search works
//! It anneals on *penalised placements*: what a node holds above capacity costs, at a rate that grows while the node is
//! overfull, so that the search passes through arrangements that no feasible step leads to. Constraints of services, pins
//! and labels are never violated. The best feasible assignment so far, the *incumbent*, is always at hand.
//!
//! Steps are shifts, swaps and moves home, and sub-problems: a few nodes are drawn, up to 48 of their tasks lifted and put
//! back by branch and bound with random amounts added to each place, which is nearly a draw at a temperature for all of them
//! at once. Where services depend on each other, a task moves to another neighbourhood together with what it needs there
//! and what needs it (up to 16 tasks).
//!
//! Which *annealing schedule* pays differs from model to model. After a short descent six schedules (five where many nodes
//! have many tasks) race from the initial assignment, on a sample of the nodes where the budget is small for the model; the
//! winner has most of the budget, and the incumbent is refined. Too little budget leaves out the race, and then the annealing.
//! An assignment that breaks rules is repaired first: by the permitted move that repairs most, and where there is none by a
//! tabu search.
//!
//! Searches of several threads ([`Solver::improve_together`]) meet once and go on from the best incumbent.

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
pub use place::{ByCount, ByLoad, Placer, Unplaced, keep_best_moves};
pub use solve::{Answer, Exchange, Improver, Solver, lower_bound};
pub use urgent::relieve;

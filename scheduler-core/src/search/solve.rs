//! The whole search: what runs when, and what comes out.

use super::noising::Noising;
use super::walk::Walk;
use super::Budget;
use crate::{Model, NodeId, Placement, PlacementError, Rng};
use alloc::vec::Vec;

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The best assignment, feasible if the initial one was.
    pub assignment: Vec<NodeId>,
    /// Its cost.
    pub cost: i64,
    /// Cost of the initial assignment.
    pub initial: i64,
    /// No assignment costs less than this.
    pub lower_bound: i64,
    /// Changes evaluated.
    pub evaluations: u64,
}

/// Makes an assignment cheaper. An algorithm is one type in one file.
pub trait Improver {
    /// The best feasible assignment found within the budget, never worse than the initial one. `improved`
    /// is told (evaluations, cost) of improvements as they happen.
    ///
    /// # Errors
    /// An initial assignment that does not fit the model.
    fn improve(
        &mut self,
        model: &Model,
        initial: &[NodeId],
        budget: &mut dyn Budget,
        improved: &mut dyn FnMut(u64, i64),
    ) -> Result<Answer, PlacementError>;
}

/// The built-in search.
#[derive(Clone, Debug)]
pub struct Solver {
    /// Seed of every random choice.
    pub seed: u64,
}

impl Improver for Solver {
    fn improve(
        &mut self,
        model: &Model,
        initial: &[NodeId],
        budget: &mut dyn Budget,
        improved: &mut dyn FnMut(u64, i64),
    ) -> Result<Answer, PlacementError> {
        let start = Placement::new(model, initial)?;
        let initial = start.cost(model);
        let mut walk = Walk::new(model, start);
        let mut rng = Rng::named(self.seed, "sub-problems");
        Noising::new(&walk).run(&mut walk, &mut rng, budget, improved);
        Ok(Answer {
            assignment: walk.best_assignment(),
            cost: walk.best(),
            initial,
            lower_bound: lower_bound(model),
            evaluations: walk.evaluations,
        })
    }
}

/// The elementary bound: each resource's total above the total safety capacity, and each balance's total
/// missing amount, can be spread but not removed.
#[must_use]
pub fn lower_bound(model: &Model) -> i64 {
    let width = model.resources;
    let sum = |flat: &[i64], r: usize| flat.iter().skip(r).step_by(width.max(1)).sum::<i64>();
    let load = |r: usize| {
        model.load_weight[r] * (sum(&model.need, r) - sum(&model.safety, r)).max(0)
    };
    let free = |r: usize| sum(&model.capacity, r) - sum(&model.need, r);
    let missing = |b: &crate::Balance| {
        b.weight * (b.target * free(b.first) - free(b.second)).max(0)
    };
    (0..width).map(load).sum::<i64>() + model.balances.iter().map(missing).sum::<i64>()
}

//! The whole search: what runs when, and what comes out.
extern crate std;

use super::anneal::{self, Schedule};
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
        _improved: &mut dyn FnMut(u64, i64),
    ) -> Result<Answer, PlacementError> {
        let start = Placement::new(model, initial)?;
        let initial = start.cost(model);
        let mut walk = Walk::new(model, start);
        let mut rng = Rng::named(self.seed, "anneal");
        let gap = (initial - lower_bound(model)) as f64;
        let e=|k:&str,d:f64| std::env::var(k).ok().and_then(|v| v.parse().ok()).unwrap_or(d); let hot = gap / model.tasks() as f64 * e("HOT",0.1);  let swaps=e("SW",128.0) as u64; let cold=e("COLD",1.0);
        let draws = anneal::draws();
        let mut reach = super::prune::Reach::new(model, &walk.now);
        let w = model.resources;
        let scale = |t: u32| (0..w).map(|r| model.load_weight[r] * model.need[t as usize * w + r]).sum::<i64>();
        reach.movable.sort_by_key(|t| -scale(*t));
        let scales: alloc::vec::Vec<f64> = reach.movable.iter().map(|t| scale(*t) as f64 * 1.0 / e("K", 1.0)).collect();
        
        let schedule = Schedule { hot, cold, from: 0.0, until: 1.0, swaps };
        let mut schedule = schedule;
        schedule.until = e("SA", 0.5);
        anneal::anneal(&mut walk, &reach, &mut rng, &draws, &scales, schedule, budget);
        let a = walk.best();
        walk.return_to_best();
        let mut lns = super::lns::Lns::new(model, &walk);
        lns.run(&mut walk, &mut rng, 1.0, budget);
        std::println!("sa {a} then {}", walk.best());
        let answer = Answer {
            assignment: walk.best_assignment(),
            cost: walk.best(),
            initial,
            lower_bound: lower_bound(model),
            evaluations: walk.evaluations,
        };
        Ok(answer)
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

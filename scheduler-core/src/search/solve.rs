//! The whole search: what runs when, and what comes out.

use super::anneal::Search;
use super::budget::{self, Budget};
use super::incumbent::Incumbent;
use super::penalised::Penalised;
use super::race;
use crate::model::{Model, NodeId};
use crate::placement::{Placement, PlacementError, Violations};
use crate::repair::repaired;
use alloc::vec::Vec;

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The best assignment: feasible if the initial one was, and otherwise as near to that as was found; nothing is
    /// broken more often than before.
    pub assignment: Vec<NodeId>,
    /// Its cost.
    pub cost: i64,
    /// Cost of the initial assignment.
    pub initial: i64,
    /// No assignment costs less than this.
    pub lower_bound: i64,
    /// Changes evaluated.
    pub evaluations: u64,
    /// Hard constraints that the answer breaks, tasks not at home counted as moved: none if the initial assignment
    /// breaks none. What is above capacity of a transient resource stays held until the moves are over.
    pub violations: Violations,
}

impl Answer {
    /// The answer of a search that took so many evaluations to go from `initial` to `assignment`, with everything else
    /// computed from scratch. O(nodes x resources + tasks).
    ///
    /// # Errors
    /// An assignment that does not fit the model.
    pub fn new(
        model: &Model,
        initial: &[NodeId],
        assignment: Vec<NodeId>,
        evaluations: u64,
    ) -> Result<Self, PlacementError> {
        let end = Placement::moved(model, initial, &assignment)?;
        Ok(Self {
            cost: end.cost(model),
            initial: Placement::new(model, initial)?.cost(model),
            lower_bound: lower_bound(model),
            evaluations,
            violations: end.violations(model),
            assignment,
        })
    }

    /// The share of its cost that the answer may be above the cheapest one, 0 to 1: what lies between cost and
    /// [`Answer::lower_bound`]. A [`crate::search::relaxed_bound`] may show it to be less.
    #[must_use]
    pub fn gap(&self) -> f64 {
        if self.cost <= 0 {
            return 0.0;
        }
        (self.cost - self.lower_bound).max(0) as f64 / self.cost as f64
    }
}

/// Makes an assignment cheaper. An algorithm is one type in one file.
///
/// ```
/// use scheduler_core::placement::PlacementError;
/// use scheduler_core::search::{Answer, Budget, Improver};
/// use scheduler_core::{Model, NodeId, Placement};
///
/// /// Takes every shift that gains, once.
/// struct Greedy;
///
/// impl Improver for Greedy {
///     fn improve(
///         &mut self,
///         model: &Model,
///         initial: &[NodeId],
///         budget: &mut dyn Budget,
///         improved: &mut dyn FnMut(u64, i64),
///     ) -> Result<Answer, PlacementError> {
///         let (mut now, mut made) = (Placement::new(model, initial)?, 0);
///         for task in model.task_ids() {
///             for node in model.node_ids() {
///                 if budget.spent(made + 1) > 1.0 {
///                     break;
///                 }
///                 made += 1;
///                 let gains = now.cost_of_shift(model, task, node) < 0;
///                 if gains && now.try_shift(model, task, node).is_ok() {
///                     improved(made, now.cost(model));
///                 }
///             }
///         }
///         Answer::new(model, initial, now.assignment(), made)
///     }
/// }
/// # use scheduler_core::ModelBuilder;
/// # use scheduler_core::model::{Node, Resource, Service, Task};
/// # let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
/// # for location in 0..3 {
/// #     b.node(Node { location, neighbourhood: 0, capacity: &[10], safety: &[6] })?;
/// # }
/// # let service = b.service(Service { spread: 0, per_node: 2 })?;
/// # for _ in 0..3 {
/// #     b.task(Task { service, need: &[4], move_cost: 1 })?;
/// # }
/// # let model = b.build()?;
/// let initial = [NodeId(0), NodeId(0), NodeId(1)];
/// let mut budget = |evaluations: u64| evaluations as f64 / 100.0;
/// let found = Greedy.improve(&model, &initial, &mut budget, &mut |_, _| {})?;
/// assert_eq!((found.cost, found.evaluations), (0, 9));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Improver {
    /// The best feasible assignment found within the budget, never worse than the initial one. From one that breaks
    /// hard constraints it leads to one that breaks fewer, at what that costs; nothing is broken more often.
    /// `improved` is told (evaluations, cost) of improvements as they happen.
    ///
    /// # Errors
    /// An initial assignment that does not fit the model; a budget of which NaN is spent.
    fn improve(
        &mut self,
        model: &Model,
        initial: &[NodeId],
        budget: &mut dyn Budget,
        improved: &mut dyn FnMut(u64, i64),
    ) -> Result<Answer, PlacementError>;
}

/// The built-in search.
///
/// ```
/// use scheduler_core::search::{Evaluations, Improver as _};
/// use scheduler_core::{NodeId, Solver};
/// # use scheduler_core::ModelBuilder;
/// # use scheduler_core::model::{Node, Resource, Service, Task};
/// # let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
/// # for location in 0..3 {
/// #     b.node(Node { location, neighbourhood: 0, capacity: &[10], safety: &[6] })?;
/// # }
/// # let service = b.service(Service { spread: 0, per_node: 2 })?;
/// # for _ in 0..3 {
/// #     b.task(Task { service, need: &[4], move_cost: 1 })?;
/// # }
/// # let model = b.build()?;
/// let initial = [NodeId(0), NodeId(0), NodeId(1)];
/// let budget = &mut Evaluations(10_000);
/// let found = Solver { seed: 7 }.improve(&model, &initial, budget, &mut |evaluations, cost| {
///     println!("cost {cost} after {evaluations} evaluations");
/// })?;
/// assert_eq!((found.initial, found.cost, found.gap()), (2, 0, 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        self.improve_together(model, initial, budget, improved, &mut Alone)
    }
}

/// Where searches of the same model that run side by side meet. A search calls it once, when most of its budget
/// is spent, whatever happens before; if all of them wait there for each other, then what comes out depends on
/// seeds and evaluations alone.
pub trait Exchange {
    /// Told the best assignment of one search; answers with a better one to go on from, if there is one.
    fn meet(&mut self, cost: i64, best: &[NodeId]) -> Option<Vec<NodeId>>;
}

/// Meets nobody.
struct Alone;

impl Exchange for Alone {
    fn meet(&mut self, _cost: i64, _best: &[NodeId]) -> Option<Vec<NodeId>> {
        None
    }
}

impl Solver {
    /// [`Improver::improve`] beside other searches, each with a seed of its own.
    ///
    /// # Errors
    /// An initial assignment that does not fit the model, a budget of which NaN is spent; the search has met nobody
    /// then.
    pub fn improve_together(
        &mut self,
        model: &Model,
        initial: &[NodeId],
        budget: &mut dyn Budget,
        improved: &mut dyn FnMut(u64, i64),
        exchange: &mut dyn Exchange,
    ) -> Result<Answer, PlacementError> {
        if budget.spent(0).is_nan() {
            return Err(PlacementError::Budget);
        }
        let start = Placement::new(model, initial)?;
        let mut incumbent = Incumbent::new(model, start.clone());
        let (mut begin, mut evaluations) = (start.clone(), 0);
        if incumbent.damage() > 0 {
            (begin, evaluations) = whole(model, &start, self.seed, budget);
            if incumbent.offer(&begin.at) {
                improved(evaluations, incumbent.best().1);
            }
        }
        let lower_bound = lower_bound(model);
        let mut state = Penalised::new(model, &begin);
        let highest = start.cost(model).max(begin.cost(model));
        let scale = (highest - lower_bound) as f64 / model.tasks().max(1) as f64;
        let mut search = Search::new(&state, incumbent, scale, self.seed, budget, improved);
        search.evaluations = evaluations;
        race::run(&mut search, &mut state, exchange);
        let assignment = search.incumbent.best().0.to_vec();
        Answer::new(model, initial, assignment, search.evaluations)
    }
}

/// Share of the budget that may go to repairing.
const REPAIR_SHARE: f64 = 0.5;

/// What a search begins with where the initial assignment breaks something: one that breaks less; and what that has cost
/// in evaluations.
fn whole(model: &Model, start: &Placement, seed: u64, budget: &mut dyn Budget) -> (Placement, u64) {
    let mut made = 0;
    let begin = repaired(model, start, seed, &mut |more| {
        let room = budget::spent(budget, made + more) <= REPAIR_SHARE;
        made += if room { more } else { 0 };
        room
    });
    (begin, made)
}

/// The elementary bound: each resource's total above the total safety capacity, and each balance's total
/// missing amount, can be spread but not removed.
///
/// ```
/// use scheduler_core::search::lower_bound;
/// # use scheduler_core::ModelBuilder;
/// # use scheduler_core::model::{Node, Resource, Service, Task};
/// # let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
/// # for location in 0..3 {
/// #     b.node(Node { location, neighbourhood: 0, capacity: &[10], safety: &[6] })?;
/// # }
/// # let service = b.service(Service { spread: 0, per_node: 2 })?;
/// # for _ in 0..3 {
/// #     b.task(Task { service, need: &[7], move_cost: 1 })?;
/// # }
/// # let model = b.build()?;
/// // Three tasks of 7 on three nodes of which 6 are safe each.
/// assert_eq!(lower_bound(&model), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn lower_bound(model: &Model) -> i64 {
    let width = model.resources;
    let sum = |flat: &[i64], r: usize| flat.iter().skip(r).step_by(width.max(1)).sum::<i64>();
    let load =
        |r: usize| model.load_weight[r] * (sum(&model.need, r) - sum(&model.safety, r)).max(0);
    let free = |r: usize| sum(&model.capacity, r) - sum(&model.need, r);
    let missing =
        |b: &crate::model::Balance| b.weight * (b.target * free(b.first) - free(b.second)).max(0);
    (0..width).map(load).sum::<i64>() + model.balances.iter().map(missing).sum::<i64>()
}

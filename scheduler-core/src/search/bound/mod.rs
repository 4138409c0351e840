//! How cheap a feasible assignment can be at all.
//!
//! The capacities and the thresholds of load and balance are taken out of the problem and priced instead
//! (Lagrangian relaxation): then every task can choose its cheapest node by itself, and whatever the multipliers
//! are, no feasible assignment costs less than the sum comes to. Multipliers are raised where the choices exceed
//! what there is (a subgradient method, steps after Polyak). They start where the elementary bound is, so the
//! outcome is never below that. Multipliers are found in floats; what they prove is summed up in integers.

mod multipliers;
mod relaxed;

use crate::model::{Model, NodeId};
use crate::placement::{Placement, PlacementError};
use multipliers::Multipliers;
use relaxed::Relaxed;

/// Steps without a better bound after which steps become shorter.
const PATIENCE: u32 = 20;
/// How much of the last direction is kept.
const KEPT: f64 = 0.7;

/// A lower bound on the cost of every feasible assignment of tasks that stand at `initial`; at least
/// [`lower_bound`](crate::search::lower_bound). `known` is the cost of any assignment at hand: the better it is, the
/// faster the bound rises. `work` limits the effort: about so many additions and multiplications are made, and
/// memory is O(tasks x nodes) as far as that is below 2^24 pairs; beyond, or where a single round would be
/// more than that work, the elementary bound comes back.
///
/// # Errors
/// An assignment that does not fit the model.
///
/// ```
/// use scheduler_core::NodeId;
/// use scheduler_core::search::{lower_bound, relaxed_bound};
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
/// let initial = [NodeId(0), NodeId(1), NodeId(2)];
/// let bound = relaxed_bound(&model, &initial, 3, 1_000_000)?;
/// assert!(bound >= lower_bound(&model) && bound <= 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn relaxed_bound(
    model: &Model,
    initial: &[NodeId],
    known: i64,
    work: u64,
) -> Result<i64, PlacementError> {
    let elementary = crate::search::lower_bound(model);
    let start = Placement::new(model, initial)?;
    let Some(relaxed) = Relaxed::new(model, &start) else {
        return Ok(elementary);
    };
    let rounds = work / relaxed.work_of_a_round().max(1);
    if rounds == 0 || known <= elementary {
        return Ok(elementary);
    }
    let multipliers = ascend(&relaxed, known as f64, rounds.min(100_000) as u32);
    let proven = relaxed.proves(&multipliers);
    Ok(i64::try_from(proven).unwrap_or(elementary).max(elementary))
}

/// The best multipliers found in so many rounds: for half of them with long steps, as good where the bound can rise
/// far; then from the best ones with steps that become shorter, as good where it is close already.
fn ascend(relaxed: &Relaxed<'_>, known: f64, rounds: u32) -> Multipliers {
    let mut best = (f64::NEG_INFINITY, Multipliers::elementary(relaxed.model));
    for (rounds, returns) in [(rounds.div_ceil(2), false), (rounds / 2, true)] {
        climb(relaxed, known, rounds, returns, &mut best);
    }
    best.1
}

/// Goes on from the best multipliers; `returns` says whether to go back to them when steps become shorter.
fn climb(
    relaxed: &Relaxed<'_>,
    known: f64,
    rounds: u32,
    returns: bool,
    best: &mut (f64, Multipliers),
) {
    let mut multipliers = best.1.clone();
    let mut direction = Multipliers::zero(relaxed.model);
    let (mut scale, mut waited) = (1.0, 0);
    for _ in 0..rounds {
        let (value, excess) = relaxed.evaluate(&multipliers);
        if value > best.0 {
            *best = (value, multipliers.clone());
            waited = 0;
        } else {
            waited += 1;
        }
        if waited > PATIENCE {
            (waited, scale) = (0, scale / 2.0);
            if returns {
                multipliers.clone_from(&best.1);
            }
        }
        direction.blend(KEPT, &excess);
        let length = direction.length(relaxed);
        if length < 1e-12 || known <= value {
            break;
        }
        multipliers.step(relaxed, &direction, scale * (known - value) / length);
    }
}

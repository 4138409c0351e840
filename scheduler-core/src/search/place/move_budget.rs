//! A budget of moves: what of an answer to keep when not all of it may be moved.

use crate::model::{Model, NodeId, TaskId};
use crate::placement::{Placement, PlacementError};
use alloc::vec::Vec;

/// At most `most` of the moves from `initial` to `target`, chosen to repair most of what `initial` breaks, if it breaks
/// anything, and then to lower the cost most: moves are taken back one after another, each time the one that is missed
/// least, as long as that breaks no hard constraint; where all of them hold each other in place, moves are chosen from
/// the start instead, the best first. The better of both ways comes back, never worse than `initial`: nothing is broken
/// more often, and it is feasible if both assignments are.
///
/// Cost: O(moves^2 x (resources + what the constraints touch)).
///
/// # Errors
/// An assignment that does not fit the model.
///
/// ```
/// use scheduler_core::NodeId;
/// use scheduler_core::search::keep_best_moves;
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
/// let target = [NodeId(2), NodeId(0), NodeId(0)];
/// let kept = keep_best_moves(&model, &initial, &target, 1)?;
/// assert_eq!(kept, [NodeId(2), NodeId(0), NodeId(1)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "disruption budget")]
pub fn keep_best_moves(
    model: &Model,
    initial: &[NodeId],
    target: &[NodeId],
    most: usize,
) -> Result<Vec<NodeId>, PlacementError> {
    let start = Placement::new(model, initial)?;
    let whole = Placement::moved(model, initial, target)?;
    let moves: Vec<TaskId> = (0..model.tasks() as u32)
        .map(TaskId)
        .filter(|t| initial[t.index()] != target[t.index()])
        .collect();
    let mut best = start.clone();
    let broken = start.violations(model);
    let worth = |p: &Placement| (p.damage(model), p.cost(model));
    for found in [
        taken_back(model, whole, &moves, initial, most),
        chosen(model, start, &moves, target, most),
    ] {
        let better = found.moves() <= most && worth(&found) < worth(&best);
        if better && found.violations(model).within(&broken) {
            best = found;
        }
    }
    Ok(best.assignment())
}

/// Moves taken back until few enough are left, or none can be.
fn taken_back(
    model: &Model,
    mut now: Placement,
    moves: &[TaskId],
    initial: &[NodeId],
    most: usize,
) -> Placement {
    let mut left = moves.to_vec();
    while now.moves() > most {
        let Some(task) = cheapest(model, &now, &left, initial) else {
            break;
        };
        now.shift(model, task.index(), initial[task.index()].index());
        left.retain(|t| *t != task);
    }
    now
}

/// Moves made one after another while they gain.
fn chosen(
    model: &Model,
    mut now: Placement,
    moves: &[TaskId],
    target: &[NodeId],
    most: usize,
) -> Placement {
    let mut left = moves.to_vec();
    while now.moves() < most {
        let Some(task) = cheapest(model, &now, &left, target) else {
            break;
        };
        let to = target[task.index()];
        let damage = now.damage_change(model, task.index(), to.index());
        if (damage, now.cost_of_shift(model, task, to)) >= (0, 0) {
            break;
        }
        now.shift(model, task.index(), to.index());
        left.retain(|t| *t != task);
    }
    now
}

/// The task whose permitted move to its node in `to` repairs most or breaks least, and then changes the cost least; the
/// lowest among equals.
fn cheapest(model: &Model, now: &Placement, left: &[TaskId], to: &[NodeId]) -> Option<TaskId> {
    let may = |t: &&TaskId| now.blocked(model, **t, to[t.index()]).is_none();
    let cost = |t: &TaskId| {
        let to = to[t.index()];
        let damage = now.damage_change(model, t.index(), to.index());
        (damage, now.cost_of_shift(model, *t, to), *t)
    };
    left.iter().filter(may).copied().min_by_key(cost)
}

//! The urgent answer: one node, a few moves, at once.

use crate::model::{Model, NodeId, TaskId};
use crate::placement::{Constraint, Placement};
use crate::repair::{Step, UrgentMoves, best_step, tell_forbidden};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Moves, at most `most`, that take tasks off `node`, one after another: first those that repair what is broken there (the
/// one that repairs most, of equals the cheapest), then those that lower the total cost most. None breaks anything that is
/// not broken already. The placement is left as it is. Cost: O(most x tasks on the node x nodes x resources).
///
/// ```
/// use scheduler_core::search::relieve;
/// use scheduler_core::{NodeId, Placement};
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
/// let mut placement = Placement::new(&model, &[NodeId(0), NodeId(0), NodeId(1)])?;
/// let answer = relieve(&model, &mut placement, NodeId(0), 3);
/// assert_eq!(answer.moves.len(), 1);
/// assert_eq!(answer.moves[0].to, NodeId(2));
/// println!("{}", answer.explain());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
#[doc(alias("drain", "evict"))]
pub fn relieve(model: &Model, placement: &mut Placement, node: NodeId, most: usize) -> UrgentMoves {
    let mut urgent = UrgentMoves::default();
    if node.index() >= model.nodes() || placement.is_foreign(model) {
        return urgent;
    }
    while urgent.moves.len() < most {
        let (mut forbidden, tasks) = (BTreeMap::new(), suspects(model, placement, node));
        let step = best_step(model, placement, &tasks);
        let step = step.or_else(|| best(model, placement, node, &mut forbidden));
        let Some(step) = step else {
            // Those that would have gained something are told already.
            let costs =
                |task: u32, to: u32| placement.shift_cost(model, task as usize, to as usize) >= 0;
            tell_forbidden(model, placement, &tasks, costs, &mut forbidden);
            urgent.set_forbidden(forbidden);
            break;
        };
        urgent.moves.push(step.make(model, placement));
    }
    for m in urgent.moves.iter().rev() {
        placement.shift(model, m.task.index(), m.from.index());
    }
    urgent
}

/// Tasks on the node whose moving could repair something, ascending.
fn suspects(model: &Model, placement: &Placement, node: NodeId) -> Vec<u32> {
    let there = placement.list(node.index()).iter().copied();
    let may_repair = |t: &u32| placement.may_repair(model, *t as usize);
    let mut tasks: Vec<u32> = there.filter(may_repair).collect();
    tasks.sort_unstable();
    tasks
}

/// The permitted shift off the node that gains most; the lowest task and node among equals.
fn best(
    model: &Model,
    placement: &Placement,
    node: NodeId,
    forbidden: &mut BTreeMap<Constraint, u32>,
) -> Option<Step> {
    let mut best: Option<(i64, TaskId, NodeId)> = None;
    let mut tasks: Vec<u32> = placement.list(node.index()).to_vec();
    tasks.sort_unstable();
    for task in tasks {
        // What the source gains is the same for every place.
        let from = node.index();
        let leaves = placement.cost_without(model, from, task as usize) - placement.node_cost[from];
        let at_least = best.map_or(0, |(gain, _, _)| gain);
        if -leaves <= at_least {
            continue;
        }
        for to in (0..model.nodes() as u32).filter(|n| *n != node.0) {
            let known = best.map_or(0, |(gain, _, _)| gain);
            let gain = -placement.shift_cost_known(model, task as usize, to as usize, leaves);
            if gain <= known {
                continue;
            }
            match placement.blocked(model, TaskId(task), NodeId(to)) {
                None => best = Some((gain, TaskId(task), NodeId(to))),
                Some(constraint) => *forbidden.entry(constraint).or_default() += 1,
            }
        }
    }
    best.map(|(gain, task, to)| Step {
        damage: 0,
        cost: -gain,
        task: task.0,
        to: to.0,
    })
}

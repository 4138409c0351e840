//! One move after another, each the one that repairs most.

use super::{Lazy, suspects};
use super::{UrgentMove, UrgentMoves};
use crate::model::{Model, NodeId, TaskId};
use crate::placement::{Constraint, Placement};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Places looked at for making room before it is given up.
const LOOKS: usize = 1 << 21;

/// A move that repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    /// What all that is broken counts less afterwards, negative; then what the move costs.
    pub(crate) damage: i128,
    pub(crate) cost: i64,
    pub(crate) task: u32,
    pub(crate) to: u32,
}

/// Moves that lead from an assignment that breaks hard constraints to one that breaks none, each permitted with those
/// before it made: none breaks anything that is not broken already. At most `most`; each time the one that repairs
/// most, of equals the one that costs least; where none repairs anything alone, a task of the node where another should
/// go makes room first. The placement is left as it is.
///
/// `forbidden` tells what kept the rest from being repaired. A transient resource stays held on the node that a task
/// leaves until its move is over, so what is above capacity there repairs then.
///
/// Cost: O(tasks + (tasks that could repair something + moves) x nodes x (resources + what constraints touch)), again for
/// each time that room has to be made.
///
/// ```
/// use scheduler_core::{ModelBuilder, NodeId, Placement};
/// use scheduler_core::model::{Node, Resource, Service, Task};
/// use scheduler_core::search::repair;
///
/// let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
/// for location in 0..2 {
///     b.node(Node { location, neighbourhood: 0, capacity: &[10], safety: &[8] })?;
/// }
/// // Two tasks that may not share a node, and do.
/// let service = b.service(Service { spread: 0, per_node: 1 })?;
/// for _ in 0..2 {
///     b.task(Task { service, need: &[4], move_cost: 1 })?;
/// }
/// let model = b.build()?;
/// let mut placement = Placement::new(&model, &[NodeId(0); 2])?;
/// assert_eq!(placement.violations(&model).conflict, 1);
/// let repaired = repair(&model, &mut placement, 10);
/// assert_eq!(repaired.moves.len(), 1);
/// placement.try_shift(&model, repaired.moves[0].task, repaired.moves[0].to)?;
/// assert!(placement.violations(&model).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
#[doc(alias("deschedule", "mend"))]
pub fn repair(model: &Model, placement: &mut Placement, most: usize) -> UrgentMoves {
    let mut urgent = UrgentMoves::default();
    if placement.is_foreign(model) {
        return urgent;
    }
    let mut steps = Steps::default();
    while urgent.moves.len() < most {
        if let Some(step) = steps.next(model, placement, &mut |_| true) {
            urgent.moves.push(step.make(model, placement));
            continue;
        }
        let tasks = suspects(model, placement);
        let room = if most - urgent.moves.len() < 2 {
            None
        } else {
            making_room(model, placement, &tasks)
        };
        let Some(both) = room else {
            let mut forbidden = BTreeMap::new();
            let may_repair = |t: &u32| placement.may_repair(model, *t as usize);
            let tasks: Vec<u32> = (0..model.tasks() as u32).filter(may_repair).collect();
            tell_forbidden(model, placement, &tasks, |_, _| true, &mut forbidden);
            urgent.set_forbidden(forbidden);
            break;
        };
        for step in both {
            urgent.moves.push(step.make(model, placement));
        }
        steps = Steps::default();
    }
    for m in urgent.moves.iter().rev() {
        placement.shift(model, m.task.index(), m.from.index());
    }
    urgent
}

impl Step {
    /// Makes the move.
    pub(crate) fn make(self, model: &Model, placement: &mut Placement) -> UrgentMove {
        let from = placement.at[self.task as usize];
        placement.shift(model, self.task as usize, self.to as usize);
        UrgentMove {
            task: TaskId(self.task),
            from: NodeId(from),
            to: NodeId(self.to),
            gain: -self.cost,
            left: placement.node_cost[from as usize],
            repairs: self.damage < 0,
        }
    }

    /// What moving a task there would do, whether it is permitted or not.
    fn of(model: &Model, placement: &Placement, task: u32, to: u32) -> Self {
        Self {
            damage: placement.damage_change(model, task as usize, to as usize),
            cost: placement.shift_cost(model, task as usize, to as usize),
            task,
            to,
        }
    }
}

/// Counts what keeps tasks from the places where they are not, of those places that are asked for.
pub(crate) fn tell_forbidden(
    model: &Model,
    placement: &Placement,
    tasks: &[u32],
    asked: impl Fn(u32, u32) -> bool,
    forbidden: &mut BTreeMap<Constraint, u32>,
) {
    for task in tasks {
        for to in (0..model.nodes as u32).filter(|to| asked(*task, *to)) {
            if let Some(constraint) = placement.blocked(model, TaskId(*task), NodeId(to)) {
                *forbidden.entry(constraint).or_default() += 1;
            }
        }
    }
}

/// Moves that repair, the best one first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    lazy: Option<Lazy<(i128, i64)>>,
    /// Whether one has been given since all tasks were looked at.
    given: bool,
}

impl Steps {
    /// The permitted move that repairs most, of equals the one that costs least, to be made at once; none if there is
    /// none, or no room for the evaluations that looking for it takes (`spend` is told of them before).
    pub(crate) fn next(
        &mut self,
        model: &Model,
        placement: &Placement,
        spend: &mut dyn FnMut(u64) -> bool,
    ) -> Option<Step> {
        let mut best = |task: u32| {
            let step = spend(model.nodes as u64).then(|| best_of(model, placement, task))??;
            Some(((step.damage, step.cost), step.to))
        };
        loop {
            let found = self.lazy.as_mut().and_then(|lazy| lazy.next(&mut best));
            if let Some(((damage, cost), task, to)) = found {
                self.given = true;
                return Some(Step {
                    damage,
                    cost,
                    task,
                    to,
                });
            }
            if self.lazy.is_some() && !self.given {
                return None;
            }
            self.given = false;
            self.lazy = Some(Lazy::new(&suspects(model, placement), &mut best));
        }
    }
}

/// The permitted move of a task that repairs most, of equals the one that costs least.
fn best_of(model: &Model, placement: &Placement, task: u32) -> Option<Step> {
    let mut best: Option<Step> = None;
    for to in 0..model.nodes as u32 {
        let damage = placement.damage_change(model, task as usize, to as usize);
        if damage >= 0 || best.is_some_and(|b| damage > b.damage) {
            continue;
        }
        if placement.blocked(model, TaskId(task), NodeId(to)).is_none() {
            let step = Step::of(model, placement, task, to);
            best = Some(best.map_or(step, |b| b.min(step)));
        }
    }
    best
}

/// The permitted move of these tasks that repairs most, of equals the one that costs least.
pub(crate) fn best_step(model: &Model, placement: &Placement, tasks: &[u32]) -> Option<Step> {
    let each = tasks.iter().filter_map(|t| best_of(model, placement, *t));
    each.min()
}

/// Two moves that repair something: a task goes where it harms nothing, another takes its place. The cheapest way for the
/// first pair of task and node that has one.
fn making_room(model: &Model, placement: &mut Placement, tasks: &[u32]) -> Option<[Step; 2]> {
    let mut looks = 0;
    for task in tasks {
        for to in 0..model.nodes as u32 {
            looks += 1;
            if placement.damage_change(model, *task as usize, to as usize) >= 0 {
                continue;
            }
            let residents: Vec<u32> = placement.list(to as usize).to_vec();
            for resident in residents {
                looks += model.nodes;
                if looks > LOOKS {
                    return None;
                }
                let found = way_out(model, placement, resident, (*task, to));
                if found.is_some() {
                    return found;
                }
            }
        }
    }
    None
}

/// The cheapest move of a resident after which the task may come, both together repairing something.
fn way_out(
    model: &Model,
    placement: &mut Placement,
    resident: u32,
    (task, to): (u32, u32),
) -> Option<[Step; 2]> {
    let mut best: Option<[Step; 2]> = None;
    for other in 0..model.nodes as u32 {
        let out = Step::of(model, placement, resident, other);
        let dearer = best.is_some_and(|b| out.cost >= b[0].cost);
        if other == to || out.damage > 0 || dearer {
            continue;
        }
        let ids = (TaskId(resident), NodeId(other));
        if placement.blocked(model, ids.0, ids.1).is_some() {
            continue;
        }
        placement.shift(model, resident as usize, other as usize);
        let comes = Step::of(model, placement, task, to);
        let may = placement.blocked(model, TaskId(task), NodeId(to)).is_none();
        placement.shift(model, resident as usize, to as usize);
        if may && comes.damage < 0 && comes.damage + out.damage < 0 {
            best = Some([out, comes]);
        }
    }
    best
}

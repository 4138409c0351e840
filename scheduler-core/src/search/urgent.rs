//! The urgent answer: one node, a few moves, at once.

use crate::{Constraint, Model, NodeId, Placement, TaskId};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// One move of an urgent answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UrgentMove {
    /// The task.
    pub task: TaskId,
    /// Where it is.
    pub from: NodeId,
    /// Where it goes.
    pub to: NodeId,
    /// By how much the total cost falls.
    pub gain: i64,
    /// The node's own cost after the move.
    pub left: i64,
}

/// Moves that relieve a node, each feasible with those before it made, and why there are no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Urgent {
    /// The moves, the one that gains most first.
    pub moves: Vec<UrgentMove>,
    /// Places that would have gained something but were forbidden, by the constraint, when no more was
    /// found; the most frequent first. Empty when the moves asked for were found.
    pub forbidden: Vec<(Constraint, u32)>,
}

impl Urgent {
    /// The answer in words, a line each.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        for UrgentMove { task, from, to, gain, left } in &self.moves {
            let _ = writeln!(
                out,
                "move task {task} from node {from} to node {to}: costs {gain} less, {left} is left on node {from}"
            );
        }
        for (constraint, places) in &self.forbidden {
            let _ = writeln!(out, "no more at {places} places: {constraint}");
        }
        if out.is_empty() {
            out.push_str("no move would gain anything\n");
        }
        out
    }
}

/// The moves, at most `most`, that lower the total cost most by taking tasks off `node`, one after another.
/// The placement is left as it is. Cost: O(most x tasks on the node x nodes x resources).
#[must_use]
pub fn relieve(model: &Model, placement: &mut Placement, node: NodeId, most: usize) -> Urgent {
    let mut urgent = Urgent::default();
    if node.index() >= model.nodes() {
        return urgent;
    }
    while urgent.moves.len() < most {
        let mut forbidden = BTreeMap::new();
        let Some((gain, task, to)) = best(model, placement, node, &mut forbidden) else {
            urgent.forbidden = forbidden.into_iter().collect();
            urgent.forbidden.sort_by_key(|(_, places)| core::cmp::Reverse(*places));
            break;
        };
        placement.shift(model, task.index(), to.index());
        let left = placement.node_cost[node.index()];
        urgent.moves.push(UrgentMove { task, from: node, to, gain, left });
    }
    for m in urgent.moves.iter().rev() {
        placement.shift(model, m.task.index(), m.from.index());
    }
    urgent
}

/// The permitted shift off the node that gains most; the lowest task and node among equals.
fn best(
    model: &Model,
    placement: &Placement,
    node: NodeId,
    forbidden: &mut BTreeMap<Constraint, u32>,
) -> Option<(i64, TaskId, NodeId)> {
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
    best
}

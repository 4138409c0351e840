//! The urgent answer: one node, a few moves, at once.

use crate::mend::{Step, best_step, tell_forbidden};
use crate::{Constraint, Model, NodeId, Placement, TaskId};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

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
    /// By how much the total cost falls; negative where mending costs something.
    pub gain: i64,
    /// The node's own cost after the move.
    pub left: i64,
    /// Whether it mends a hard constraint that was broken.
    pub mends: bool,
}

/// Moves that relieve a node, each feasible with those before it made, and why there are no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Urgent {
    /// The moves in the order in which they are permitted: those that mend first, then the one that gains most.
    pub moves: Vec<UrgentMove>,
    /// Places that would have mended or gained something but were forbidden, by the constraint, when no more was
    /// found; the most frequent first. Empty when the moves asked for were found.
    pub forbidden: Vec<(Constraint, u32)>,
}

impl Urgent {
    /// The answer in words, a line each.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        for m in &self.moves {
            let _ = writeln!(out, "{m}");
        }
        for (constraint, places) in &self.forbidden {
            let _ = writeln!(out, "no more at {places} places: {constraint}");
        }
        if out.is_empty() {
            out.push_str("no move would gain anything\n");
        }
        out
    }

    /// Says what forbade more, the most frequent first.
    pub(crate) fn set_forbidden(&mut self, places: BTreeMap<Constraint, u32>) {
        self.forbidden = places.into_iter().collect();
        self.forbidden
            .sort_by_key(|(_, places)| core::cmp::Reverse(*places));
    }
}

impl fmt::Display for UrgentMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (task, from, to) = (self.task, self.from, self.to);
        write!(f, "move task {task} from node {from} to node {to}: ")?;
        if self.mends {
            f.write_str("mends a broken constraint, ")?;
        }
        let (amount, way) = (
            self.gain.unsigned_abs(),
            if self.gain < 0 { "more" } else { "less" },
        );
        write!(
            f,
            "costs {amount} {way}, {} is left on node {from}",
            self.left
        )
    }
}

/// Moves, at most `most`, that take tasks off `node`, one after another: first those that mend what is broken there (the
/// one that mends most, of equals the cheapest), then those that lower the total cost most. None breaks anything that is
/// not broken already. The placement is left as it is. Cost: O(most x tasks on the node x nodes x resources).
#[must_use]
pub fn relieve(model: &Model, placement: &mut Placement, node: NodeId, most: usize) -> Urgent {
    let mut urgent = Urgent::default();
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

/// Tasks on the node whose moving could mend something, ascending.
fn suspects(model: &Model, placement: &Placement, node: NodeId) -> Vec<u32> {
    let there = placement.list(node.index()).iter().copied();
    let may_mend = |t: &u32| placement.may_mend(model, *t as usize);
    let mut tasks: Vec<u32> = there.filter(may_mend).collect();
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

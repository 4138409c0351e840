//! From an initial and a target assignment to moves in a safe order.

mod exhaust;
mod staging;
mod wave;

use crate::{Model, NodeId, Placement, PlacementError, TaskId};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;
use wave::{Blocked, Wave};

/// One move of a wave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Step {
    /// The task.
    pub task: TaskId,
    /// Where it is.
    pub from: NodeId,
    /// Where it goes.
    pub to: NodeId,
    /// Whether `to` is only a place to wait.
    pub staging: bool,
    /// Why now.
    pub reason: String,
}

/// Moves in waves: those of a wave may be made in any order and at the same time; after every single one,
/// and while any of them are under way, no hard constraint is broken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Order {
    /// The waves, one after another.
    pub waves: Vec<Vec<Step>>,
    /// Tasks that do not reach their target: no order was found that brings them there.
    pub given_up: Vec<TaskId>,
}

impl Order {
    /// Number of moves.
    #[must_use]
    pub fn moves(&self) -> usize {
        self.waves.iter().map(Vec::len).sum()
    }

    /// Number of moves to a place to wait.
    #[must_use]
    pub fn staging_moves(&self) -> usize {
        self.waves.iter().flatten().filter(|s| s.staging).count()
    }
}

/// Limits of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderLimits {
    /// Moves of one wave that leave or enter one node at most.
    pub per_node: usize,
}

impl Default for OrderLimits {
    /// As many as fit.
    fn default() -> Self {
        Self {
            per_node: usize::MAX,
        }
    }
}

/// Orders the moves from `initial` to `target`. Transient resources count on both nodes while a task moves;
/// the others leave the source as they reach the target. Both assignments should be feasible; what cannot
/// be reached is given up. Cost: O(waves x moves x (resources + what the constraints touch)).
///
/// # Errors
/// An assignment that does not fit the model.
pub fn order_moves(
    model: &Model,
    initial: &[NodeId],
    target: &[NodeId],
    limits: OrderLimits,
) -> Result<Order, PlacementError> {
    Placement::new(model, target)?;
    let start = Placement::new(model, initial)?;
    let moves = initial.iter().zip(target).filter(|(a, b)| a != b).count();
    let mut planner = Planner::new(model, start.clone(), target, limits);
    planner.run();
    let order = planner.finish();
    if order.given_up.is_empty() || moves > exhaust::MOST {
        return Ok(order);
    }
    let best = exhaust::exhaust(model, start, target);
    Ok(if best.given_up.len() < order.given_up.len() {
        best
    } else {
        order
    })
}

/// The state of one ordering.
struct Planner<'m> {
    model: &'m Model,
    now: Placement,
    target: Vec<u32>,
    initial: Vec<u32>,
    limits: OrderLimits,
    /// Tasks not yet where they should be, in the order in which they are asked.
    left: Vec<u32>,
    /// How often each task has been staged.
    staged: BTreeMap<u32, u32>,
    order: Order,
}

impl<'m> Planner<'m> {
    fn new(model: &'m Model, now: Placement, target: &[NodeId], limits: OrderLimits) -> Self {
        let target: Vec<u32> = target.iter().map(|n| n.0).collect();
        let mut left: Vec<u32> = (0..target.len() as u32)
            .filter(|t| target[*t as usize] != now.at[*t as usize])
            .collect();
        // Large tasks first: what is left over suits small ones. Then lower priorities first.
        let width = model.resources;
        let size = |t: &u32| -> f64 {
            let (task, node) = (*t as usize, target[*t as usize] as usize);
            let share = |r: usize| {
                let capacity = model.capacity[node * width + r].max(1);
                model.need[task * width + r] as f64 / capacity as f64
            };
            (0..width).map(share).fold(0.0, f64::max)
        };
        left.sort_by(|a, b| {
            let priority = |t: &u32| model.priority[*t as usize];
            priority(a)
                .cmp(&priority(b))
                .then(size(b).total_cmp(&size(a)))
                .then(a.cmp(b))
        });
        let initial = now.at.clone();
        let (staged, order) = (BTreeMap::new(), Order::default());
        Self {
            model,
            now,
            target,
            initial,
            limits,
            left,
            staged,
            order,
        }
    }

    fn run(&mut self) {
        while !self.left.is_empty() {
            let mut wave = Wave::new(self.model, &self.now, self.limits);
            let mut waiting: BTreeMap<u32, Blocked> = BTreeMap::new();
            let mut taken: Vec<(u32, u32)> = Vec::new();
            let (now, target) = (&self.now, &self.target);
            self.left.retain(|task| {
                let to = target[*task as usize];
                match wave.add(now, *task as usize, to as usize) {
                    None => {
                        taken.push((*task, to));
                        false
                    }
                    Some(blocked) => {
                        waiting.entry(to).or_insert(blocked);
                        true
                    }
                }
            });
            if taken.is_empty() {
                if !self.stage() {
                    break;
                }
                continue;
            }
            self.make(&taken, &waiting, false);
        }
    }

    /// Makes a wave's moves and writes them down.
    fn make(&mut self, moves: &[(u32, u32)], waiting: &BTreeMap<u32, Blocked>, staging: bool) {
        let mut steps = Vec::with_capacity(moves.len());
        for (task, to) in moves {
            let from = self.now.at[*task as usize];
            let reason = self.reason(*task, from, *to, waiting);
            let (from, to) = (NodeId(from), NodeId(*to));
            steps.push(Step {
                task: TaskId(*task),
                from,
                to,
                staging,
                reason,
            });
        }
        for (task, to) in moves {
            self.now.shift(self.model, *task as usize, *to as usize);
            self.now.settle(self.model, *task as usize);
        }
        self.order.waves.push(steps);
    }

    fn reason(&self, task: u32, from: u32, to: u32, waiting: &BTreeMap<u32, Blocked>) -> String {
        let mut reason = String::new();
        // Writing to a string cannot fail.
        let _ = match waiting.get(&from) {
            Some(Blocked::Room {
                task: other,
                resource,
            }) => {
                let freed = self.model.need[task as usize * self.model.resources + resource];
                write!(
                    reason,
                    "frees {freed} of resource {resource} on node {from} for task {other}"
                )
            }
            Some(Blocked::Conflict { task: other }) => {
                write!(
                    reason,
                    "leaves node {from}, where task {other} of its service waits to go"
                )
            }
            _ => write!(reason, "node {to} has room"),
        };
        reason
    }

    /// What is left is given up; tasks that wait somewhere else go home if they can.
    fn finish(mut self) -> Order {
        let mut home = vec![];
        for task in &self.left {
            let at_home = self.initial[*task as usize];
            if self.now.at[*task as usize] != at_home {
                home.push((*task, at_home));
            }
        }
        for (task, to) in home {
            let mut wave = Wave::new(self.model, &self.now, self.limits);
            if wave.add(&self.now, task as usize, to as usize).is_none() {
                self.make(&[(task, to)], &BTreeMap::new(), false);
            }
        }
        self.order.given_up = self.left.iter().map(|t| TaskId(*t)).collect();
        self.order.given_up.sort_unstable();
        self.order
    }
}

//! Moves one after another, found from both ends: what can go to its target goes there; where nothing can any
//! more, the same is done backwards from the target, for an order read backwards is safe as well. What neither
//! end can move waits in cycles, which are broken up by letting a task wait on another node.

use super::OrderLimits;
use super::wave::Wave;
use crate::model::{Model, NodeId, TaskId};
use crate::placement::Placement;
use crate::rng::Xoshiro256PlusPlus;
use crate::uniform::Uniform as _;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::Cell;

/// One move from a node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) task: u32,
    pub(super) from: u32,
    pub(super) to: u32,
}

/// One end of the sequence: an assignment without moves under way, and how it was come by.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) now: Placement,
    pub(super) hops: Vec<Hop>,
}

impl End {
    pub(super) fn new(now: Placement) -> Self {
        let hops = Vec::new();
        Self { now, hops }
    }

    /// Whether the task may go there now.
    pub(super) fn may(&self, model: &Model, task: u32, to: u32) -> bool {
        let (task, to) = (TaskId(task), NodeId(to));
        self.now.blocked(model, task, to).is_none()
    }

    /// Moves a task and writes it down.
    pub(super) fn hop(&mut self, model: &Model, task: u32, to: u32) {
        let from = self.now.at[task as usize];
        self.put(model, task, to);
        self.hops.push(Hop { task, from, to });
    }

    /// Takes back the latest hops until so many are left.
    pub(super) fn undo_to(&mut self, model: &Model, hops: usize) {
        while self.hops.len() > hops {
            if let Some(hop) = self.hops.pop() {
                self.put(model, hop.task, hop.from);
            }
        }
    }

    /// Puts a task somewhere and makes that its home.
    pub(super) fn put(&mut self, model: &Model, task: u32, to: u32) {
        self.now.shift(model, task as usize, to as usize);
        self.now.settle(model, task as usize);
    }
}

/// Which end: 0 goes from the initial assignment on, 1 from the target back.
pub(super) const AHEAD: usize = 0;
const BACK: usize = 1;

/// A sequence that is being built.
pub(super) struct Sequencer<'m> {
    pub(super) model: &'m Model,
    pub(super) ends: [End; 2],
    /// Whether the target is free of broken constraints, so that there is a way back from it.
    two_ended: bool,
    /// Tasks that the two ends have on different nodes, in the order in which they are asked.
    pub(super) left: Vec<u32>,
    /// How often each task has been sent to wait.
    pub(super) staged: BTreeMap<u32, u32>,
    /// How many tasks have been sent to wait on each node.
    pub(super) waited: Vec<u32>,
    /// Hops to wait that may still be made.
    pub(super) patience: usize,
    /// Nodes looked at for places to wait.
    pub(super) looked: Cell<u64>,
}

/// What came of it: the hops in order, and the tasks that do not get to their target.
pub(super) struct Sequence {
    pub(super) hops: Vec<Hop>,
    pub(super) given_up: Vec<u32>,
    /// Nodes looked at for places to wait: what it has cost.
    pub(super) looked: u64,
}

impl<'m> Sequencer<'m> {
    /// The moves that are left are asked large ones first; with a random stream, shuffled.
    pub(super) fn new(
        model: &'m Model,
        initial: Placement,
        target: Placement,
        shuffled: Option<&mut Xoshiro256PlusPlus>,
    ) -> Self {
        let two_ended = target.violations_of_tasks(model).is_empty();
        let mut left: Vec<u32> = (0..model.tasks() as u32)
            .filter(|t| initial.at[*t as usize] != target.at[*t as usize])
            .collect();
        match shuffled {
            Some(rng) => {
                for i in (1..left.len()).rev() {
                    left.swap(i, rng.below(i + 1));
                }
            }
            None => left.sort_by_cached_key(|t| {
                let large = share(model, *t, target.at[*t as usize]);
                (core::cmp::Reverse(large), *t)
            }),
        }
        // Lower priorities first.
        left.sort_by_key(|t| model.priority[*t as usize]);
        let patience = 2 * left.len() + 64;
        Self {
            model,
            ends: [End::new(initial), End::new(target)],
            two_ended,
            left,
            staged: BTreeMap::new(),
            waited: alloc::vec![0; model.nodes],
            patience,
            looked: Cell::new(0),
        }
    }

    /// The whole sequence.
    pub(super) fn run(mut self) -> Sequence {
        loop {
            self.advance(AHEAD);
            if self.two_ended {
                self.advance(BACK);
            }
            if self.left.is_empty() {
                break;
            }
            if !self.stage_somewhere() {
                if !self.two_ended {
                    break;
                }
                self.give_up_the_way_back();
            }
        }
        self.join()
    }

    /// Moves what can be moved at one end until nothing more can.
    fn advance(&mut self, end: usize) {
        let model = self.model;
        let (front, goal) = ends(&mut self.ends, end);
        loop {
            let mut wave = Wave::new(model, &front.now, OrderLimits::default());
            let mut taken: Vec<(u32, u32)> = Vec::new();
            self.left.retain(|task| {
                let to = goal.now.at[*task as usize];
                let goes = wave.add(&front.now, *task as usize, to as usize).is_none();
                if goes {
                    taken.push((*task, to));
                }
                !goes
            });
            if taken.is_empty() {
                return;
            }
            for (task, to) in taken {
                front.hop(model, task, to);
            }
        }
    }

    fn stage_somewhere(&mut self) -> bool {
        self.stage(AHEAD) || (self.two_ended && self.stage(BACK))
    }

    /// Where nothing helps any more the way back is given up: all that is left is moved from the initial end
    /// on, which may let others wait.
    fn give_up_the_way_back(&mut self) {
        self.two_ended = false;
        let back = &mut self.ends[BACK];
        back.undo_to(self.model, 0);
        let [ahead, back] = &self.ends;
        let pairs = ahead.now.at.iter().zip(&back.now.at).zip(0_u32..);
        let left = pairs.filter(|((a, b), _)| a != b).map(|(_, task)| task);
        let mut left: Vec<u32> = left.collect();
        left.sort_by_cached_key(|t| {
            core::cmp::Reverse(share(self.model, *t, back.now.at[*t as usize]))
        });
        left.sort_by_key(|t| self.model.priority[*t as usize]);
        self.left = left;
    }

    /// Joins the ends. What is left is given up, and goes home if it waits somewhere and can; once it has,
    /// others may find room.
    fn join(mut self) -> Sequence {
        let model = self.model;
        if !self.left.is_empty() {
            let [ahead, back] = &mut self.ends;
            let initial = first_nodes(ahead);
            for task in &self.left {
                let home = initial.get(task).copied();
                if let Some(home) = home.filter(|h| ahead.may(model, *task, *h)) {
                    ahead.hop(model, *task, home);
                }
            }
            let away = |t: &u32| ahead.now.at[*t as usize] != back.now.at[*t as usize];
            self.left.retain(away);
            self.advance(AHEAD);
        }
        let [mut ahead, back] = self.ends;
        for hop in back.hops.iter().rev() {
            ahead.hop(model, hop.task, hop.from);
        }
        Sequence {
            hops: ahead.hops,
            given_up: self.left,
            looked: self.looked.get(),
        }
    }
}

/// Where each task that was moved came from.
fn first_nodes(end: &End) -> BTreeMap<u32, u32> {
    let mut first = BTreeMap::new();
    for hop in &end.hops {
        first.entry(hop.task).or_insert(hop.from);
    }
    first
}

/// One end and the other.
pub(super) fn ends(pair: &mut [End; 2], end: usize) -> (&mut End, &mut End) {
    let [ahead, back] = pair;
    if end == AHEAD {
        (ahead, back)
    } else {
        (back, ahead)
    }
}

/// The largest share of a node's capacity that the task takes, in millionths.
pub(super) fn share(model: &Model, task: u32, node: u32) -> i64 {
    let width = model.resources;
    let share = |r: usize| {
        let capacity = model.capacity[node as usize * width + r].max(1);
        let share = i128::from(model.need[task as usize * width + r]) * 1_000_000;
        (share / i128::from(capacity)).min(i128::from(i64::MAX)) as i64
    };
    (0..width).map(share).max().unwrap_or(0)
}

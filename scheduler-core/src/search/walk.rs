//! A placement that is being changed, with the way back to the best one seen.

use crate::{Model, NodeId, Placement};
use alloc::vec::Vec;

/// A walk over feasible placements. The best one is not copied when it is found: a journal of the shifts
/// since then leads back to it; only a journal that has grown longer than the tasks becomes a copy.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'m> {
    pub(crate) model: &'m Model,
    pub(crate) now: Placement,
    /// Current total cost.
    pub(crate) cost: i64,
    /// Shifts evaluated so far.
    pub(crate) evaluations: u64,
    best: i64,
    /// (task, where it was) since the best, oldest first; meaningless when `copy` holds the best.
    journal: Vec<(u32, u32)>,
    copy: Vec<u32>,
    copied: bool,
    /// (evaluations, cost) of every improvement since it was last taken.
    pub(crate) curve: Vec<(u64, i64)>,
    /// What being away from home is said to cost more than it does, per task.
    pub(crate) price: Vec<i64>,
    /// Load cost of each task's transient needs: what it blocks on two nodes once it has moved.
    held: Vec<i64>,
}

impl<'m> Walk<'m> {
    pub(crate) fn new(model: &'m Model, now: Placement) -> Self {
        let cost = now.cost(model);
        let width = model.resources;
        let transient = |t: usize, r: &usize| {
            model.transient[*r].then(|| model.load_weight[*r] * model.need[t * width + r])
        };
        let held = |t: usize| (0..width).filter_map(|r| transient(t, &r)).sum();
        Self {
            price: alloc::vec![0; model.tasks()],
            held: (0..model.tasks()).map(held).collect(),
            model,
            now,
            cost,
            evaluations: 0,
            best: cost,
            journal: Vec::new(),
            copy: Vec::new(),
            copied: false,
            curve: Vec::new(),
        }
    }

    /// Prices transient room at so many times the load cost of what is held of it. It is the one thing that
    /// no later move gives back, so at first only moves that gain much for it should be made.
    pub(crate) fn set_price(&mut self, strength: f64) {
        for (price, held) in self.price.iter_mut().zip(&self.held) {
            *price = (*held as f64 * strength) as i64;
        }
    }

    /// The price of a task's being on a node.
    #[inline]
    pub(crate) fn price(&self, task: usize, node: usize) -> i64 {
        if self.now.home[task] as usize == node { 0 } else { self.price[task] }
    }

    /// The least cost seen.
    pub(crate) fn best(&self) -> i64 {
        self.best
    }

    /// Shifts a task and follows the cost, without looking whether it is the best.
    #[inline]
    pub(crate) fn shift(&mut self, task: usize, to: usize) {
        if !self.copied {
            if self.journal.len() > self.now.at.len() + 64 {
                self.copy_best();
            } else {
                self.journal.push((task as u32, self.now.at[task]));
            }
        }
        self.cost += self.now.shift(self.model, task, to);
    }

    /// Remembers where the walk is if it has never been better. To be called after every whole step.
    #[inline]
    pub(crate) fn mark(&mut self) {
        if self.cost < self.best {
            self.best = self.cost;
            self.journal.clear();
            self.copied = false;
            self.curve.push((self.evaluations, self.cost));
        }
    }

    fn copy_best(&mut self) {
        self.copy.clear();
        self.copy.extend_from_slice(&self.now.at);
        for (task, node) in self.journal.iter().rev() {
            self.copy[*task as usize] = *node;
        }
        self.copied = true;
        self.journal.clear();
    }

    /// The best assignment seen.
    pub(crate) fn best_assignment(&self) -> Vec<NodeId> {
        let mut at = if self.copied { self.copy.clone() } else { self.now.at.clone() };
        if !self.copied {
            for (task, node) in self.journal.iter().rev() {
                at[*task as usize] = *node;
            }
        }
        at.into_iter().map(NodeId).collect()
    }

    /// Goes back to the best placement seen.
    pub(crate) fn return_to_best(&mut self) {
        let best = self.best_assignment();
        self.jump(&best);
        self.journal.clear();
        self.copied = false;
    }

    /// Goes to another feasible assignment.
    pub(crate) fn jump(&mut self, to: &[NodeId]) {
        for (task, node) in to.iter().enumerate() {
            if self.now.at[task] != node.0 {
                self.shift(task, node.index());
            }
        }
        self.mark();
    }
}

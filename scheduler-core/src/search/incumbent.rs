//! The best assignment found so far, measured in integers.

use super::penalised::Penalised;
use crate::model::{Model, NodeId};
use crate::placement::{Placement, Violations};
use alloc::vec::Vec;

/// Keeps the best of what it is offered. How good an assignment is: first how little it breaks, then how little it holds
/// above capacity (nothing of both, if the initial one was feasible), then its cost. Where nothing is broken any more,
/// services' constraints are the caller's concern.
#[derive(Clone, Debug)]
pub(super) struct Incumbent<'m> {
    model: &'m Model,
    /// What was offered last.
    now: Placement,
    best: Vec<NodeId>,
    /// What the initial assignment breaks, and what the best one's damage counts.
    broken: Violations,
    damage: i128,
    excess: i64,
    cost: i64,
}

impl<'m> Incumbent<'m> {
    pub(super) fn new(model: &'m Model, start: Placement) -> Self {
        let damage = start.damage(model);
        Self {
            best: start.assignment(),
            broken: if damage > 0 {
                start.violations(model)
            } else {
                Violations::default()
            },
            damage,
            excess: excess(&start, model),
            cost: start.cost(model),
            model,
            now: start,
        }
    }

    /// What the best assignment breaks counts; 0 when it breaks nothing.
    pub(super) fn damage(&self) -> i128 {
        self.damage
    }

    /// The best assignment and its cost.
    pub(super) fn best(&self) -> (&[NodeId], i64) {
        (&self.best, self.cost)
    }

    /// Takes what a search has found if it is better than all before; says whether it is.
    /// Cost: O(tasks + differences x resources + nodes x resources).
    pub(super) fn offer(&mut self, at: &[u32]) -> bool {
        for (task, node) in at.iter().enumerate() {
            if self.now.at[task] != *node {
                self.now.shift(self.model, task, *node as usize);
            }
        }
        let (excess, cost) = (excess(&self.now, self.model), self.now.cost(self.model));
        // Nothing that a search does breaks what is whole.
        let damage = if self.damage > 0 {
            self.now.damage(self.model)
        } else {
            0
        };
        if (damage, excess, cost) >= (self.damage, self.excess, self.cost) {
            return false;
        }
        if self.damage > 0 && !self.now.violations(self.model).within(&self.broken) {
            return false;
        }
        (self.damage, self.excess, self.cost) = (damage, excess, cost);
        self.best.clear();
        self.best.extend(at.iter().map(|n| NodeId(*n)));
        true
    }

    /// Takes an assignment that another search has found, if it is better and breaks nothing that the present best
    /// does not break either.
    pub(super) fn adopt(&mut self, at: &[NodeId]) -> bool {
        let homes: Vec<NodeId> = self.now.home.iter().map(|n| NodeId(*n)).collect();
        let broken = |at: &[NodeId]| {
            let v = Placement::moved(self.model, &homes, at)
                .ok()?
                .violations(self.model);
            Some(v.conflict + v.spread + v.dependency + v.not_allowed)
        };
        let (Some(found), Some(known)) = (broken(at), broken(&self.best)) else {
            return false;
        };
        let at: Vec<u32> = at.iter().map(|n| n.0).collect();
        found <= known && self.offer(&at)
    }

    /// Whether a penalised placement is worth an offer: as far as it can tell, it holds no more above capacity than the
    /// best and costs less.
    #[inline]
    pub(super) fn wants(&self, state: &Penalised<'_>) -> bool {
        let feasible = self.excess > 0 || state.total_excess < 0.5;
        feasible && (self.excess > 0 || state.cost < self.cost as f64 - 0.5)
    }
}

/// What all nodes hold above capacity, summed over resources.
fn excess(placement: &Placement, model: &Model) -> i64 {
    let width = model.resources.max(1);
    let free = placement
        .rows
        .chunks_exact(2 * width)
        .map(|row| &row[..width]);
    free.flatten()
        .fold(0_i64, |sum, f| sum.saturating_add((-*f).max(0)))
}

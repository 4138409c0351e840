//! Lagrange multipliers (shadow prices) of capacity and balance.

use super::relaxed::Relaxed;
use crate::model::Model;
use alloc::vec;
use alloc::vec::Vec;

/// A multiplier for each node and resource, and each node and balance objective. The same shape holds what the
/// tasks' choices take beyond what there is (the direction in which multipliers go).
#[derive(Clone, Debug)]
pub(super) struct Multipliers {
    /// Of use above safety capacity: from 0 to the weight of load.
    pub(super) load: Vec<f64>,
    /// Of use of capacity, what tasks that left hold of transient resources included: 0 or more.
    pub(super) room: Vec<f64>,
    /// Of what is missing for balance, at `objective * nodes + node`: from 0 to the objective's weight.
    pub(super) balance: Vec<f64>,
}

impl Multipliers {
    pub(super) fn zero(model: &Model) -> Self {
        Self {
            load: vec![0.0; model.capacity.len()],
            room: vec![0.0; model.capacity.len()],
            balance: vec![0.0; model.balances.len() * model.nodes],
        }
    }

    /// The same multiplier on every node where the elementary bound is above zero: it then comes to just that.
    pub(super) fn elementary(model: &Model) -> Self {
        let mut multipliers = Self::zero(model);
        let width = model.resources;
        let sum = |flat: &[i64], r: usize| -> i128 {
            let column = flat.iter().skip(r).step_by(width.max(1));
            column.map(|v| i128::from(*v)).sum()
        };
        for r in 0..width {
            if sum(&model.need, r) > sum(&model.safety, r) {
                let column = multipliers.load.iter_mut().skip(r).step_by(width);
                column.for_each(|p| *p = model.load_weight[r] as f64);
            }
        }
        for (b, objective) in model.balances.iter().enumerate() {
            let free = |r: usize| sum(&model.capacity, r) - sum(&model.need, r);
            let missing = i128::from(objective.target) * free(objective.first);
            if missing > free(objective.second) {
                multipliers.balance[b * model.nodes..][..model.nodes].fill(objective.weight as f64);
            }
        }
        multipliers
    }

    /// Keeps a part of itself and takes the rest from another.
    pub(super) fn blend(&mut self, kept: f64, other: &Self) {
        let pairs = [
            (&mut self.load, &other.load),
            (&mut self.room, &other.room),
            (&mut self.balance, &other.balance),
        ];
        for (mine, theirs) in pairs {
            for (m, t) in mine.iter_mut().zip(theirs) {
                *m = kept * *m + (1.0 - kept) * t;
            }
        }
    }

    /// The squared length, each resource in its own unit.
    pub(super) fn length(&self, relaxed: &Relaxed<'_>) -> f64 {
        let width = relaxed.model.resources.max(1);
        let part = |values: &[f64]| -> f64 {
            let scaled = values
                .iter()
                .enumerate()
                .map(|(i, v)| v / relaxed.unit[i % width]);
            scaled.map(|v| v * v).sum()
        };
        let nodes = relaxed.model.nodes.max(1);
        let balance = self.balance.iter().enumerate().map(|(i, v)| {
            let v = v / relaxed.balance_unit[i / nodes];
            v * v
        });
        part(&self.load) + part(&self.room) + balance.sum::<f64>()
    }

    /// Goes so far in a direction, within what multipliers may be.
    pub(super) fn step(&mut self, relaxed: &Relaxed<'_>, direction: &Self, by: f64) {
        let model = relaxed.model;
        let width = model.resources.max(1);
        for i in 0..self.load.len() {
            let unit = relaxed.unit[i % width] * relaxed.unit[i % width];
            let most = model.load_weight[i % width] as f64;
            self.load[i] = (self.load[i] + by * direction.load[i] / unit).clamp(0.0, most);
            let room = self.room[i] + by * direction.room[i] / unit;
            self.room[i] = room.clamp(0.0, relaxed.most[i % width]);
        }
        let nodes = model.nodes.max(1);
        for i in 0..self.balance.len() {
            let unit = relaxed.balance_unit[i / nodes];
            let most = model.balances[i / nodes].weight as f64;
            let multiplier = self.balance[i] + by * direction.balance[i] / (unit * unit);
            self.balance[i] = multiplier.clamp(0.0, most);
        }
    }
}

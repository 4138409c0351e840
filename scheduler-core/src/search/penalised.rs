//! A placement whose capacities are state: what a node holds above capacity costs, at a rate of the node's own,
//! instead of being forbidden. A search that may pass through overfull nodes finds rearrangements that no
//! feasible step leads to. Services' constraints, pins and labels stay hard.
//!
//! Amounts are `f64`: exact below 2^53, and two of them fit a vector register of any machine. Where a model's
//! sums are larger they are rounded; [`super::incumbent::Incumbent`] measures what is found in integers.

use super::lanes;
use super::prune::Reach;
use crate::model::{Model, NodeId};
use crate::placement::{Placement, Tables};
use alloc::vec;
use alloc::vec::Vec;
use rand::Rng;

/// What a node costs with a change: load and balance, and the excess above capacity at rate 1.
pub(super) type NodeCosts = (f64, f64);

/// The state of a search. Entries of a row: one for each resource, then one for each balance objective (the
/// amount by which free resources are out of proportion, which changes linearly with what is on a node), and
/// one more if their number is odd.
#[derive(Clone, Debug)]
pub(super) struct Penalised<'m> {
    pub(super) model: &'m Model,
    pub(super) reach: Reach,
    pub(super) at: Vec<u32>,
    pub(super) home: Vec<u32>,
    slot: Vec<u32>,
    /// Tasks away from home, and where each stands in that list.
    pub(super) away: Vec<u32>,
    away_slot: Vec<u32>,
    pub(super) on: Vec<Vec<u32>>,
    pub(super) tables: Tables,
    /// Entries of a row.
    pub(super) width: usize,
    /// Weights of what is above safety capacity, and of what is above capacity.
    load_weight: Vec<f64>,
    excess_weight: Vec<f64>,
    /// What each task adds to a row, and what it adds at its home above what stays reserved there; the latter
    /// is empty without transient resources.
    need: Vec<f64>,
    need_at_home: Vec<f64>,
    /// Per node use above safety capacity, then use and reservations above capacity; negative when below.
    pub(super) rows: Vec<f64>,
    /// Load and balance cost of each node, and its excess.
    pub(super) load: Vec<f64>,
    pub(super) excess: Vec<f64>,
    /// The rate at which each node's excess costs.
    pub(super) rate: Vec<f64>,
    /// Penalty for each task's being away from home, beyond its move cost.
    pub(super) away_penalty: Vec<f64>,
    /// Weighted costs of the tasks' own moves.
    move_cost: Vec<f64>,
    /// Total cost, penalties left out, and total excess.
    pub(super) cost: f64,
    pub(super) total_excess: f64,
}

impl<'m> Penalised<'m> {
    pub(super) fn new(model: &'m Model, start: &Placement) -> Self {
        let (tasks, nodes) = (model.tasks(), model.nodes);
        let entries = model.resources + model.balances.len();
        // Never empty, so that rows can be told apart.
        let width = (entries + entries % 2).max(2);
        let mut state = Self {
            model,
            reach: Reach::new(model, start),
            at: start.at.clone(),
            home: start.home.clone(),
            slot: vec![0; tasks],
            away: Vec::new(),
            away_slot: vec![0; tasks],
            on: vec![Vec::new(); nodes],
            tables: start.tables.clone(),
            width,
            load_weight: vec![0.0; width],
            excess_weight: vec![0.0; width],
            need: vec![0.0; tasks * width],
            need_at_home: Vec::new(),
            rows: vec![0.0; nodes * 2 * width],
            load: vec![0.0; nodes],
            excess: vec![0.0; nodes],
            rate: vec![1.0; nodes],
            away_penalty: vec![0.0; tasks],
            move_cost: (0..tasks)
                .map(|t| (model.weights.task_move * model.task_cost[t]) as f64)
                .collect(),
            cost: start.cost(model) as f64,
            total_excess: 0.0,
        };
        state.fill_weights();
        state.fill_needs();
        state.fill_rows(start);
        for (task, node) in start.at.iter().enumerate() {
            let list = &mut state.on[*node as usize];
            state.slot[task] = list.len() as u32;
            list.push(task as u32);
            if *node != start.home[task] {
                state.leave(task);
            }
        }
        for node in 0..nodes {
            (state.load[node], state.excess[node]) = state.costs(node);
        }
        state.total_excess = state.excess.iter().sum();
        state
    }

    fn fill_weights(&mut self) {
        let model = self.model;
        for (r, weight) in model.load_weight.iter().enumerate() {
            self.load_weight[r] = *weight as f64;
            self.excess_weight[r] = (*weight as f64).max(1.0);
        }
        for (i, b) in model.balances.iter().enumerate() {
            self.load_weight[model.resources + i] = b.weight as f64;
        }
    }

    fn fill_needs(&mut self) {
        let (model, width, resources) = (self.model, self.width, self.model.resources);
        for (task, row) in self.need.chunks_exact_mut(width.max(1)).enumerate() {
            let need = &model.need[task * resources..][..resources];
            for (entry, q) in row.iter_mut().zip(need) {
                *entry = *q as f64;
            }
            for (i, b) in model.balances.iter().enumerate() {
                row[resources + i] = need[b.second] as f64 - b.target as f64 * need[b.first] as f64;
            }
        }
        if model.transient.iter().any(|t| *t) {
            self.need_at_home = self.need.clone();
            for row in self.need_at_home.chunks_exact_mut(width.max(1)) {
                for (entry, _) in row.iter_mut().zip(&model.transient).filter(|(_, t)| **t) {
                    *entry = 0.0;
                }
            }
        }
    }

    fn fill_rows(&mut self, start: &Placement) {
        let (model, width, resources) = (self.model, self.width, self.model.resources);
        for (node, row) in self.rows.chunks_exact_mut(2 * width.max(1)).enumerate() {
            let (free, over) =
                start.rows[node * 2 * resources..][..2 * resources].split_at(resources);
            for r in 0..resources {
                row[r] = over[r] as f64;
                row[width + r] = -(free[r] as f64);
            }
            for (i, b) in model.balances.iter().enumerate() {
                let left = |r: usize| {
                    let at = node * resources + r;
                    (model.capacity[at] - model.safety[at] - over[r]) as f64
                };
                row[resources + i] = b.target as f64 * left(b.first) - left(b.second);
            }
        }
    }

    /// What a task adds to a row above capacity.
    #[inline]
    fn held(&self, task: usize, node: usize) -> &[f64] {
        let from = if self.home[task] as usize == node && !self.need_at_home.is_empty() {
            &self.need_at_home
        } else {
            &self.need
        };
        &from[task * self.width..][..self.width]
    }

    #[inline]
    fn needs(&self, task: usize) -> &[f64] {
        &self.need[task * self.width..][..self.width]
    }

    #[inline]
    fn row(&self, node: usize) -> (&[f64], &[f64]) {
        self.rows[node * 2 * self.width..][..2 * self.width].split_at(self.width)
    }

    fn costs(&self, node: usize) -> NodeCosts {
        let (over, above) = self.row(node);
        (
            lanes::now(&self.load_weight, over),
            lanes::now(&self.excess_weight, above),
        )
    }

    /// A node with one task more.
    #[inline]
    pub(super) fn with(&self, node: usize, task: usize) -> NodeCosts {
        let (over, above) = self.row(node);
        let load = lanes::with(&self.load_weight, over, self.needs(task));
        (
            load,
            lanes::with(&self.excess_weight, above, self.held(task, node)),
        )
    }

    /// A node with one task less.
    #[inline]
    pub(super) fn without(&self, node: usize, task: usize) -> NodeCosts {
        let (over, above) = self.row(node);
        let load = lanes::without(&self.load_weight, over, self.needs(task));
        (
            load,
            lanes::without(&self.excess_weight, above, self.held(task, node)),
        )
    }

    /// A node with `out` gone and `into` come.
    #[inline]
    pub(super) fn exchanged(&self, node: usize, into: usize, out: usize) -> NodeCosts {
        let (over, above) = self.row(node);
        let load = lanes::exchanged(&self.load_weight, over, self.needs(into), self.needs(out));
        let (comes, goes) = (self.held(into, node), self.held(out, node));
        (
            load,
            lanes::exchanged(&self.excess_weight, above, comes, goes),
        )
    }

    /// What a node's cost, its excess at its rate included, would change by.
    #[inline]
    pub(super) fn change(&self, node: usize, (load, excess): NodeCosts) -> f64 {
        load - self.load[node] + self.rate[node] * (excess - self.excess[node])
    }

    /// What a node costs, its excess at its rate included.
    #[inline]
    pub(super) fn node_cost(&self, node: usize) -> f64 {
        self.load[node] + self.rate[node] * self.excess[node]
    }

    /// The cost of a row that is not a node's own (yet).
    #[inline]
    pub(super) fn row_cost(&self, node: usize, row: &[f64]) -> f64 {
        let (over, above) = row.split_at(self.width);
        lanes::now(&self.load_weight, over)
            + self.rate[node] * lanes::now(&self.excess_weight, above)
    }

    /// The cost of such a row with one task more.
    #[inline]
    pub(super) fn row_cost_with(&self, node: usize, row: &[f64], task: usize) -> f64 {
        let (over, above) = row.split_at(self.width);
        let load = lanes::with(&self.load_weight, over, self.needs(task));
        load + self.rate[node] * lanes::with(&self.excess_weight, above, self.held(task, node))
    }

    /// Adds (`sign` 1) or takes (-1) a task on a row of a node.
    #[inline]
    pub(super) fn carry(&self, row: &mut [f64], task: usize, node: usize, sign: f64) {
        let (over, above) = row.split_at_mut(self.width);
        for (entry, q) in over.iter_mut().zip(self.needs(task)) {
            *entry += sign * q;
        }
        for (entry, q) in above.iter_mut().zip(self.held(task, node)) {
            *entry += sign * q;
        }
    }

    /// What it costs that a task is assigned to a node, the penalty for being away from home included.
    #[inline]
    pub(super) fn assignment(&self, task: usize, node: usize) -> f64 {
        if self.home[task] as usize == node {
            0.0
        } else {
            self.move_cost(task, node) + self.away_penalty[task]
        }
    }

    #[inline]
    fn move_cost(&self, task: usize, node: usize) -> f64 {
        let (model, home) = (self.model, self.home[task] as usize);
        if home == node {
            return 0.0;
        }
        self.move_cost[task] + (model.weights.node_move * model.travel(home, node)) as f64
    }

    /// Puts a task onto a node, whatever that breaks.
    pub(super) fn shift(&mut self, task: usize, to: usize) {
        let (from, home) = (self.at[task] as usize, self.home[task] as usize);
        self.cost += self.move_cost(task, to) - self.move_cost(task, from);
        self.carry_own(task, from, -1.0);
        self.carry_own(task, to, 1.0);
        let place = self.slot[task] as usize;
        self.on[from].swap_remove(place);
        if let Some(other) = self.on[from].get(place) {
            self.slot[*other as usize] = place as u32;
        }
        self.slot[task] = self.on[to].len() as u32;
        self.on[to].push(task as u32);
        self.at[task] = to as u32;
        match (from == home, to == home) {
            (true, false) => self.leave(task),
            (false, true) => self.come_home(task),
            _ => {}
        }
        let before = self.tables.worst_moved() as i64;
        self.tables.shift(self.model, task, (from, to), home);
        let more = self.tables.worst_moved() as i64 - before;
        self.cost += (self.model.weights.service_move * more) as f64;
    }

    /// Puts a task on the list of those away from home.
    fn leave(&mut self, task: usize) {
        self.away_slot[task] = self.away.len() as u32;
        self.away.push(task as u32);
    }

    /// Takes a task off that list.
    fn come_home(&mut self, task: usize) {
        let place = self.away_slot[task] as usize;
        self.away.swap_remove(place);
        if let Some(other) = self.away.get(place) {
            self.away_slot[*other as usize] = place as u32;
        }
    }

    fn carry_own(&mut self, task: usize, node: usize, sign: f64) {
        let width = self.width;
        let mut rows = core::mem::take(&mut self.rows);
        self.carry(&mut rows[node * 2 * width..][..2 * width], task, node, sign);
        self.rows = rows;
        let (load, excess) = self.costs(node);
        self.cost += load - self.load[node];
        self.total_excess += excess - self.excess[node];
        (self.load[node], self.excess[node]) = (load, excess);
    }

    /// Goes to another assignment that keeps the hard constraints.
    pub(super) fn jump(&mut self, to: &[NodeId]) {
        for (task, node) in to.iter().enumerate() {
            if self.at[task] != node.0 {
                self.shift(task, node.index());
            }
        }
    }

    /// Whether pins, labels, services' constraints and what is in reach at all let a task go to a node.
    #[inline]
    pub(super) fn permits(&self, task: usize, to: usize) -> bool {
        let model = self.model;
        let service = model.service_of[task] as usize;
        let full = self.tables.nodes.has(service)
            && self.tables.on_node(model, &self.at, service, to) >= model.per_node[service];
        !full
            && self.may_stand(task, to)
            && self.tables.scattered(model, &self.at, task, to).is_none()
    }

    /// Whether the node is not a home that its task may not go back to.
    #[inline]
    pub(super) fn may_stand(&self, task: usize, node: usize) -> bool {
        node != self.home[task] as usize || !self.reach.is_barred(task)
    }

    /// Whether a task can ever stand on a node.
    #[inline]
    pub(super) fn reaches(&self, task: usize, node: usize) -> bool {
        let known = (task, self.needs(task));
        self.reach.has(self.model, known, self.home[task], node)
    }

    /// A node where a task can stand, its home among them.
    #[inline]
    pub(super) fn draw(&self, task: usize, rng: &mut impl Rng) -> usize {
        let known = (task, self.needs(task));
        self.reach.draw(self.model, known, self.home[task], rng)
    }
}

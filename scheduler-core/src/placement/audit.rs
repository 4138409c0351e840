//! Everything recomputed from scratch: broken constraints, the cost by part, and the counters themselves.

use super::Placement;
use crate::model::{Model, NodeId, TaskId};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// How often each hard constraint is broken; what is counted follows the challenge's checker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Violations {
    /// (node, resource) pairs used above capacity.
    pub capacity: u64,
    /// (node, transient resource) pairs above capacity once what moved tasks still hold is counted.
    pub transient: u64,
    /// Tasks above the allowed number of their service on a node.
    pub conflict: u64,
    /// Services in too few locations; one without tasks is in none.
    pub spread: u64,
    /// (service, neighbourhood, dependency) triples without the service depended on.
    pub dependency: u64,
    /// Tasks on nodes that labels, taints or pins forbid.
    pub not_allowed: u64,
}

impl Violations {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.capacity
            + self.transient
            + self.conflict
            + self.spread
            + self.dependency
            + self.not_allowed
    }

    /// Whether nothing is broken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The cost by part, weights included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Cost {
    /// Use above safety capacity.
    pub load: i64,
    /// Free resources out of proportion.
    pub balance: i64,
    /// Moved tasks' own costs.
    pub process_move: i64,
    /// Largest number of moved tasks in one service.
    pub service_move: i64,
    /// Node-to-node costs.
    pub machine_move: i64,
}

impl Cost {
    /// The sum of the parts.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.load + self.balance + self.process_move + self.service_move + self.machine_move
    }
}

impl Placement {
    /// Counts every broken hard constraint from scratch, in O(nodes x resources + tasks x log). Held against another
    /// model than its own, nothing of the placement is known to be allowed: every task counts as not allowed, one at
    /// least.
    #[must_use]
    pub fn violations(&self, model: &Model) -> Violations {
        let width = model.resources;
        let mut v = Violations::default();
        if self.is_foreign(model) {
            v.not_allowed = self.at.len().max(1) as u64;
            return v;
        }
        let (used, held) = self.usage(model);
        for (i, capacity) in model.capacity.iter().enumerate() {
            let transient = model.transient[i % width];
            v.capacity += u64::from(used[i] > *capacity);
            v.transient += u64::from(transient && used[i] + held[i] > *capacity);
        }
        let places = self.places(model);
        for s in 0..model.services() {
            let members = model.members.of(s);
            let mut nodes: Vec<u32> = members.iter().map(|t| self.at[*t as usize]).collect();
            nodes.sort_unstable();
            let most = model.per_node[s] as usize;
            let above = |same: &[u32]| same.len().saturating_sub(most) as u64;
            v.conflict += nodes.chunk_by(|a, b| a == b).map(above).sum::<u64>();
            let locations: BTreeSet<u32> =
                nodes.iter().map(|n| model.location[*n as usize]).collect();
            v.spread += u64::from(locations.len() < model.spread[s] as usize);
            for on in model.depends.of(s) {
                v.dependency += places[s].difference(&places[*on as usize]).count() as u64;
            }
        }
        for (task, (at, home)) in self.at.iter().zip(&self.home).enumerate() {
            let allowed = model.allows(TaskId(task as u32), NodeId(*at));
            v.not_allowed += u64::from(!allowed || (model.pinned[task] && at != home));
        }
        v
    }

    /// [`Placement::violations`] without services that have no tasks at all, which no move can repair: in a live
    /// cluster a service that is scaled to nothing is no fault.
    pub(crate) fn violations_of_tasks(&self, model: &Model) -> Violations {
        let vacant = |s: &usize| model.spread[*s] > 0 && model.members.of(*s).is_empty();
        let mut v = self.violations(model);
        if self.is_foreign(model) {
            return v;
        }
        v.spread -= (0..model.services()).filter(vacant).count() as u64;
        v
    }

    /// The cost by part, from scratch; beyond all bounds for another model than the placement's own.
    #[must_use]
    pub fn cost_by_part(&self, model: &Model) -> Cost {
        let width = model.resources;
        let mut cost = Cost::default();
        if self.is_foreign(model) {
            cost.load = i64::MAX;
            return cost;
        }
        let (used, _) = self.usage(model);
        for (i, safety) in model.safety.iter().enumerate() {
            cost.load += model.load_weight[i % width] * (used[i] - safety).max(0);
        }
        for b in &model.balances {
            for n in 0..model.nodes {
                let free = |r: usize| model.capacity[n * width + r] - used[n * width + r];
                cost.balance += b.weight * (b.target * free(b.first) - free(b.second)).max(0);
            }
        }
        let mut moved = vec![0_i64; model.services()];
        for (task, (at, home)) in self.at.iter().zip(&self.home).enumerate() {
            if at != home {
                moved[model.service_of[task] as usize] += 1;
                cost.process_move += model.weights.task_move * model.task_cost[task];
                let travel = model.travel(*home as usize, *at as usize);
                cost.machine_move += model.weights.node_move * travel;
            }
        }
        let worst = moved.iter().copied().max().unwrap_or(0);
        cost.service_move = model.weights.service_move * worst;
        cost
    }

    /// Recomputes every counter, row and cost and compares.
    ///
    /// # Errors
    /// The first difference, in words.
    pub fn check_invariants(&self, model: &Model) -> Result<(), String> {
        if self.is_foreign(model) {
            return Err(String::from("the placement was made for another model"));
        }
        let homes: Vec<NodeId> = self.home.iter().map(|n| NodeId(*n)).collect();
        let mut fresh = Self::new(model, &homes).map_err(|e| format!("{e}"))?;
        for (task, node) in self.at.iter().enumerate() {
            fresh.shift(model, task, *node as usize);
        }
        let by_part = self.cost_by_part(model).total();
        if by_part != self.cost(model) {
            return Err(format!(
                "cost is {} but its parts sum to {by_part}",
                self.cost(model)
            ));
        }
        if fresh.rows != self.rows || fresh.node_cost != self.node_cost {
            return Err(String::from(
                "a node's row or cost differs from its tasks' sum",
            ));
        }
        if fresh.tables != self.tables {
            return Err(String::from("a service's counter differs from its tasks"));
        }
        for (task, node) in self.at.iter().enumerate() {
            let listed = self.list(*node as usize).get(self.slot[task] as usize);
            if listed != Some(&(task as u32)) {
                return Err(format!("task {task} is not listed on its node {node}"));
            }
        }
        let listed: usize = self.on.iter().map(Vec::len).sum();
        if listed != self.at.len() {
            return Err(format!("{listed} tasks are listed, want {}", self.at.len()));
        }
        let (used, held) = self.usage(model);
        let width = model.resources;
        for (i, capacity) in model.capacity.iter().enumerate() {
            let free = self.rows[i / width * 2 * width + i % width];
            let reserved = if model.transient[i % width] {
                held[i]
            } else {
                0
            };
            if free != capacity - used[i] - reserved {
                return Err(format!("free amount {i} is {free}"));
            }
        }
        Ok(())
    }

    /// What is used on each node, and what moved tasks hold at their homes.
    fn usage(&self, model: &Model) -> (Vec<i64>, Vec<i64>) {
        let width = model.resources;
        let mut used = vec![0_i64; model.capacity.len()];
        let mut held = used.clone();
        for (task, (at, home)) in self.at.iter().zip(&self.home).enumerate() {
            for r in 0..width {
                let need = model.need[task * width + r];
                used[*at as usize * width + r] += need;
                if at != home {
                    held[*home as usize * width + r] += need;
                }
            }
        }
        (used, held)
    }

    /// The neighbourhoods of each service.
    fn places(&self, model: &Model) -> Vec<BTreeSet<u32>> {
        let mut places = vec![BTreeSet::new(); model.services()];
        for (task, at) in self.at.iter().enumerate() {
            let service = model.service_of[task] as usize;
            if self.tables.neighbourhoods.has(service) {
                places[service].insert(model.neighbourhood[*at as usize]);
            }
        }
        places
    }
}

//! The node with the fewest tasks first.

use super::feasible::made_feasible;
use super::{Placer, Unplaced};
use crate::model::{Model, NodeId, TaskId};
use alloc::vec;
use alloc::vec::Vec;

/// Places each task, in order, on the node with the fewest tasks among those where it may run; of equals on
/// the one with the fewest of its service, then the lowest number. A service that has just as many tasks
/// left as it still needs locations takes new locations only. Services that others depend on come first. What is broken
/// in the end all the same (services that depend on each other, mostly) is repaired, or else refused: what comes back
/// breaks nothing. A service without tasks needs no locations.
///
/// Cost: O(tasks x (nodes + resources)), and for a repair what [`crate::search::repair`] costs, some seconds at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByCount;

/// What has been placed so far.
struct Partial<'m> {
    model: &'m Model,
    at: Vec<Option<u32>>,
    used: Vec<i64>,
    tasks: Vec<u32>,
}

impl Placer for ByCount {
    fn place(&mut self, model: &Model) -> Result<Vec<NodeId>, Unplaced> {
        let mut partial = Partial {
            model,
            at: vec![None; model.tasks()],
            used: vec![0; model.capacity.len()],
            tasks: vec![0; model.nodes],
        };
        for service in depended_first(model) {
            let members = model.members.of(service as usize);
            for (place, task) in members.iter().enumerate() {
                partial.place(*task as usize, members, members.len() - place)?;
            }
        }
        let at = partial.at.iter().map(|n| NodeId(n.unwrap_or(0))).collect();
        made_feasible(model, at)
    }
}

/// Services in an order in which those depended on stand before those that depend, as far as there is one.
fn depended_first(model: &Model) -> Vec<u32> {
    let mut waits: Vec<usize> = (0..model.services())
        .map(|s| model.depends.of(s).len())
        .collect();
    let mut order: Vec<u32> = (0..model.services() as u32).collect();
    order.retain(|s| waits[*s as usize] == 0);
    let mut next = 0;
    while let Some(done) = order.get(next).copied() {
        next += 1;
        for s in model.dependents.of(done as usize) {
            waits[*s as usize] -= 1;
            if waits[*s as usize] == 0 {
                order.push(*s);
            }
        }
    }
    // What is left depends on itself in a cycle.
    order.extend((0..model.services() as u32).filter(|s| waits[*s as usize] > 0));
    order
}

impl Partial<'_> {
    fn place(&mut self, task: usize, members: &[u32], left: usize) -> Result<(), Unplaced> {
        let model = self.model;
        let service = model.service_of[task] as usize;
        let mut seen = vec![false; model.locations];
        let mut here = vec![0_u32; model.nodes];
        for node in members.iter().filter_map(|t| self.at[*t as usize]) {
            seen[model.location[node as usize] as usize] = true;
            here[node as usize] += 1;
        }
        let found = seen.iter().filter(|s| **s).count();
        let fresh_only = (model.spread[service] as usize).saturating_sub(found) >= left;
        let task_id = TaskId(task as u32);
        let nodes = model.nodes;
        let mut why = Unplaced {
            task: task_id,
            nodes,
            room: 0,
            conflict: 0,
            allowed: 0,
            location: 0,
            dependency: 0,
        };
        let mut best: Option<(u32, u32, usize)> = None;
        for node in 0..nodes {
            if !model.allows(task_id, NodeId(node as u32)) {
                why.allowed += 1;
            } else if !self.fits(task, node) {
                why.room += 1;
            } else if here[node] >= model.per_node[service] {
                why.conflict += 1;
            } else if fresh_only && seen[model.location[node] as usize] {
                why.location += 1;
            } else if !self.served(service, node) {
                why.dependency += 1;
            } else {
                let key = (self.tasks[node], here[node], node);
                best = Some(best.map_or(key, |b| b.min(key)));
            }
        }
        let (_, _, node) = best.ok_or(why)?;
        self.at[task] = Some(node as u32);
        self.tasks[node] += 1;
        for r in 0..model.resources {
            self.used[node * model.resources + r] += model.need[task * model.resources + r];
        }
        Ok(())
    }

    fn fits(&self, task: usize, node: usize) -> bool {
        let width = self.model.resources;
        (0..width).all(|r| {
            let used = self.used[node * width + r] + self.model.need[task * width + r];
            used <= self.model.capacity[node * width + r]
        })
    }

    /// Whether every service depended on is in the node's neighbourhood already; in a cycle of
    /// dependencies one that has no task placed yet is believed to come.
    fn served(&self, service: usize, node: usize) -> bool {
        let model = self.model;
        model.depends.of(service).iter().all(|on| {
            let mut placed = model
                .members
                .of(*on as usize)
                .iter()
                .filter_map(|t| self.at[*t as usize])
                .peekable();
            let none = placed.peek().is_none();
            none || placed.any(|n| model.neighbourhood[n as usize] == model.neighbourhood[node])
        })
    }
}

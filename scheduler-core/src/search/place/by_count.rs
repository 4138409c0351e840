//! The node with the fewest tasks first.

use super::feasible::made_feasible;
use super::{Placer, Unplaced};
use crate::model::{Model, NodeId, TaskId};
use crate::placement::PartialPlacement;
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

impl Placer for ByCount {
    fn place(&mut self, model: &Model) -> Result<Vec<NodeId>, Unplaced> {
        let mut partial = PartialPlacement::new(model);
        for service in depended_first(model) {
            let members = model.members.of(service as usize);
            for (place, task) in members.iter().enumerate() {
                let left = members.len() - place;
                let node = chosen(model, &partial, *task as usize, left, |n| partial.count(n))?;
                partial.put(model, *task as usize, node);
            }
        }
        let at = partial.at.iter().map(|n| NodeId(n.unwrap_or(0))).collect();
        made_feasible(model, at)
    }
}

impl ByCount {
    /// Assigns the tasks that have no node yet (pending ones of a running cluster), as far as they fit; those that are
    /// assigned stay where they are. Comes back with the tasks that fit nowhere, and why. Nothing is repaired.
    ///
    /// Cost: O(unassigned tasks x (nodes + resources)).
    ///
    /// ```
    /// use scheduler_core::model::{Node, Resource, Service, Task};
    /// use scheduler_core::placement::PartialPlacement;
    /// use scheduler_core::search::ByCount;
    /// use scheduler_core::{ModelBuilder, NodeId, TaskId};
    ///
    /// let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
    /// for _ in 0..2 {
    ///     b.node(Node { location: 0, neighbourhood: 0, capacity: &[8], safety: &[6] })?;
    /// }
    /// let service = b.service(Service { spread: 0, per_node: 1 })?;
    /// for _ in 0..3 {
    ///     b.task(Task { service, need: &[4], move_cost: 1 })?;
    /// }
    /// let model = b.build()?;
    /// // Task 0 runs on node 1; tasks 1 and 2 are new, and there is room for one of them.
    /// let running = [Some(NodeId(1)), None, None];
    /// let mut partial = PartialPlacement::from_assignment(&model, &running)?;
    /// let left = ByCount.place_rest(&model, &mut partial);
    /// assert_eq!(partial.node_of(TaskId(1)), Some(NodeId(0)));
    /// assert_eq!((left.len(), left[0].task, left[0].conflict), (1, TaskId(2), 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn place_rest(&self, model: &Model, partial: &mut PartialPlacement) -> Vec<Unplaced> {
        let mut refused = Vec::new();
        if partial.is_foreign(model) {
            return refused;
        }
        for service in depended_first(model) {
            let members = model.members.of(service as usize);
            let unassigned = |t: &&u32| partial.at[**t as usize].is_none();
            let pending: Vec<u32> = members.iter().filter(unassigned).copied().collect();
            for (place, task) in pending.iter().enumerate() {
                let (task, left) = (*task as usize, pending.len() - place);
                match chosen(model, partial, task, left, |n| partial.count(n)) {
                    Ok(node) => partial.put(model, task, node),
                    Err(why) => refused.push(why),
                }
            }
        }
        refused
    }
}

/// Services in an order in which those depended on stand before those that depend, as far as there is one.
pub(super) fn depended_first(model: &Model) -> Vec<u32> {
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

/// The node with the least `weight` among those where the task may run; of equals the one with the fewest of its service,
/// then the lowest number. `left` of its service are unassigned, it among them.
pub(super) fn chosen(
    model: &Model,
    partial: &PartialPlacement,
    task: usize,
    left: usize,
    weight: impl Fn(usize) -> u64,
) -> Result<usize, Unplaced> {
    let service = model.service_of[task] as usize;
    let mut seen = vec![false; model.locations];
    let mut here = vec![0_u32; model.nodes];
    let members = model.members.of(service).iter();
    for node in members.filter_map(|t| partial.at[*t as usize]) {
        seen[model.location[node as usize] as usize] = true;
        here[node as usize] += 1;
    }
    let found = seen.iter().filter(|s| **s).count();
    let fresh_only = (model.spread[service] as usize).saturating_sub(found) >= left;
    let mut why = Unplaced::new(TaskId(task as u32), model.nodes);
    let mut best: Option<(u64, u32, usize)> = None;
    for node in 0..model.nodes {
        let id = NodeId(node as u32);
        if !model.allows(why.task, id) {
            why.allowed += 1;
        } else if partial.short_of(model, task, node).is_some() {
            why.room += 1;
        } else if here[node] >= model.per_node[service] {
            why.conflict += 1;
        } else if fresh_only && seen[model.location[node] as usize] {
            why.location += 1;
        } else if partial.missing(model, service, node).is_some() {
            why.dependency += 1;
        } else {
            let key = (weight(node), here[node], node);
            best = Some(best.map_or(key, |b| b.min(key)));
        }
    }
    best.map(|(_, _, node)| node).ok_or(why)
}

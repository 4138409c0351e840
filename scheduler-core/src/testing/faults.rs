//! How far an assignment is from whole, restated from the words of the constraints: nothing is kept up to date here.

use crate::model::{Model, NodeId};
use alloc::collections::{BTreeMap, BTreeSet};

/// Tasks above the limit of a node, locations that are missing, tasks where a service that they depend on is not, tasks
/// where labels or taints forbid them, and full nodes: each counts one for what it lacks.
pub(super) fn faults(model: &Model, at: &[NodeId]) -> u64 {
    let mut faults = 0;
    let mut full: BTreeMap<(NodeId, usize), i64> = BTreeMap::new();
    let mut areas: BTreeSet<(u32, u32)> = BTreeSet::new();
    let service = |task: usize| model.service_of[task];
    let area = |node: &NodeId| model.neighbourhood[node.index()];
    for (task, node) in at.iter().enumerate() {
        areas.insert((service(task), area(node)));
        for r in 0..model.resources {
            *full.entry((*node, r)).or_default() += model.need[task * model.resources + r];
        }
        faults += u64::from(!model.allows(crate::model::TaskId(task as u32), *node));
    }
    let above = |((node, r), used): (&(NodeId, usize), &i64)| *used > model.capacity(*node)[*r];
    faults += full.iter().filter(|entry| above(*entry)).count() as u64;
    for (task, node) in at.iter().enumerate() {
        let on = model.depends.of(service(task) as usize).iter();
        faults += on.filter(|on| !areas.contains(&(**on, area(node)))).count() as u64;
    }
    for s in 0..model.services() as u32 {
        let mine = at
            .iter()
            .enumerate()
            .filter(|(task, _)| service(*task) == s);
        let (mut on, mut locations) = (BTreeMap::new(), BTreeSet::new());
        for (_, node) in mine {
            *on.entry(*node).or_insert(0_u32) += 1;
            locations.insert(model.location[node.index()]);
        }
        let most = model.per_node[s as usize];
        faults += on
            .values()
            .map(|n| u64::from(n.saturating_sub(most)))
            .sum::<u64>();
        if !on.is_empty() {
            let missing = (model.spread[s as usize] as usize).saturating_sub(locations.len());
            faults += missing as u64;
        }
    }
    faults
}

//! Where tasks may run: sets of nodes for labels and taints, and single forbidden pairs.

use super::build::ModelBuilder;
use super::checks::known;
use super::error::ModelError;
use super::ids::{NodeId, TaskId};
use super::sets::NodeSet;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A set of nodes of one [`ModelBuilder`]: those with a label, or without a taint that is not tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSetId(u32);

impl NodeSetId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What one task's places are narrowed by.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Narrowed {
    sets: BTreeSet<u32>,
    pub(super) forbidden: BTreeSet<u32>,
}

/// Sets of nodes, and the tasks that they and single pairs narrow.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed {
    pub(super) sets: Vec<BTreeSet<u32>>,
    pub(super) tasks: BTreeMap<u32, Narrowed>,
}

impl ModelBuilder {
    /// A set of nodes for [`ModelBuilder::only_on`]. One for each different requirement of labels and taints is
    /// enough, however many tasks have it: memory is O(nodes) for each different combination.
    ///
    /// # Errors
    /// An unknown node.
    #[doc(alias("nodeSelector", "nodeAffinity", "label"))]
    pub fn node_set(&mut self, nodes: &[NodeId]) -> Result<NodeSetId, ModelError> {
        let index = self.allowed().sets.len();
        for node in nodes {
            known("node set", index, "node", node.index(), self.model().nodes)?;
        }
        self.allowed_mut()
            .sets
            .push(nodes.iter().map(|n| n.0).collect());
        Ok(NodeSetId(index as u32))
    }

    /// The task may run on the nodes of the set only; of several sets, on what they have in common.
    ///
    /// # Errors
    /// An unknown task or set.
    pub fn only_on(&mut self, task: TaskId, set: NodeSetId) -> Result<(), ModelError> {
        let (tasks, sets) = (self.model().service_of.len(), self.allowed().sets.len());
        known("node set", set.0 as usize, "task", task.index(), tasks)?;
        known("task", task.index(), "node set", set.0 as usize, sets)?;
        self.allowed_mut()
            .tasks
            .entry(task.0)
            .or_default()
            .sets
            .insert(set.0);
        Ok(())
    }

    /// The task may not run on the node, one call for each pair.
    ///
    /// # Errors
    /// An unknown task or node.
    #[doc(alias = "taint")]
    pub fn forbid(&mut self, task: TaskId, node: NodeId) -> Result<(), ModelError> {
        let (tasks, nodes) = (self.model().service_of.len(), self.model().nodes);
        known("forbidden pair", 0, "task", task.index(), tasks)?;
        known("forbidden pair", 0, "node", node.index(), nodes)?;
        self.allowed_mut()
            .tasks
            .entry(task.0)
            .or_default()
            .forbidden
            .insert(node.0);
        Ok(())
    }
}

impl Allowed {
    /// The class of each task and the nodes of each class, equal ones made one; both empty when every task
    /// may run anywhere.
    pub(super) fn classes(&self, tasks: usize, nodes: usize) -> (Vec<u32>, Vec<NodeSet>) {
        if self.tasks.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut class_of = alloc::vec![0_u32; tasks];
        let mut classes = alloc::vec![NodeSet::from_fn(nodes, |_| true)];
        let mut seen: BTreeMap<&Narrowed, u32> = BTreeMap::new();
        for (task, narrowed) in &self.tasks {
            let class = *seen.entry(narrowed).or_insert_with(|| {
                let in_sets = |n: &u32| {
                    narrowed
                        .sets
                        .iter()
                        .all(|s| self.sets[*s as usize].contains(n))
                };
                let allowed = |n: usize| {
                    let n = n as u32;
                    in_sets(&n) && !narrowed.forbidden.contains(&n)
                };
                classes.push(NodeSet::from_fn(nodes, allowed));
                classes.len() as u32 - 1
            });
            class_of[*task as usize] = class;
        }
        (class_of, classes)
    }
}

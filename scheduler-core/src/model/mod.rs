//! The cluster's facts in flat arrays: what never changes while a search or a plan is made.

mod allowed;
mod build;
mod checks;
mod edit;
mod error;
mod getters;
mod ids;
mod mark;
mod objectives;
mod sets;
mod spec;

pub use allowed::NodeSetId;
pub use build::ModelBuilder;
pub use edit::Renumbered;
pub use error::ModelError;
pub use ids::{NodeId, ServiceId, TaskId};
pub use objectives::Objective;
pub(crate) use sets::{Lists, NodeSet};
pub use spec::{Balance, Node, Resource, Service, Task, Weights};

use alloc::vec::Vec;

/// Nodes, services and tasks with their hard constraints and costs. Made by a [`ModelBuilder`]; what exists
/// is valid, and every total cost fits an `i64` with room to spare.
///
/// Arrays are flat: a node's amounts stand at `node * resources ..`, a task's at `task * resources ..`.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) resources: usize,
    pub(crate) transient: Vec<bool>,
    pub(crate) load_weight: Vec<i64>,
    pub(crate) nodes: usize,
    /// Dense numbers, whatever numbers the caller used.
    pub(crate) neighbourhood: Vec<u32>,
    pub(crate) location: Vec<u32>,
    pub(crate) neighbourhoods: usize,
    pub(crate) locations: usize,
    pub(crate) capacity: Vec<i64>,
    pub(crate) safety: Vec<i64>,
    /// Cost of moving from node a to b at `a * nodes + b`; empty when moving costs the same everywhere.
    pub(crate) travel: Vec<u32>,
    pub(crate) spread: Vec<u32>,
    pub(crate) per_node: Vec<u32>,
    pub(crate) members: Lists,
    pub(crate) depends: Lists,
    pub(crate) dependents: Lists,
    pub(crate) service_of: Vec<u32>,
    pub(crate) need: Vec<i64>,
    pub(crate) task_cost: Vec<i64>,
    pub(crate) priority: Vec<u8>,
    pub(crate) pinned: Vec<bool>,
    /// Class of nodes where a task may run, as an index into `classes`; empty when every task may anywhere.
    pub(crate) class_of: Vec<u32>,
    pub(crate) classes: Vec<NodeSet>,
    pub(crate) balances: Vec<Balance>,
    pub(crate) weights: Weights,
    /// Location and neighbourhood of each node as the caller numbered them, for [`Model::edit`].
    places: Vec<(u64, u64)>,
    /// Sets of nodes and forbidden pairs as they were given, for [`Model::edit`].
    allowed: allowed::Allowed,
    /// How many edits led to this model.
    generation: u64,
    /// Tells placements of this model from others'.
    pub(crate) mark: u64,
}

impl Model {
    /// Number of resources.
    #[must_use]
    pub fn resources(&self) -> usize {
        self.resources
    }

    /// Number of nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// Number of services.
    #[must_use]
    pub fn services(&self) -> usize {
        self.spread.len()
    }

    /// Number of tasks.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.service_of.len()
    }

    /// Number of different locations.
    #[must_use]
    pub fn locations(&self) -> usize {
        self.locations
    }

    /// The service of a task of this model.
    #[must_use]
    pub fn service_of(&self, task: TaskId) -> Option<ServiceId> {
        self.service_of.get(task.index()).map(|s| ServiceId(*s))
    }

    /// The tasks of a service, ascending; empty for an unknown one.
    pub fn members(&self, service: ServiceId) -> impl Iterator<Item = TaskId> + '_ {
        self.members.of(service.index()).iter().map(|t| TaskId(*t))
    }

    /// Whether the resource counts on both nodes while a task moves.
    #[must_use]
    pub fn is_transient(&self, resource: usize) -> bool {
        self.transient.get(resource).copied().unwrap_or(false)
    }

    /// What a node can hold at most, per resource; empty for an unknown node.
    #[must_use]
    pub fn capacity(&self, node: NodeId) -> &[i64] {
        row(&self.capacity, node.index(), self.resources)
    }

    /// The overload threshold of a node, per resource; empty for an unknown node.
    #[must_use]
    pub fn safety(&self, node: NodeId) -> &[i64] {
        row(&self.safety, node.index(), self.resources)
    }

    /// What a task asks for, per resource; empty for an unknown task.
    #[must_use]
    pub fn need(&self, task: TaskId) -> &[i64] {
        row(&self.need, task.index(), self.resources)
    }

    /// The densely renumbered location of a node.
    #[must_use]
    pub fn location(&self, node: NodeId) -> Option<u32> {
        self.location.get(node.index()).copied()
    }

    /// Whether labels, taints and forbidden pairs let the task run on the node. Pins are not asked: they
    /// forbid moving, not staying.
    #[inline]
    #[must_use]
    pub fn allows(&self, task: TaskId, node: NodeId) -> bool {
        let Some(class) = self.class_of.get(task.index()) else {
            return true;
        };
        self.classes
            .get(*class as usize)
            .is_none_or(|set| set.contains(node.index()))
    }

    /// What moving a task between two nodes costs, weights left out.
    #[inline]
    pub(crate) fn travel(&self, from: usize, to: usize) -> i64 {
        self.travel
            .get(from * self.nodes + to)
            .map_or(0, |c| i64::from(*c))
    }

    /// The weighted cost of `task` on `node` when `home` is where it came from.
    #[inline]
    pub(crate) fn move_cost(&self, task: usize, home: usize, node: usize) -> i64 {
        if home == node {
            return 0;
        }
        self.weights.task_move * self.task_cost[task]
            + self.weights.node_move * self.travel(home, node)
    }
}

/// Row `index` of a flat matrix, or nothing.
fn row(flat: &[i64], index: usize, width: usize) -> &[i64] {
    let start = index.saturating_mul(width);
    flat.get(start..start.saturating_add(width)).unwrap_or(&[])
}

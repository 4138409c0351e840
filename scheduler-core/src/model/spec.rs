//! What a model is built from.

use super::ids::ServiceId;

/// One resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Counted on both nodes while a task moves (disk, slots), not only where it runs.
    pub transient: bool,
    /// Cost of one unit above safety capacity.
    pub load_weight: u64,
}

/// One node. Capacities are in each resource's own unit; `location` and `neighbourhood` are any numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias("host", "machine"))]
pub struct Node<'a> {
    /// Failure domain (zone, rack), for spread.
    pub location: u64,
    /// Who can reach each other, for dependencies.
    pub neighbourhood: u64,
    /// Hard limit per resource.
    pub capacity: &'a [u64],
    /// Overload threshold per resource; above it load costs.
    pub safety: &'a [u64],
}

/// One service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias("deployment", "anti-affinity", "topologySpreadConstraints"))]
pub struct Service {
    /// Least number of different locations of its tasks.
    pub spread: u32,
    /// At most this many of its tasks on one node; 1 is strict anti-affinity.
    pub per_node: u32,
}

/// One task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias("pod", "container", "process"))]
pub struct Task<'a> {
    /// The service it belongs to.
    pub service: ServiceId,
    /// What it asks for, per resource.
    pub need: &'a [u64],
    /// Cost of moving it at all.
    pub move_cost: u64,
}

/// Wanted relation of free resources on every node: `target` units of `first` want one of `second`; what
/// is missing costs `weight` a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Index of the first resource.
    pub first: usize,
    /// Index of the second resource.
    pub second: usize,
    /// Units of free `second` wanted per unit of free `first`.
    pub target: i64,
    /// Cost of one unit missing.
    pub weight: i64,
}

/// Weights of the three costs of moving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// Weight of the sum of the moved tasks' own costs.
    pub task_move: i64,
    /// Weight of the largest number of moved tasks in one service.
    pub service_move: i64,
    /// Weight of the sum of node-to-node costs.
    pub node_move: i64,
}

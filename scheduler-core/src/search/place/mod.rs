//! Initial placement, and how much of a better one is worth its moves.

mod by_count;
mod feasible;
mod move_budget;

pub use by_count::ByCount;
pub use move_budget::keep_best_moves;

use crate::model::{Model, NodeId, TaskId};
use alloc::vec::Vec;
use thiserror::Error;

/// Gives every task of a model its first node. An algorithm is one type in one file.
pub trait Placer {
    /// One node for each task, in the order of the tasks, without a broken hard constraint.
    ///
    /// # Errors
    /// The first task that fits nowhere.
    fn place(&mut self, model: &Model) -> Result<Vec<NodeId>, Unplaced>;
}

/// A task for which no node was found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "task {task} fits on none of {nodes} nodes: {room} lack room, {conflict} hold enough of its service, \
     {allowed} are not allowed, {location} would leave too few locations, {dependency} lack a service \
     that it depends on"
)]
pub struct Unplaced {
    /// The task.
    pub task: TaskId,
    /// Nodes asked.
    pub nodes: usize,
    /// Nodes without room.
    pub room: usize,
    /// Nodes that hold as many of the service as are allowed.
    pub conflict: usize,
    /// Nodes that labels or taints forbid.
    pub allowed: usize,
    /// Nodes on which the service would be in too few locations.
    pub location: usize,
    /// Nodes in neighbourhoods without a service depended on.
    pub dependency: usize,
}

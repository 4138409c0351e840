//! Initial placement, and how much of a better one is worth its moves.

mod by_count;
mod by_load;
mod feasible;
mod move_budget;

pub use by_count::ByCount;
pub use by_load::ByLoad;
pub use move_budget::keep_best_moves;

use crate::model::{Model, NodeId, TaskId};
use crate::placement::Constraint;
use alloc::vec::Vec;
use thiserror::Error;

/// Gives every task of a model its first node. An algorithm is one type in one file, with nothing but the public interface:
///
/// ```
/// use scheduler_core::placement::PartialPlacement;
/// use scheduler_core::search::{Placer, Unplaced};
/// use scheduler_core::{Model, NodeId};
///
/// /// The first node where a task fits.
/// struct FirstFit;
///
/// impl Placer for FirstFit {
///     fn place(&mut self, model: &Model) -> Result<Vec<NodeId>, Unplaced> {
///         let mut partial = PartialPlacement::new(model);
///         let mut nodes = Vec::new();
///         for task in model.task_ids() {
///             let mut why = Unplaced::new(task, model.nodes());
///             let mut fits = |node: &NodeId| match partial.assign(model, task, *node) {
///                 Ok(()) => true,
///                 Err(constraint) => { why.count(constraint); false }
///             };
///             let found = model.node_ids().find(|node| fits(node));
///             nodes.push(found.ok_or(why)?);
///         }
///         Ok(nodes)
///     }
/// }
/// # use scheduler_core::ModelBuilder;
/// # use scheduler_core::model::{Node, Resource, Service, Task};
/// # let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
/// # for _ in 0..2 { b.node(Node { location: 0, neighbourhood: 0, capacity: &[8], safety: &[6] })?; }
/// # let service = b.service(Service { spread: 0, per_node: 9 })?;
/// # for _ in 0..3 { b.task(Task { service, need: &[4], move_cost: 1 })?; }
/// # let model = b.build()?;
/// assert_eq!(FirstFit.place(&model)?, [NodeId(0), NodeId(0), NodeId(1)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
#[non_exhaustive]
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

impl Unplaced {
    /// A task of which so many nodes are asked, none of which has said no yet. For placers of one's own: count what
    /// each node says.
    #[must_use]
    pub const fn new(task: TaskId, nodes: usize) -> Self {
        Self {
            task,
            nodes,
            room: 0,
            conflict: 0,
            allowed: 0,
            location: 0,
            dependency: 0,
        }
    }

    /// Counts a node that the constraint forbids.
    pub const fn count(&mut self, constraint: Constraint) {
        match constraint {
            Constraint::Capacity { .. } => self.room += 1,
            Constraint::Conflict { .. } => self.conflict += 1,
            Constraint::Spread { .. } => self.location += 1,
            Constraint::Dependency { .. } => self.dependency += 1,
            Constraint::Unknown
            | Constraint::OtherModel
            | Constraint::Pinned
            | Constraint::NotAllowed => self.allowed += 1,
        }
    }
}

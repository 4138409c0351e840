//! A cluster that changes while it is protected: nodes and tasks come, go and change.

use super::cluster::{Cluster, InFlight};
use super::config::ProtectorError;
use crate::model::{ModelBuilder, ModelError, NodeId, Renumbered, TaskId};
use crate::placement::{Placement, PlacementError};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use thiserror::Error;

/// Why a change was refused; nothing has changed then. Ids are those of the edit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The edited model does not hold together.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The edit began as another model, or as one that has changed since.
    #[error(
        "the edit did not begin as the cluster's present model: begin with `cluster().model().edit()`"
    )]
    Stale,
    /// A place is given for a task that is removed or never was.
    #[error("task {task} is given a place, but there is no such task after the change")]
    Task {
        /// The task.
        task: TaskId,
    },
    /// The place given for a task is a node that is removed or never was.
    #[error(
        "task {task} is said to run on node {node}, but there is no such node after the change"
    )]
    Node {
        /// The task.
        task: TaskId,
        /// The node.
        node: NodeId,
    },
    /// Two places are given for a task.
    #[error("task {task} is given two places, want one")]
    Twice {
        /// The task.
        task: TaskId,
    },
    /// A task comes and nobody says where it runs.
    #[error("task {task} is new: say on which node it runs")]
    Unplaced {
        /// The task.
        task: TaskId,
    },
    /// A node goes and a task that runs on it stays.
    #[error(
        "task {task} runs on node {node}, which is removed: remove the task as well, or say where it runs now"
    )]
    Stranded {
        /// The task.
        task: TaskId,
        /// The node.
        node: NodeId,
    },
    /// A threshold that no sample can reach.
    #[error(transparent)]
    Protect(#[from] ProtectorError),
    /// The assignment does not fit the model.
    #[error(transparent)]
    Placement(#[from] PlacementError),
}

/// How a move ended that a change has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum MoveOutcome {
    /// The task runs at the destination: the source is gone, or the change says so.
    Finished,
    /// The task runs at the source: the destination is gone, or the change says so.
    Aborted,
    /// The task is gone, or runs on a third node.
    Gone,
}

/// What a change did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// What became of the edit's ids.
    pub ids: Renumbered,
    /// Moves that the change has ended, in the order in which they began, with the edit's ids.
    pub ended: Vec<(InFlight, MoveOutcome)>,
}

/// Where a task of the edit runs and where it is moving to, if it stays.
type HomeAndNode = (NodeId, NodeId);

impl Cluster {
    /// The cluster as it is from now on: `edit` began as [`Cluster::model`]'s [`Model::edit`](crate::model::Model::edit), and `placed` says where
    /// each task runs that has come, and each that runs elsewhere than the cluster believes. A move under way ends
    /// if its task, or a node that it concerns, is gone. What the change breaks (a taint under running tasks, a drained
    /// node) is taken as it is: [`Cluster::violations`] tells of it. O(model).
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub fn change(
        &mut self,
        edit: ModelBuilder,
        placed: &[(TaskId, NodeId)],
    ) -> Result<Changed, ChangeError> {
        let (next, changed) = self.changed(edit, placed)?;
        *self = next;
        Ok(changed)
    }

    /// The cluster after the change, and what the change does.
    pub(super) fn changed(
        &self,
        edit: ModelBuilder,
        placed: &[(TaskId, NodeId)],
    ) -> Result<(Self, Changed), ChangeError> {
        if edit.base != Some(self.model.base()) {
            return Err(ChangeError::Stale);
        }
        let tasks = edit.tasks() as u32;
        let (model, ids) = edit.build_renumbered()?;
        let placed = places(&ids, placed)?;
        let (mut homes, mut at) = (Vec::new(), Vec::new());
        for task in (0..tasks).map(TaskId) {
            if ids.task(task).is_none() {
                continue;
            }
            let (home, now) = self.home_and_node(task, &ids, placed.get(&task).copied())?;
            homes.push(home);
            at.push(now);
        }
        let mut changed = Changed {
            ids,
            ended: Vec::new(),
        };
        let mut in_flight = Vec::new();
        for m in &self.in_flight {
            match carried(m, &changed.ids, placed.get(&m.task).copied()) {
                Ok(goes_on) => in_flight.push(goes_on),
                Err(ending) => changed.ended.push((*m, ending)),
            }
        }
        let placement = Placement::moved(&model, &homes, &at)?;
        Ok((Self::from_parts(model, placement, in_flight), changed))
    }

    /// Where a task that stays has its home and is assigned after the change, in new ids.
    fn home_and_node(
        &self,
        task: TaskId,
        ids: &Renumbered,
        placed: Option<NodeId>,
    ) -> Result<HomeAndNode, ChangeError> {
        if let Some(node) = placed.and_then(|node| ids.node(node)) {
            return Ok((node, node));
        }
        let home = self.placement.home_of(task);
        let (Some(home), Some(at)) = (home, self.placement.node_of(task)) else {
            return Err(ChangeError::Unplaced { task });
        };
        match (ids.node(home), ids.node(at)) {
            (Some(home), Some(at)) => Ok((home, at)),
            // One side of a move is gone: the task runs on the other.
            (Some(node), None) | (None, Some(node)) => Ok((node, node)),
            (None, None) => Err(ChangeError::Stranded { task, node: home }),
        }
    }
}

/// The places given, after a look at each.
fn places(
    ids: &Renumbered,
    placed: &[(TaskId, NodeId)],
) -> Result<BTreeMap<TaskId, NodeId>, ChangeError> {
    let mut places = BTreeMap::new();
    for &(task, node) in placed {
        if ids.task(task).is_none() {
            return Err(ChangeError::Task { task });
        }
        if ids.node(node).is_none() {
            return Err(ChangeError::Node { task, node });
        }
        if places.insert(task, node).is_some() {
            return Err(ChangeError::Twice { task });
        }
    }
    Ok(places)
}

/// A move under way in new ids, or how it ended.
fn carried(
    m: &InFlight,
    ids: &Renumbered,
    placed: Option<NodeId>,
) -> Result<InFlight, MoveOutcome> {
    let task = ids.task(m.task).ok_or(MoveOutcome::Gone)?;
    if let Some(node) = placed {
        return Err(match node {
            node if node == m.to => MoveOutcome::Finished,
            node if node == m.from => MoveOutcome::Aborted,
            _ => MoveOutcome::Gone,
        });
    }
    match (ids.node(m.from), ids.node(m.to)) {
        (Some(from), Some(to)) => Ok(InFlight { task, from, to }),
        (None, Some(_)) => Err(MoveOutcome::Finished),
        // Without both, the task would have been refused as stranded.
        (_, None) => Err(MoveOutcome::Aborted),
    }
}

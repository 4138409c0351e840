//! A model, an assignment, and the moves that are under way.

use crate::model::{Model, NodeId, ServiceId, TaskId};
use crate::placement::{Constraint, Placement, PlacementError, Violations};
use alloc::vec::Vec;
use core::fmt;
use thiserror::Error;

/// A move that has begun: the new copy's needs are taken on `to`, the transient ones still count on `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct InFlight {
    /// The task that moves.
    pub task: TaskId,
    /// Where it was.
    pub from: NodeId,
    /// Where it will be.
    pub to: NodeId,
}

/// Why a move was not begun, finished or aborted; nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The task is moving already.
    #[error("task {task} is moving already")]
    Moving {
        /// The task.
        task: TaskId,
    },
    /// The task is not moving.
    #[error("task {task} is not moving")]
    NotMoving {
        /// The task.
        task: TaskId,
    },
    /// The task stands there already.
    #[error("task {task} is on node {node} already")]
    There {
        /// The task.
        task: TaskId,
        /// The node.
        node: NodeId,
    },
    /// A hard constraint forbids it, now or if another move under way ended the other way.
    #[error("task {task} may not move to node {to}: {constraint}")]
    Forbidden {
        /// The task.
        task: TaskId,
        /// Where it was to go.
        to: NodeId,
        /// What forbids it.
        constraint: Constraint,
    },
    /// Another task of this service, or of one that it depends on or that depends on it, is under way, and
    /// how that ends decides whether this move is allowed.
    #[error("task {task} must wait: a move of service {service} is under way")]
    Wait {
        /// The task.
        task: TaskId,
        /// The service with a move under way.
        service: ServiceId,
    },
}

/// A placement that no move breaks: with those under way finished or aborted, in any combination, no hard constraint is
/// broken that was not broken before they began. One that breaks rules to begin with is taken as it is:
/// [`Cluster::violations`] tells of it, and moves may repair it.
///
/// ```
/// use scheduler_core::live::MoveError;
/// use scheduler_core::{Cluster, NodeId, TaskId};
/// # use scheduler_core::ModelBuilder;
/// # use scheduler_core::model::{Node, Resource, Service, Task};
/// # let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
/// # for location in 0..3 {
/// #     b.node(Node { location, neighbourhood: 0, capacity: &[10], safety: &[6] })?;
/// # }
/// # let service = b.service(Service { spread: 0, per_node: 2 })?;
/// # for _ in 0..3 {
/// #     b.task(Task { service, need: &[4], move_cost: 1 })?;
/// # }
/// # let model = b.build()?;
/// let mut cluster = Cluster::new(model, &[NodeId(0), NodeId(1), NodeId(2)])?;
/// let begun = cluster.begin_move(TaskId(0), NodeId(1))?;
/// assert_eq!(begun.to_string(), "task 0 from node 0 to node 1");
/// // It counts on node 1 from now on, which is full with it.
/// assert!(matches!(cluster.begin_move(TaskId(2), NodeId(1)), Err(MoveError::Forbidden { .. })));
/// cluster.abort_move(TaskId(0))?;
/// cluster.begin_move(TaskId(2), NodeId(1))?;
/// cluster.finish_move(TaskId(2))?;
/// assert_eq!(cluster.node_of(TaskId(2)), Some(NodeId(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(super) model: Model,
    pub(super) placement: Placement,
    pub(super) in_flight: Vec<InFlight>,
    /// What may be broken at most: what was when the cluster was made or changed, until all is whole.
    tolerated: Violations,
}

/// An assignment that does not fit the model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// It does not fit the model.
    #[error(transparent)]
    Placement(#[from] PlacementError),
}

impl Cluster {
    /// A cluster that stands as `assignment` says, whatever that breaks: two tasks of a service on one node, a taint under
    /// running tasks, a node without room.
    ///
    /// # Errors
    /// An assignment that does not fit the model.
    pub fn new(model: Model, assignment: &[NodeId]) -> Result<Self, ClusterError> {
        let placement = Placement::new(&model, assignment)?;
        Ok(Self::from_parts(model, placement, Vec::new()))
    }

    /// A cluster with these moves under way.
    pub(super) fn from_parts(model: Model, placement: Placement, in_flight: Vec<InFlight>) -> Self {
        let mut tolerated = placement.violations_of_tasks(&model);
        if !in_flight.is_empty() {
            tolerated = tolerated.or(&placement.homes(&model).violations_of_tasks(&model));
        }
        Self {
            model,
            placement,
            in_flight,
            tolerated,
        }
    }

    /// Whether something may be broken: what was when the cluster was made or changed has not been seen repaired yet.
    pub(crate) fn may_be_broken(&self) -> bool {
        !self.tolerated.is_empty()
    }

    /// Looks whether what was broken is repaired now that a move has ended.
    fn look_again(&mut self) {
        if self.may_be_broken() && self.in_flight.is_empty() {
            self.tolerated = self.violations();
        }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The placement, moves under way counted as finished and their transient needs on both sides.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Where a task runs: for one that is moving, still where it came from.
    #[must_use]
    pub fn node_of(&self, task: TaskId) -> Option<NodeId> {
        self.placement.home_of(task)
    }

    /// Where a task is moving to, if it is moving.
    #[must_use]
    pub fn moving_to(&self, task: TaskId) -> Option<NodeId> {
        let (at, home) = (self.placement.node_of(task)?, self.placement.home_of(task)?);
        (at != home).then_some(at)
    }

    /// The moves that are under way, in the order in which they began.
    #[must_use]
    #[doc(alias = "under_way")]
    pub fn in_flight(&self) -> &[InFlight] {
        &self.in_flight
    }

    /// Why the move may not begin now, or nothing.
    #[must_use]
    pub fn may_begin(&self, task: TaskId, to: NodeId) -> Option<MoveError> {
        let model = &self.model;
        let forbidden = |constraint| {
            Some(MoveError::Forbidden {
                task,
                to,
                constraint,
            })
        };
        if task.index() >= model.tasks() || to.index() >= model.nodes() {
            return forbidden(Constraint::Unknown);
        }
        if self.moving_to(task).is_some() {
            return Some(MoveError::Moving { task });
        }
        let from = self.placement.node_of(task)?;
        if from == to {
            return Some(MoveError::There { task, node: to });
        }
        if model.pinned[task.index()] {
            return forbidden(Constraint::Pinned);
        }
        if let Some(constraint) = self.placement.blocked(model, task, to) {
            return forbidden(constraint);
        }
        // An aborted move returns to its source: what is not transient must still have room there.
        if let Some(resource) = self.returning_leaves_too_little(task, to) {
            return forbidden(Constraint::Capacity { resource });
        }
        self.may_end_either_way(task, from, to)
    }

    /// Room on `to` if every move that left it came back.
    fn returning_leaves_too_little(&self, task: TaskId, to: NodeId) -> Option<usize> {
        let model = &self.model;
        let left = || self.in_flight.iter().filter(|m| m.from == to);
        left().next()?;
        let width = model.resources;
        (0..width).find(|r| {
            if model.transient[*r] {
                return false;
            }
            let back: i64 = left().map(|m| model.need[m.task.index() * width + r]).sum();
            let free = self.placement.rows[to.index() * 2 * width + r];
            let need = model.need[task.index() * width + r];
            need > 0 && need > free - back
        })
    }

    /// Services' constraints hold whichever of the moves under way are aborted.
    fn may_end_either_way(&self, task: TaskId, from: NodeId, to: NodeId) -> Option<MoveError> {
        let model = &self.model;
        let s = model.service_of(task)?;
        let near = |m: &&InFlight| {
            let other = model.service_of[m.task.index()];
            let i = s.index();
            other == s.0
                || model.depends.of(i).contains(&other)
                || model.dependents.of(i).contains(&other)
        };
        let place = |n: NodeId| (model.location[n.index()], model.neighbourhood[n.index()]);
        for m in self.in_flight.iter().filter(near) {
            let service = ServiceId(model.service_of[m.task.index()]);
            let stays = place(m.from) == place(m.to) || place(from) == place(to);
            let free = !self.placement.tables.locations.has(s.index())
                && !self.placement.tables.neighbourhoods.has(s.index());
            // While it moves, a task counts on both nodes.
            let meets = service == s && m.from == to && self.crowded(s, to);
            if meets || !(stays || free) {
                return Some(MoveError::Wait { task, service });
            }
        }
        None
    }

    /// Whether the node would hold too many of the service, copies that are leaving counted.
    fn crowded(&self, service: ServiceId, node: NodeId) -> bool {
        let (model, placement) = (&self.model, &self.placement);
        let (s, n) = (service.index(), node.index());
        let leaving =
            |m: &&InFlight| m.from == node && model.service_of[m.task.index()] == service.0;
        let copies = self.in_flight.iter().filter(leaving).count() as u32;
        placement.tables.nodes.has(s)
            && placement.tables.on_node(model, &placement.at, s, n) + copies >= model.per_node[s]
    }

    /// Begins a move: from now on the task's needs are taken on `to`, its transient ones on both nodes.
    ///
    /// # Errors
    /// What [`Cluster::may_begin`] says; nothing has changed then.
    pub fn begin_move(&mut self, task: TaskId, to: NodeId) -> Result<InFlight, MoveError> {
        if let Some(error) = self.may_begin(task, to) {
            return Err(error);
        }
        let from = self.placement.home_of(task).unwrap_or(to);
        self.placement.shift(&self.model, task.index(), to.index());
        let begun = InFlight { task, from, to };
        self.in_flight.push(begun);
        Ok(begun)
    }

    /// Ends a move: the old copy is gone.
    ///
    /// # Errors
    /// The task is not moving.
    pub fn finish_move(&mut self, task: TaskId) -> Result<InFlight, MoveError> {
        let ended = self.take(task)?;
        self.placement.settle(&self.model, task.index());
        self.look_again();
        Ok(ended)
    }

    /// Undoes a move: the new copy is gone, the task runs where it did.
    ///
    /// # Errors
    /// The task is not moving.
    pub fn abort_move(&mut self, task: TaskId) -> Result<InFlight, MoveError> {
        let ended = self.take(task)?;
        self.placement
            .shift(&self.model, task.index(), ended.from.index());
        Ok(ended)
    }

    fn take(&mut self, task: TaskId) -> Result<InFlight, MoveError> {
        let place = self.in_flight.iter().position(|m| m.task == task);
        place
            .map(|i| self.in_flight.remove(i))
            .ok_or(MoveError::NotMoving { task })
    }

    /// Broken hard constraints, from scratch, moves under way counted as finished: none that was not broken when the
    /// cluster was made or changed. A service without tasks needs no locations. O(nodes x resources + tasks).
    #[must_use]
    pub fn violations(&self) -> Violations {
        self.placement.violations_of_tasks(&self.model)
    }

    /// Recomputes everything and compares; see [`Placement::check_invariants`].
    ///
    /// # Errors
    /// The first difference, in words.
    pub fn check_invariants(&self) -> Result<(), alloc::string::String> {
        self.placement.check_invariants(&self.model)?;
        let moving = self.placement.moves();
        if moving != self.in_flight.len() {
            let n = self.in_flight.len();
            return Err(alloc::format!(
                "{moving} tasks are away from home, {n} moves are under way"
            ));
        }
        let v = self.violations();
        if v.within(&self.tolerated) {
            Ok(())
        } else {
            let tolerated = self.tolerated;
            Err(alloc::format!(
                "broken constraints: {v:?}, at most {tolerated:?} were"
            ))
        }
    }
}

impl fmt::Display for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "task {} from node {} to node {}",
            self.task, self.from, self.to
        )
    }
}

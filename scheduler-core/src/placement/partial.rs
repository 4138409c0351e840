//! A placement under construction: tasks that have a node, and tasks that have none yet.

use super::{Constraint, Placement, PlacementError};
use crate::model::{Model, NodeId, ServiceId, TaskId};
use alloc::vec;
use alloc::vec::Vec;

/// Some tasks assigned to nodes, the others unassigned (pending). What a [`Placer`](crate::search::Placer) builds up, and
/// what a cluster looks like while new tasks wait for a node. Nothing counts as moved; no hard constraint is broken by
/// what [`PartialPlacement::assign`] accepts, as far as the unassigned tasks can still do their part.
///
/// ```
/// use scheduler_core::model::{Node, Resource, Service, Task};
/// use scheduler_core::placement::{Constraint, PartialPlacement};
/// use scheduler_core::{ModelBuilder, NodeId};
///
/// let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
/// let node = Node { location: 0, neighbourhood: 0, capacity: &[8], safety: &[6] };
/// let (first, second) = (b.node(node)?, b.node(node)?);
/// let service = b.service(Service { spread: 0, per_node: 1 })?;
/// let one = b.task(Task { service, need: &[4], move_cost: 1 })?;
/// let two = b.task(Task { service, need: &[4], move_cost: 1 })?;
/// let model = b.build()?;
///
/// let mut partial = PartialPlacement::new(&model);
/// partial.assign(&model, one, first)?;
/// assert_eq!(partial.blocked(&model, two, first), Some(Constraint::Conflict { service }));
/// assert_eq!(partial.unassigned().collect::<Vec<_>>(), [two]);
/// partial.assign(&model, two, second)?;
/// assert!(partial.into_placement(&model)?.violations(&model).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialPlacement {
    pub(crate) at: Vec<Option<u32>>,
    /// What is used, per node and resource.
    used: Vec<i64>,
    /// Tasks on each node.
    count: Vec<u32>,
    mark: u64,
}

impl PartialPlacement {
    /// Every task unassigned.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        Self {
            at: vec![None; model.tasks()],
            used: vec![0; model.capacity.len()],
            count: vec![0; model.nodes],
            mark: model.mark,
        }
    }

    /// The tasks assigned as given, whatever that breaks; one entry for each task, `None` for an unassigned one.
    ///
    /// # Errors
    /// Not one entry for each task; a node that the model does not have.
    pub fn from_assignment(
        model: &Model,
        assignment: &[Option<NodeId>],
    ) -> Result<Self, PlacementError> {
        let (given, want) = (assignment.len(), model.tasks());
        if given != want {
            return Err(PlacementError::Length { given, want });
        }
        let mut partial = Self::new(model);
        for (task, node) in assignment.iter().enumerate() {
            let Some(node) = node else {
                continue;
            };
            if node.index() >= model.nodes() {
                return Err(PlacementError::Node {
                    task: TaskId(task as u32),
                    given: node.0,
                    nodes: model.nodes(),
                });
            }
            partial.put(model, task, node.index());
        }
        Ok(partial)
    }

    /// Where a task is assigned; nothing for an unassigned or unknown one.
    #[must_use]
    pub fn node_of(&self, task: TaskId) -> Option<NodeId> {
        self.at.get(task.index()).copied().flatten().map(NodeId)
    }

    /// The tasks without a node, ascending.
    pub fn unassigned(&self) -> impl Iterator<Item = TaskId> + '_ {
        let tasks = self.at.iter().zip(0_u32..);
        tasks.filter_map(|(node, task)| node.is_none().then_some(TaskId(task)))
    }

    /// Number of tasks assigned to a node.
    #[must_use]
    pub fn tasks_on(&self, node: NodeId) -> usize {
        self.count.get(node.index()).map_or(0, |n| *n as usize)
    }

    /// Number of tasks assigned to a node by its index.
    pub(crate) fn count(&self, node: usize) -> u64 {
        self.count.get(node).map_or(0, |n| u64::from(*n))
    }

    /// What a node has left of a resource; negative where it is overfull, 0 for an unknown node or resource.
    #[must_use]
    pub fn free(&self, model: &Model, node: NodeId, resource: usize) -> i64 {
        if self.mark != model.mark || resource >= model.resources {
            return 0;
        }
        let at = node.index() * model.resources + resource;
        match (model.capacity.get(at), self.used.get(at)) {
            (Some(capacity), Some(used)) => capacity - used,
            _ => 0,
        }
    }

    /// The constraint that forbids assigning the task to the node, or nothing. A service that has just as many tasks
    /// unassigned as it lacks locations must use a new one ([`Constraint::Spread`]); one that it depends on must be in
    /// the node's neighbourhood already, unless none of its tasks is assigned yet. O(resources + tasks of the services
    /// that are looked at).
    #[must_use]
    pub fn blocked(&self, model: &Model, task: TaskId, node: NodeId) -> Option<Constraint> {
        if self.mark != model.mark {
            return Some(Constraint::OtherModel);
        }
        if task.index() >= model.tasks() || node.index() >= model.nodes() {
            return Some(Constraint::Unknown);
        }
        if !model.allows(task, node) {
            return Some(Constraint::NotAllowed);
        }
        if let Some(resource) = self.short_of(model, task.index(), node.index()) {
            return Some(Constraint::Capacity { resource });
        }
        let s = model.service_of[task.index()] as usize;
        self.crowded_or_scattered(model, task, s, node.index())
            .or_else(|| self.missing(model, s, node.index()))
    }

    /// Assigns a task, or assigns it elsewhere.
    ///
    /// # Errors
    /// The constraint that forbids it; nothing has changed then.
    pub fn assign(&mut self, model: &Model, task: TaskId, node: NodeId) -> Result<(), Constraint> {
        let before = self.unassign(model, task);
        if let Some(constraint) = self.blocked(model, task, node) {
            if let Some(before) = before {
                self.put(model, task.index(), before.index());
            }
            return Err(constraint);
        }
        self.put(model, task.index(), node.index());
        Ok(())
    }

    /// Takes a task off its node, which comes back; nothing if it had none.
    pub fn unassign(&mut self, model: &Model, task: TaskId) -> Option<NodeId> {
        if self.mark != model.mark {
            return None;
        }
        let node = self.at.get_mut(task.index())?.take()?;
        self.count[node as usize] -= 1;
        let width = model.resources;
        for r in 0..width {
            self.used[node as usize * width + r] -= model.need[task.index() * width + r];
        }
        Some(NodeId(node))
    }

    /// The placement of all tasks, each at home where it was assigned.
    ///
    /// # Errors
    /// The first unassigned task.
    pub fn into_placement(self, model: &Model) -> Result<Placement, PlacementError> {
        if let Some(task) = self.unassigned().next() {
            return Err(PlacementError::Unassigned { task });
        }
        let at: Vec<NodeId> = self.at.iter().flatten().map(|n| NodeId(*n)).collect();
        Placement::new(model, &at)
    }

    /// Whether it was made for another model than this one.
    pub(crate) fn is_foreign(&self, model: &Model) -> bool {
        self.mark != model.mark
    }

    /// Puts an unassigned task onto a node, whatever that breaks.
    pub(crate) fn put(&mut self, model: &Model, task: usize, node: usize) {
        self.at[task] = Some(node as u32);
        self.count[node] += 1;
        let width = model.resources;
        for r in 0..width {
            self.used[node * width + r] += model.need[task * width + r];
        }
    }

    /// The first resource of which the node has too little for the task.
    pub(crate) fn short_of(&self, model: &Model, task: usize, node: usize) -> Option<usize> {
        let width = model.resources;
        (0..width).find(|r| {
            let used = self.used[node * width + r] + model.need[task * width + r];
            used > model.capacity[node * width + r]
        })
    }

    /// The service depended on that is missing in the node's neighbourhood. In a cycle of dependencies one that has no
    /// task assigned yet is believed to come.
    pub(crate) fn missing(&self, model: &Model, s: usize, node: usize) -> Option<Constraint> {
        let near = |n: &u32| model.neighbourhood[*n as usize] == model.neighbourhood[node];
        let missing = |on: &&u32| {
            let members = model.members.of(**on as usize).iter();
            let mut assigned = members.filter_map(|t| self.at[*t as usize]).peekable();
            assigned.peek().is_some() && !assigned.any(|n| near(&n))
        };
        let on = model.depends.of(s).iter().find(missing)?;
        Some(Constraint::Dependency {
            service: ServiceId(s as u32),
            on: ServiceId(*on),
        })
    }

    fn crowded_or_scattered(
        &self,
        model: &Model,
        task: TaskId,
        s: usize,
        node: usize,
    ) -> Option<Constraint> {
        let (mut here, mut left) = (0, 0);
        let mut locations = Vec::new();
        for t in model.members.of(s).iter().filter(|t| **t != task.0) {
            match self.at[*t as usize] {
                Some(n) => {
                    here += u32::from(n as usize == node);
                    locations.push(model.location[n as usize]);
                }
                None => left += 1,
            }
        }
        let service = ServiceId(s as u32);
        if here >= model.per_node[s] {
            return Some(Constraint::Conflict { service });
        }
        locations.push(model.location[node]);
        locations.sort_unstable();
        locations.dedup();
        let lacks = (model.spread[s] as usize).saturating_sub(locations.len());
        (lacks > left).then_some(Constraint::Spread { service })
    }
}

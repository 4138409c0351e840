//! What a model holds, as it was given to its builder.

use super::Model;
use super::ids::{NodeId, ServiceId, TaskId};
use super::spec::{Balance, Resource, Service, Weights};

impl Model {
    /// The ids of all nodes, ascending.
    pub fn node_ids(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.nodes as u32).map(NodeId)
    }

    /// The ids of all services, ascending.
    pub fn service_ids(&self) -> impl ExactSizeIterator<Item = ServiceId> + use<> {
        (0..self.services() as u32).map(ServiceId)
    }

    /// The ids of all tasks, ascending.
    ///
    /// ```
    /// use scheduler_core::model::{ModelError, Node, Resource, Service, Task};
    /// use scheduler_core::{ModelBuilder, TaskId};
    ///
    /// let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
    /// b.node(Node { location: 7, neighbourhood: 0, capacity: &[8000], safety: &[6400] })?;
    /// let service = b.service(Service { spread: 1, per_node: 1 })?;
    /// b.task(Task { service, need: &[100], move_cost: 3 })?;
    /// let model = b.build()?;
    /// let demand: i64 = model.task_ids().map(|task| model.need(task)[0]).sum();
    /// assert_eq!(demand, 100);
    /// assert_eq!(model.task_move_cost(TaskId(0)), Some(3));
    /// assert_eq!(model.service(service), Some(Service { spread: 1, per_node: 1 }));
    /// # Ok::<(), ModelError>(())
    /// ```
    pub fn task_ids(&self) -> impl ExactSizeIterator<Item = TaskId> + use<> {
        (0..self.tasks() as u32).map(TaskId)
    }

    /// A resource; nothing for an unknown one.
    #[must_use]
    pub fn resource(&self, resource: usize) -> Option<Resource> {
        Some(Resource {
            transient: *self.transient.get(resource)?,
            load_weight: u64::try_from(*self.load_weight.get(resource)?).unwrap_or(0),
        })
    }

    /// A service's limits; nothing for an unknown one.
    #[must_use]
    pub fn service(&self, service: ServiceId) -> Option<Service> {
        Some(Service {
            spread: *self.spread.get(service.index())?,
            per_node: *self.per_node.get(service.index())?,
        })
    }

    /// The services that must run wherever (in which neighbourhood) this one does, ascending.
    pub fn depends_on(&self, service: ServiceId) -> impl ExactSizeIterator<Item = ServiceId> + '_ {
        self.depends
            .of(service.index())
            .iter()
            .map(|s| ServiceId(*s))
    }

    /// The services that depend on this one, ascending.
    pub fn dependents_of(
        &self,
        service: ServiceId,
    ) -> impl ExactSizeIterator<Item = ServiceId> + '_ {
        self.dependents
            .of(service.index())
            .iter()
            .map(|s| ServiceId(*s))
    }

    /// The neighbourhood of a node, numbered densely: equal numbers are one neighbourhood.
    #[must_use]
    pub fn neighbourhood(&self, node: NodeId) -> Option<u32> {
        self.neighbourhood.get(node.index()).copied()
    }

    /// Number of different neighbourhoods.
    #[must_use]
    pub fn neighbourhoods(&self) -> usize {
        self.neighbourhoods
    }

    /// Location and neighbourhood of a node as the builder was given them ([`Node`](super::Node)).
    #[must_use]
    pub fn given_place(&self, node: NodeId) -> Option<(u64, u64)> {
        self.places.get(node.index()).copied()
    }

    /// The cost of moving a task at all, weights left out ([`Task::move_cost`](super::Task::move_cost)); nothing for an unknown task.
    #[must_use]
    pub fn task_move_cost(&self, task: TaskId) -> Option<i64> {
        self.task_cost.get(task.index()).copied()
    }

    /// The cost of moving any task between two nodes, weights left out; 0 where none was given
    /// ([`ModelBuilder::node_move_costs`](super::ModelBuilder::node_move_costs)).
    #[must_use]
    pub fn node_move_cost(&self, from: NodeId, to: NodeId) -> i64 {
        let known = from.index() < self.nodes && to.index() < self.nodes;
        if known {
            self.travel(from.index(), to.index())
        } else {
            0
        }
    }

    /// A task's priority; tasks of lower priority are moved first. Nothing for an unknown task.
    #[must_use]
    pub fn priority(&self, task: TaskId) -> Option<u8> {
        self.priority.get(task.index()).copied()
    }

    /// Whether a task has to stay where it is.
    #[must_use]
    pub fn is_pinned(&self, task: TaskId) -> bool {
        self.pinned.get(task.index()).copied().unwrap_or(false)
    }

    /// The balance objectives, in the order in which they were given.
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        &self.balances
    }

    /// The weights of moving.
    #[must_use]
    pub fn weights(&self) -> Weights {
        self.weights
    }
}

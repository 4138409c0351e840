//! A model that changes: nodes, services and tasks that come, go and change, as an edit of the model before.

use super::Model;
use super::allowed::NodeSetId;
use super::build::ModelBuilder;
use super::checks::{amounts, known, signed};
use super::error::ModelError;
use super::ids::{NodeId, ServiceId, TaskId};
use super::spec::{Node, Service, Task};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// What a builder that began as a model remembers of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    generation: u64,
    /// Two models of one generation, and of different clusters, differ in their marks.
    mark: u64,
}

/// What is removed when the model is built.
#[derive(Clone, Debug, Default)]
pub(super) struct Removed {
    nodes: BTreeSet<u32>,
    services: BTreeSet<u32>,
    tasks: BTreeSet<u32>,
}

/// What became of a builder's ids in the model that it built: those of removed nodes, services and tasks name
/// nothing any more, the others moved up to fill the gaps and keep their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renumbered {
    nodes: Vec<Option<u32>>,
    services: Vec<Option<u32>>,
    tasks: Vec<Option<u32>>,
}

impl Renumbered {
    /// The node's new id; nothing for one that was removed or never was.
    #[must_use]
    pub fn node(&self, was: NodeId) -> Option<NodeId> {
        entry(&self.nodes, was.index()).map(NodeId)
    }

    /// The service's new id; nothing for one that was removed or never was.
    #[must_use]
    pub fn service(&self, was: ServiceId) -> Option<ServiceId> {
        entry(&self.services, was.index()).map(ServiceId)
    }

    /// The task's new id; nothing for one that was removed or never was.
    #[must_use]
    pub fn task(&self, was: TaskId) -> Option<TaskId> {
        entry(&self.tasks, was.index()).map(TaskId)
    }
}

fn entry(ids: &[Option<u32>], was: usize) -> Option<u32> {
    ids.get(was).copied().flatten()
}

impl Model {
    /// A builder that begins as this model: add, remove and change, then build. Ids mean what they mean here until
    /// the edit is built; [`ModelBuilder::build_renumbered`] says what they are afterwards. O(model).
    ///
    /// ```
    /// use scheduler_core::model::{ModelError, Node, Resource};
    /// use scheduler_core::{ModelBuilder, NodeId};
    ///
    /// let cpu = Resource { transient: false, load_weight: 1 };
    /// let mut b = ModelBuilder::new(&[cpu])?;
    /// let node = Node { location: 0, neighbourhood: 0, capacity: &[8000], safety: &[6400] };
    /// let (old, kept) = (b.node(node)?, b.node(node)?);
    /// let model = b.build()?;
    ///
    /// let mut edit = model.edit();
    /// edit.remove_node(old)?;
    /// let added = edit.node(node)?;
    /// let (model, ids) = edit.build_renumbered()?;
    /// assert_eq!(model.nodes(), 2);
    /// assert_eq!([old, kept, added].map(|n| ids.node(n)), [None, Some(NodeId(0)), Some(NodeId(1))]);
    /// # Ok::<(), ModelError>(())
    /// ```
    #[must_use]
    pub fn edit(&self) -> ModelBuilder {
        let services = 0..self.services();
        let pairs = services.flat_map(|s| {
            let on = self.depends.of(s).iter();
            on.map(move |on| (s as u32, *on))
        });
        let mut model = self.clone();
        model.generation = self.generation.wrapping_add(1);
        ModelBuilder {
            model,
            pairs: pairs.collect(),
            removed: Removed::default(),
            base: Some(self.base()),
        }
    }

    /// What an edit of this model remembers of it.
    pub(crate) fn base(&self) -> Base {
        Base {
            generation: self.generation,
            mark: self.mark,
        }
    }
}

impl ModelBuilder {
    /// Takes a node away when the model is built. What ran on it has to run elsewhere or go too.
    ///
    /// # Errors
    /// An unknown node.
    pub fn remove_node(&mut self, node: NodeId) -> Result<(), ModelError> {
        known("removal", 0, "node", node.index(), self.model.nodes)?;
        self.removed.nodes.insert(node.0);
        Ok(())
    }

    /// Takes a task away when the model is built.
    ///
    /// # Errors
    /// An unknown task.
    pub fn remove_task(&mut self, task: TaskId) -> Result<(), ModelError> {
        known("removal", 0, "task", task.index(), self.model.tasks())?;
        self.removed.tasks.insert(task.0);
        Ok(())
    }

    /// Takes a service away when the model is built; its tasks and what depends on it must have gone as well.
    ///
    /// # Errors
    /// An unknown service.
    pub fn remove_service(&mut self, service: ServiceId) -> Result<(), ModelError> {
        known(
            "removal",
            0,
            "service",
            service.index(),
            self.model.services(),
        )?;
        self.removed.services.insert(service.0);
        Ok(())
    }

    /// Gives a node other facts.
    ///
    /// # Errors
    /// An unknown node; as [`ModelBuilder::node`]. Nothing has changed then.
    pub fn set_node(&mut self, node: NodeId, facts: Node<'_>) -> Result<(), ModelError> {
        let (index, width) = (node.index(), self.model.resources);
        known("change", 0, "node", index, self.model.nodes)?;
        let capacity = amounts("node", index, "capacity", facts.capacity, width)?;
        let safety = amounts("node", index, "safety", facts.safety, width)?;
        overwrite(&mut self.model.capacity, index, &capacity);
        overwrite(&mut self.model.safety, index, &safety);
        self.model.places[index] = (facts.location, facts.neighbourhood);
        Ok(())
    }

    /// Gives a service other facts.
    ///
    /// # Errors
    /// An unknown service; `per_node` of 0.
    pub fn set_service(&mut self, service: ServiceId, facts: Service) -> Result<(), ModelError> {
        let index = service.index();
        known("change", 0, "service", index, self.model.services())?;
        super::checks::some_per_node(index, facts.per_node)?;
        self.model.spread[index] = facts.spread;
        self.model.per_node[index] = facts.per_node;
        Ok(())
    }

    /// Gives a task other facts. Priority, pins and where it may run stay.
    ///
    /// # Errors
    /// An unknown task; as [`ModelBuilder::task`]. Nothing has changed then.
    pub fn set_task(&mut self, task: TaskId, facts: Task<'_>) -> Result<(), ModelError> {
        let index = task.index();
        known("change", 0, "task", index, self.model.tasks())?;
        let services = self.model.services();
        known("task", index, "service", facts.service.index(), services)?;
        let cost = signed("task", index, "move cost", facts.move_cost)?;
        let need = amounts("task", index, "need", facts.need, self.model.resources)?;
        overwrite(&mut self.model.need, index, &need);
        self.model.service_of[index] = facts.service.0;
        self.model.task_cost[index] = cost;
        Ok(())
    }

    /// The nodes of a set from now on: those that have gained or lost the label or taint. A node that is added
    /// belongs to no set until this says so.
    ///
    /// # Errors
    /// An unknown set or node; nothing has changed then.
    pub fn set_nodes(&mut self, set: NodeSetId, nodes: &[NodeId]) -> Result<(), ModelError> {
        let (index, sets) = (set.index(), self.model.allowed.sets.len());
        known("change", 0, "node set", index, sets)?;
        for node in nodes {
            known("node set", index, "node", node.index(), self.model.nodes)?;
        }
        self.model.allowed.sets[index] = nodes.iter().map(|n| n.0).collect();
        Ok(())
    }

    /// The task may run anywhere again: the opposite of [`ModelBuilder::only_on`] and [`ModelBuilder::forbid`].
    ///
    /// # Errors
    /// An unknown task.
    pub fn allow_anywhere(&mut self, task: TaskId) -> Result<(), ModelError> {
        known("change", 0, "task", task.index(), self.model.tasks())?;
        self.model.allowed.tasks.remove(&task.0);
        Ok(())
    }

    /// The task may move again: the opposite of [`ModelBuilder::pin`].
    ///
    /// # Errors
    /// An unknown task.
    pub fn unpin(&mut self, task: TaskId) -> Result<(), ModelError> {
        known("change", 0, "task", task.index(), self.model.tasks())?;
        self.model.pinned[task.index()] = false;
        Ok(())
    }

    /// Ends a dependency: the opposite of [`ModelBuilder::depends`].
    pub fn remove_dependency(&mut self, service: ServiceId, on: ServiceId) {
        self.pairs.retain(|pair| *pair != (service.0, on.0));
    }

    /// Number of tasks so far, removed ones counted.
    pub(crate) fn tasks(&self) -> usize {
        self.model.tasks()
    }

    /// Takes away what was removed, after a look at what still names it.
    pub(super) fn without_removed(&mut self) -> Result<Renumbered, ModelError> {
        let Self {
            model,
            pairs,
            removed,
            ..
        } = self;
        nothing_names(model, pairs, removed)?;
        let ids = Renumbered {
            nodes: renumber(model.nodes, &removed.nodes),
            services: renumber(model.services(), &removed.services),
            tasks: renumber(model.tasks(), &removed.tasks),
        };
        remove_nodes(model, &removed.nodes, &ids);
        retain_rows(&mut model.spread, 1, &removed.services);
        retain_rows(&mut model.per_node, 1, &removed.services);
        retain_rows(&mut model.service_of, 1, &removed.tasks);
        retain_rows(&mut model.need, model.resources, &removed.tasks);
        retain_rows(&mut model.task_cost, 1, &removed.tasks);
        retain_rows(&mut model.priority, 1, &removed.tasks);
        retain_rows(&mut model.pinned, 1, &removed.tasks);
        let tasks = core::mem::take(&mut model.allowed.tasks).into_iter();
        let tasks = tasks.filter_map(|(t, n)| Some((entry(&ids.tasks, t as usize)?, n)));
        model.allowed.tasks = tasks.collect();
        // Both looked at above: no task and no pair names a removed service.
        let service = |s: u32| entry(&ids.services, s as usize);
        for s in &mut model.service_of {
            *s = service(*s).unwrap_or(*s);
        }
        let left = pairs.iter().filter_map(|(s, on)| {
            let known = (*s as usize) < ids.services.len() && (*on as usize) < ids.services.len();
            // What names no service at all is refused by the build.
            if known {
                Some((service(*s)?, service(*on)?))
            } else {
                Some((*s, *on))
            }
        });
        *pairs = left.collect();
        *removed = Removed::default();
        Ok(ids)
    }
}

/// Tasks that stay in a removed service, and dependencies on one.
fn nothing_names(model: &Model, pairs: &[(u32, u32)], removed: &Removed) -> Result<(), ModelError> {
    if removed.services.is_empty() {
        return Ok(());
    }
    let error = |kind, index, given: u32| ModelError::Removed {
        kind,
        index,
        target: "service",
        given: given as usize,
    };
    for (task, service) in model.service_of.iter().enumerate() {
        if removed.services.contains(service) && !removed.tasks.contains(&(task as u32)) {
            return Err(error("task", task, *service));
        }
    }
    for (service, on) in pairs {
        if removed.services.contains(on) && !removed.services.contains(service) {
            return Err(error("dependency of service", *service as usize, *on));
        }
    }
    Ok(())
}

fn remove_nodes(model: &mut Model, gone: &BTreeSet<u32>, ids: &Renumbered) {
    if gone.is_empty() {
        return;
    }
    retain_rows(&mut model.capacity, model.resources, gone);
    retain_rows(&mut model.safety, model.resources, gone);
    retain_rows(&mut model.places, 1, gone);
    let nodes = model.nodes;
    if model.travel.len() == nodes.saturating_mul(nodes) {
        let mut place = 0..nodes * nodes;
        model.travel.retain(|_| {
            let at = place.next().unwrap_or(0);
            let stays = |n: usize| !gone.contains(&(n as u32));
            stays(at / nodes) && stays(at % nodes)
        });
    }
    let renamed = |set: &BTreeSet<u32>| {
        let left = set.iter().filter_map(|n| entry(&ids.nodes, *n as usize));
        left.collect::<BTreeSet<u32>>()
    };
    for set in &mut model.allowed.sets {
        *set = renamed(set);
    }
    for narrowed in model.allowed.tasks.values_mut() {
        narrowed.forbidden = renamed(&narrowed.forbidden);
    }
    model.nodes -= gone.len();
}

/// New numbers of `count` things without those that are gone.
fn renumber(count: usize, gone: &BTreeSet<u32>) -> Vec<Option<u32>> {
    let mut next = 0_u32;
    let number = |id: u32| {
        if gone.contains(&id) {
            return None;
        }
        next += 1;
        Some(next - 1)
    };
    (0..count as u32).map(number).collect()
}

/// Removes the rows of what is gone from a flat matrix.
fn retain_rows<T>(flat: &mut Vec<T>, width: usize, gone: &BTreeSet<u32>) {
    if gone.is_empty() {
        return;
    }
    let mut at = 0_usize;
    flat.retain(|_| {
        let row = at / width.max(1);
        at += 1;
        !gone.contains(&(row as u32))
    });
}

fn overwrite(flat: &mut [i64], index: usize, row: &[i64]) {
    let old = flat.iter_mut().skip(index * row.len());
    for (old, new) in old.zip(row) {
        *old = *new;
    }
}

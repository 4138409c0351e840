//! How a model comes to be: nodes, services and tasks are added one by one, each checked as it comes.

use super::Model;
use super::allowed::Allowed;
use super::checks::{amounts, known, positive, room_for, signed, some_per_node};
use super::edit::{Base, Removed, Renumbered};
use super::error::ModelError;
use super::ids::{NodeId, ServiceId, TaskId};
use super::sets::Lists;
use super::spec::{Balance, Node, Resource, Service, Task, Weights};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The most a model's cost may reach: a fourth of `i64`, so that sums and differences of costs never overflow.
pub(super) const COST_LIMIT: i128 = (i64::MAX / 4) as i128;

/// Collects a [`Model`]; every call checks what it is given and a refused call changes nothing.
///
/// ```
/// use scheduler_core::ModelBuilder;
/// use scheduler_core::model::{ModelError, Node, Resource, Service, Task};
///
/// let cpu = Resource { transient: false, load_weight: 1 };
/// let disk = Resource { transient: true, load_weight: 0 };
/// let mut b = ModelBuilder::new(&[cpu, disk])?;
/// let node = b.node(Node { location: 0, neighbourhood: 0, capacity: &[8000, 100], safety: &[6400, 90] })?;
/// let service = b.service(Service { spread: 1, per_node: 1 })?;
/// let task = b.task(Task { service, need: &[500, 20], move_cost: 1 })?;
/// // Labels and taints are sets of nodes.
/// let ssd = b.node_set(&[node])?;
/// b.only_on(task, ssd)?;
/// let wrong = b.task(Task { service, need: &[500], move_cost: 1 });
/// assert_eq!(wrong.unwrap_err().to_string(), "task 1 has 1 amounts, want one for each of the 2 resources");
/// assert!(b.build()?.allows(task, node));
/// # Ok::<(), ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    pub(super) model: Model,
    pub(super) pairs: Vec<(u32, u32)>,
    pub(super) removed: Removed,
    /// The model that is edited, if it is an edit.
    pub(crate) base: Option<Base>,
}

impl ModelBuilder {
    /// A model without nodes, services or tasks.
    ///
    /// # Errors
    /// A weight above `i64`.
    pub fn new(resources: &[Resource]) -> Result<Self, ModelError> {
        let mut load_weight = Vec::with_capacity(resources.len());
        for (index, r) in resources.iter().enumerate() {
            load_weight.push(signed("resource", index, "load weight", r.load_weight)?);
        }
        let model = Model {
            resources: resources.len(),
            transient: resources.iter().map(|r| r.transient).collect(),
            load_weight,
            nodes: 0,
            neighbourhood: Vec::new(),
            location: Vec::new(),
            neighbourhoods: 0,
            locations: 0,
            capacity: Vec::new(),
            safety: Vec::new(),
            travel: Vec::new(),
            spread: Vec::new(),
            per_node: Vec::new(),
            members: Lists::default(),
            depends: Lists::default(),
            dependents: Lists::default(),
            service_of: Vec::new(),
            need: Vec::new(),
            task_cost: Vec::new(),
            priority: Vec::new(),
            pinned: Vec::new(),
            class_of: Vec::new(),
            classes: Vec::new(),
            balances: Vec::new(),
            weights: Weights::default(),
            places: Vec::new(),
            allowed: Allowed::default(),
            generation: 0,
            mark: 0,
        };
        Ok(Self {
            model,
            pairs: Vec::new(),
            removed: Removed::default(),
            base: None,
        })
    }

    /// Adds a node.
    ///
    /// # Errors
    /// Rows of the wrong width, amounts above `i64`, too many nodes.
    pub fn node(&mut self, node: Node<'_>) -> Result<NodeId, ModelError> {
        let index = self.model.nodes;
        room_for(index, "node")?;
        let capacity = amounts(
            "node",
            index,
            "capacity",
            node.capacity,
            self.model.resources,
        )?;
        let safety = amounts("node", index, "safety", node.safety, self.model.resources)?;
        self.model.capacity.extend(capacity);
        self.model.safety.extend(safety);
        let place = (node.location, node.neighbourhood);
        self.model.places.push(place);
        self.model.nodes += 1;
        Ok(NodeId(index as u32))
    }

    /// Adds a service.
    ///
    /// # Errors
    /// `per_node` of 0; too many services.
    pub fn service(&mut self, service: Service) -> Result<ServiceId, ModelError> {
        let index = self.model.spread.len();
        room_for(index, "service")?;
        some_per_node(index, service.per_node)?;
        self.model.spread.push(service.spread);
        self.model.per_node.push(service.per_node);
        Ok(ServiceId(index as u32))
    }

    /// Says that wherever (in which neighbourhood) `service` runs, `on` runs too. Both may be added later;
    /// [`ModelBuilder::build`] checks them.
    #[doc(alias = "podAffinity")]
    pub fn depends(&mut self, service: ServiceId, on: ServiceId) {
        self.pairs.push((service.0, on.0));
    }

    /// Adds a task.
    ///
    /// # Errors
    /// An unknown service, a row of the wrong width, amounts above `i64`, too many tasks.
    pub fn task(&mut self, task: Task<'_>) -> Result<TaskId, ModelError> {
        let index = self.model.service_of.len();
        room_for(index, "task")?;
        known(
            "task",
            index,
            "service",
            task.service.index(),
            self.model.spread.len(),
        )?;
        let cost = signed("task", index, "move cost", task.move_cost)?;
        let need = amounts("task", index, "need", task.need, self.model.resources)?;
        self.model.need.extend(need);
        self.model.service_of.push(task.service.0);
        self.model.task_cost.push(cost);
        self.model.priority.push(0);
        self.model.pinned.push(false);
        Ok(TaskId(index as u32))
    }

    /// A task of higher priority is moved later than one of lower; 0 when not said.
    ///
    /// # Errors
    /// An unknown task.
    pub fn priority(&mut self, task: TaskId, priority: u8) -> Result<(), ModelError> {
        known(
            "priority",
            0,
            "task",
            task.index(),
            self.model.service_of.len(),
        )?;
        self.model.priority[task.index()] = priority;
        Ok(())
    }

    /// The task stays where it is.
    ///
    /// # Errors
    /// An unknown task.
    #[doc(alias = "safe-to-evict")]
    pub fn pin(&mut self, task: TaskId) -> Result<(), ModelError> {
        known("pin", 0, "task", task.index(), self.model.service_of.len())?;
        self.model.pinned[task.index()] = true;
        Ok(())
    }

    /// Adds a balance objective.
    ///
    /// # Errors
    /// Unknown resources, negative target or weight.
    pub fn balance(&mut self, balance: Balance) -> Result<(), ModelError> {
        let index = self.model.balances.len();
        for resource in [balance.first, balance.second] {
            known("balance", index, "resource", resource, self.model.resources)?;
        }
        positive("balance", index, "target", balance.target)?;
        positive("balance", index, "weight", balance.weight)?;
        self.model.balances.push(balance);
        Ok(())
    }

    /// Sets the weights of moving.
    ///
    /// # Errors
    /// A negative weight.
    pub fn weights(&mut self, weights: Weights) -> Result<(), ModelError> {
        positive("weights", 0, "task_move", weights.task_move)?;
        positive("weights", 0, "service_move", weights.service_move)?;
        positive("weights", 0, "node_move", weights.node_move)?;
        self.model.weights = weights;
        Ok(())
    }

    /// Sets the cost of moving from each node to each: `costs[a * nodes + b]`.
    ///
    /// # Errors
    /// Not one cost for each pair of the nodes added so far.
    #[doc(alias("machine move cost", "travel"))]
    pub fn node_move_costs(&mut self, costs: Vec<u32>) -> Result<(), ModelError> {
        let want = self.model.nodes.saturating_mul(self.model.nodes);
        if costs.len() != want {
            let (given, nodes) = (costs.len(), self.model.nodes);
            return Err(ModelError::NodePairs { given, want, nodes });
        }
        self.model.travel = costs;
        Ok(())
    }

    /// The finished model.
    ///
    /// # Errors
    /// Dependencies that name no service; a cost that could pass a fourth of `i64`; nodes added after
    /// [`ModelBuilder::node_move_costs`]; what was removed and is still named.
    pub fn build(self) -> Result<Model, ModelError> {
        Ok(self.build_renumbered()?.0)
    }

    /// The finished model, and what became of the ids that this builder used: those that stay move up to fill
    /// the gaps of removed ones, and keep their order. O(model).
    ///
    /// # Errors
    /// As [`ModelBuilder::build`].
    pub fn build_renumbered(mut self) -> Result<(Model, Renumbered), ModelError> {
        let renumbered = self.without_removed()?;
        let services = self.model.spread.len();
        for (service, on) in &self.pairs {
            known("dependency", 0, "service", *service as usize, services)?;
            known(
                "dependency of service",
                *service as usize,
                "service",
                *on as usize,
                services,
            )?;
        }
        let pairs = self.model.nodes.saturating_mul(self.model.nodes);
        if !self.model.travel.is_empty() && self.model.travel.len() != pairs {
            let given = self.model.travel.len();
            let nodes = self.model.nodes;
            return Err(ModelError::NodePairs {
                given,
                want: pairs,
                nodes,
            });
        }
        self.pairs.sort_unstable();
        self.pairs.dedup();
        self.model.depends = Lists::from_pairs(services, &self.pairs);
        let mut back: Vec<_> = self.pairs.iter().map(|(s, on)| (*on, *s)).collect();
        back.sort_unstable();
        self.model.dependents = Lists::from_pairs(services, &back);
        let tasks = self.model.service_of.iter().zip(0_u32..);
        let members: Vec<_> = tasks.map(|(service, task)| (*service, task)).collect();
        self.model.members = Lists::from_pairs(services, &members);
        (self.model.location, self.model.locations) = dense(self.model.places.iter().map(|p| p.0));
        (self.model.neighbourhood, self.model.neighbourhoods) =
            dense(self.model.places.iter().map(|p| p.1));
        let (tasks, nodes) = (self.model.service_of.len(), self.model.nodes);
        (self.model.class_of, self.model.classes) = self.model.allowed.classes(tasks, nodes);
        affordable(&self.model)?;
        self.model.mark = super::mark::mark(&self.model);
        Ok((self.model, renumbered))
    }

    /// What has been collected so far; lists and classes are made at the end.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    pub(super) fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    pub(super) fn allowed(&self) -> &Allowed {
        &self.model.allowed
    }

    pub(super) fn allowed_mut(&mut self) -> &mut Allowed {
        &mut self.model.allowed
    }
}

/// Upper bounds on any assignment's costs and on every intermediate sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worst {
    pub(super) load: i128,
    pub(super) balance: i128,
    pub(super) moves: i128,
}

/// Refuses a model whose costs may not fit.
pub(super) fn affordable(model: &Model) -> Result<(), ModelError> {
    let Worst {
        load,
        balance,
        moves,
    } = worst_cost(model);
    let (given, limit) = (
        load.saturating_add(balance).saturating_add(moves),
        COST_LIMIT,
    );
    if given > limit {
        return Err(ModelError::TooCostly { given, limit });
    }
    Ok(())
}

pub(super) fn worst_cost(model: &Model) -> Worst {
    let sum = |flat: &[i64], r: usize| -> i128 {
        let column = flat.iter().skip(r).step_by(model.resources.max(1));
        column.map(|v| i128::from(*v)).sum()
    };
    let wide = |v: i64| i128::from(v.max(1));
    let mut load: i128 = 0;
    for (r, weight) in model.load_weight.iter().enumerate() {
        let amounts = sum(&model.need, r) + sum(&model.capacity, r) + sum(&model.safety, r);
        load = load.saturating_add(wide(*weight).saturating_mul(amounts));
    }
    let mut balance: i128 = 0;
    for b in &model.balances {
        let one = |r| sum(&model.capacity, r) + sum(&model.need, r);
        let missing = wide(b.target)
            .saturating_mul(one(b.first))
            .saturating_add(one(b.second));
        balance = balance.saturating_add(wide(b.weight).saturating_mul(missing));
    }
    let tasks = model.service_of.len() as i128;
    let own: i128 = model.task_cost.iter().map(|c| i128::from(*c)).sum();
    let far = i128::from(model.travel.iter().copied().max().unwrap_or(0)) * tasks;
    let Weights {
        task_move,
        service_move,
        node_move,
    } = model.weights;
    let moves = [(task_move, own), (service_move, tasks), (node_move, far)];
    let moves = moves.iter().fold(0_i128, |t, (w, v)| {
        t.saturating_add(wide(*w).saturating_mul(*v))
    });
    Worst {
        load,
        balance,
        moves,
    }
}

/// Numbers 0, 1, ... for the different keys in the order of their values, and how many there are.
fn dense(keys: impl Iterator<Item = u64> + Clone) -> (Vec<u32>, usize) {
    let mut numbers: BTreeMap<u64, u32> = keys.clone().map(|k| (k, 0)).collect();
    for (number, value) in numbers.values_mut().zip(0_u32..) {
        *number = value;
    }
    let dense = keys
        .map(|k| numbers.get(&k).copied().unwrap_or(0))
        .collect();
    (dense, numbers.len())
}

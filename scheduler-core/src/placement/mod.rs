//! Where every task stands, with everything kept up to date that a decision asks for.

mod audit;
mod delta;
mod explain;
mod partial;
mod scatter;
mod tables;

pub use audit::{Cost, Violations};
pub use explain::Constraint;
pub use partial::PartialPlacement;
pub(crate) use tables::Tables;

use crate::model::{Model, NodeId, TaskId};
use alloc::vec;
use alloc::vec::Vec;
use thiserror::Error;

/// An assignment that does not fit its model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// Not one node for each task.
    #[error("the assignment names {given} nodes, want one for each of the {want} tasks")]
    Length {
        /// Entries given.
        given: usize,
        /// Tasks in the model.
        want: usize,
    },
    /// A task stands on no node of the model.
    #[error("task {task} stands on node {given}, but there are only {nodes} nodes")]
    Node {
        /// The task.
        task: TaskId,
        /// The node's index as given.
        given: u32,
        /// Nodes in the model.
        nodes: usize,
    },
    /// A task without a node, where every task must have one.
    #[error("task {task} has no node, want one for every task")]
    Unassigned {
        /// The first such task.
        task: TaskId,
    },
    /// A search's budget that is no number.
    #[error("the budget says that NaN of it is spent, want a share: 0 or more, ended at 1")]
    Budget,
}

/// An assignment of every task to a node, with rows, counters and costs that follow each change in
/// O(resources + what the constraints touch).
///
/// A task has a *home* (where it came from; its transient needs stay reserved there) and a node where it
/// stands now. It belongs to the model that it was made for (or an equal one): asked with another, it says so
/// ([`Constraint::OtherModel`]) and changes nothing. Hard constraints may be broken: [`Placement::blocked`] says beforehand whether a shift would
/// break one, and [`Placement::violations`] counts all from scratch.
///
/// ```
/// use scheduler_core::placement::Constraint;
/// use scheduler_core::{NodeId, Placement, TaskId};
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
/// // Three tasks of 4 on node 0, of which 6 are safe: two units too many... and above its capacity of 10.
/// let mut placement = Placement::new(&model, &[NodeId(0); 3])?;
/// assert_eq!(placement.violations(&model).capacity, 1);
/// let gain = placement.cost_of_shift(&model, TaskId(0), NodeId(1));
/// assert_eq!(placement.try_shift(&model, TaskId(0), NodeId(1))?, gain);
/// assert_eq!(placement.blocked(&model, TaskId(1), NodeId(1)), None);
/// assert_eq!(placement.blocked(&model, TaskId(9), NodeId(1)), Some(Constraint::Unknown));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub(crate) at: Vec<u32>,
    pub(crate) home: Vec<u32>,
    /// Position of each task in its node's list.
    slot: Vec<u32>,
    /// The tasks that stand on each node, in no order.
    on: Vec<Vec<u32>>,
    /// Per node `2 * resources` amounts: free capacity (what left tasks still reserve taken off), then use
    /// above safety capacity (negative when below).
    pub(crate) rows: Vec<i64>,
    /// Load and balance cost of each node.
    pub(crate) node_cost: Vec<i64>,
    pub(crate) tables: Tables,
    /// The model's mark: with another model's nothing is answered.
    mark: u64,
    /// Sum of the nodes' costs.
    load: i64,
    /// Weighted costs of moved tasks, service moves left out.
    moving: i64,
}

impl Placement {
    /// The assignment `at` with every task at home.
    ///
    /// # Errors
    /// Not one known node for each task.
    pub fn new(model: &Model, at: &[NodeId]) -> Result<Self, PlacementError> {
        let (given, want) = (at.len(), model.tasks());
        if given != want {
            return Err(PlacementError::Length { given, want });
        }
        for (node, task) in at.iter().zip(0_u32..) {
            if node.index() >= model.nodes() {
                let (task, nodes) = (TaskId(task), model.nodes());
                return Err(PlacementError::Node {
                    task,
                    given: node.0,
                    nodes,
                });
            }
        }
        let at: Vec<u32> = at.iter().map(|n| n.0).collect();
        Ok(Self::settled(model, at))
    }

    /// [`Placement::new`] of a checked assignment.
    fn settled(model: &Model, at: Vec<u32>) -> Self {
        let (width, nodes) = (model.resources, model.nodes);
        let mut rows = vec![0_i64; nodes * width * 2];
        for (n, row) in rows.chunks_exact_mut(2 * width.max(1)).enumerate() {
            for r in 0..width {
                row[r] = model.capacity[n * width + r];
                row[width + r] = -model.safety[n * width + r];
            }
        }
        let mut on = vec![Vec::new(); nodes];
        let mut slot = vec![0_u32; at.len()];
        for (task, node) in at.iter().enumerate() {
            let list: &mut Vec<u32> = &mut on[*node as usize];
            slot[task] = list.len() as u32;
            list.push(task as u32);
            let row = &mut rows[*node as usize * 2 * width..];
            for r in 0..width {
                let need = model.need[task * width + r];
                row[r] -= need;
                row[width + r] += need;
            }
        }
        let tables = Tables::new(model, &at);
        let node_cost = vec![0; nodes];
        let home = at.clone();
        let mut placement = Self {
            at,
            home,
            slot,
            on,
            rows,
            node_cost,
            tables,
            mark: model.mark,
            load: 0,
            moving: 0,
        };
        for node in 0..nodes {
            let cost = placement.cost_now(model, node);
            placement.node_cost[node] = cost;
            placement.load += cost;
        }
        placement
    }

    /// The assignment `at` of tasks whose homes are `homes`.
    ///
    /// # Errors
    /// Not one known node for each task in both.
    pub fn moved(model: &Model, homes: &[NodeId], at: &[NodeId]) -> Result<Self, PlacementError> {
        Self::new(model, at)?;
        let mut placement = Self::new(model, homes)?;
        for (task, node) in at.iter().enumerate() {
            placement.shift(model, task, node.index());
        }
        Ok(placement)
    }

    /// Whether the placement was made for another model than this one.
    #[inline]
    pub(crate) fn is_foreign(&self, model: &Model) -> bool {
        self.mark != model.mark
    }

    /// Every task at its home.
    pub(crate) fn homes(&self, model: &Model) -> Self {
        Self::settled(model, self.home.clone())
    }

    /// Where a task stands; nothing for an unknown one.
    #[must_use]
    pub fn node_of(&self, task: TaskId) -> Option<NodeId> {
        self.at.get(task.index()).map(|n| NodeId(*n))
    }

    /// Where a task came from; nothing for an unknown one.
    #[must_use]
    pub fn home_of(&self, task: TaskId) -> Option<NodeId> {
        self.home.get(task.index()).map(|n| NodeId(*n))
    }

    /// The tasks that stand on a node, in no particular but a reproducible order.
    pub fn tasks_on(&self, node: NodeId) -> impl ExactSizeIterator<Item = TaskId> + '_ {
        self.list(node.index()).iter().map(|t| TaskId(*t))
    }

    /// Every task's node, in the order of the tasks.
    #[must_use]
    pub fn assignment(&self) -> Vec<NodeId> {
        self.at.iter().map(|n| NodeId(*n)).collect()
    }

    /// Number of tasks that do not stand at home.
    #[must_use]
    pub fn moves(&self) -> usize {
        self.at
            .iter()
            .zip(&self.home)
            .filter(|(a, h)| a != h)
            .count()
    }

    /// Total cost: load, balance and moves; `i64::MAX` for another model than the placement's own.
    #[must_use]
    pub fn cost(&self, model: &Model) -> i64 {
        if self.is_foreign(model) {
            return i64::MAX;
        }
        self.load + self.moving + model.weights.service_move * self.tables.worst_moved() as i64
    }

    /// The tasks on a node, as indices.
    #[inline]
    pub(crate) fn list(&self, node: usize) -> &[u32] {
        self.on.get(node).map_or(&[], Vec::as_slice)
    }

    /// Puts a task onto a node, whatever that breaks; the cost's change comes back. Shifting it back undoes
    /// everything but the order within the nodes' lists.
    pub(crate) fn shift(&mut self, model: &Model, task: usize, to: usize) -> i64 {
        let from = self.at[task] as usize;
        if from == to {
            return 0;
        }
        let before = self.cost(model);
        let home = self.home[task] as usize;
        self.carry(model, task, from, home == from, -1);
        self.carry(model, task, to, home == to, 1);
        self.moving += model.move_cost(task, home, to) - model.move_cost(task, home, from);
        self.relist(task, from, to);
        self.at[task] = to as u32;
        self.tables.shift(model, task, (from, to), home);
        self.cost(model) - before
    }

    /// Makes where the task stands its home: what it reserved at its old home is free again and the move is
    /// no longer counted.
    pub(crate) fn settle(&mut self, model: &Model, task: usize) {
        let (home, at) = (self.home[task] as usize, self.at[task] as usize);
        if home == at {
            return;
        }
        let width = model.resources;
        for r in (0..width).filter(|r| model.transient[*r]) {
            // The room that was reserved at the old home; at the new one it was taken on arrival.
            self.rows[home * 2 * width + r] += model.need[task * width + r];
        }
        self.moving -= model.move_cost(task, home, at);
        self.home[task] = at as u32;
        self.tables.settle(model, task);
    }

    /// Adds (`sign` 1) or takes (-1) a task's needs on a node's row; at its home the transient ones stay.
    fn carry(&mut self, model: &Model, task: usize, node: usize, at_home: bool, sign: i64) {
        let width = model.resources;
        let need = &model.need[task * width..][..width];
        let row = &mut self.rows[node * 2 * width..][..2 * width];
        let (free, over) = row.split_at_mut(width);
        for r in 0..width {
            over[r] += sign * need[r];
            if !(at_home && model.transient[r]) {
                free[r] -= sign * need[r];
            }
        }
        let cost = self.cost_now(model, node);
        self.load += cost - self.node_cost[node];
        self.node_cost[node] = cost;
    }

    fn relist(&mut self, task: usize, from: usize, to: usize) {
        let place = self.slot[task] as usize;
        self.on[from].swap_remove(place);
        if let Some(other) = self.on[from].get(place) {
            self.slot[*other as usize] = place as u32;
        }
        self.slot[task] = self.on[to].len() as u32;
        self.on[to].push(task as u32);
    }
}

//! The node with the least load first, heavy tasks before light ones.

use super::by_count::{chosen, depended_first};
use super::feasible::made_feasible;
use super::{Placer, Unplaced};
use crate::model::{Model, NodeId};
use crate::placement::PartialPlacement;
use alloc::vec;
use alloc::vec::Vec;

/// Places by what tasks were seen to take, which need not be what they ask for: the heaviest task first, each on the
/// node that is least loaded among those where it may run (of equals the one with the fewest of its service, then the lowest
/// number). Longest processing time first, in the words of scheduling theory (Graham 1969): the fullest of equal nodes
/// ends within a third of the best possible where nothing but the load restricts it. Constraints are treated as
/// [`ByCount`](super::ByCount) does.
///
/// Loads are in any unit, one a task, and missing ones count as 0; a node's load is told in proportion to its safety capacity of `resource`.
///
/// Cost: O(tasks x (nodes + resources)), and for a repair what [`crate::search::repair`] costs.
///
/// ```
/// use scheduler_core::model::{Node, Resource, Service, Task};
/// use scheduler_core::search::{ByLoad, Placer as _};
/// use scheduler_core::{ModelBuilder, NodeId};
///
/// let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
/// for _ in 0..2 {
///     b.node(Node { location: 0, neighbourhood: 0, capacity: &[100], safety: &[80] })?;
/// }
/// let service = b.service(Service { spread: 0, per_node: 9 })?;
/// for _ in 0..4 {
///     b.task(Task { service, need: &[1], move_cost: 1 })?;
/// }
/// let model = b.build()?;
/// let nodes = ByLoad { loads: &[10, 10, 30, 10], resource: 0 }.place(&model)?;
/// assert_eq!(nodes, [1, 1, 0, 1].map(NodeId));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ByLoad<'a> {
    /// What each task takes.
    pub loads: &'a [u64],
    /// The resource whose safety capacities nodes are compared by.
    pub resource: usize,
}

/// Parts of a safety capacity that loads are compared in: 2^40.
const PARTS: u128 = 1 << 40;

impl Placer for ByLoad<'_> {
    fn place(&mut self, model: &Model) -> Result<Vec<NodeId>, Unplaced> {
        let load = |task: usize| self.loads.get(task).copied().unwrap_or(0);
        let mut left: Vec<usize> = (0..model.services())
            .map(|s| model.members.of(s).len())
            .collect();
        let mut on = vec![0_u128; model.nodes];
        let mut partial = PartialPlacement::new(model);
        for task in self.order(model) {
            let service = model.service_of[task] as usize;
            let share = |node: usize| {
                let safety = model.safety(NodeId(node as u32)).get(self.resource);
                let safety = safety.map_or(1, |s| (*s).max(1) as u128);
                let parts = (on[node] + u128::from(load(task))).saturating_mul(PARTS) / safety;
                u64::try_from(parts).unwrap_or(u64::MAX)
            };
            let node = chosen(model, &partial, task, left[service], share)?;
            partial.put(model, task, node);
            on[node] += u128::from(load(task));
            left[service] -= 1;
        }
        let at = partial.at.iter().map(|n| NodeId(n.unwrap_or(0))).collect();
        made_feasible(model, at)
    }
}

impl ByLoad<'_> {
    /// The heaviest task first, but services that others depend on before those.
    fn order(&self, model: &Model) -> Vec<usize> {
        let mut depth = vec![0_usize; model.services()];
        for service in depended_first(model) {
            let below = model.depends.of(service as usize).iter();
            let deepest = below.map(|s| depth[*s as usize] + 1).max();
            depth[service as usize] = deepest.unwrap_or(0);
        }
        let mut order: Vec<usize> = (0..model.tasks()).collect();
        order.sort_by_key(|t| {
            let load = self.loads.get(*t).copied().unwrap_or(0);
            (
                depth[model.service_of[*t] as usize],
                core::cmp::Reverse(load),
                *t,
            )
        });
        order
    }
}

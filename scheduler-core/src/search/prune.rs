//! Where a task can ever run, whatever the others do.

use crate::{Model, NodeId, Placement, TaskId};
use alloc::vec;
use alloc::vec::Vec;

/// Pairs of task and node above which no lists are kept.
const PAIR_LIMIT: usize = 1 << 26;

/// Per task the nodes other than its home where it can ever run. What the residents hold of transient
/// resources never goes away, so only what is left of those counts; of the others the whole capacity.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// Tasks that can run somewhere but at home.
    pub(crate) movable: Vec<u32>,
    start: Vec<u32>,
    nodes: Vec<u32>,
    /// The same as bits, at `task * all + node`.
    bits: Vec<u64>,
    /// Nodes in the model; lists are left out when there are too many pairs.
    all: usize,
}

impl Reach {
    pub(crate) fn new(model: &Model, now: &Placement) -> Self {
        let (tasks, nodes) = (model.tasks(), model.nodes);
        let free_to_move = |t: &u32| !model.pinned[*t as usize];
        if tasks.saturating_mul(nodes) > PAIR_LIMIT {
            let movable = (0..tasks as u32).filter(free_to_move).collect();
            return Self {
                movable,
                start: Vec::new(),
                nodes: Vec::new(),
                bits: Vec::new(),
                all: nodes,
            };
        }
        let limit = limits(model, now);
        let width = model.resources;
        let (mut start, mut list) = (vec![0_u32], Vec::new());
        let mut movable = Vec::new();
        let mut bits = vec![0_u64; (tasks * nodes).div_ceil(64)];
        for task in 0..tasks {
            let need = &model.need[task * width..][..width];
            let before = list.len();
            if free_to_move(&(task as u32)) {
                for node in 0..nodes {
                    let room = &limit[node * width..][..width];
                    if node != now.home[task] as usize
                        && need.iter().zip(room).all(|(q, f)| q <= f)
                        && model.allows(TaskId(task as u32), NodeId(node as u32))
                    {
                        list.push(node as u32);
                        let bit = task * nodes + node;
                        bits[bit / 64] |= 1 << (bit % 64);
                    }
                }
            }
            if list.len() > before {
                movable.push(task as u32);
            }
            start.push(list.len() as u32);
        }
        Self {
            movable,
            start,
            nodes: list,
            bits,
            all: nodes,
        }
    }

    /// The nodes in reach of a task, its home left out; only where lists are kept.
    #[inline]
    fn of(&self, task: usize) -> &[u32] {
        &self.nodes[self.start[task] as usize..self.start[task + 1] as usize]
    }

    /// Whether a task can ever stand on a node.
    #[inline]
    pub(crate) fn has(&self, model: &Model, task: usize, home: u32, node: usize) -> bool {
        if node == home as usize {
            return true;
        }
        if self.start.is_empty() {
            return !model.pinned[task] && model.allows(TaskId(task as u32), NodeId(node as u32));
        }
        let bit = task * self.all + node;
        self.bits[bit / 64] >> (bit % 64) & 1 == 1
    }

    /// One node in reach of a task, its home among them, for a random number.
    #[inline]
    pub(crate) fn draw(&self, task: usize, home: u32, random: u64) -> usize {
        let pick = |n: usize| ((u128::from(random) * n as u128) >> 64) as usize;
        if self.start.is_empty() {
            return pick(self.all);
        }
        let list = self.of(task);
        list.get(pick(list.len() + 1)).copied().unwrap_or(home) as usize
    }
}

/// The most that a task not at home can take on each node.
fn limits(model: &Model, now: &Placement) -> Vec<i64> {
    let width = model.resources;
    let mut limit = model.capacity.clone();
    for (task, home) in now.home.iter().enumerate() {
        for r in (0..width).filter(|r| model.transient[*r]) {
            limit[*home as usize * width + r] -= model.need[task * width + r];
        }
    }
    limit
}

//! Where a task can ever run, whatever the others do.

use crate::model::{Model, NodeId, TaskId};
use crate::placement::Placement;
use crate::uniform::Uniform as _;
use alloc::vec;
use alloc::vec::Vec;
use rand::Rng;

/// Pairs of task and node above which no lists are kept.
const PAIR_LIMIT: usize = 1 << 26;

/// Nodes drawn for a task before its list is asked or, where no lists are kept, it is left at home.
const DRAWS: usize = 4;

/// Per task the nodes other than its home where it can ever run. What the residents hold of transient
/// resources never goes away, so only what is left of those counts; of the others the whole capacity.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// Tasks that can run somewhere but at home, as far as is known.
    pub(crate) movable: Vec<u32>,
    start: Vec<u32>,
    nodes: Vec<u32>,
    /// The same as bits, at `task * all + node`.
    bits: Vec<u64>,
    /// Nodes in the model; lists and bits are left out when there are too many pairs, and each is asked for anew.
    all: usize,
    /// The most that a task not at home can take, at `node * resources + resource`; a float, as what a search compares
    /// it with.
    limit: Vec<f64>,
    /// Whether every task can stand everywhere, so that nothing need be asked.
    open: bool,
    /// Tasks that labels or taints forbid to stand where they came from; empty where there are none.
    barred: Vec<bool>,
}

impl Reach {
    pub(crate) fn new(model: &Model, now: &Placement) -> Self {
        let (tasks, nodes) = (model.tasks(), model.nodes);
        let mut reach = Self {
            movable: Vec::new(),
            start: Vec::new(),
            nodes: Vec::new(),
            bits: Vec::new(),
            all: nodes,
            limit: limits(model, now),
            open: false,
            barred: barred(model, now),
        };
        reach.open = reach.is_open(model);
        let free_to_move = |t: &u32| !model.pinned[*t as usize];
        if tasks.saturating_mul(nodes) > PAIR_LIMIT {
            reach.movable = (0..tasks as u32).filter(free_to_move).collect();
            return reach;
        }
        reach.start.push(0);
        reach.bits = vec![0_u64; (tasks * nodes).div_ceil(64)];
        let mut need = Vec::new();
        for task in 0..tasks {
            let before = reach.nodes.len();
            need.clear();
            let amounts = &model.need[task * model.resources..][..model.resources];
            need.extend(amounts.iter().map(|q| *q as f64));
            for node in 0..nodes {
                if node != now.home[task] as usize && reach.fits(model, task, &need, node) {
                    reach.nodes.push(node as u32);
                    let bit = task * nodes + node;
                    reach.bits[bit / 64] |= 1 << (bit % 64);
                }
            }
            if reach.nodes.len() > before {
                reach.movable.push(task as u32);
            }
            reach.start.push(reach.nodes.len() as u32);
        }
        reach
    }

    fn is_open(&self, model: &Model) -> bool {
        let width = model.resources;
        let roomy = (0..width).all(|r| {
            let most = model.need.iter().skip(r).step_by(width).max();
            let rooms = self.limit.iter().skip(r).step_by(width);
            let least = rooms.fold(f64::INFINITY, |a, b| a.min(*b));
            most.is_none_or(|most| *most as f64 <= least)
        });
        roomy && model.class_of.is_empty() && !model.pinned.iter().any(|p| *p)
    }

    /// Whether a task with these needs can ever stand on a node that is not its home.
    fn fits(&self, model: &Model, task: usize, need: &[f64], node: usize) -> bool {
        if self.open {
            return true;
        }
        let width = model.resources;
        let room = &self.limit[node * width..][..width];
        need.iter().zip(room).all(|(q, f)| q <= f)
            && !model.pinned[task]
            && model.allows(TaskId(task as u32), NodeId(node as u32))
    }

    /// Whether a task may not go back home.
    #[inline]
    pub(crate) fn is_barred(&self, task: usize) -> bool {
        self.barred.get(task).is_some_and(|barred| *barred)
    }

    /// The nodes in reach of a task, its home left out; only where lists are kept.
    #[inline]
    fn of(&self, task: usize) -> &[u32] {
        &self.nodes[self.start[task] as usize..self.start[task + 1] as usize]
    }

    /// Whether a task with these needs can ever stand on a node.
    #[inline]
    pub(crate) fn has(
        &self,
        model: &Model,
        (task, need): (usize, &[f64]),
        home: u32,
        node: usize,
    ) -> bool {
        if node == home as usize {
            return !self.is_barred(task);
        }
        if self.start.is_empty() {
            return self.fits(model, task, need, node);
        }
        let bit = task * self.all + node;
        self.bits[bit / 64] >> (bit % 64) & 1 == 1
    }

    /// One node in reach of a task, its home among them.
    #[inline]
    pub(crate) fn draw(
        &self,
        model: &Model,
        (task, need): (usize, &[f64]),
        home: u32,
        rng: &mut impl Rng,
    ) -> usize {
        // Most often most nodes are in reach, and the bits are nearer than the lists.
        let mut drawn = (0..DRAWS).map(|_| rng.below(self.all));
        if let Some(node) = drawn.find(|node| self.has(model, (task, need), home, *node)) {
            return node;
        }
        if self.start.is_empty() {
            return home as usize;
        }
        let list = self.of(task);
        let pick = rng.below(list.len() + 1);
        list.get(pick).copied().unwrap_or(home) as usize
    }
}

/// Tasks whose home labels or taints forbid, if there are any.
fn barred(model: &Model, now: &Placement) -> Vec<bool> {
    let forbids = |(home, task): (&u32, u32)| !model.allows(TaskId(task), NodeId(*home));
    let barred: Vec<bool> = now.home.iter().zip(0_u32..).map(forbids).collect();
    if barred.contains(&true) {
        barred
    } else {
        Vec::new()
    }
}

/// The most that a task not at home can take on each node.
fn limits(model: &Model, now: &Placement) -> Vec<f64> {
    let width = model.resources;
    let mut limit = model.capacity.clone();
    for (task, home) in now.home.iter().enumerate() {
        for r in (0..width).filter(|r| model.transient[*r]) {
            limit[*home as usize * width + r] -= model.need[task * width + r];
        }
    }
    limit.into_iter().map(|l| l as f64).collect()
}

//! The problem once capacities and thresholds have multipliers: every task chooses by itself.

use super::multipliers::Multipliers;
use crate::model::{Model, NodeId, TaskId};
use crate::placement::Placement;
use alloc::vec;
use alloc::vec::Vec;

/// Pairs of task and node above which the relaxation is not made.
const PAIRS: usize = 1 << 24;
/// Multipliers have so many binary places where they are summed up in integers.
const PLACES: u32 = 16;

/// What does not change with the multipliers.
pub(super) struct Relaxed<'m> {
    pub(super) model: &'m Model,
    home: Vec<u32>,
    /// The nodes other than its home that each task can ever run on, one after another.
    start: Vec<u32>,
    nodes: Vec<u32>,
    /// Mean capacity of a node per resource, and what is typical of each balance objective.
    pub(super) unit: Vec<f64>,
    pub(super) balance_unit: Vec<f64>,
    /// The most that room may cost per resource, so that no sum in integers overflows.
    pub(super) most: Vec<f64>,
}

impl<'m> Relaxed<'m> {
    /// Nothing where there are too many pairs.
    pub(super) fn new(model: &'m Model, start: &Placement) -> Option<Self> {
        let pairs = model.tasks().checked_mul(model.nodes)?;
        if pairs > PAIRS || pairs == 0 {
            return None;
        }
        let width = model.resources;
        let mean = |flat: &[i64], r: usize| {
            let column = flat.iter().skip(r).step_by(width.max(1));
            column.map(|v| *v as f64).sum::<f64>() / model.nodes as f64
        };
        let unit: Vec<f64> = (0..width)
            .map(|r| mean(&model.capacity, r).max(1.0))
            .collect();
        let typical =
            |b: &crate::model::Balance| (b.target as f64 * unit[b.first]).max(unit[b.second]);
        let balance_unit = model.balances.iter().map(typical).collect();
        let all = |r: usize| (mean(&model.need, r) + mean(&model.capacity, r)) * model.nodes as f64;
        let most = (0..width).map(|r| 1e18 / all(r).max(1.0)).collect();
        let (starts, nodes) = reach(model, start);
        let home = start.at.clone();
        Some(Self {
            model,
            home,
            start: starts,
            nodes,
            unit,
            balance_unit,
            most,
        })
    }

    pub(super) fn work_of_a_round(&self) -> u64 {
        ((self.nodes.len() + self.home.len()) * (self.model.resources + 2)) as u64
    }

    /// What the multipliers come to, and by how much each thing with a multiplier is exceeded.
    pub(super) fn evaluate(&self, multipliers: &Multipliers) -> (f64, Multipliers) {
        let (model, width) = (self.model, self.model.resources);
        let paid = self.paid(multipliers);
        let mut excess = Multipliers::zero(model);
        let mut value = 0.0;
        for task in 0..self.home.len() {
            let (cost, node) = self.choice(multipliers, &paid, task);
            value += cost;
            let need = &model.need[task * width..][..width];
            let home = self.home[task] as usize;
            for (r, need) in need.iter().enumerate() {
                excess.load[node * width + r] += *need as f64;
                if node != home && model.transient[r] {
                    excess.room[home * width + r] += *need as f64;
                }
            }
        }
        for i in 0..model.capacity.len() {
            excess.room[i] += excess.load[i] - model.capacity[i] as f64;
            value -= multipliers.load[i] * model.safety[i] as f64;
            value -= multipliers.room[i] * model.capacity[i] as f64;
        }
        for (b, objective) in model.balances.iter().enumerate() {
            for node in 0..model.nodes {
                let i = b * model.nodes + node;
                let (first, second) = (
                    node * width + objective.first,
                    node * width + objective.second,
                );
                let (all, used) = (&model.capacity, &excess.load);
                let target = objective.target as f64;
                value += multipliers.balance[i] * (target * all[first] as f64 - all[second] as f64);
                let free = |i: usize| all[i] as f64 - used[i];
                excess.balance[i] = target * free(first) - free(second);
            }
        }
        for (used, safety) in excess.load.iter_mut().zip(&model.safety) {
            *used -= *safety as f64;
        }
        (value, excess)
    }

    /// What a unit of each resource costs on each node.
    fn paid(&self, multipliers: &Multipliers) -> Vec<f64> {
        let (model, width) = (self.model, self.model.resources);
        let sum = |(load, room): (&f64, &f64)| load + room;
        let mut paid: Vec<f64> = multipliers
            .load
            .iter()
            .zip(&multipliers.room)
            .map(sum)
            .collect();
        for (b, objective) in model.balances.iter().enumerate() {
            for node in 0..model.nodes {
                let multiplier = multipliers.balance[b * model.nodes + node];
                paid[node * width + objective.first] -= multiplier * objective.target as f64;
                paid[node * width + objective.second] += multiplier;
            }
        }
        paid
    }

    /// The node that costs the task least, and what that is.
    fn choice(&self, multipliers: &Multipliers, paid: &[f64], task: usize) -> (f64, usize) {
        let (model, width) = (self.model, self.model.resources);
        let need = &model.need[task * width..][..width];
        let home = self.home[task] as usize;
        let at = |node: usize| -> f64 {
            let row = &paid[node * width..][..width];
            row.iter().zip(need).map(|(p, q)| p * *q as f64).sum()
        };
        let room = &multipliers.room[home * width..][..width];
        let left_behind: f64 = (0..width)
            .filter(|r| model.transient[*r])
            .map(|r| room[r] * need[r] as f64)
            .sum();
        let mut best = (at(home), home);
        for node in self.reach_of(task) {
            let node = *node as usize;
            let cost = at(node) + left_behind;
            if cost < best.0 {
                let cost = cost + model.move_cost(task, home, node) as f64;
                if cost < best.0 {
                    best = (cost, node);
                }
            }
        }
        best
    }

    fn reach_of(&self, task: usize) -> &[u32] {
        &self.nodes[self.start[task] as usize..self.start[task + 1] as usize]
    }

    /// What the multipliers prove, summed up in integers: rounded multipliers are multipliers as well, and a cost that is a
    /// whole number is at least the bound rounded up.
    pub(super) fn proves(&self, multipliers: &Multipliers) -> i128 {
        let (model, width) = (self.model, self.model.resources);
        let fixed = |v: &f64| (v * f64::from(1_u32 << PLACES)) as i128;
        let within = |v: &f64, most: i64| fixed(v).clamp(0, i128::from(most) << PLACES);
        let load = |(i, v): (usize, &f64)| within(v, model.load_weight[i % width]);
        let load: Vec<i128> = multipliers.load.iter().enumerate().map(load).collect();
        let room: Vec<i128> = multipliers.room.iter().map(|v| fixed(v).max(0)).collect();
        let mut paid: Vec<i128> = load.iter().zip(&room).map(|(l, r)| l + r).collect();
        let mut total: i128 = 0;
        for (b, objective) in model.balances.iter().enumerate() {
            for node in 0..model.nodes {
                let multiplier = within(
                    &multipliers.balance[b * model.nodes + node],
                    objective.weight,
                );
                let (first, second) = (
                    node * width + objective.first,
                    node * width + objective.second,
                );
                let target = i128::from(objective.target);
                let all = |i: usize| i128::from(model.capacity[i]);
                total += multiplier * (target * all(first) - all(second));
                paid[first] -= multiplier * target;
                paid[second] += multiplier;
            }
        }
        for i in 0..model.capacity.len() {
            total -=
                load[i] * i128::from(model.safety[i]) + room[i] * i128::from(model.capacity[i]);
        }
        total += (0..self.home.len())
            .map(|task| self.least(&paid, &room, task))
            .sum::<i128>();
        -((-total) >> PLACES)
    }

    /// The least that the task costs anywhere, in fixed point.
    fn least(&self, paid: &[i128], room: &[i128], task: usize) -> i128 {
        let (model, width) = (self.model, self.model.resources);
        let need = &model.need[task * width..][..width];
        let home = self.home[task] as usize;
        let at = |node: usize| -> i128 {
            let row = &paid[node * width..][..width];
            row.iter().zip(need).map(|(p, q)| p * i128::from(*q)).sum()
        };
        let left_behind: i128 = (0..width)
            .filter(|r| model.transient[*r])
            .map(|r| room[home * width + r] * i128::from(need[r]))
            .sum();
        let away = self.reach_of(task).iter().map(|node| {
            let node = *node as usize;
            at(node) + left_behind + (i128::from(model.move_cost(task, home, node)) << PLACES)
        });
        away.fold(at(home), i128::min)
    }
}

/// Where each task can run but at home, whatever the others do: what stands on a node at the start holds its
/// transient needs there for good, so only what is left of those counts; of the others the whole capacity.
fn reach(model: &Model, start: &Placement) -> (Vec<u32>, Vec<u32>) {
    let width = model.resources;
    let mut limit = model.capacity.clone();
    for (task, home) in start.at.iter().enumerate() {
        for r in (0..width).filter(|r| model.transient[*r]) {
            limit[*home as usize * width + r] -= model.need[task * width + r];
        }
    }
    let (mut starts, mut nodes) = (vec![0_u32], Vec::new());
    for (task, home) in start.at.iter().enumerate() {
        let need = &model.need[task * width..][..width];
        let fits = |node: usize| {
            let room = &limit[node * width..][..width];
            need.iter().zip(room).all(|(q, f)| q <= f)
        };
        let id = TaskId(task as u32);
        let may = |n: &u32| n != home && fits(*n as usize) && model.allows(id, NodeId(*n));
        if !model.pinned[task] {
            nodes.extend((0..model.nodes as u32).filter(may));
        }
        starts.push(nodes.len() as u32);
    }
    (starts, nodes)
}

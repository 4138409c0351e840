//! Which sub-problems are tried, and how strongly their costs are disturbed. Early sub-problems are solved
//! under costs with random additions (noising), which fade; and with a price on transient room, which fades
//! too. So what is decided first is what gains much, and what was decided badly is decided again.

use super::Budget;
use super::exact::{LIFT, SubProblem};
use super::walk::Walk;
use crate::Rng;
use alloc::vec::Vec;

/// Numbers of nodes that sub-problems have.
const SIZES: [usize; 8] = [2, 3, 4, 5, 6, 7, 8, 10];
/// Precomputed exponential draws.
const DRAWS: usize = 1 << 12;
/// Share of the budget after which nothing is disturbed any more.
const CALM: f64 = 0.9;
/// First mean of the noise, in mean cost above the bound of a task.
const NOISE: f64 = 2.0;
/// Evaluations for each task that the full noise takes to settle; with fewer there is less noise.
const SETTLES: f64 = 150_000.0;
/// Share of the budget for annealing when there are balance objectives.
const ANNEALED: f64 = 0.5;
/// The noise falls to e to the minus this.
const FALL: f64 = 5.0;
/// First price of transient room, in load costs of what is held.
const PRICE: f64 = 1.0;
/// Failures allowed for each lifted task.
const PATIENCE: usize = 3;

/// A search by sub-problems that learns which number of nodes pays.
pub(super) struct Noising {
    problem: SubProblem,
    /// Gain and evaluations of each size, decaying.
    gain: [f64; SIZES.len()],
    effort: [f64; SIZES.len()],
    /// Draws of -ln(u): exponential with mean 1.
    draws: Vec<f64>,
    /// Scratch for drawing tasks.
    pool: Vec<u32>,
    /// Mean cost above the bound of a task at the start.
    scale: f64,
}

impl Noising {
    pub(super) fn new(walk: &Walk<'_>) -> Self {
        let gap = walk.cost - super::lower_bound(walk.model);
        let draw = |i: usize| -libm::log((i as f64 + 0.5) / DRAWS as f64);
        Self {
            problem: SubProblem::default(),
            gain: [1.0; SIZES.len()],
            effort: [1.0; SIZES.len()],
            draws: (0..DRAWS).map(draw).collect(),
            pool: Vec::new(),
            scale: gap as f64 / walk.model.tasks().max(1) as f64,
        }
    }

    /// Tries sub-problems until the budget is spent, and tells of improvements.
    pub(super) fn run(
        &mut self,
        walk: &mut Walk<'_>,
        rng: &mut Rng,
        budget: &mut dyn Budget,
        improved: &mut dyn FnMut(u64, i64),
    ) {
        if walk.model.nodes < 2 || walk.model.tasks() == 0 {
            return;
        }
        let mut from = 0.0;
        if !walk.model.balances.is_empty() {
            // With balances what a task adds does not only grow, so sub-problems cut off too much or too
            // little; single steps bear the first half.
            from = ANNEALED;
            if !super::anneal::anneal(walk, rng, from, budget, improved) {
                return;
            }
            walk.return_to_best();
            let gap = walk.cost - super::lower_bound(walk.model);
            self.scale = gap as f64 / walk.model.tasks() as f64;
        }
        // A look costs a pass over the tasks, for their prices.
        let pace = (walk.model.tasks() as u64 * 4).clamp(4096, 1 << 20);
        let (mut look, mut heat, mut calm) = (0, 0.0, false);
        loop {
            if walk.evaluations >= look {
                look = walk.evaluations + pace;
                for (evaluations, cost) in walk.curve.drain(..) {
                    improved(evaluations, cost);
                }
                let spent = budget.spent(walk.evaluations);
                if spent >= 1.0 {
                    return;
                }
                let part = ((spent - from) / (CALM - from)).clamp(0.0, 1.0);
                walk.set_price(PRICE * (1.0 - part) * (1.0 - part));
                // What the whole budget will come to, by the pace so far: noise takes long to settle.
                let each = walk.evaluations as f64 / spent.max(1e-6) / walk.model.tasks() as f64;
                let noise = NOISE * (each / SETTLES).min(1.0);
                heat = noise * self.scale * libm::exp(-FALL * part);
                if part >= 1.0 && !calm {
                    calm = true;
                    walk.return_to_best();
                }
            }
            let heat = if calm { 0.0 } else { heat };
            self.step(walk, rng, heat);
        }
    }

    fn step(&mut self, walk: &mut Walk<'_>, rng: &mut Rng, heat: f64) {
        let size = self.size(rng);
        self.choose(walk, rng, SIZES[size].min(walk.model.nodes));
        self.disturb(rng, heat);
        let (before, cost) = (walk.evaluations, walk.cost);
        let failures = self.problem.tasks.len() * PATIENCE;
        self.problem.solve(walk, failures.max(4) as u32);
        walk.evaluations += 1;
        let gained = (cost - walk.cost).max(0) as f64;
        self.gain[size] = self.gain[size] * 0.999 + gained;
        self.effort[size] = self.effort[size] * 0.999 + (walk.evaluations - before) as f64;
    }

    /// The better of two sizes drawn; sometimes any.
    fn size(&self, rng: &mut Rng) -> usize {
        if rng.below(8) == 0 {
            return rng.below(SIZES.len());
        }
        let rate = |i: &usize| self.gain[*i] / self.effort[*i];
        let (a, b) = (rng.below(SIZES.len()), rng.below(SIZES.len()));
        if rate(&a) >= rate(&b) { a } else { b }
    }

    /// Draws nodes (the costliest of a few, then any) and some tasks of each.
    fn choose(&mut self, walk: &Walk<'_>, rng: &mut Rng, count: usize) {
        let nodes = &mut self.problem.nodes;
        nodes.clear();
        let mut first = rng.below(walk.model.nodes);
        for _ in 0..3 {
            let other = rng.below(walk.model.nodes);
            if walk.now.node_cost[other] > walk.now.node_cost[first] {
                first = other;
            }
        }
        nodes.push(first as u32);
        while nodes.len() < count {
            let node = rng.below(walk.model.nodes) as u32;
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        let average = walk.model.tasks() / walk.model.nodes;
        let each = (LIFT / count).min(10).min(average / 2).max(1);
        self.problem.tasks.clear();
        for node in &*nodes {
            self.pool.clear();
            self.pool.extend_from_slice(walk.now.list(*node as usize));
            for _ in 0..each.min(self.pool.len()) {
                let place = rng.below(self.pool.len());
                let task = self.pool.swap_remove(place);
                if !walk.model.pinned[task as usize] {
                    self.problem.tasks.push(task);
                }
            }
        }
    }

    /// Draws what each place is said to cost more than it does.
    fn disturb(&mut self, rng: &mut Rng, heat: f64) {
        let places = self.problem.nodes.len() * LIFT;
        self.problem.noise.clear();
        if heat < 1.0 {
            self.problem.noise.resize(places, 0);
            return;
        }
        for _ in 0..places {
            let draw = self.draws[rng.next_u64() as usize % DRAWS];
            self.problem.noise.push((heat * draw) as i64);
        }
    }
}

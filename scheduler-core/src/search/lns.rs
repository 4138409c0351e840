//! Which sub-problems are tried: a few nodes, the costly ones more often, and some tasks of each.

extern crate std;
fn e(k: &str, d: f64) -> f64 { std::env::var(k).ok().and_then(|v| v.parse().ok()).unwrap_or(d) }
use super::Budget;
use super::exact::{LIFT, SubProblem};
use super::walk::Walk;
use crate::{Model, Rng};
use alloc::vec;
use alloc::vec::Vec;

/// Numbers of nodes that sub-problems have.
const SIZES: [usize; 8] = [2, 3, 4, 5, 6, 7, 8, 10];

/// A search by sub-problems that learns which number of nodes pays.
pub(crate) struct Lns {
    problem: SubProblem,
    /// Gain and evaluations of each size, decaying.
    gain: [f64; SIZES.len()],
    effort: [f64; SIZES.len()],
    /// Scratch for drawing tasks.
    pool: Vec<u32>, total: usize, each: usize, fail: f64, tries: [u32; 8], wins: [u32; 8],
}

impl Lns {
    pub(crate) fn new(model: &Model, _walk: &Walk<'_>) -> Self {
        let _ = model;
        Self {
            problem: SubProblem::default(),
            gain: [1.0; SIZES.len()],
            effort: [1.0; SIZES.len()],
            pool: vec![], total: e("TOTAL", 40.0) as usize, each: e("EACH", 10.0) as usize, fail: e("FAIL", 1.0), tries: [0; 8], wins: [0; 8],
        }
    }

    /// Tries sub-problems until the share `until` of the budget is spent.
    pub(crate) fn run(
        &mut self,
        walk: &mut Walk<'_>,
        rng: &mut Rng,
        until: f64,
        budget: &mut dyn Budget,
    ) {
        let (mut look, mut first) = (0, f64::NAN);
        loop {
            if walk.evaluations >= look {
                look = walk.evaluations + 200_000;
                let spent = budget.spent(walk.evaluations);
                if first.is_nan() { first = spent; }
                let part = ((spent - first) / (until - first) / 0.9).clamp(0.0, 1.0);
                walk.set_price(e("P0", 1.0) * (1.0 - part) * (1.0 - part));
                if spent >= until || spent >= 1.0 {
                    break;
                }
            }
            let size = self.size(rng);
            self.choose(walk, rng, SIZES[size].min(walk.model.nodes));
            let (before, cost) = (walk.evaluations, walk.cost);
            let failures = (self.problem.tasks.len() as f64 * self.fail) as u32;
            self.problem.solve(walk, failures.max(4), 0);
            walk.evaluations += 1; self.tries[size] += 1; self.wins[size] += u32::from(cost > walk.cost);
            let spent = (walk.evaluations - before) as f64;
            self.gain[size] = self.gain[size] * 0.999 + (cost - walk.cost) as f64;
            self.effort[size] = self.effort[size] * 0.999 + spent;
        }
        for i in 0..SIZES.len() { extern crate std; std::print!("{}:{:.1} {} {}; ", SIZES[i], self.gain[i]/self.effort[i], self.tries[i], self.wins[i]); }
    }

    fn size(&self, rng: &mut Rng) -> usize {
        if rng.below(8) == 0 {
            return rng.below(SIZES.len());
        }
        let rate = |i: &usize| self.gain[*i] / self.effort[*i];
        let (a, b) = (rng.below(SIZES.len()), rng.below(SIZES.len()));
        if rate(&a) >= rate(&b) { a } else { b }
    }

    fn choose(&mut self, walk: &Walk<'_>, rng: &mut Rng, count: usize) {
        let nodes = &mut self.problem.nodes;
        nodes.clear();
        // The costliest of a few, then any.
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
        let each = (self.total / count).min(self.each).min((average / 2).max(1)).min(LIFT / count).max(1);
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
}

//! Annealing on a penalised placement, by single steps and by sub-problems. As the temperature falls, excess above
//! capacity grows dearer and the penalty for being away from home fades; near the end excess is squeezed out.

use super::block::{Block, LIFT};
use super::budget::{self, Budget, affordable};
use super::incumbent::Incumbent;
use super::penalised::Penalised;
use super::schedules::Schedule;
use super::scope::Scope;
use super::steps;
use super::together::{self, Together};
use crate::rng::{Xoshiro256PlusPlus, stream};
use crate::uniform::Uniform as _;
use alloc::vec;
use alloc::vec::Vec;
use rand::Rng as _;

/// Precomputed draws of -ln(u): the amount, in temperatures, that a step may cost.
const DRAWS: usize = 1 << 12;
/// Evaluations between two choices of single steps or sub-problems.
const BATCH: u64 = 4096;
/// So many before the budget's end no sub-problem is begun: hardly any takes more.
const RESERVE: u64 = 2 * BATCH;
/// Share of groups that are sent home.
const TOGETHER_HOME: f64 = 0.3;
/// Numbers of nodes that sub-problems have.
const SIZES: [usize; 8] = [2, 3, 4, 5, 6, 7, 8, 10];
/// Share of a sub-problem's nodes that are the home of a task on its first: in a large model no others would lead
/// tasks home.
const HOMES: f64 = 0.3;
/// How often a task at home is put back for another one when a sub-problem's tasks are drawn.
const REDRAWS: usize = 4;
/// Share of single steps that are shifts, and of those that go home.
const SHIFTS: f64 = 0.5;
const HOMEWARD: f64 = 0.1;

/// What a search keeps from run to run.
pub(super) struct Search<'m, 'a> {
    pub(super) incumbent: Incumbent<'m>,
    pub(super) evaluations: u64,
    pub(super) budget: &'a mut dyn Budget,
    pub(super) improved: &'a mut dyn FnMut(u64, i64),
    /// Mean cost above the bound of a task at the start.
    pub(super) scale: f64,
    rng: Xoshiro256PlusPlus,
    block: Block,
    /// Moves of several tasks at once, and draws of their own: a model without dependencies knows nothing of them.
    together: Together,
    together_rng: Xoshiro256PlusPlus,
    draws: Vec<f64>,
    /// Load cost of each task, and of its transient needs: what it blocks on two nodes once it has moved.
    weights: Vec<f64>,
    held: Vec<f64>,
    /// Each node's own part of its rate.
    strictness: Vec<f64>,
    /// Scratch for drawing tasks.
    pool: Vec<u32>,
    scope: Scope,
    /// Nodes that hold more than they may, while excess is squeezed out; tasks there are drawn more often.
    overfull: Vec<u32>,
}

impl<'m, 'a> Search<'m, 'a> {
    pub(super) fn new(
        state: &Penalised<'m>,
        incumbent: Incumbent<'m>,
        scale: f64,
        seed: u64,
        budget: &'a mut dyn Budget,
        improved: &'a mut dyn FnMut(u64, i64),
    ) -> Self {
        let model = state.model;
        let width = model.resources;
        let load =
            |t: usize, r: usize| model.load_weight[r] as f64 * model.need[t * width + r] as f64;
        let sum = |t: usize, of: &dyn Fn(usize) -> bool| -> f64 {
            (0..width).filter(|r| of(*r)).map(|r| load(t, r)).sum()
        };
        let scope = Scope::whole(state);
        Self {
            incumbent,
            evaluations: 0,
            budget,
            improved,
            scale,
            rng: stream(seed, "annealing"),
            block: Block::default(),
            together: Together::new(state, &scope),
            together_rng: stream(seed, "together"),
            draws: (0..DRAWS)
                .map(|i| -libm::log((i as f64 + 0.5) / DRAWS as f64))
                .collect(),
            weights: (0..model.tasks()).map(|t| sum(t, &|_| true)).collect(),
            held: (0..model.tasks())
                .map(|t| sum(t, &|r| model.transient[r]))
                .collect(),
            strictness: vec![1.0; model.nodes],
            pool: Vec::new(),
            scope,
            overfull: Vec::new(),
        }
    }

    /// Steps lead among so many nodes, drawn anew, from now on; among all of them if there are no more.
    /// Tasks whose homes are others must be there.
    pub(super) fn narrow(&mut self, state: &Penalised<'_>, nodes: usize) {
        self.scope = Scope::sample(state, nodes, &mut self.rng);
        self.together.narrow(state, &self.scope);
    }

    /// The share of the budget that is spent.
    pub(super) fn spent(&mut self) -> f64 {
        budget::spent(self.budget, self.evaluations)
    }

    /// Runs a schedule between two shares of the budget; the cost of the best feasible placement on the way,
    /// if there was one.
    pub(super) fn run(
        &mut self,
        state: &mut Penalised<'_>,
        schedule: &Schedule,
        window: (f64, f64),
    ) -> Option<f64> {
        let (from, to) = window;
        let (mut best, mut last) = (None, 0.0);
        self.strictness.fill(1.0);
        if self.scope.is_stuck() {
            return best;
        }
        // A look costs a pass over tasks and nodes.
        let pace = (state.model.tasks() as u64 * 2).clamp(2 * BATCH, 1 << 18);
        loop {
            let spent = self.spent();
            if spent >= to || spent >= 1.0 {
                return best;
            }
            // Sub-problems are solved whole, so near the end there are only single steps.
            let whole = affordable(self.budget, self.evaluations, pace + RESERVE);
            let last_steps = whole < pace + RESERVE;
            if whole == 0 {
                return best;
            }
            let part = ((spent - from) / (to - from)).clamp(0.0, 1.0);
            let moment = schedule.moment(part, self.scale);
            let squeezed = part >= schedule.knee;
            self.tighten(
                state,
                moment.rate,
                libm::exp(schedule.growth * (part - last)),
            );
            self.overfull.clear();
            if squeezed {
                let all = self.scope.nodes().iter().copied();
                self.overfull
                    .extend(all.filter(|n| state.excess[*n as usize] > 0.5));
            }
            last = part;
            for (penalty, held) in state.away_penalty.iter_mut().zip(&self.held) {
                *penalty = held * moment.transient_penalty + moment.heat * schedule.away;
            }
            let until = self.evaluations + whole.min(pace);
            while self.evaluations < until {
                let groups = self.together.tries(spent);
                if until - self.evaluations >= groups * together::MOST as u64 {
                    self.send_together(state, schedule, moment.heat, groups);
                }
                let most = until - self.evaluations;
                if last_steps {
                    self.singles(state, schedule, moment.heat, most.min(BATCH));
                } else {
                    self.batch(state, schedule, moment.heat);
                }
                if state.total_excess < 0.5 && best.is_none_or(|b| state.cost < b) {
                    best = Some(state.cost);
                }
                if self.incumbent.wants(state) && self.incumbent.offer(&state.at) {
                    (self.improved)(self.evaluations, self.incumbent.best().1);
                }
            }
        }
    }

    /// Sets the nodes' rates; one that is overfull grows stricter, one that is not relaxes.
    fn tighten(&mut self, state: &mut Penalised<'_>, rate: f64, growth: f64) {
        for (node, strict) in self.strictness.iter_mut().enumerate() {
            let overfull = state.excess[node] > 0.5;
            *strict = if overfull {
                *strict * growth
            } else {
                *strict / growth
            }
            .clamp(1.0, 1e9);
            state.rate[node] = rate * *strict;
        }
        // What sums of differences have gathered in rounding goes.
        state.total_excess = state.excess.iter().sum();
    }

    fn batch(&mut self, state: &mut Penalised<'_>, schedule: &Schedule, heat: f64) {
        if self.rng.unit() >= schedule.blocks {
            self.singles(state, schedule, heat, BATCH);
            return;
        }
        let before = self.block.evaluations;
        let mut tries = 0;
        // Tasks that have nowhere to go cost no evaluations; the loop must end all the same.
        while self.block.evaluations < before + BATCH && tries < BATCH {
            tries += 1;
            let size = SIZES[self.rng.below(SIZES.len())];
            self.choose(state, schedule, size);
            self.disturb(heat);
            self.block.solve(state, &self.weights, schedule.branching);
        }
        self.evaluations += (self.block.evaluations - before).max(BATCH);
    }

    /// Some tasks are sent to other neighbourhoods along with what they depend on and what depends on them.
    fn send_together(
        &mut self,
        state: &mut Penalised<'_>,
        schedule: &Schedule,
        heat: f64,
        groups: u64,
    ) {
        let rng = &mut self.together_rng;
        for _ in 0..groups {
            let limit = heat * self.draws[rng.next_u64() as usize % DRAWS];
            let (task, to) = match state.away.get(rng.below(state.away.len())) {
                Some(away) if rng.unit() < TOGETHER_HOME => {
                    (*away as usize, Some(state.home[*away as usize] as usize))
                }
                _ => {
                    let task = self.together.draw(state, rng);
                    (task, self.scope.target(state, task, schedule.near, rng))
                }
            };
            self.evaluations += 1;
            if let Some(to) = to {
                self.evaluations += self
                    .together
                    .send(state, &self.scope, (task, to), limit, rng)
                    - 1;
            }
        }
    }

    fn singles(&mut self, state: &mut Penalised<'_>, schedule: &Schedule, heat: f64, count: u64) {
        self.evaluations += count;
        let (scope, rng, overfull) = (&self.scope, &mut self.rng, &self.overfull);
        for _ in 0..count {
            let random = rng.next_u64();
            let limit = heat * self.draws[random as usize % DRAWS];
            let squeezed = overfull.get(rng.below(overfull.len() * 2 + 1));
            let task = match squeezed.map(|n| &state.on[*n as usize]) {
                Some(there) if !there.is_empty() => there[rng.below(there.len())] as usize,
                _ => scope.task(state, schedule.roam, rng),
            };
            let kind = (random >> 32) as f64 / 4_294_967_296.0;
            if kind < SHIFTS * HOMEWARD {
                steps::shift(state, task, state.home[task] as usize, limit);
                continue;
            }
            let Some(to) = scope.target(state, task, schedule.near, rng) else {
                continue;
            };
            if kind < SHIFTS {
                steps::shift(state, task, to, limit);
                continue;
            }
            let there = &state.on[to];
            if let Some(other) = there.get(rng.below(there.len())) {
                steps::swap(state, task, *other as usize, limit);
            }
        }
    }

    /// Draws nodes (the costliest of a few, then any or any near it) and some tasks of each.
    fn choose(&mut self, state: &Penalised<'_>, schedule: &Schedule, count: usize) {
        let (model, rng, all) = (state.model, &mut self.rng, self.scope.nodes());
        let mut first = all[rng.below(all.len())] as usize;
        for _ in 0..3 {
            let other = all[rng.below(all.len())] as usize;
            if state.node_cost(other) > state.node_cost(first) {
                first = other;
            }
        }
        if let Some(overfull) = self.overfull.get(rng.below(self.overfull.len() * 2 + 1)) {
            first = *overfull as usize;
        }
        let near = self.scope.near(model, first, schedule.near, rng);
        let among = if near.is_empty() { all } else { near };
        let count = count.min(among.len());
        let nodes = &mut self.block.nodes;
        nodes.clear();
        nodes.push(first as u32);
        while nodes.len() < count {
            let mut node = among[rng.below(among.len())];
            if rng.unit() < HOMES {
                let there = &state.on[first];
                if let Some(task) = there.get(rng.below(there.len())) {
                    node = state.home[*task as usize];
                }
            }
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        let average = model.tasks() / model.nodes;
        let each = (LIFT / count).min(10).min(average / 2).max(1);
        self.block.tasks.clear();
        for node in &*nodes {
            self.pool.clear();
            self.pool.extend_from_slice(&state.on[*node as usize]);
            for _ in 0..each.min(self.pool.len()) {
                let mut drawn = rng.below(self.pool.len());
                for _ in 0..REDRAWS {
                    let at_home = state.home[self.pool[drawn] as usize] == *node;
                    if !at_home || rng.unit() >= schedule.roam / 2.0 {
                        break;
                    }
                    drawn = rng.below(self.pool.len());
                }
                let task = self.pool.swap_remove(drawn);
                if !model.pinned[task as usize] {
                    self.block.tasks.push(task);
                }
            }
        }
    }

    /// Draws what each place is said to cost more than it does.
    fn disturb(&mut self, heat: f64) {
        let places = self.block.nodes.len() * LIFT;
        self.block.noise.clear();
        for _ in 0..places {
            let draw = self.draws[self.rng.next_u64() as usize % DRAWS];
            self.block.noise.push(heat * draw);
        }
    }
}

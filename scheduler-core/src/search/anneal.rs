//! Annealing on a soft placement, by single steps and by sub-problems. As the temperature falls, excess above
//! capacity grows dearer and the price of being away from home fades; near the end excess is squeezed out.

use super::block::{Block, Branching, LIFT};
use super::budget::{self, Budget, affordable};
use super::keeper::Keeper;
use super::scope::Scope;
use super::soft::Soft;
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
/// Last temperature, in mean cost above the bound of a task.
const FROZEN: f64 = 1e-7;
/// Temperatures below this make no difference where costs are whole numbers.
const COLDEST: f64 = 0.02;
/// By how much the rates of excess grow in the squeeze.
const SQUEEZE: f64 = 1e3;

/// How a run goes. Temperatures are in mean cost above the bound of a task at the start of the search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipe {
    /// First temperature, and the one at which the squeeze begins.
    pub(super) hot: f64,
    pub(super) cold: f64,
    /// First rate of excess, and the one when the squeeze begins.
    pub(super) first_rate: f64,
    pub(super) last_rate: f64,
    /// How fast a node's own rate grows while it is overfull, and falls again: e to the this in a whole run.
    pub(super) growth: f64,
    /// First price of transient room, in load costs of what is held.
    pub(super) price: f64,
    /// What being away from home is said to cost, in temperatures. A task can be away on many nodes and at home
    /// on one, so heat alone drives tasks away; the logarithm of the number of nodes would cancel just that.
    pub(super) away: f64,
    /// Share of evaluations spent on sub-problems.
    pub(super) blocks: f64,
    pub(super) branching: Branching,
    /// Share of the run after which excess is squeezed out, and the temperature then, in `cold`s.
    pub(super) knee: f64,
    pub(super) reheat: f64,
    /// Share of targets near a task's home, and of sub-problems among near nodes: where moves over a short way
    /// cost less, they are rare among all.
    pub(super) near: f64,
    /// Share of single steps of tasks that are away from home: in the end these are few, and the ones that cost.
    pub(super) roam: f64,
}

/// What a search keeps from run to run.
pub(super) struct Search<'m, 'a> {
    pub(super) keeper: Keeper<'m>,
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

/// How things stand at some point of a run.
struct Moment {
    heat: f64,
    rate: f64,
    price: f64,
}

impl Recipe {
    fn moment(&self, part: f64, scale: f64) -> Moment {
        let along = |from: f64, to: f64, part: f64| from * libm::exp(libm::log(to / from) * part);
        let (cold, frozen) = (
            (self.cold * scale).max(COLDEST),
            (FROZEN * scale).max(COLDEST),
        );
        let hot = (self.hot * scale).max(cold);
        let before = (part / self.knee).min(1.0);
        let rate = along(self.first_rate, self.last_rate, before);
        if part < self.knee {
            let left = 1.0 - before;
            let (heat, price) = (along(hot, cold, before), self.price * left * left);
            return Moment { heat, rate, price };
        }
        let tail = (part - self.knee) / (1.0 - self.knee).max(1e-9);
        Moment {
            heat: along(cold * self.reheat, frozen, tail.min(1.0)),
            rate: rate * along(1.0, SQUEEZE, (tail * 3.0).min(1.0)),
            price: 0.0,
        }
    }
}

impl<'m, 'a> Search<'m, 'a> {
    pub(super) fn new(
        soft: &Soft<'m>,
        keeper: Keeper<'m>,
        scale: f64,
        seed: u64,
        budget: &'a mut dyn Budget,
        improved: &'a mut dyn FnMut(u64, i64),
    ) -> Self {
        let model = soft.model;
        let width = model.resources;
        let load =
            |t: usize, r: usize| model.load_weight[r] as f64 * model.need[t * width + r] as f64;
        let sum = |t: usize, of: &dyn Fn(usize) -> bool| -> f64 {
            (0..width).filter(|r| of(*r)).map(|r| load(t, r)).sum()
        };
        Self {
            keeper,
            evaluations: 0,
            budget,
            improved,
            scale,
            rng: stream(seed, "annealing"),
            block: Block::default(),
            together: Together::new(soft),
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
            scope: Scope::whole(soft),
            overfull: Vec::new(),
        }
    }

    /// Steps lead among so many nodes, drawn anew, from now on; among all of them if there are no more.
    /// Tasks whose homes are others must be there.
    pub(super) fn narrow(&mut self, soft: &Soft<'_>, nodes: usize) {
        self.scope = Scope::sample(soft, nodes, &mut self.rng);
    }

    /// The share of the budget that is spent.
    pub(super) fn spent(&mut self) -> f64 {
        budget::spent(self.budget, self.evaluations)
    }

    /// Runs a recipe between two shares of the budget; the cost of the best feasible placement on the way,
    /// if there was one.
    pub(super) fn run(
        &mut self,
        soft: &mut Soft<'_>,
        recipe: &Recipe,
        window: (f64, f64),
    ) -> Option<f64> {
        let (from, to) = window;
        let (mut best, mut last) = (None, 0.0);
        self.strictness.fill(1.0);
        if self.scope.is_stuck() {
            return best;
        }
        // A look costs a pass over tasks and nodes.
        let pace = (soft.model.tasks() as u64 * 2).clamp(2 * BATCH, 1 << 18);
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
            let moment = recipe.moment(part, self.scale);
            let squeezed = part >= recipe.knee;
            self.tighten(soft, moment.rate, libm::exp(recipe.growth * (part - last)));
            self.overfull.clear();
            if squeezed {
                let all = self.scope.nodes().iter().copied();
                self.overfull
                    .extend(all.filter(|n| soft.excess[*n as usize] > 0.5));
            }
            last = part;
            for (price, held) in soft.price.iter_mut().zip(&self.held) {
                *price = held * moment.price + moment.heat * recipe.away;
            }
            let until = self.evaluations + whole.min(pace);
            while self.evaluations < until {
                let groups = self.together.tries(spent);
                if until - self.evaluations >= groups * together::MOST as u64 {
                    self.send_together(soft, recipe, moment.heat, groups);
                }
                let most = until - self.evaluations;
                if last_steps {
                    self.singles(soft, recipe, moment.heat, most.min(BATCH));
                } else {
                    self.batch(soft, recipe, moment.heat);
                }
                if soft.total_excess < 0.5 && best.is_none_or(|b| soft.cost < b) {
                    best = Some(soft.cost);
                }
                if self.keeper.wants(soft) && self.keeper.offer(&soft.at) {
                    (self.improved)(self.evaluations, self.keeper.best().1);
                }
            }
        }
    }

    /// Sets the nodes' rates; one that is overfull grows stricter, one that is not forgets it.
    fn tighten(&mut self, soft: &mut Soft<'_>, rate: f64, growth: f64) {
        for (node, strict) in self.strictness.iter_mut().enumerate() {
            let overfull = soft.excess[node] > 0.5;
            *strict = if overfull {
                *strict * growth
            } else {
                *strict / growth
            }
            .clamp(1.0, 1e9);
            soft.rate[node] = rate * *strict;
        }
        // What sums of differences have gathered in rounding goes.
        soft.total_excess = soft.excess.iter().sum();
    }

    fn batch(&mut self, soft: &mut Soft<'_>, recipe: &Recipe, heat: f64) {
        if self.rng.unit() >= recipe.blocks {
            self.singles(soft, recipe, heat, BATCH);
            return;
        }
        let before = self.block.evaluations;
        let mut tries = 0;
        // Tasks that have nowhere to go cost no evaluations; the loop must end all the same.
        while self.block.evaluations < before + BATCH && tries < BATCH {
            tries += 1;
            let size = SIZES[self.rng.below(SIZES.len())];
            self.choose(soft, recipe, size);
            self.disturb(heat);
            self.block.solve(soft, &self.weights, recipe.branching);
        }
        self.evaluations += (self.block.evaluations - before).max(BATCH);
    }

    /// Some tasks are sent to other neighbourhoods along with what they depend on and what depends on them.
    fn send_together(&mut self, soft: &mut Soft<'_>, recipe: &Recipe, heat: f64, groups: u64) {
        let rng = &mut self.together_rng;
        for _ in 0..groups {
            let limit = heat * self.draws[rng.next_u64() as usize % DRAWS];
            let (task, to) = match soft.away.get(rng.below(soft.away.len())) {
                Some(away) if rng.unit() < TOGETHER_HOME => {
                    (*away as usize, Some(soft.home[*away as usize] as usize))
                }
                _ => {
                    let task = self.together.draw(soft, rng);
                    (task, self.scope.target(soft, task, recipe.near, rng))
                }
            };
            self.evaluations += 1;
            if let Some(to) = to {
                self.evaluations += self
                    .together
                    .send(soft, &self.scope, (task, to), limit, rng)
                    - 1;
            }
        }
    }

    fn singles(&mut self, soft: &mut Soft<'_>, recipe: &Recipe, heat: f64, count: u64) {
        self.evaluations += count;
        let (scope, rng, overfull) = (&self.scope, &mut self.rng, &self.overfull);
        for _ in 0..count {
            let random = rng.next_u64();
            let limit = heat * self.draws[random as usize % DRAWS];
            let squeezed = overfull.get(rng.below(overfull.len() * 2 + 1));
            let task = match squeezed.map(|n| &soft.on[*n as usize]) {
                Some(there) if !there.is_empty() => there[rng.below(there.len())] as usize,
                _ => scope.task(soft, recipe.roam, rng),
            };
            let kind = (random >> 32) as f64 / 4_294_967_296.0;
            if kind < SHIFTS * HOMEWARD {
                steps::shift(soft, task, soft.home[task] as usize, limit);
                continue;
            }
            let Some(to) = scope.target(soft, task, recipe.near, rng) else {
                continue;
            };
            if kind < SHIFTS {
                steps::shift(soft, task, to, limit);
                continue;
            }
            let there = &soft.on[to];
            if let Some(other) = there.get(rng.below(there.len())) {
                steps::swap(soft, task, *other as usize, limit);
            }
        }
    }

    /// Draws nodes (the costliest of a few, then any or any near it) and some tasks of each.
    fn choose(&mut self, soft: &Soft<'_>, recipe: &Recipe, count: usize) {
        let (model, rng, all) = (soft.model, &mut self.rng, self.scope.nodes());
        let mut first = all[rng.below(all.len())] as usize;
        for _ in 0..3 {
            let other = all[rng.below(all.len())] as usize;
            if soft.node_cost(other) > soft.node_cost(first) {
                first = other;
            }
        }
        if let Some(overfull) = self.overfull.get(rng.below(self.overfull.len() * 2 + 1)) {
            first = *overfull as usize;
        }
        let near = self.scope.near(model, first, recipe.near, rng);
        let among = if near.is_empty() { all } else { near };
        let count = count.min(among.len());
        let nodes = &mut self.block.nodes;
        nodes.clear();
        nodes.push(first as u32);
        while nodes.len() < count {
            let mut node = among[rng.below(among.len())];
            if rng.unit() < HOMES {
                let there = &soft.on[first];
                if let Some(task) = there.get(rng.below(there.len())) {
                    node = soft.home[*task as usize];
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
            self.pool.extend_from_slice(&soft.on[*node as usize]);
            for _ in 0..each.min(self.pool.len()) {
                let mut drawn = rng.below(self.pool.len());
                for _ in 0..REDRAWS {
                    let at_home = soft.home[self.pool[drawn] as usize] == *node;
                    if !at_home || rng.unit() >= recipe.roam / 2.0 {
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

//! Small sub-problems by branch and bound: some tasks of some nodes are lifted and put back as cheaply as
//! possible among the same nodes. A node's cost is convex in its load, so what each lifted task would add at
//! least now is a bound on what it adds later (with balance objectives only nearly so).
//!
//! Each place may be said to cost a random amount more than it does. With exponential amounts of mean T the
//! cheapest arrangement is nearly a draw at temperature T: a step of annealing over all lifted tasks at once.

use super::penalised::Penalised;
use alloc::vec;
use alloc::vec::Vec;

/// Tasks that one sub-problem lifts at most; they stand as bits of a word.
pub(super) const LIFT: usize = 48;
/// A place that is not possible.
const NEVER: f64 = f64::INFINITY;
/// Failures allowed for each lifted task.
const PATIENCE: u32 = 3;

/// Which task is put back first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branching {
    /// The one that loses most if it does not get its cheapest place.
    Regret,
    /// The one that weighs most for each place it has.
    Weight,
}

/// Buffers of a sub-problem, used again and again. Set `nodes`, `tasks` (which stand on these) and `noise`
/// (at `node * LIFT + task`) and solve.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) nodes: Vec<u32>,
    pub(super) tasks: Vec<u32>,
    pub(super) noise: Vec<f64>,
    /// Places evaluated since the block was made.
    pub(super) evaluations: u64,
    /// Rows of the chosen nodes without the lifted tasks, and their costs.
    rows: Vec<f64>,
    cost: Vec<f64>,
    /// What it costs that a task is assigned to a node, noise included, at `node * LIFT + task`.
    assigned: Vec<f64>,
    /// What a task would add on a node, at `node * LIFT + task`: a node's column is contiguous.
    adds: Vec<f64>,
    /// Saved columns, one for each level.
    saved: Vec<f64>,
    /// Lifted tasks of the same service, as bits, and how many more of it each node may take.
    same: Vec<u64>,
    spare: Vec<u8>,
    weight: Vec<f64>,
    chosen: Vec<u8>,
    best_choice: Vec<u8>,
    before: Vec<u32>,
    best: f64,
    failures: u32,
    found: bool,
}

impl Block {
    /// Solves the sub-problem; if an arrangement is found that costs less than the present one, noise
    /// included, it is carried out. Returns whether something has changed.
    pub(super) fn solve(
        &mut self,
        state: &mut Penalised<'_>,
        weights: &[f64],
        by: Branching,
    ) -> bool {
        self.tasks.truncate(LIFT);
        if self.tasks.is_empty() {
            return false;
        }
        self.best = self.lift(state, weights);
        self.failures = (self.tasks.len() as u32 * PATIENCE).max(4);
        self.found = false;
        let open = (1_u64 << self.tasks.len()) - 1;
        let base = self.cost.iter().sum();
        self.descend(state, by, open, base);
        self.found && self.carry_out(state)
    }

    /// Takes the tasks off the nodes' rows; returns what all costs at present.
    fn lift(&mut self, state: &Penalised<'_>, weights: &[f64]) -> f64 {
        let (count, width) = (self.nodes.len(), 2 * state.width);
        let mut present = 0.0;
        self.rows.clear();
        for node in &self.nodes {
            self.rows
                .extend_from_slice(&state.rows[*node as usize * width..][..width]);
            present += state.node_cost(*node as usize);
        }
        self.chosen.clear();
        self.weight.clear();
        self.assigned.clear();
        self.assigned.resize(count * LIFT, 0.0);
        for (t, task) in self.tasks.iter().enumerate() {
            let (task, at) = (*task as usize, state.at[*task as usize]);
            let place = self.nodes.iter().position(|n| *n == at).unwrap_or(0);
            self.chosen.push(place as u8);
            self.weight.push(weights[task]);
            for (j, node) in self.nodes.iter().enumerate() {
                let i = j * LIFT + t;
                self.assigned[i] = state.assignment(task, *node as usize) + self.noise[i];
            }
            present += self.assigned[place * LIFT + t];
            let row = &mut self.rows[place * width..][..width];
            state.carry(row, task, at as usize, -1.0);
        }
        self.best_choice.clone_from(&self.chosen);
        self.cost.clear();
        for (node, row) in self.nodes.iter().zip(self.rows.chunks_exact(width)) {
            self.cost.push(state.row_cost(*node as usize, row));
        }
        self.services(state);
        self.adds.clear();
        self.adds.resize(count * LIFT, NEVER);
        self.saved.resize(LIFT * LIFT, 0.0);
        for j in 0..count {
            for t in 0..self.tasks.len() {
                self.adds[j * LIFT + t] = self.first_add(state, t, j);
            }
        }
        self.evaluations += (count * self.tasks.len()) as u64;
        present
    }

    fn services(&mut self, state: &Penalised<'_>) {
        let model = state.model;
        self.same.clear();
        self.spare.clear();
        for (t, task) in self.tasks.iter().enumerate() {
            let service = model.service_of[*task as usize];
            let s = service as usize;
            let mut same = 0_u64;
            if model.members.of(s).len() > 1 {
                for (u, other) in self.tasks.iter().enumerate() {
                    let other = model.service_of[*other as usize];
                    same |= u64::from(u != t && other == service) << u;
                }
            }
            self.same.push(same);
            for (j, node) in self.nodes.iter().enumerate() {
                let mut spare = 255;
                if state.tables.nodes.has(s) {
                    let on = state.tables.on_node(model, &state.at, s, *node as usize);
                    let mut lifted = u32::from(usize::from(self.chosen[t]) == j);
                    for u in bits(same) {
                        lifted += u32::from(usize::from(self.chosen[u]) == j);
                    }
                    spare = (model.per_node[s] + lifted).saturating_sub(on).min(255);
                }
                self.spare.push(spare as u8);
            }
        }
    }

    /// What a task adds on a node, its own and its service's constraints asked as if it alone moved.
    fn first_add(&self, state: &Penalised<'_>, t: usize, j: usize) -> f64 {
        let (task, node) = (self.tasks[t] as usize, self.nodes[j] as usize);
        if self.spare[t * self.nodes.len() + j] == 0 {
            return NEVER;
        }
        let model = state.model;
        if state.at[task] as usize != node
            && (!state.reaches(task, node)
                || state
                    .tables
                    .scattered(model, &state.at, task, node)
                    .is_some())
        {
            return NEVER;
        }
        self.add(state, t, j)
    }

    #[inline]
    fn add(&self, state: &Penalised<'_>, t: usize, j: usize) -> f64 {
        let width = 2 * state.width;
        let row = &self.rows[j * width..][..width];
        let with = state.row_cost_with(self.nodes[j] as usize, row, self.tasks[t] as usize);
        with - self.cost[j] + self.assigned[j * LIFT + t]
    }

    fn descend(&mut self, state: &Penalised<'_>, by: Branching, open: u64, so_far: f64) {
        if open == 0 {
            if so_far < self.best {
                self.best = so_far;
                self.found = true;
                self.best_choice.clone_from(&self.chosen);
            }
            return;
        }
        let (mut bound, mut pick, mut worth) = (so_far, 0, f64::MIN);
        for t in bits(open) {
            let (mut least, mut second, mut places) = (NEVER, NEVER, 0_u32);
            for column in self.adds.chunks_exact(LIFT) {
                let add = column[t];
                places += u32::from(add < NEVER);
                if add < least {
                    (least, second) = (add, least);
                } else if add < second {
                    second = add;
                }
            }
            if places == 0 {
                self.failures = self.failures.saturating_sub(1);
                return;
            }
            bound += least;
            let value = match by {
                Branching::Regret if places == 1 => f64::MAX,
                Branching::Regret => second - least,
                Branching::Weight => (least + self.weight[t]) / f64::from(places),
            };
            if value > worth {
                (pick, worth) = (t, value);
            }
        }
        if bound >= self.best {
            self.failures = self.failures.saturating_sub(1);
            return;
        }
        self.branch(state, by, (pick, open & !(1 << pick)), so_far);
    }

    /// Puts the picked task at its places, the cheapest first, and goes on with the rest.
    fn branch(
        &mut self,
        state: &Penalised<'_>,
        by: Branching,
        (t, rest): (usize, u64),
        so_far: f64,
    ) {
        let (count, width) = (self.nodes.len(), 2 * state.width);
        let (mut tried, mut first) = (0_u64, true);
        loop {
            let left = (0..count).filter(|j| tried >> j & 1 == 0);
            let cheapest = left.map(|j| (j, self.adds[j * LIFT + t]));
            let cheapest = cheapest.min_by(|a, b| a.1.total_cmp(&b.1));
            let Some((j, add)) = cheapest else { return };
            if add == NEVER || self.failures == 0 || so_far + add >= self.best {
                // Only where adding can lower a balance's cost can the very first place be too dear.
                self.failures = self.failures.saturating_sub(u32::from(first));
                return;
            }
            (tried, first) = (tried | 1 << j, false);
            let (task, node) = (self.tasks[t] as usize, self.nodes[j] as usize);
            let level = rest.count_ones() as usize;
            let column = j * LIFT..(j + 1) * LIFT;
            self.saved[level * LIFT..][..LIFT].copy_from_slice(&self.adds[column.clone()]);
            let before = self.cost[j];
            state.carry(&mut self.rows[j * width..][..width], task, node, 1.0);
            self.chosen[t] = j as u8;
            if rest != 0 {
                self.cost[j] = state.row_cost(node, &self.rows[j * width..][..width]);
                self.follow(state, (t, rest), j);
            }
            self.descend(state, by, rest, so_far + add);
            state.carry(&mut self.rows[j * width..][..width], task, node, -1.0);
            self.cost[j] = before;
            self.adds[column].copy_from_slice(&self.saved[level * LIFT..][..LIFT]);
            if rest != 0 {
                for u in bits(self.same[t]) {
                    let spare = &mut self.spare[u * count + j];
                    *spare = spare.saturating_add(1);
                }
            }
        }
    }

    /// Updates what the tasks still open would add on the node that has just changed.
    fn follow(&mut self, state: &Penalised<'_>, (t, rest): (usize, u64), j: usize) {
        let count = self.nodes.len();
        for u in bits(self.same[t]) {
            // 255 stands for any number; a count that has come back to it stays so.
            self.spare[u * count + j] = self.spare[u * count + j].saturating_sub(1);
        }
        for u in bits(rest) {
            if self.adds[j * LIFT + u] == NEVER {
                continue;
            }
            let full = self.spare[u * count + j] == 0;
            self.adds[j * LIFT + u] = if full { NEVER } else { self.add(state, u, j) };
        }
        self.evaluations += u64::from(rest.count_ones()) + 1;
    }

    /// Shifts the tasks to the best places found; back again if services' constraints that were asked one
    /// by one do not hold together.
    fn carry_out(&mut self, state: &mut Penalised<'_>) -> bool {
        self.before.clear();
        for (t, task) in self.tasks.iter().enumerate() {
            self.before.push(state.at[*task as usize]);
            let to = self.nodes[usize::from(self.best_choice[t])];
            if state.at[*task as usize] != to {
                state.shift(*task as usize, to as usize);
            }
        }
        let mut checked = vec![];
        for (task, before) in self.tasks.iter().zip(&self.before) {
            let s = state.model.service_of[*task as usize] as usize;
            if state.at[*task as usize] != *before && !checked.contains(&s) {
                checked.push(s);
            }
        }
        let holds = |s: &usize| state.tables.service_holds(state.model, &state.at, *s);
        if checked.iter().all(holds) {
            return true;
        }
        for (task, node) in self.tasks.iter().zip(&self.before) {
            if state.at[*task as usize] != *node {
                state.shift(*task as usize, *node as usize);
            }
        }
        false
    }
}

/// The positions of the set bits, ascending.
#[inline]
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        if set == 0 {
            return None;
        }
        let next = set.trailing_zeros() as usize;
        set &= set - 1;
        Some(next)
    })
}

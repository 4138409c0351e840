//! Small sub-problems by branch and bound: some tasks of some nodes are lifted and put back as cheaply as
//! possible among the same nodes. A node's cost is convex in its load, so what each lifted task would add at
//! least now is a bound on what it adds later.

use super::walk::Walk;
use alloc::vec;
use alloc::vec::Vec;

/// Tasks that one sub-problem lifts at most.
pub(crate) const LIFT: usize = 48;
/// A place that is not possible.
const NEVER: i64 = i64::MAX;

/// Buffers of a sub-problem, used again and again.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubProblem {
    pub(crate) nodes: Vec<u32>,
    pub(crate) tasks: Vec<u32>,
    /// Rows of the chosen nodes without the lifted tasks, and their costs.
    rows: Vec<i64>,
    cost: Vec<i64>,
    /// What a task would add on a node, at `node * LIFT + task`: a node's column is contiguous.
    adds: Vec<i64>,
    /// Saved columns, one for each level.
    saved: Vec<i64>,
    /// Lifted tasks of the same service, as bits, and how many more of it each node may take.
    same: Vec<u64>,
    spare: Vec<u8>,
    weight: Vec<i64>,
    chosen: Vec<u8>,
    best_choice: Vec<u8>,
    /// What a place is said to cost more than it does, at `node * LIFT + task`.
    pub(crate) noise: Vec<i64>,
    best: i64,
    failures: u32,
    found: bool,
}

impl SubProblem {
    /// Solves the sub-problem of `nodes` and `tasks` (which stand on these), giving up after so many
    /// failures. If an arrangement is found that costs less than the present one, noise and prices
    /// included, it is carried out. Returns whether something has changed.
    pub(crate) fn solve(&mut self, walk: &mut Walk<'_>, failures: u32) -> bool {
        self.tasks.truncate(LIFT);
        if self.tasks.is_empty() {
            return false;
        }
        let present = self.lift(walk);
        self.best = present;
        self.failures = failures;
        self.found = false;
        let open = (1_u64 << self.tasks.len()) - 1;
        let base = self.cost.iter().sum();
        self.descend(walk, open, base);
        self.found && self.carry_out(walk)
    }

    /// Takes the tasks off the nodes' rows; returns what the nodes and the tasks' moves cost at present.
    fn lift(&mut self, walk: &mut Walk<'_>) -> i64 {
        let model = walk.model;
        let width = model.resources;
        let count = self.nodes.len();
        let mut present = 0;
        self.rows.clear();
        for node in &self.nodes {
            self.rows.extend_from_slice(&walk.now.rows[*node as usize * 2 * width..][..2 * width]);
            present += walk.now.node_cost[*node as usize];
        }
        self.chosen.clear();
        for task in &self.tasks {
            let (task, at) = (*task as usize, walk.now.at[*task as usize]);
            let place = self.nodes.iter().position(|n| *n == at).unwrap_or(0);
            self.chosen.push(place as u8);
            let home = walk.now.home[task];
            present += self.noise[place * LIFT + self.chosen.len() - 1];
            present += model.move_cost(task, home as usize, at as usize) + walk.price(task, at as usize);
            let row = &mut self.rows[place * 2 * width..][..2 * width];
            for r in 0..width {
                let need = model.need[task * width + r];
                row[width + r] -= need;
                row[r] += if home == at && model.transient[r] { 0 } else { need };
            }
        }
        self.best_choice.clone_from(&self.chosen);
        self.cost.clear();
        for j in 0..count {
            let cost = self.row_cost(walk, j);
            self.cost.push(cost);
        }
        self.services(walk);
        self.weight.clear();
        for task in &self.tasks {
            let need = &model.need[*task as usize * width..][..width];
            self.weight.push(need.iter().zip(&model.load_weight).map(|(q, w)| q * w).sum());
        }
        self.adds.clear();
        self.adds.resize(count * LIFT, NEVER);
        self.saved.resize(LIFT * LIFT, 0);
        for j in 0..count {
            for t in 0..self.tasks.len() {
                self.adds[j * LIFT + t] = self.first_add(walk, t, j);
            }
        }
        present
    }

    fn services(&mut self, walk: &Walk<'_>) {
        let (model, count) = (walk.model, self.nodes.len());
        self.same.clear();
        self.spare.clear();
        for (t, task) in self.tasks.iter().enumerate() {
            let service = model.service_of[*task as usize];
            let mut same = 0_u64;
            for (u, other) in self.tasks.iter().enumerate() {
                same |= u64::from(u != t && model.service_of[*other as usize] == service) << u;
            }
            self.same.push(same);
            let s = service as usize;
            for (j, node) in self.nodes.iter().enumerate() {
                let mut spare = 255;
                if walk.now.tables.nodes.has(s) {
                    let on = walk.now.tables.on_node(model, &walk.now.at, s, *node as usize);
                    let mut lifted = u32::from(usize::from(self.chosen[t]) == j);
                    for u in bits(same) {
                        lifted += u32::from(usize::from(self.chosen[u]) == j);
                    }
                    spare = (model.per_node[s] + lifted).saturating_sub(on).min(255);
                }
                self.spare.push(spare as u8);
            }
        }
        debug_assert_eq!(self.spare.len(), count * self.tasks.len());
    }

    fn row_cost(&self, walk: &Walk<'_>, j: usize) -> i64 {
        let model = walk.model;
        let width = model.resources;
        let over = &self.rows[j * 2 * width + width..][..width];
        let load: i64 = over.iter().zip(&model.load_weight).map(|(o, w)| w * (*o).max(0)).sum();
        if model.balances.is_empty() { load } else { load + self.balance(walk, j, |_| 0) }
    }

    fn balance(&self, walk: &Walk<'_>, j: usize, change: impl Fn(usize) -> i64) -> i64 {
        let model = walk.model;
        let (width, node) = (model.resources, self.nodes[j] as usize);
        let free = |r: usize| {
            let over = self.rows[j * 2 * width + width + r];
            model.capacity[node * width + r] - model.safety[node * width + r] - over - change(r)
        };
        let missing = |b: &crate::Balance| {
            b.weight * (b.target * free(b.first) - free(b.second)).max(0)
        };
        model.balances.iter().map(missing).sum()
    }

    /// What a task adds on a node, its own and its service's constraints asked as if it alone moved.
    fn first_add(&self, walk: &Walk<'_>, t: usize, j: usize) -> i64 {
        let (task, node) = (self.tasks[t] as usize, self.nodes[j] as usize);
        if self.spare[t * self.nodes.len() + j] == 0 {
            return NEVER;
        }
        let add = self.add(walk, t, j);
        let stays = walk.now.at[task] as usize == node;
        if add != NEVER && !stays && !walk.now.permits_apart_from_conflict(walk.model, task, node) {
            return NEVER;
        }
        add
    }

    #[inline]
    fn add(&self, walk: &Walk<'_>, t: usize, j: usize) -> i64 {
        let model = walk.model;
        let width = model.resources;
        let (task, node) = (self.tasks[t] as usize, self.nodes[j] as usize);
        let (free, over) = self.rows[j * 2 * width..][..2 * width].split_at(width);
        let need = &model.need[task * width..][..width];
        let home = walk.now.home[task] as usize;
        if home == node {
            let mut rows = free.iter().zip(need).zip(&model.transient);
            if rows.any(|((f, q), transient)| !*transient && q > f) {
                return NEVER;
            }
        } else if free.iter().zip(need).any(|(f, q)| q > f) {
            return NEVER;
        }
        let mut sum = 0;
        for ((o, q), w) in over.iter().zip(need).zip(&model.load_weight) {
            sum += w * (o + q).max(0);
        }
        if !model.balances.is_empty() {
            sum += self.balance(walk, j, |r| need[r]);
        }
        sum - self.cost[j] + model.move_cost(task, home, node) + walk.price(task, node) + self.noise[j * LIFT + t]
    }

    /// Branches on the task that has most to lose for each place left.
    fn descend(&mut self, walk: &mut Walk<'_>, open: u64, so_far: i64) {
        let count = self.nodes.len();
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
            let (mut least, mut places) = (NEVER, 0_u32);
            for j in 0..count {
                let add = self.adds[j * LIFT + t];
                places += u32::from(add != NEVER);
                least = least.min(add);
            }
            if places == 0 {
                self.failures = self.failures.saturating_sub(1);
                return;
            }
            bound += least;
            let value = (least + self.weight[t]) as f64 / f64::from(places);
            if value > worth {
                (pick, worth) = (t, value);
            }
        }
        if bound >= self.best {
            self.failures = self.failures.saturating_sub(1);
            return;
        }
        self.branch(walk, open & !(1 << pick), so_far, pick);
    }

    fn branch(&mut self, walk: &mut Walk<'_>, rest: u64, so_far: i64, t: usize) {
        let count = self.nodes.len();
        let mut tried = 0_u32;
        for turn in 0..count {
            let left = (0..count).filter(|j| tried >> j & 1 == 0);
            let Some(j) = left.min_by_key(|j| self.adds[j * LIFT + t]) else { return };
            tried |= 1 << j;
            let add = self.adds[j * LIFT + t];
            if add == NEVER || self.failures == 0 || so_far.saturating_add(add) >= self.best {
                // Only where adding can lower a balance's cost can the very first place be too dear.
                self.failures = self.failures.saturating_sub(u32::from(turn == 0));
                return;
            }
            let level = rest.count_ones() as usize;
            let column = j * LIFT..(j + 1) * LIFT;
            self.saved[level * LIFT..][..LIFT].copy_from_slice(&self.adds[column.clone()]);
            let before = self.cost[j];
            self.put(walk, t, j, 1);
            self.chosen[t] = j as u8;
            self.follow(walk, rest, t, j);
            self.descend(walk, rest, so_far + add);
            self.put(walk, t, j, -1);
            self.cost[j] = before;
            self.adds[column].copy_from_slice(&self.saved[level * LIFT..][..LIFT]);
            for u in bits(self.same[t]) {
                self.spare[u * count + j] = self.spare[u * count + j].saturating_add(1);
            }
        }
    }

    /// Adds or takes a task's needs on a chosen node's row.
    fn put(&mut self, walk: &mut Walk<'_>, t: usize, j: usize, sign: i64) {
        let model = walk.model;
        let width = model.resources;
        let task = self.tasks[t] as usize;
        let at_home = walk.now.home[task] == self.nodes[j];
        let need = &model.need[task * width..][..width];
        let (free, over) = self.rows[j * 2 * width..][..2 * width].split_at_mut(width);
        for r in 0..width {
            over[r] += sign * need[r];
            free[r] -= if at_home && model.transient[r] { 0 } else { sign * need[r] };
        }
        if sign > 0 {
            self.cost[j] = self.row_cost(walk, j);
        }
        walk.evaluations += 1;
    }

    /// Updates what the tasks still open would add on the node that has just changed.
    fn follow(&mut self, walk: &mut Walk<'_>, rest: u64, t: usize, j: usize) {
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
            self.adds[j * LIFT + u] = if full { NEVER } else { self.add(walk, u, j) };
        }
        walk.evaluations += u64::from(rest.count_ones());
    }

    /// Shifts the tasks to the best places found; back again if services' constraints that were asked one
    /// by one do not hold together.
    fn carry_out(&mut self, walk: &mut Walk<'_>) -> bool {
        let before: Vec<u32> = self.tasks.iter().map(|t| walk.now.at[*t as usize]).collect();
        for (t, task) in self.tasks.iter().enumerate() {
            let to = self.nodes[usize::from(self.best_choice[t])];
            if walk.now.at[*task as usize] != to {
                walk.shift(*task as usize, to as usize);
            }
        }
        let services = self.tasks.iter().map(|t| walk.model.service_of[*t as usize] as usize);
        let mut checked = vec![];
        for s in services {
            if !checked.contains(&s) {
                checked.push(s);
            }
        }
        if checked.iter().all(|s| walk.now.service_holds(walk.model, *s)) {
            walk.mark();
            return true;
        }
        for (task, node) in self.tasks.iter().zip(before) {
            if walk.now.at[*task as usize] != node {
                walk.shift(*task as usize, node as usize);
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

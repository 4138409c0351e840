//! What a change would cost and whether it fits, without doing it. Cheap questions first: a search asks for
//! the cost, then for room, and for services' constraints only when it would go ahead.

use super::Placement;
use crate::model::Model;

impl Placement {
    /// Load and balance cost of a node as its row stands.
    pub(crate) fn cost_now(&self, model: &Model, node: usize) -> i64 {
        let width = model.resources;
        let over = &self.rows[node * 2 * width + width..][..width];
        let load: i64 = over
            .iter()
            .zip(&model.load_weight)
            .map(|(o, weight)| weight * (*o).max(0))
            .sum();
        load + self.balance(model, node, |_| 0)
    }

    /// Balance cost of a node when its use of each resource changed by `change`.
    #[inline]
    pub(crate) fn balance(&self, model: &Model, node: usize, change: impl Fn(usize) -> i64) -> i64 {
        let width = model.resources;
        let free = |r: usize| {
            let at = node * width + r;
            let over = self.rows[node * 2 * width + width + r];
            model.capacity[at] - model.safety[at] - over - change(r)
        };
        let missing = |b: &crate::model::Balance| {
            b.weight * (b.target * free(b.first) - free(b.second)).max(0)
        };
        model.balances.iter().map(missing).sum()
    }

    /// Cost of a node if a task were there too.
    #[inline]
    pub(crate) fn cost_with(&self, model: &Model, node: usize, task: usize) -> i64 {
        let width = model.resources;
        let over = &self.rows[node * 2 * width + width..][..width];
        let need = &model.need[task * width..][..width];
        let mut sum = 0;
        for ((o, q), w) in over.iter().zip(need).zip(&model.load_weight) {
            sum += w * (o + q).max(0);
        }
        if model.balances.is_empty() {
            sum
        } else {
            sum + self.balance(model, node, |r| need[r])
        }
    }

    /// Cost of a node if a task on it were gone.
    #[inline]
    pub(crate) fn cost_without(&self, model: &Model, node: usize, task: usize) -> i64 {
        let width = model.resources;
        let over = &self.rows[node * 2 * width + width..][..width];
        let need = &model.need[task * width..][..width];
        let mut sum = 0;
        for ((o, q), w) in over.iter().zip(need).zip(&model.load_weight) {
            sum += w * (o - q).max(0);
        }
        if model.balances.is_empty() {
            sum
        } else {
            sum + self.balance(model, node, |r| -need[r])
        }
    }

    /// Cost of a node if `leaves` were gone and `comes` were there.
    #[inline]
    pub(crate) fn cost_exchanged(
        &self,
        model: &Model,
        node: usize,
        leaves: usize,
        comes: usize,
    ) -> i64 {
        let width = model.resources;
        let over = &self.rows[node * 2 * width + width..][..width];
        let out = &model.need[leaves * width..][..width];
        let into = &model.need[comes * width..][..width];
        let mut sum = 0;
        for (((o, q), p), w) in over.iter().zip(out).zip(into).zip(&model.load_weight) {
            sum += w * (o - q + p).max(0);
        }
        if model.balances.is_empty() {
            sum
        } else {
            sum + self.balance(model, node, |r| into[r] - out[r])
        }
    }

    /// Whether there is room on the node for the task; at home its transient needs are reserved already (which is room
    /// unless the node is overfull anyway), and what it does not need may be overfull.
    #[inline]
    pub(crate) fn fits(&self, model: &Model, node: usize, task: usize) -> bool {
        let width = model.resources;
        let free = &self.rows[node * 2 * width..][..width];
        let need = &model.need[task * width..][..width];
        if self.home[task] as usize == node {
            return (0..width).all(|r| self.fits_at_home(model, node, r, need[r]));
        }
        free.iter().zip(need).all(|(f, q)| q <= f || *q == 0)
    }

    /// Whether there is room for so much of a resource at the home of what needs it.
    #[inline]
    pub(crate) fn fits_at_home(&self, model: &Model, node: usize, r: usize, need: i64) -> bool {
        let width = model.resources;
        let row = &self.rows[node * 2 * width..][..2 * width];
        let room = if model.transient[r] {
            let at = node * width + r;
            model.capacity[at] - model.safety[at] - row[width + r]
        } else {
            row[r]
        };
        need == 0 || need <= room
    }

    /// By how much the number of moved tasks of the task's service changes.
    #[inline]
    fn moved_by(&self, task: usize, to: usize) -> i32 {
        let (home, from) = (self.home[task] as usize, self.at[task] as usize);
        i32::from(to != home) - i32::from(from != home)
    }

    /// Exact change of the total cost by a shift, in O(resources).
    #[inline]
    pub(crate) fn shift_cost(&self, model: &Model, task: usize, to: usize) -> i64 {
        let from = self.at[task] as usize;
        if from == to {
            return 0;
        }
        let leaves = self.cost_without(model, from, task) - self.node_cost[from];
        self.shift_cost_known(model, task, to, leaves)
    }

    /// [`Placement::shift_cost`] to another node when what leaving changes on the source is known.
    #[inline]
    pub(crate) fn shift_cost_known(
        &self,
        model: &Model,
        task: usize,
        to: usize,
        leaves: i64,
    ) -> i64 {
        let (from, home) = (self.at[task] as usize, self.home[task] as usize);
        let mut delta = self.cost_with(model, to, task) - self.node_cost[to] + leaves;
        delta += model.move_cost(task, home, to) - model.move_cost(task, home, from);
        let by = self.moved_by(task, to);
        if by != 0 {
            let service = model.service_of[task] as usize;
            let worst = self.tables.worst_after([(service, by), (service, 0)]);
            delta += model.weights.service_move * (worst as i64 - self.tables.worst_moved() as i64);
        }
        delta
    }

    /// Exact change of the total cost if two tasks on different nodes changed places, in O(resources).
    #[inline]
    pub(crate) fn swap_cost(&self, model: &Model, a: usize, b: usize) -> i64 {
        let (at_a, at_b) = (self.at[a] as usize, self.at[b] as usize);
        if at_a == at_b {
            return 0;
        }
        let (home_a, home_b) = (self.home[a] as usize, self.home[b] as usize);
        let mut delta = self.cost_exchanged(model, at_a, a, b) - self.node_cost[at_a];
        delta += self.cost_exchanged(model, at_b, b, a) - self.node_cost[at_b];
        delta += model.move_cost(a, home_a, at_b) - model.move_cost(a, home_a, at_a);
        delta += model.move_cost(b, home_b, at_a) - model.move_cost(b, home_b, at_b);
        let (by_a, by_b) = (self.moved_by(a, at_b), self.moved_by(b, at_a));
        if by_a != 0 || by_b != 0 {
            let (sa, sb) = (model.service_of[a] as usize, model.service_of[b] as usize);
            let worst = self.tables.worst_after([(sa, by_a), (sb, by_b)]);
            delta += model.weights.service_move * (worst as i64 - self.tables.worst_moved() as i64);
        }
        delta
    }
}

//! Moves that repair what is broken: before any that relieve, since no measurement has to speak for them.

use super::cluster::MoveError;
use super::plan::{MovePlan, Obstacle, Reason, Unrepaired};
use super::planner::Planner;
use crate::model::{NodeId, TaskId};
use crate::repair::{Lazy, suspects};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Tasks of which a plan says what keeps them.
const TOLD: usize = 64;

/// What makes one repairing move better than another: what it repairs; then whether it leaves the destination below the fill
/// limit; the task's priority, and its moves so far; how full the destination will be, in thousandths.
type Rank = (i128, bool, u8, usize, u64);

impl Planner<'_> {
    /// Plans moves that lead a broken cluster to a whole one, each the one that repairs most. A destination must be
    /// known and not be overloaded with the task; cool-downs and budgets of tasks do not hold up what repairs, limits
    /// on moves in flight and cool-downs of nodes do.
    pub(super) fn repair(&mut self, plan: &mut MovePlan) {
        if !self.protector.cluster.may_be_broken() {
            return;
        }
        plan.broken = self.protector.cluster.violations();
        if self.protector.repair_not_before > self.now {
            return;
        }
        let mut lazy = Lazy::new(&self.suspects(), |task| self.best_of(task));
        while let Some((_, task, to)) = lazy.next(|task| self.best_of(task)) {
            let (task, to) = (task as usize, to as usize);
            let cluster = &self.protector.cluster;
            let broken = cluster.placement().broken_by(cluster.model(), task);
            let from = cluster.placement().at[task] as usize;
            let begun = self.start(from, to, task, Reason::Broken(broken));
            plan.moves.push(begun);
        }
        self.report_unrepaired(plan);
        if plan.moves.is_empty() {
            self.protector.repair_not_before = self.now.after(self.protector.config.retry);
        }
    }

    /// The tasks whose moving could repair something and that are not moving.
    fn suspects(&self) -> Vec<u32> {
        let cluster = &self.protector.cluster;
        let mut tasks = suspects(cluster.model(), cluster.placement());
        tasks.retain(|t| cluster.moving_to(TaskId(*t)).is_none());
        tasks
    }

    /// The best repairing move of a task.
    fn best_of(&self, task: u32) -> Option<(Rank, u32)> {
        let (cluster, t) = (&self.protector.cluster, task as usize);
        if self.is_busy(cluster.placement().at[t] as usize) {
            return None;
        }
        let mut best: Option<(Rank, u32)> = None;
        for to in 0..cluster.model().nodes() {
            let damage = cluster.placement().damage_change(cluster.model(), t, to);
            if damage >= 0 || best.is_some_and(|(rank, _)| damage > rank.0) {
                continue;
            }
            let Ok(rank) = self.rank(damage, t, to) else {
                continue;
            };
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, to as u32));
            }
        }
        best
    }

    /// How good a repairing move is, or what forbids it.
    fn rank(&self, damage: i128, task: usize, to: usize) -> Result<Rank, Obstacle> {
        let p = &*self.protector;
        let burden = self.burden(task);
        let after = self.level[to] + burden;
        if self.is_busy(to) {
            return Err(Obstacle::NodeBusy);
        }
        if !self.known[to] {
            return Err(Obstacle::DestinationsStale);
        }
        if after > self.threshold[to] || p.detector.is_hot(NodeId(to as u32)) {
            return Err(Obstacle::NoHeadroom);
        }
        match p.cluster.may_begin(TaskId(task as u32), NodeId(to as u32)) {
            Some(MoveError::Forbidden { constraint, .. }) => {
                return Err(Obstacle::Constraint(constraint));
            }
            Some(MoveError::Moving { .. }) => return Err(Obstacle::Moving),
            Some(_) => return Err(Obstacle::Wait),
            None => {}
        }
        let over = after > self.share(to, self.config().max_fill_permille);
        let priority = p.cluster.model().priority[task];
        let full = (after / self.threshold[to].max(1.0) * 1000.0) as u64;
        Ok((damage, over, priority, p.begun[task].len(), full))
    }

    /// What a task would bring to its destination: the higher of its averages, and at least what it asks for where its use is
    /// unknown. Unknown is not nothing.
    fn burden(&self, task: usize) -> f64 {
        let p = &*self.protector;
        let used = p.signals.fast(task).max(p.signals.slow(task));
        if p.is_fresh(task, self.now) {
            return used;
        }
        let need = p.cluster.model().need(TaskId(task as u32));
        used.max(need.get(p.resource).map_or(0.0, |need| *need as f64))
    }

    /// Says of what is still broken which tasks could repair it, and what keeps them.
    fn report_unrepaired(&self, plan: &mut MovePlan) {
        let cluster = &self.protector.cluster;
        let (model, placement) = (cluster.model(), cluster.placement());
        let broken = (0..model.tasks()).filter(|t| placement.may_repair(model, *t));
        for task in broken.take(TOLD) {
            let id = TaskId(task as u32);
            if cluster.moving_to(id).is_some() {
                continue;
            }
            plan.unrepaired.push(Unrepaired {
                task: id,
                node: NodeId(placement.at[task]),
                broken: placement.broken_by(model, task),
                obstacle: self.obstacle(task),
            });
        }
    }

    /// What keeps a task from most of the nodes where it would repair something; from all, if it would nowhere.
    fn obstacle(&self, task: usize) -> Obstacle {
        let cluster = &self.protector.cluster;
        let (model, placement) = (cluster.model(), cluster.placement());
        if model.pinned[task] {
            return Obstacle::Pinned;
        }
        let from = placement.at[task] as usize;
        let (mut counts, mut anywhere) = (BTreeMap::new(), BTreeMap::new());
        for to in (0..model.nodes()).filter(|to| *to != from) {
            let damage = placement.damage_change(model, task, to);
            let Err(obstacle) = self.rank(damage, task, to) else {
                continue;
            };
            let counts = if damage < 0 {
                &mut counts
            } else {
                &mut anywhere
            };
            *counts.entry(obstacle).or_insert(0_u32) += 1;
        }
        let most = |counts: BTreeMap<Obstacle, u32>| {
            let most = counts.into_iter().max_by_key(|(_, n)| *n);
            most.map(|(obstacle, _)| obstacle)
        };
        if self.is_busy(from) {
            return Obstacle::NodeBusy;
        }
        let kept = most(counts).or_else(|| most(anywhere));
        kept.unwrap_or(Obstacle::RepairsNothing)
    }
}

//! Relief by harm: of all moves the one that saves the most beyond its cost, as long as it pays.

use super::plan::{MovePlan, Obstacle, Reason, Unrelieved};
use super::planner::{Planner, may_begin};
use super::samples::Sample;
use super::worth::{Balance, Limits, Outlook, Worth};
use crate::model::{NodeId, TaskId};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Tasks of a node that destinations are looked for, the most promising ones.
const TRIED_TASKS: usize = 12;
/// Destinations that a task is weighed on, the emptiest that may take it.
const TRIED_NODES: usize = 6;
/// Nodes that are asked whether they may.
const ASKED_NODES: usize = 64;

/// What is expected of each node, with moves under way as finished.
struct Outlooks {
    of: Vec<Outlook>,
    limits: Vec<Limits>,
    /// Known nodes, the emptiest first.
    by_fill: Vec<u32>,
}

/// A move that was weighed.
#[derive(Clone, Copy)]
struct Weighed {
    task: usize,
    to: usize,
    saved: f64,
    cost: f64,
}

impl Weighed {
    fn net(&self) -> f64 {
        self.saved - self.cost
    }
}

impl Planner<'_> {
    /// Makes the moves that pay: from the node with the most expected harm on.
    pub(super) fn relieve_what_pays(&mut self, worth: &Worth, plan: &mut MovePlan) {
        let mut outlooks = self.outlooks();
        let price = self.protector.price(worth, self.now);
        let mut nodes: Vec<(f64, usize)> = (0..self.level.len())
            .filter(|n| self.known[*n] && self.protector.not_before[*n] <= self.now)
            .map(|n| (outlooks.limits[n].ahead(outlooks.of[n], worth.horizon), n))
            .filter(|(harm, n)| *harm > price * outlooks.limits[*n].room())
            .collect();
        if nodes.is_empty() {
            return;
        }
        nodes.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        outlooks.sort(&self.known);
        for (_, node) in nodes {
            let mut obstacles = BTreeMap::new();
            let before = plan.moves.len();
            while let Some(best) = self.best_move(worth, node, &outlooks, &mut obstacles) {
                self.carry_out(node, &best, &mut outlooks, plan);
                obstacles.clear();
            }
            if plan.moves.len() == before {
                let retry = self.protector.config.retry;
                self.protector.not_before[node] = self.now.after(retry);
                if self.protector.detector.is_hot(NodeId(node as u32)) {
                    let excess = (self.level[node] - self.threshold[node]).max(0.0) as Sample;
                    let id = NodeId(node as u32);
                    plan.unrelieved
                        .push(Unrelieved::new(id, excess, &obstacles));
                }
            }
        }
    }

    fn outlooks(&self) -> Outlooks {
        let nodes = self.level.len();
        let protector = &*self.protector;
        let mut of = vec![Outlook::default(); nodes];
        let placement = protector.cluster.placement();
        // What a node shows beyond its tasks is part of its level and stays.
        let mut beyond = self.level.clone();
        for (task, at) in placement.at.iter().enumerate() {
            beyond[*at as usize] -= protector.expected(task);
            let node = &mut of[*at as usize];
            *node = node.with(protector.outlook(task));
        }
        for (node, beyond) in of.iter_mut().zip(beyond) {
            *node = node.with(Outlook::steady(beyond));
        }
        Outlooks {
            of,
            limits: (0..nodes).map(|n| protector.limits(n)).collect(),
            by_fill: Vec::new(),
        }
    }

    /// The move off `node` that saves the most beyond its cost, if one pays.
    fn best_move(
        &self,
        worth: &Worth,
        node: usize,
        outlooks: &Outlooks,
        obstacles: &mut BTreeMap<Obstacle, u32>,
    ) -> Option<Weighed> {
        if self.is_busy(node) {
            *obstacles.entry(Obstacle::NodeBusy).or_default() += 1;
            return None;
        }
        let limits = outlooks.limits[node];
        let here = outlooks.of[node];
        let now = limits.ahead(here, worth.horizon);
        let price = self.protector.price(worth, self.now) * limits.room();
        let mut tasks: Vec<(f64, usize)> = Vec::new();
        for task in self.protector.cluster.placement().list(node) {
            let task = *task as usize;
            let without = here.without(self.protector.outlook(task));
            let saved = now - limits.ahead(without, worth.horizon);
            match self.candidate(task, 0.0) {
                Err(obstacle) => *obstacles.entry(obstacle).or_default() += 1,
                Ok(_) if saved <= price => *obstacles.entry(Obstacle::NotWorthIt).or_default() += 1,
                Ok(_) => tasks.push((saved, task)),
            }
        }
        tasks.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut best: Option<Weighed> = None;
        for (saved, task) in tasks.into_iter().take(TRIED_TASKS) {
            if best.is_some_and(|b| b.net() >= saved) {
                break;
            }
            match self.best_destination(worth, (node, task), saved, outlooks) {
                Ok(weighed) if best.is_none_or(|b| weighed.net() > b.net()) => best = Some(weighed),
                Ok(_) => {}
                Err(obstacle) => *obstacles.entry(obstacle).or_default() += 1,
            }
        }
        best.filter(|b| b.net() > price)
    }

    /// Where the task does the least harm, of the emptiest nodes that may take it.
    fn best_destination(
        &self,
        worth: &Worth,
        (from, task): (usize, usize),
        saved: f64,
        outlooks: &Outlooks,
    ) -> Result<Weighed, Obstacle> {
        let use_of = self.protector.outlook(task);
        let id = TaskId(task as u32);
        let mut why = Obstacle::NoHeadroom;
        let mut best: Option<Weighed> = None;
        let mut tried = 0;
        for to in outlooks.by_fill.iter().take(ASKED_NODES) {
            let to = *to as usize;
            if to == from || self.is_busy(to) || self.protector.detector.is_hot(NodeId(to as u32)) {
                continue;
            }
            if let Some(refused) = may_begin(&self.protector.cluster, task, to) {
                why = Obstacle::of(&refused);
                continue;
            }
            let (limits, there) = (outlooks.limits[to], outlooks.of[to]);
            let ahead = |outlook| limits.ahead(outlook, worth.horizon);
            let added = ahead(there.with(use_of)) - ahead(there);
            let cost = self.protector.cost_of(worth, id, use_of, (limits, there));
            let weighed = Weighed {
                task,
                to,
                saved: saved - added,
                cost,
            };
            if best.is_none_or(|b| weighed.net() > b.net()) {
                best = Some(weighed);
            }
            tried += 1;
            if tried == TRIED_NODES {
                break;
            }
        }
        best.ok_or(why)
    }

    fn carry_out(
        &mut self,
        node: usize,
        best: &Weighed,
        outlooks: &mut Outlooks,
        plan: &mut MovePlan,
    ) {
        let hot = self.protector.detector.is_hot(NodeId(node as u32));
        let reason = if hot {
            Reason::Overloaded
        } else {
            Reason::NearThreshold
        };
        let use_of = self.protector.outlook(best.task);
        outlooks.of[node] = outlooks.of[node].without(use_of);
        outlooks.of[best.to] = outlooks.of[best.to].with(use_of);
        outlooks.sort(&self.known);
        let mut made = self.start(node, best.to, best.task, reason);
        made.figures.balance = Some(Balance {
            saved: best.saved.max(0.0) as u64,
            cost: best.cost.max(0.0) as u64,
        });
        plan.moves.push(made);
    }
}

impl Outlooks {
    fn sort(&mut self, known: &[bool]) {
        let fill = |n: &u32| {
            let node = *n as usize;
            self.of[node].high() / self.limits[node].threshold.max(1.0)
        };
        let mut nodes: Vec<(f64, u32)> = (0..known.len() as u32)
            .filter(|n| known[*n as usize])
            .map(|n| (fill(&n), n))
            .collect();
        nodes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        self.by_fill = nodes.into_iter().map(|(_, n)| n).collect();
    }
}

//! What to do when no move can be made: moves that wait for each other in a circle are broken up by letting
//! some task wait on another node.

use super::Planner;
use super::wave::{Blocked, Wave};
use crate::Constraint;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// A task may be staged so often; more would hardly ever help and could go on for ever.
const STAGINGS: u32 = 3;
/// Tasks that leave one node at most to let one other in.
const MOST_OUT: usize = 6;

impl Planner<'_> {
    /// Lets tasks wait elsewhere so that some move that is left can be made, and makes that one; false when
    /// that is not possible for any. Moves that wait in a circle come first, of these the smallest.
    pub(super) fn stage(&mut self) -> bool {
        let wanted: BTreeSet<u32> = self.left.iter().map(|t| self.target[*t as usize]).collect();
        for task in self.in_circles_first() {
            if self.let_in(task, &wanted) {
                return true;
            }
        }
        false
    }

    /// The moves that are left; those that wait for each other in a circle first, then by size.
    fn in_circles_first(&self) -> Vec<u32> {
        let mut graph: DiGraph<u32, ()> = DiGraph::new();
        let indices: Vec<NodeIndex> = self.left.iter().map(|t| graph.add_node(*t)).collect();
        let mut leaving: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (i, task) in self.left.iter().enumerate() {
            leaving.entry(self.now.at[*task as usize]).or_default().push(i);
        }
        for (i, task) in self.left.iter().enumerate() {
            for j in leaving.get(&self.target[*task as usize]).into_iter().flatten() {
                graph.add_edge(indices[i], indices[*j], ());
            }
        }
        let mut rest: Vec<(bool, i64, u32)> = Vec::new();
        for component in tarjan_scc(&graph) {
            for index in &component {
                let task = graph[*index];
                rest.push((component.len() < 2, self.size(task), task));
            }
        }
        rest.sort_unstable();
        rest.into_iter().map(|(_, _, task)| task).collect()
    }

    fn size(&self, task: u32) -> i64 {
        let width = self.model.resources;
        self.model.need[task as usize * width..][..width].iter().sum()
    }

    /// Stages residents of the task's target, one after another, until the task can go there, and moves it.
    /// Taken back when that does not come about.
    fn let_in(&mut self, task: u32, wanted: &BTreeSet<u32>) -> bool {
        let to = self.target[task as usize];
        let (waves, staged) = (self.order.waves.len(), self.staged.clone());
        for _ in 0..MOST_OUT {
            let mut wave = Wave::new(self.model, &self.now, self.limits);
            let Some(blocked) = wave.add(&self.now, task as usize, to as usize) else {
                self.left.retain(|t| *t != task);
                self.make(&[(task, to)], &BTreeMap::new(), false);
                return true;
            };
            let way = match blocked {
                Blocked::Service => self.who_must_be_there(task, to, wanted),
                _ => self.who_gives_way(task, to, blocked, wanted),
            };
            let Some((out, node)) = way else { break };
            *self.staged.entry(out).or_default() += 1;
            if !self.left.contains(&out) {
                self.left.push(out);
            }
            self.make(&[(out, node)], &BTreeMap::from([(to, blocked)]), true);
        }
        // Undone in the other order: each step back is as feasible as the step was.
        while self.order.waves.len() > waves {
            for step in self.order.waves.pop().into_iter().flatten() {
                self.now.shift(self.model, step.task.index(), step.from.index());
                self.now.settle(self.model, step.task.index());
                let (t, at) = (step.task.0, step.from.0);
                if self.target[t as usize] == at {
                    self.left.retain(|l| *l != t);
                }
            }
        }
        self.staged = staged;
        false
    }

    /// A resident of `to` that gives way to `task`, and where it waits: for a conflict the one of its
    /// service; for room the one that frees enough with least to spare, or else the one that frees most.
    fn who_gives_way(
        &self,
        task: u32,
        to: u32,
        blocked: Blocked,
        wanted: &BTreeSet<u32>,
    ) -> Option<(u32, u32)> {
        let model = self.model;
        let service = model.service_of[task as usize];
        let mut residents: Vec<((bool, bool, i64), u32)> = Vec::new();
        for resident in self.now.list(to as usize) {
            if self.staged.get(resident).is_some_and(|n| *n >= STAGINGS) {
                continue;
            }
            let stays = self.target[*resident as usize] == to;
            let key = match blocked {
                Blocked::Conflict { .. } if model.service_of[*resident as usize] == service => {
                    (false, stays, self.size(*resident))
                }
                Blocked::Room { .. } => {
                    let missing = self.missing_without(task, to, *resident);
                    (missing > 0, stays, if missing > 0 { missing } else { self.size(*resident) })
                }
                _ => continue,
            };
            residents.push((key, *resident));
        }
        residents.sort_unstable();
        let place = |r: u32| self.waiting_place(r, wanted).map(|node| (r, node));
        residents.into_iter().find_map(|(_, r)| place(r))
    }

    /// A task whose waiting elsewhere fulfils the dependency or spread that keeps `task` from going to `to`,
    /// and where it waits.
    fn who_must_be_there(&self, task: u32, to: u32, wanted: &BTreeSet<u32>) -> Option<(u32, u32)> {
        let model = self.model;
        let from = self.now.at[task as usize] as usize;
        let place = |node: usize| (model.location[node], model.neighbourhood[node]);
        let who: u32;
        let suits: alloc::boxed::Box<dyn Fn(u32) -> bool>;
        match self.now.scattered(model, task as usize, to as usize)? {
            Constraint::Dependency { service, on } => {
                let arrives = service.0 == model.service_of[task as usize];
                let wants = place(if arrives { to as usize } else { from }).1;
                who = on.0;
                suits = alloc::boxed::Box::new(move |n| model.neighbourhood[n as usize] == wants);
            }
            Constraint::Spread { service } => {
                let members = model.members.of(service.index());
                let taken: BTreeSet<u32> =
                    members.iter().map(|t| place(self.now.at[*t as usize] as usize).0).collect();
                who = service.0;
                suits = alloc::boxed::Box::new(move |n| !taken.contains(&model.location[n as usize]));
            }
            _ => return None,
        }
        let members = model.members.of(who as usize).iter().copied();
        let free = |t: &u32| *t != task && self.staged.get(t).is_none_or(|n| *n < STAGINGS);
        let waits = |t: u32| self.waiting_place_where(t, wanted, &suits).map(|node| (t, node));
        members.filter(free).find_map(waits)
    }

    /// What is still missing for `task` on `to` without `resident`, as millionths of the capacities.
    fn missing_without(&self, task: u32, to: u32, resident: u32) -> i64 {
        let model = self.model;
        let width = model.resources;
        let share = |r: usize| {
            let free = self.now.rows[to as usize * 2 * width + r]
                + model.need[resident as usize * width + r];
            let missing = (model.need[task as usize * width + r] - free).max(0) as f64;
            (missing * 1e6 / model.capacity[to as usize * width + r].max(1) as f64) as i64
        };
        (0..width).map(share).sum()
    }

    fn waiting_place(&self, task: u32, wanted: &BTreeSet<u32>) -> Option<u32> {
        self.waiting_place_where(task, wanted, &|_| true)
    }

    /// The node, other than those that tasks wait to enter where possible, with most room for the task.
    fn waiting_place_where(
        &self,
        task: u32,
        wanted: &BTreeSet<u32>,
        suits: &dyn Fn(u32) -> bool,
    ) -> Option<u32> {
        let width = self.model.resources;
        let at = self.now.at[task as usize];
        let mut best: Option<((bool, i64), u32)> = None;
        let wave = Wave::new(self.model, &self.now, self.limits);
        for node in (0..self.model.nodes as u32).filter(|n| *n != at && suits(*n)) {
            if wave.refuses(&self.now, task as usize, node as usize) {
                continue;
            }
            let free: i64 = self.now.rows[node as usize * 2 * width..][..width].iter().sum();
            let key = (!wanted.contains(&node), free);
            if best.is_none_or(|(b, _)| key > b) {
                best = Some((key, node));
            }
        }
        best.map(|(_, node)| node)
    }
}

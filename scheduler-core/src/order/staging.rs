//! What to do when no move can be made: moves that wait for each other in a circle are broken up by letting
//! one task wait on another node.

use super::wave::{Blocked, Wave};
use super::Planner;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// A task may be staged so often; more would hardly ever help and could go on for ever.
const STAGINGS: u32 = 2;
/// Tasks that are tried as the one to wait, at most.
const TRIALS: usize = 400;

impl Planner<'_> {
    /// Lets one task wait elsewhere; false when that is not possible for any.
    pub(super) fn stage(&mut self) -> bool {
        let candidates = self.candidates();
        let wanted: BTreeSet<u32> = self.left.iter().map(|t| self.target[*t as usize]).collect();
        for task in candidates.into_iter().take(TRIALS) {
            let staged = self.staged.get(&task).copied().unwrap_or(0);
            if staged >= STAGINGS {
                continue;
            }
            let Some(node) = self.waiting_place(task, &wanted) else { continue };
            self.staged.insert(task, staged + 1);
            let from = self.now.at[task as usize];
            let mut waiting = BTreeMap::new();
            let waits = self.left.iter().find(|t| self.target[**t as usize] == from);
            if let Some(other) = waits {
                let width = self.model.resources;
                let room = |r: &usize| self.now.rows[from as usize * 2 * width + r];
                let need = |r: &usize| self.model.need[*other as usize * width + r];
                let short = (0..width).find(|r| need(r) > room(r));
                let blocked = short.map_or(Blocked::Conflict { task: *other }, |resource| {
                    Blocked::Room { task: *other, resource }
                });
                waiting.insert(from, blocked);
            }
            self.make(&[(task, node)], &waiting, true);
            return true;
        }
        false
    }

    /// The tasks whose waiting elsewhere could help, those in circles first, of these the smallest first.
    fn candidates(&self) -> Vec<u32> {
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
        let width = self.model.resources;
        let size = |t: u32| -> i64 {
            self.model.need[t as usize * width..][..width].iter().sum()
        };
        let mut rest: Vec<(bool, i64, u32)> = Vec::new();
        for component in tarjan_scc(&graph) {
            for index in &component {
                let task = graph[*index];
                rest.push((component.len() < 2, size(task), task));
            }
        }
        rest.sort_unstable();
        rest.into_iter().map(|(_, _, task)| task).collect()
    }

    /// The node, other than those that tasks wait to enter where possible, with most room for the task.
    fn waiting_place(&self, task: u32, wanted: &BTreeSet<u32>) -> Option<u32> {
        let width = self.model.resources;
        let at = self.now.at[task as usize];
        let mut best: Option<((bool, i64), u32)> = None;
        for node in (0..self.model.nodes as u32).filter(|n| *n != at) {
            let mut wave = Wave::new(self.model, &self.now, self.limits);
            if wave.add(&self.now, task as usize, node as usize).is_some() {
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

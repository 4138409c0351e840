//! Which tasks leave a node that is too full, and where they go.

use super::cluster::{Cluster, MoveError};
use super::levels::Levels;
use super::plan::{Figures, Move, MovePlan, Obstacle, Reason, Unrelieved};
use super::protector::Protector;
use super::samples::Sample;
use crate::model::{NodeId, TaskId};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// One planning round: moves are tried on the cluster itself and taken back at the end.
pub(super) struct Planner<'p> {
    pub(super) protector: &'p mut Protector,
    pub(super) now: Timestamp,
    pub(super) level: Vec<f64>,
    pub(super) threshold: Vec<f64>,
    pub(super) known: Vec<bool>,
    lagging: Vec<bool>,
    /// Moves of this round that leave or enter each node.
    planned: Vec<u32>,
}

/// A task that could leave.
pub(super) struct Candidate {
    pub(super) task: usize,
    /// Relief that lasts: the lower of the two averages.
    relief: f64,
    /// What the destination must bear: the higher one.
    burden: f64,
    moves: usize,
    priority: u8,
}

impl<'p> Planner<'p> {
    pub(super) fn new(protector: &'p mut Protector, now: Timestamp) -> Self {
        let Levels {
            level,
            threshold,
            known,
            lagging,
        } = Levels::new(protector, now);
        let planned = vec![0; level.len()];
        Self {
            protector,
            now,
            level,
            threshold,
            known,
            lagging,
            planned,
        }
    }

    pub(super) fn plan(mut self) -> MovePlan {
        let mut plan = MovePlan {
            at: self.now,
            stale: self.protector.stale_nodes(self.now).collect(),
            ..MovePlan::default()
        };
        self.repair(&mut plan);
        self.report_stale(&mut plan);
        if let Some(worth) = self.config().worth {
            self.relieve_what_pays(&worth, &mut plan);
        } else {
            self.relieve_crowded(&mut plan);
        }
        for m in plan.moves.iter().rev() {
            // Begun in this round, so it can be taken back.
            let _ = self.protector.cluster.abort_move(m.task);
        }
        plan
    }

    /// Relieves what is overloaded or close to it, by shares of the threshold.
    fn relieve_crowded(&mut self, plan: &mut MovePlan) {
        for node in self.crowded() {
            let mut obstacles = BTreeMap::new();
            let before = plan.moves.len();
            self.relieve(node, &mut plan.moves, &mut obstacles);
            let excess = self.level[node] - self.goal(node);
            if excess > 0.0 && self.level[node] > self.share(node, self.config().early_permille) {
                let id = NodeId(node as u32);
                plan.unrelieved
                    .push(Unrelieved::new(id, excess as Sample, &obstacles));
                if plan.moves.len() == before {
                    let retry = self.protector.config.retry;
                    self.protector.not_before[node] = self.now.after(retry);
                }
            }
        }
    }

    /// Nodes to relieve: overloaded ones first, then by how full they are.
    fn crowded(&self) -> Vec<usize> {
        let near = self.config().early_permille;
        let detector = &self.protector.detector;
        // While samples may still show what has left, the overload that they tell may be past.
        let hot = |n: usize| detector.is_hot(NodeId(n as u32)) && !self.lagging[n];
        let close =
            |n: usize| detector.is_close(NodeId(n as u32)) && self.level[n] > self.share(n, near);
        let mut nodes: Vec<usize> = (0..self.level.len())
            .filter(|n| self.known[*n] && self.protector.not_before[*n] <= self.now)
            .filter(|n| hot(*n) || close(*n))
            .filter(|n| self.level[*n] > self.goal(*n))
            .collect();
        let fill = |n: &usize| self.level[*n] / self.threshold[*n].max(1.0);
        nodes.sort_by(|a, b| {
            (hot(*b), fill(b))
                .partial_cmp(&(hot(*a), fill(a)))
                .unwrap_or(a.cmp(b))
        });
        nodes
    }

    /// Overloaded nodes of which nothing is last_seen any more: nothing is moved on what was once known.
    fn report_stale(&mut self, plan: &mut MovePlan) {
        for stale in &plan.stale {
            let node = stale.node.index();
            let looked_at = self.protector.not_before[node] > self.now;
            if looked_at || !self.protector.detector.is_hot(stale.node) {
                continue;
            }
            let tasks = self.protector.cluster.placement().list(node).len() as u32;
            let obstacles = BTreeMap::from([(Obstacle::NodeStale, tasks)]);
            let excess = (self.level[node] - self.goal(node)).max(0.0) as Sample;
            plan.unrelieved
                .push(Unrelieved::new(stale.node, excess, &obstacles));
            let retry = self.protector.config.retry;
            self.protector.not_before[node] = self.now.after(retry);
        }
    }

    /// Moves tasks off one node until it is at its goal or nothing more can be done.
    fn relieve(
        &mut self,
        node: usize,
        moves: &mut Vec<Move>,
        obstacles: &mut BTreeMap<Obstacle, u32>,
    ) {
        let mut candidates = self.candidates(node, obstacles);
        while self.level[node] > self.goal(node) && !candidates.is_empty() {
            if self.is_busy(node) {
                *obstacles.entry(Obstacle::NodeBusy).or_default() += 1;
                return;
            }
            let chosen = self.choose(node, &candidates);
            let candidate = candidates.swap_remove(chosen);
            match self.destination(node, &candidate) {
                Ok(to) => moves.push(self.begin(node, to, &candidate)),
                Err(obstacle) => *obstacles.entry(obstacle).or_default() += 1,
            }
        }
    }

    fn candidates(&self, node: usize, obstacles: &mut BTreeMap<Obstacle, u32>) -> Vec<Candidate> {
        let least = self.share(node, self.config().min_task_permille);
        let mut candidates = Vec::new();
        for task in self.protector.cluster.placement().list(node) {
            match self.candidate(*task as usize, least) {
                Ok(candidate) => candidates.push(candidate),
                Err(obstacle) => *obstacles.entry(obstacle).or_default() += 1,
            }
        }
        candidates
    }

    /// A task that may leave its node and takes at least so much, or what keeps it.
    pub(super) fn candidate(&self, task: usize, least: f64) -> Result<Candidate, Obstacle> {
        let config = self.config();
        let (fast, slow) = (
            self.protector.signals.fast(task),
            self.protector.signals.slow(task),
        );
        if self.protector.signals.seen(task) < config.detector.window {
            return Err(Obstacle::TooNew);
        }
        if !self.protector.is_fresh(task, self.now) {
            return Err(Obstacle::TaskStale);
        }
        if fast.min(slow) < least {
            return Err(Obstacle::TooSmall);
        }
        if self
            .protector
            .cluster
            .moving_to(TaskId(task as u32))
            .is_some()
        {
            return Err(Obstacle::Moving);
        }
        if self.protector.cluster.model().pinned[task] {
            return Err(Obstacle::Pinned);
        }
        let times = &self.protector.begun[task];
        let recent = times
            .iter()
            .filter(|t| self.now.since(**t) < config.budget_window)
            .count();
        if recent >= config.moves_per_task {
            return Err(Obstacle::Budget);
        }
        if times
            .last()
            .is_some_and(|t| self.now.since(*t) < config.task_cooldown)
        {
            return Err(Obstacle::TaskCooldown);
        }
        Ok(Candidate {
            task,
            relief: fast.min(slow),
            burden: fast.max(slow),
            moves: recent,
            priority: self.protector.cluster.model().priority[task],
        })
    }

    /// The candidate that just removes the excess, or the largest if none does; of the like one that has
    /// moved less and matters less.
    fn choose(&self, node: usize, candidates: &[Candidate]) -> usize {
        let excess = self.level[node] - self.goal(node);
        let key = |c: &Candidate| {
            let enough = c.relief >= excess;
            let distance = if enough {
                c.relief - excess
            } else {
                excess - c.relief
            };
            (
                !enough,
                c.priority,
                distance + excess * 0.5 * c.moves as f64,
            )
        };
        let mut best = 0;
        for i in 1..candidates.len() {
            if key(&candidates[i]) < key(&candidates[best]) {
                best = i;
            }
        }
        best
    }

    /// The least filled node that can take the task and stays below the fill limit.
    fn destination(&self, from: usize, candidate: &Candidate) -> Result<usize, Obstacle> {
        let fill = self.config().max_fill_permille;
        let after = |n: usize| (self.level[n] + candidate.burden) / self.threshold[n].max(1.0);
        let room =
            |n: &usize| *n != from && self.level[*n] + candidate.burden <= self.share(*n, fill);
        let mut nodes: Vec<usize> = (0..self.level.len()).filter(room).collect();
        if nodes.is_empty() {
            return Err(Obstacle::NoHeadroom);
        }
        // The room of a node without recent samples is unknown.
        nodes.retain(|n| self.known[*n]);
        if nodes.is_empty() {
            return Err(Obstacle::DestinationsStale);
        }
        nodes.retain(|n| !self.is_busy(*n) && !self.protector.detector.is_hot(NodeId(*n as u32)));
        nodes.sort_by(|a, b| after(*a).total_cmp(&after(*b)).then(a.cmp(b)));
        let mut why = Obstacle::NodeBusy;
        for node in nodes {
            match may_begin(&self.protector.cluster, candidate.task, node) {
                None => return Ok(node),
                Some(refused) => why = Obstacle::of(&refused),
            }
        }
        Err(why)
    }

    fn begin(&mut self, from: usize, to: usize, candidate: &Candidate) -> Move {
        let hot = self.protector.detector.is_hot(NodeId(from as u32));
        let reason = if hot {
            Reason::Overloaded
        } else {
            Reason::NearThreshold
        };
        self.start(from, to, candidate.task, reason)
    }

    /// Begins a move for the rest of this round.
    pub(super) fn start(&mut self, from: usize, to: usize, task: usize, reason: Reason) -> Move {
        let (id, from_id, to_id) = (TaskId(task as u32), NodeId(from as u32), NodeId(to as u32));
        let signals = &self.protector.signals;
        let relief = signals.fast(task).min(signals.slow(task));
        let whole = |v: f64| v.max(0.0) as Sample;
        let mut figures = Figures {
            task: whole(relief),
            from_before: whole(self.level[from]),
            from_threshold: whole(self.threshold[from]),
            to_before: whole(self.level[to]),
            to_threshold: whole(self.threshold[to]),
            ..Figures::default()
        };
        let expected = self.protector.expected(task);
        self.level[from] -= expected;
        self.level[to] += expected;
        for node in [from, to] {
            self.planned[node] += 1;
        }
        figures.from_after = whole(self.level[from]);
        figures.to_after = whole(self.level[to]);
        // Asked just before; refused, the plan would only lack this move's effect on later ones.
        let _ = self.protector.cluster.begin_move(id, to_id);
        Move {
            task: id,
            from: from_id,
            to: to_id,
            reason,
            figures,
        }
    }

    pub(super) fn is_busy(&self, node: usize) -> bool {
        let p = &*self.protector;
        let moves = (p.busy[node] + self.planned[node]) as usize;
        let cools_down =
            p.touched[node].is_some_and(|t| self.now.since(t) < p.config.node_cooldown);
        let all = p.cluster.in_flight().len() >= p.config.moves_at_once;
        moves >= p.config.moves_per_node || cools_down || all
    }

    pub(super) fn config(&self) -> &super::ProtectorConfig {
        &self.protector.config
    }

    pub(super) fn share(&self, node: usize, permille: u32) -> f64 {
        self.threshold[node] * f64::from(permille) / 1000.0
    }

    fn goal(&self, node: usize) -> f64 {
        self.share(node, self.config().target_permille)
    }
}

pub(super) fn may_begin(cluster: &Cluster, task: usize, to: usize) -> Option<MoveError> {
    cluster.may_begin(TaskId(task as u32), NodeId(to as u32))
}

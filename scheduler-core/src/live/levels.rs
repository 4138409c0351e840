//! What is known of each node at the time of a plan, and what its samples do not show yet.

use super::change::Changed;
use super::cluster::Cluster;
use super::plan::StaleNode;
use super::protector::Protector;
use crate::model::{NodeId, TaskId};
use crate::time::Timestamp;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// What has left a node and may still show in its samples: those of a mean over 300 s show a task for 300 s after it
/// has gone. It must not be taken for load that is still there, or more tasks would be moved for the same excess.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Departed {
    amount: f64,
    /// The node's mean before it left.
    mean: f64,
    pub(super) at: Timestamp,
}

impl Departed {
    /// How much of it the node's samples may still show: what its mean has fallen by since is seen to be gone.
    fn pending(&self, now: Timestamp, mean: f64, span: Duration) -> f64 {
        if now.since(self.at) >= span {
            return 0.0;
        }
        (self.amount - (self.mean - mean).max(0.0)).clamp(0.0, self.amount)
    }
}

/// A node before the moves under way that concern it began: meanwhile it shows their doing as well.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// Its mean.
    pub(super) mean: f64,
    /// What it showed beyond its tasks.
    pub(super) beyond: f64,
}

/// Each node's expected level against its threshold, in the samples' unit.
pub(super) struct Levels {
    /// Lasting use of its tasks, moves under way counted as finished, plus what the node shows beyond its tasks.
    pub(super) level: Vec<f64>,
    pub(super) threshold: Vec<f64>,
    /// Whether enough is known of the node, lately, to take tasks from it or bring tasks to it.
    pub(super) known: Vec<bool>,
    /// Whether tasks have left that its samples may still show.
    pub(super) lagging: Vec<bool>,
}

impl Levels {
    pub(super) fn new(protector: &Protector, now: Timestamp) -> Self {
        let nodes = protector.cluster.model().nodes();
        let mut level = vec![0.0; nodes];
        let mut shown = vec![(0.0, 0.0); nodes];
        let placement = protector.cluster.placement();
        for (task, (at, home)) in placement.at.iter().zip(&placement.home).enumerate() {
            level[*at as usize] += protector.expected(task);
            let (fast, slow) = &mut shown[*home as usize];
            *fast += protector.signals.fast(task);
            *slow += protector.signals.slow(task);
        }
        let mut levels = Self {
            level,
            threshold: Vec::with_capacity(nodes),
            known: Vec::with_capacity(nodes),
            lagging: Vec::with_capacity(nodes),
        };
        for (node, id) in (0..nodes as u32).map(NodeId).enumerate() {
            let threshold = protector.detector.threshold(id).unwrap_or(0);
            levels.threshold.push(f64::from(threshold));
            levels.known.push(protector.is_known(id, now));
            let mean = protector.detector.mean(id).map(f64::from);
            let pending = mean.map_or(0.0, |mean| protector.departed(node, now, mean));
            levels.lagging.push(pending > 0.0);
            levels.level[node] += if protector.busy[node] > 0 {
                // A node that is gaining a task shows the task's warming up too: that passes, the rest does not.
                protector.before[node].beyond
            } else {
                mean.map_or(0.0, |mean| beyond(mean, shown[node], pending))
            };
        }
        levels
    }
}

impl Protector {
    /// What a task is expected to take in the next minutes: the middle of both averages, so that a rise counts
    /// before the long one has followed and a burst does not count whole.
    pub(super) fn expected(&self, task: usize) -> f64 {
        (self.signals.fast(task) + self.signals.slow(task)) / 2.0
    }

    /// Whether a node's samples are recent and many enough to decide on: without, nothing is known of its headroom.
    fn is_known(&self, node: NodeId, now: Timestamp) -> bool {
        let last_seen = self.detector.last_seen(node);
        last_seen.is_some_and(|at| self.counts(at, now)) && self.detector.mean(node).is_some()
    }

    /// The nodes of which too little is known at `now`, ascending: their last sample is older than
    /// [`super::ProtectorConfig::stale_after`], or their window holds too few. No task leaves them and none goes there.
    pub fn stale_nodes(&self, now: Timestamp) -> impl Iterator<Item = StaleNode> + '_ {
        let nodes = (0..self.cluster.model().nodes() as u32).map(NodeId);
        let unknown = nodes.filter(move |node| !self.is_known(*node, now));
        unknown.map(move |node| StaleNode {
            node,
            age: self.detector.last_seen(node).map(|at| now.since(at)),
            limit: self.config.stale_after,
            known: self.detector.known(node),
            min_known: self.config.detector.min_known,
        })
    }

    /// Whether the task's last sample is recent enough to decide on.
    pub(super) fn is_fresh(&self, task: usize, now: Timestamp) -> bool {
        let last_seen = self.signals.last_seen(task);
        last_seen.is_some_and(|at| self.counts(at, now))
    }

    /// Whether a sample counts at `now`. One that is as far ahead as would be too old is of a clock that was ahead.
    fn counts(&self, at: Timestamp, now: Timestamp) -> bool {
        let limit = self.config.stale_after;
        now.since(at) <= limit && at.since(now) <= limit
    }

    /// How much of what has left the node its samples may still show.
    fn departed(&self, node: usize, now: Timestamp, mean: f64) -> f64 {
        let window = self.config.detector.window as u32;
        let window = self.config.detector.interval.saturating_mul(window);
        let span = self.config.node_lag.saturating_add(window);
        let departed = self.departed.get(node).copied().unwrap_or_default();
        departed.pending(now, mean, span)
    }

    /// What is recorded of a node before a move that leaves or enters it; nothing if there is one already.
    /// O(its tasks).
    pub(super) fn before_move(&self, node: NodeId, now: Timestamp) -> Option<Before> {
        if self.busy.get(node.index()) != Some(&0) {
            return None;
        }
        let mean = self.detector.mean(node).map_or(0.0, f64::from);
        let tasks = self.cluster.placement().list(node.index()).iter();
        let shown = tasks.fold((0.0, 0.0), |(fast, slow), task| {
            let task = *task as usize;
            (
                fast + self.signals.fast(task),
                slow + self.signals.slow(task),
            )
        });
        let pending = self.departed(node.index(), now, mean);
        Some(Before {
            mean,
            beyond: beyond(mean, shown, pending),
        })
    }

    /// Remembers what a change has taken from each node: tasks that are gone or run elsewhere. Those whose moves it
    /// has ended are known already.
    pub(super) fn have_left(&mut self, now: Timestamp, next: &Cluster, changed: &Changed) {
        let tasks = (0..self.cluster.model().tasks() as u32).map(TaskId);
        let left: Vec<(TaskId, NodeId)> = tasks
            .filter_map(|task| Some((task, self.cluster.node_of(task)?)))
            .filter(|(task, home)| {
                let now_on = changed.ids.task(*task).and_then(|t| next.node_of(t));
                now_on.is_none() || now_on != changed.ids.node(*home)
            })
            .filter(|(task, _)| changed.ended.iter().all(|(m, _)| m.task != *task))
            .collect();
        for (task, home) in left {
            self.has_left(now, task, home, 0.0);
        }
    }

    /// Remembers that a task has left a node, whose mean was `before`.
    pub(super) fn has_left(&mut self, now: Timestamp, task: TaskId, node: NodeId, before: f64) {
        let Some(mean) = self.detector.mean(node).map(f64::from) else {
            return;
        };
        let task = task.index();
        let amount = self.signals.fast(task).max(self.signals.slow(task));
        let pending = self.departed(node.index(), now, mean);
        if let Some(departed) = self.departed.get_mut(node.index()) {
            *departed = Departed {
                amount: amount + pending,
                mean: before.max(mean),
                at: now,
            };
        }
    }
}

/// What a node shows beyond its tasks and what has left it. A series of means follows its tasks late, in both
/// directions: the larger of their averages explains it.
fn beyond(mean: f64, (fast, slow): (f64, f64), pending: f64) -> f64 {
    (mean - fast.max(slow) - pending).max(0.0)
}

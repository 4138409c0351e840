//! Samples in, events and plans out, for one cluster.

use super::planner::Planner;
use super::signals::Signals;
use super::{
    Cluster, Detector, Event, InFlight, MoveError, MovePlan, ProtectConfig, Sample, SampleError,
};
use crate::{NodeId, TaskId, Timestamp};
use alloc::vec;
use alloc::vec::Vec;

/// Watches one cluster and plans its relief. Hard constraints are held by what the model's tasks ask for;
/// overload is told by measurements, held against one threshold a node.
#[derive(Clone, Debug)]
pub struct Protector {
    pub(super) cluster: Cluster,
    pub(super) detector: Detector,
    pub(super) signals: Signals,
    pub(super) config: ProtectConfig,
    /// Times of each task's latest moves, oldest first, at most as many as the budget allows.
    pub(super) begun: Vec<Vec<Timestamp>>,
    /// When each node's latest move ended.
    pub(super) touched: Vec<Option<Timestamp>>,
    /// Moves under way that leave or enter each node.
    pub(super) busy: Vec<u32>,
    /// A node for which nothing could be done is not looked at before this.
    pub(super) not_before: Vec<Timestamp>,
}

impl Protector {
    /// A protector of `cluster`, whose measured resource has the safety capacity number `resource` of the
    /// model as threshold. Samples are in that resource's unit.
    ///
    /// Thresholds above 2^31 are cut to that.
    #[must_use]
    pub fn new(cluster: Cluster, resource: usize, config: ProtectConfig) -> Self {
        let model = cluster.model();
        let nodes = model.nodes();
        let threshold = |n| {
            let safety = model.safety(NodeId(n)).get(resource).copied().unwrap_or(0);
            Sample::try_from(safety)
                .unwrap_or(Sample::MAX / 2)
                .min(Sample::MAX / 2)
        };
        let thresholds = (0..nodes as u32).map(threshold).collect();
        Self {
            detector: Detector::new(config.detector, thresholds),
            signals: Signals::new(model.tasks(), config.fast_samples, config.slow_samples),
            begun: vec![Vec::new(); model.tasks()],
            touched: vec![None; nodes],
            busy: vec![0; nodes],
            not_before: vec![Timestamp::ZERO; nodes],
            config,
            cluster,
        }
    }

    /// Takes one sample for each node and each task ([`super::UNKNOWN`] where there is none) and pushes
    /// what changed. O(nodes + tasks), a few nanoseconds each.
    ///
    /// # Errors
    /// Not one sample for each, or time that has not advanced; nothing has changed then.
    pub fn observe(
        &mut self,
        now: Timestamp,
        nodes: &[Sample],
        tasks: &[Sample],
        events: &mut Vec<Event>,
    ) -> Result<(), SampleError> {
        let (given, want) = (tasks.len(), self.cluster.model().tasks());
        if given != want {
            return Err(SampleError::Length {
                what: "tasks",
                given,
                want,
            });
        }
        self.detector.push(now, nodes, events)?;
        self.signals.push(tasks);
        Ok(())
    }

    /// What to do now. Nothing is begun: call [`Protector::begin_move`] for each move in order. With no
    /// node near its threshold the answer is empty and costs O(tasks + nodes).
    #[must_use]
    pub fn plan(&mut self, now: Timestamp) -> MovePlan {
        Planner::new(self, now).plan()
    }

    /// Begins a move and counts it against the budgets.
    ///
    /// # Errors
    /// What [`Cluster::may_begin`] says; nothing has changed then.
    pub fn begin_move(
        &mut self,
        now: Timestamp,
        task: TaskId,
        to: NodeId,
    ) -> Result<InFlight, MoveError> {
        let begun = self.cluster.begin_move(task, to)?;
        for node in [begun.from, begun.to] {
            if let Some(busy) = self.busy.get_mut(node.index()) {
                *busy += 1;
            }
        }
        if let Some(times) = self.begun.get_mut(task.index()) {
            times.push(now);
            if times.len() > self.config.moves_per_task.max(1) {
                times.remove(0);
            }
        }
        Ok(begun)
    }

    /// Ends a move: the old copy is gone.
    ///
    /// # Errors
    /// The task is not moving.
    pub fn finish_move(&mut self, now: Timestamp, task: TaskId) -> Result<InFlight, MoveError> {
        let ended = self.cluster.finish_move(task)?;
        self.ended(now, ended);
        Ok(ended)
    }

    /// Undoes a move. It stays counted against the task's budget: it has disturbed the task.
    ///
    /// # Errors
    /// The task is not moving.
    pub fn abort_move(&mut self, now: Timestamp, task: TaskId) -> Result<InFlight, MoveError> {
        let ended = self.cluster.abort_move(task)?;
        self.ended(now, ended);
        Ok(ended)
    }

    fn ended(&mut self, now: Timestamp, ended: InFlight) {
        for node in [ended.from, ended.to] {
            if let Some(busy) = self.busy.get_mut(node.index()) {
                *busy = busy.saturating_sub(1);
            }
            if let Some(touched) = self.touched.get_mut(node.index()) {
                *touched = Some(now);
            }
        }
    }

    /// The cluster as it stands.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The overload states.
    #[must_use]
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// The average that a task's moves are decided on, in the samples' unit.
    #[must_use]
    pub fn task_level(&self, task: TaskId) -> Sample {
        self.signals.slow(task.index()) as Sample
    }
}

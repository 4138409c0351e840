//! Samples in, events and plans out, for one cluster.

use super::change::{ChangeError, Changed, MoveOutcome};
use super::cluster::{Cluster, InFlight, MoveError};
use super::config::thresholds;
use super::config::{ProtectorConfig, ProtectorError};
use super::detector::Detector;
use super::levels::{Before, Departed};
use super::plan::MovePlan;
use super::planner::Planner;
use super::samples::{Event, Sample, SampleError};
use super::signals::Signals;
use super::worth::Recent;
use crate::model::{ModelBuilder, NodeId, TaskId};
use crate::time::Timestamp;
use alloc::vec;
use alloc::vec::Vec;

/// Watches one cluster and plans its relief. Hard constraints are held by what the model's tasks ask for;
/// overload is told by measurements, held against one threshold a node.
#[derive(Clone, Debug)]
pub struct Protector {
    pub(super) cluster: Cluster,
    pub(super) detector: Detector,
    pub(super) signals: Signals,
    pub(super) config: ProtectorConfig,
    /// The measured resource.
    pub(super) resource: usize,
    /// Moves of the last hour, about.
    pub(super) recent: Recent,
    /// Times of each task's latest moves, oldest first, at most as many as the budget allows.
    pub(super) begun: Vec<Vec<Timestamp>>,
    /// When each node's latest move ended.
    pub(super) touched: Vec<Option<Timestamp>>,
    /// Moves under way that leave or enter each node.
    pub(super) busy: Vec<u32>,
    /// What each node's samples may still show though it has left.
    pub(super) departed: Vec<Departed>,
    /// Each node before the moves under way that concern it began.
    pub(super) before: Vec<Before>,
    /// A node for which nothing could be done is not looked at before this.
    pub(super) not_before: Vec<Timestamp>,
    /// What is broken is not looked at before this, when nothing could be done about it.
    pub(super) repair_not_before: Timestamp,
}

impl Protector {
    /// A protector of `cluster`, whose measured resource has the safety capacity number `resource` of the
    /// model as threshold. Samples are in that resource's unit.
    ///
    /// # Errors
    /// [`ProtectorError`]: a resource that the model does not have, a threshold that samples cannot reach, a field of
    /// `config` that could not work.
    pub fn new(
        cluster: Cluster,
        resource: usize,
        config: ProtectorConfig,
    ) -> Result<Self, ProtectorError> {
        config.check()?;
        let model = cluster.model();
        let nodes = model.nodes();
        let thresholds = thresholds(model, resource)?;
        Ok(Self {
            detector: Detector::with_close(config.detector, config.early_permille, thresholds),
            signals: Signals::new(model.tasks(), config.fast_samples, config.slow_samples),
            recent: Recent::default(),
            begun: vec![Vec::new(); model.tasks()],
            touched: vec![None; nodes],
            busy: vec![0; nodes],
            departed: vec![Departed::default(); nodes],
            before: vec![Before::default(); nodes],
            not_before: vec![Timestamp::ZERO; nodes],
            repair_not_before: Timestamp::ZERO,
            config,
            cluster,
            resource,
        })
    }

    /// Goes on with a changed cluster: nodes and tasks that come, go or change. Begin with
    /// `protector.cluster().model().edit()`, and say in `placed` where each new task runs, and each that runs elsewhere
    /// than the protector believes. What stays keeps its window, averages, budget and cool-downs; a move under way
    /// ends when its task, or a node that it concerns, is gone. O(model + nodes x window).
    ///
    /// ```
    /// use scheduler_core::live::ProtectorConfig;
    /// use scheduler_core::model::{Node, Resource, Service, Task};
    /// use scheduler_core::{Cluster, ModelBuilder, NodeId, Protector, TaskId, Timestamp};
    ///
    /// # let cpu = Resource { transient: false, load_weight: 1 };
    /// # let mut b = ModelBuilder::new(&[cpu])?;
    /// # let node = Node { location: 0, neighbourhood: 0, capacity: &[8000], safety: &[6400] };
    /// # b.node(node)?;
    /// # let service = b.service(Service { spread: 1, per_node: 9 })?;
    /// # let need = [100];
    /// # for _ in 0..2 {
    /// #     b.task(Task { service, need: &need, move_cost: 1 })?;
    /// # }
    /// # let cluster = Cluster::new(b.build()?, &[NodeId(0); 2])?;
    /// # let mut protector = Protector::new(cluster, 0, ProtectorConfig::default())?;
    /// # let now = Timestamp::from_secs(60);
    /// // One pod has gone, another has been started on a node that has just joined.
    /// let mut edit = protector.cluster().model().edit();
    /// edit.remove_task(TaskId(0))?;
    /// let joined = edit.node(node)?;
    /// let started = edit.task(Task { service, need: &need, move_cost: 1 })?;
    /// let changed = protector.change(now, edit, &[(started, joined)])?;
    /// assert_eq!(changed.ids.task(TaskId(0)), None);
    /// assert_eq!(changed.ids.task(started), Some(TaskId(1)));
    /// assert_eq!(protector.cluster().node_of(TaskId(1)), Some(joined));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub fn change(
        &mut self,
        now: Timestamp,
        edit: ModelBuilder,
        placed: &[(TaskId, NodeId)],
    ) -> Result<Changed, ChangeError> {
        let (cluster, changed) = self.cluster.changed(edit, placed)?;
        let thresholds = thresholds(cluster.model(), self.resource)?;
        for (m, ending) in &changed.ended {
            let left = if *ending == MoveOutcome::Aborted {
                m.to
            } else {
                m.from
            };
            self.ended(now, *m, left);
        }
        self.have_left(now, &cluster, &changed);
        let (nodes, tasks) = (cluster.model().nodes(), cluster.model().tasks());
        let was_node = was(nodes, self.busy.len(), |n| {
            changed.ids.node(NodeId(n)).map(NodeId::index)
        });
        let was_task = was(tasks, self.begun.len(), |t| {
            changed.ids.task(TaskId(t)).map(TaskId::index)
        });
        self.detector = self.detector.renumbered(&thresholds, &was_node);
        self.signals = self.signals.renumbered(&was_task);
        self.begun = carried(&self.begun, &was_task);
        self.touched = carried(&self.touched, &was_node);
        self.busy = carried(&self.busy, &was_node);
        self.departed = carried(&self.departed, &was_node);
        self.before = carried(&self.before, &was_node);
        self.not_before = carried(&self.not_before, &was_node);
        self.repair_not_before = Timestamp::ZERO;
        self.cluster = cluster;
        Ok(changed)
    }

    /// Takes one sample for each node and each task ([`super::UNKNOWN`] where there is none) and pushes
    /// what changed. O(nodes + tasks), a few nanoseconds each.
    ///
    /// # Errors
    /// Not one sample for each, or time that has not advanced; nothing has changed then. Samples of more than two windows
    /// before the last ones are taken: a clock that was ahead has been set back. Windows begin anew then, and what
    /// was dated ahead (budgets, rests) counts as of now.
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
                kind: "tasks",
                given,
                want,
            });
        }
        let set_back = self.detector.is_set_back(now);
        let counts = self.detector.take(now, nodes, events)?;
        if set_back {
            self.set_back(now);
        }
        self.signals.push(now, tasks, counts);
        Ok(())
    }

    /// Nothing is dated ahead of `now` any more.
    fn set_back(&mut self, now: Timestamp) {
        self.signals.set_back(now);
        self.recent.set_back(now);
        let moves = self.begun.iter_mut().flatten();
        let ended = self.touched.iter_mut().flatten();
        let departed = self.departed.iter_mut().map(|d| &mut d.at);
        for at in moves
            .chain(ended)
            .chain(departed)
            .chain(&mut self.not_before)
            .chain([&mut self.repair_not_before])
        {
            *at = (*at).min(now);
        }
    }

    /// What to do now: first what repairs broken hard constraints (one task more or less at a time on a node, as the limits
    /// allow), then what relieves nodes. Nothing is begun: call [`Protector::begin_move`] for each move in order. With no
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
        let from = self.cluster.node_of(task).unwrap_or(to);
        let before = [from, to].map(|node| (node, self.before_move(node, now)));
        let begun = self.cluster.begin_move(task, to)?;
        for (node, before) in before {
            if let (Some(before), Some(place)) = (before, self.before.get_mut(node.index())) {
                *place = before;
            }
            if let Some(busy) = self.busy.get_mut(node.index()) {
                *busy += 1;
            }
        }
        self.recent.add(now);
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
        self.ended(now, ended, ended.from);
        Ok(ended)
    }

    /// Undoes a move. It stays counted against the task's budget: it has disturbed the task.
    ///
    /// # Errors
    /// The task is not moving.
    pub fn abort_move(&mut self, now: Timestamp, task: TaskId) -> Result<InFlight, MoveError> {
        let ended = self.cluster.abort_move(task)?;
        self.ended(now, ended, ended.to);
        Ok(ended)
    }

    /// A move has ended, and its task has left `left`.
    fn ended(&mut self, now: Timestamp, ended: InFlight, left: NodeId) {
        let before = self.before.get(left.index()).copied().unwrap_or_default();
        self.has_left(now, ended.task, left, before.mean);
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

/// What each of `count` new ids was among `old` ones, of which `id` says what they are now.
fn was(count: usize, old: usize, id: impl Fn(u32) -> Option<usize>) -> Vec<Option<usize>> {
    let mut was = vec![None; count];
    for before in 0..old {
        let place = id(before as u32).and_then(|now| was.get_mut(now));
        if let Some(place) = place {
            *place = Some(before);
        }
    }
    was
}

/// Each new entry as it was, or as a new one is.
pub(super) fn carried<T: Clone + Default>(old: &[T], was: &[Option<usize>]) -> Vec<T> {
    let entry = |was: &Option<usize>| {
        was.and_then(|was| old.get(was))
            .cloned()
            .unwrap_or_default()
    };
    was.iter().map(entry).collect()
}

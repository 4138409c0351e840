//! What must hold of a protector's memory, restated over names and whole histories: ids change with the cluster,
//! names do not.

use crate::live::{Changed, EventKind, Move, Protector, Reason, Sample, UNKNOWN};
use crate::model::{NodeId, TaskId};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The defaults that are restated here.
const WINDOW: usize = 10;
const LEAST_KNOWN: usize = 5;
const STALE: u64 = 30_000_000_000;
const TASK_COOLDOWN: u64 = 1_800_000_000_000;
const MOVES_A_DAY: usize = 2;

/// A name's past.
#[derive(Clone, Debug, Default)]
struct Past {
    /// Samples by interval, unknown where there were none.
    samples: Vec<Sample>,
    /// When the last known one was taken.
    last_seen: Option<Timestamp>,
    /// When moves began.
    begun: Vec<Timestamp>,
    overloaded: bool,
}

/// Everything that was told, by name.
#[derive(Clone, Debug)]
pub(super) struct Known {
    nodes: Vec<u32>,
    tasks: Vec<u32>,
    past: BTreeMap<u32, Past>,
    names: u32,
    last: Option<Timestamp>,
    /// When the last interval that counts began, in nanoseconds, and whether samples came since.
    row: i128,
    more: bool,
}

impl Known {
    pub(super) fn new(nodes: usize, tasks: usize) -> Self {
        let (nodes, tasks) = (nodes as u32, tasks as u32);
        Self {
            nodes: (0..nodes).collect(),
            tasks: (nodes..nodes + tasks).collect(),
            past: BTreeMap::new(),
            names: nodes + tasks,
            last: None,
            row: 0,
            more: false,
        }
    }

    /// One round of samples was taken.
    pub(super) fn observed(&mut self, now: Timestamp, nodes: &[Sample], tasks: &[Sample]) {
        let interval = 1_000_000_000;
        if self.last.is_some_and(|last| last > now) {
            // A clock was set back: nothing that was sampled counts, and nothing is dated ahead.
            for past in self.past.values_mut() {
                past.samples.clear();
                past.begun.iter_mut().for_each(|at| *at = (*at).min(now));
                past.last_seen = past.last_seen.map(|at| at.min(now));
            }
            for name in &self.nodes {
                self.past.entry(*name).or_default().last_seen = None;
            }
            self.last = None;
        }
        let rows = self.rows(now, interval);
        self.last = Some(now);
        let both = self
            .nodes
            .iter()
            .zip(nodes)
            .chain(self.tasks.iter().zip(tasks));
        for (name, sample) in both {
            let past = self.past.entry(*name).or_default();
            if rows > 0 {
                past.samples.extend((1..rows.min(41)).map(|_| UNKNOWN));
                past.samples.push(*sample);
            }
            if *sample != UNKNOWN {
                past.last_seen = Some(now);
            }
        }
    }

    /// Intervals that begin until `now`: nearest to where the row before says, which gives way to a strayed sample by an eighth.
    fn rows(&mut self, now: Timestamp, interval: i128) -> i128 {
        let now = i128::from(now.as_nanos());
        if self.last.is_none() {
            (self.row, self.more) = (now, false);
            return 1;
        }
        let rows = ((now - self.row).max(0) + interval / 2) / interval;
        if rows > 0 {
            let strayed = now - (self.row + rows * interval);
            let follow = if self.more { 0 } else { strayed / 8 };
            self.row += rows * interval + follow;
        }
        self.more = rows == 0;
        rows
    }

    /// An event of overload was told.
    pub(super) fn told(&mut self, node: NodeId, kind: EventKind) {
        let past = self.past.entry(self.nodes[node.index()]).or_default();
        past.overloaded = kind == EventKind::Entered;
    }

    pub(super) fn begun(&mut self, now: Timestamp, task: TaskId) {
        let past = self.past.entry(self.tasks[task.index()]).or_default();
        past.begun.push(now);
    }

    /// The cluster has changed: names follow their ids.
    pub(super) fn changed(&mut self, changed: &Changed, nodes: usize, tasks: usize) {
        let (mut new_nodes, mut new_tasks) = (alloc::vec![None; nodes], alloc::vec![None; tasks]);
        for (was, name) in self.nodes.iter().enumerate() {
            if let Some(id) = changed.ids.node(NodeId(was as u32)) {
                new_nodes[id.index()] = Some(*name);
            }
        }
        for (was, name) in self.tasks.iter().enumerate() {
            if let Some(id) = changed.ids.task(TaskId(was as u32)) {
                new_tasks[id.index()] = Some(*name);
            }
        }
        let mut named = |name: Option<u32>| {
            name.unwrap_or_else(|| {
                self.names += 1;
                self.names - 1
            })
        };
        self.nodes = new_nodes.into_iter().map(&mut named).collect();
        self.tasks = new_tasks.into_iter().map(&mut named).collect();
    }

    /// Means and states are those of the names.
    ///
    /// # Panics
    /// When they are not.
    pub(super) fn check(&self, p: &Protector) {
        for (name, id) in self.nodes.iter().zip((0..).map(NodeId)) {
            let past = self.past.get(name).cloned().unwrap_or_default();
            let known: Vec<u64> = last(&past, WINDOW)
                .filter(|s| *s != UNKNOWN)
                .map(u64::from)
                .collect();
            let enough = known.len() >= LEAST_KNOWN;
            let mean = enough.then(|| (known.iter().sum::<u64>() / known.len() as u64) as Sample);
            assert_eq!(p.detector().mean(id), mean, "window of node {id}");
            assert_eq!(p.detector().last_seen(id), past.last_seen, "node {id}");
            assert_eq!(p.detector().is_hot(id), past.overloaded, "node {id}");
        }
    }

    /// A planned move may be made, whatever else it is good for: both nodes and the task were sampled lately, the
    /// source was full for long enough, and the task may be disturbed.
    ///
    /// # Panics
    /// When it may not.
    pub(super) fn check_move(&self, now: Timestamp, p: &Protector, m: &Move) {
        let past = |name: u32| self.past.get(&name).cloned().unwrap_or_default();
        let (from, to) = (
            past(self.nodes[m.from.index()]),
            past(self.nodes[m.to.index()]),
        );
        let task = past(self.tasks[m.task.index()]);
        // What repairs asks nothing of where it leaves: a node that is broken may well be silent.
        let repairs = matches!(m.reason, Reason::Broken(_));
        let last_seen = [to.last_seen, from.last_seen, task.last_seen].into_iter();
        for last_seen in last_seen.take(if repairs { 1 } else { 3 }) {
            let age = last_seen.map(|at| now.as_nanos().abs_diff(at.as_nanos()));
            assert!(age.is_some_and(|age| age <= STALE), "{m} on silence");
        }
        let known = last(&to, WINDOW).filter(|s| *s != UNKNOWN).count();
        assert!(
            known >= LEAST_KNOWN,
            "{m}: {known} samples of the destination"
        );
        if repairs {
            return;
        }
        let threshold = p.detector().threshold(m.from).map_or(0, u64::from);
        let full = |s: &Sample| *s != UNKNOWN && u64::from(*s) * 1000 > threshold * 900;
        let full = last(&from, 2 * WINDOW).filter(full).count();
        assert!(
            from.overloaded || full >= WINDOW,
            "{m}: full in {full} samples"
        );
        let times = &task.begun;
        assert!(times.len() < MOVES_A_DAY, "{m} is the third in {times:?}");
        let cooled_down = times
            .last()
            .is_none_or(|at| now.as_nanos().saturating_sub(at.as_nanos()) >= TASK_COOLDOWN);
        assert!(cooled_down, "{m} at {now:?} after {times:?}");
    }
}

fn last(past: &Past, count: usize) -> impl Iterator<Item = Sample> + '_ {
    past.samples.iter().rev().take(count).copied()
}

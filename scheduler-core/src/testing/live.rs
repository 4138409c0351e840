//! Random operations on a live cluster against what must hold whatever is done.

use super::Bytes;
use super::known::Known;
use crate::live::{Cluster, Protector, ProtectorConfig, Sample, UNKNOWN};
use crate::model::{Model, ModelBuilder, Node, NodeId, Resource, Service, ServiceId, Task, TaskId};
use crate::placement::Placement;
use crate::search::{ByCount, Placer as _};
use crate::time::Timestamp;
use alloc::vec::Vec;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveOp {
    /// So many times, so many milliseconds pass and one sample for each node and task is taken, made from a seed.
    Observe(u32, u32, u32),
    /// The clock is set back by so many seconds.
    SetBack(u32),
    /// The cluster changes in one of some ways, at a task and a node.
    Change(u32, TaskId, NodeId),
    /// A plan is made and every move of it begun.
    Plan,
    /// A plan is made and dropped.
    DryRun,
    /// A move is begun.
    Begin(TaskId, NodeId),
    /// A move is ended.
    Finish(TaskId),
    /// A move is taken back.
    Abort(TaskId),
}

impl LiveOp {
    /// The next operation of some bytes.
    pub fn decode(bytes: &mut Bytes<'_>) -> Self {
        match bytes.below(11) {
            10 => Self::SetBack([1, 10, 20, 21, 100, 10_000][bytes.below(6) as usize]),
            0..=2 => {
                let times = bytes.below(13);
                // Mostly about a second, at times a gap.
                let millis = [1000, 1000, 900, 1100, 500, 2600, 0, 12_000, 29_000];
                let millis = millis[bytes.below(9) as usize];
                Self::Observe(times, millis, bytes.below(256))
            }
            3 => Self::Plan,
            4 => Self::DryRun,
            5 => Self::Begin(TaskId(bytes.below(34)), NodeId(bytes.below(9))),
            6 => Self::Finish(TaskId(bytes.below(34))),
            7..=8 => {
                let (task, node) = (TaskId(bytes.below(34)), NodeId(bytes.below(9)));
                Self::Change(bytes.below(7), task, node)
            }
            _ => Self::Abort(TaskId(bytes.below(34))),
        }
    }
}

/// A small cluster with its protector, and time.
#[derive(Clone, Debug)]
pub struct LiveWorld {
    protector: Option<Protector>,
    known: Known,
    now: Timestamp,
}

impl LiveWorld {
    /// A cluster of up to 8 nodes and 32 tasks; none when the tasks do not fit.
    pub fn decode(bytes: &mut Bytes<'_>) -> Self {
        let protector = model(bytes).and_then(|model| {
            let mut at = ByCount.place(&model).ok()?;
            // Some clusters break rules from the start.
            let nodes = model.nodes() as u32;
            let astray = if bytes.below(3) == 0 {
                bytes.below(8)
            } else {
                0
            };
            for _ in 0..astray.min(at.len() as u32) {
                let task = bytes.below(at.len() as u32) as usize;
                at[task] = NodeId(bytes.below(nodes));
            }
            let cluster = Cluster::new(model, &at).ok()?;
            Protector::new(cluster, 0, ProtectorConfig::default()).ok()
        });
        let sizes = protector.as_ref().map(Protector::cluster);
        let sizes = sizes.map_or((0, 0), |c| (c.model().nodes(), c.model().tasks()));
        Self {
            protector,
            known: Known::new(sizes.0, sizes.1),
            now: Timestamp::ZERO,
        }
    }

    /// The protector, if the tasks fitted.
    #[must_use]
    pub fn protector(&self) -> Option<&Protector> {
        self.protector.as_ref()
    }

    /// Does one operation and checks everything.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub fn apply(&mut self, op: &LiveOp) {
        let Some(p) = &mut self.protector else { return };
        match op {
            LiveOp::Observe(times, millis, seed) => {
                let delay = core::time::Duration::from_millis(u64::from(*millis));
                for _ in 0..*times {
                    self.now = self.now.after(delay);
                    observe(p, &mut self.known, self.now, *seed);
                }
            }
            LiveOp::SetBack(seconds) => {
                let back = u64::from(*seconds) * 1_000_000_000;
                self.now = Timestamp::from_nanos(self.now.as_nanos().saturating_sub(back));
            }
            LiveOp::Change(kind, task, node) => {
                change(p, &mut self.known, self.now, (*kind, *task, *node));
            }
            LiveOp::Plan => {
                for m in p.plan(self.now).moves {
                    let before = faults(p.cluster());
                    self.known.check_move(self.now, p, &m);
                    self.known.begun(self.now, m.task);
                    assert!(p.begin_move(self.now, m.task, m.to).is_ok(), "planned: {m}");
                    assert!(faults(p.cluster()) <= before, "{m} breaks more");
                }
            }
            LiveOp::DryRun => {
                let before = p.cluster().placement().clone();
                let plan = p.plan(self.now);
                assert!(!plan.explain().is_empty());
                assert_eq!(before.assignment(), p.cluster().placement().assignment());
            }
            LiveOp::Begin(task, to) => {
                let before = p.cluster().placement().clone();
                if p.begin_move(self.now, *task, *to).is_ok() {
                    self.known.begun(self.now, *task);
                } else {
                    assert_eq!(
                        &before,
                        p.cluster().placement(),
                        "a refused move changed something"
                    );
                }
            }
            LiveOp::Finish(task) => {
                let _ = p.finish_move(self.now, *task);
            }
            LiveOp::Abort(task) => {
                let _ = p.abort_move(self.now, *task);
            }
        }
        let checked = p.cluster().check_invariants();
        assert!(checked.is_ok(), "{checked:?} after {op:?}");
        assert!(every_ending_is_feasible(p.cluster()), "after {op:?}");
        self.known.check(p);
    }
}

/// How far the cluster is from whole, moves under way counted as finished.
fn faults(cluster: &Cluster) -> u64 {
    super::faults::faults(cluster.model(), &cluster.placement().assignment())
}

/// Whether no more is broken than if all moves were aborted, whichever of those under way are finished or aborted.
fn every_ending_is_feasible(cluster: &Cluster) -> bool {
    let moves = cluster.in_flight();
    let homes: Vec<NodeId> = (0..cluster.model().tasks() as u32)
        .filter_map(|t| cluster.node_of(TaskId(t)))
        .collect();
    let broken = |at: &[NodeId]| {
        let placement = Placement::new(cluster.model(), at);
        placement.map(|p| p.violations_of_tasks(cluster.model()))
    };
    let before = broken(&homes).unwrap_or_default();
    for ending in 0_u32..1 << moves.len().min(6) {
        let mut at = homes.clone();
        for (i, m) in moves.iter().enumerate() {
            // Beyond six moves the later ones are taken as finished.
            if i >= 6 || ending >> i & 1 == 1 {
                at[m.task.index()] = m.to;
            }
        }
        let after = broken(&at);
        if !after.as_ref().is_ok_and(|v| v.within(&before)) {
            return false;
        }
    }
    true
}

fn observe(p: &mut Protector, known: &mut Known, now: Timestamp, seed: u32) {
    let sample = |i: u32, scale: u32| -> Sample {
        match (seed.wrapping_mul(31).wrapping_add(i.wrapping_mul(17))) % 11 {
            0 => UNKNOWN,
            1 => 0,
            v => v * scale,
        }
    };
    let (nodes, tasks) = (p.cluster().model().nodes(), p.cluster().model().tasks());
    let nodes: Vec<Sample> = (0..nodes as u32).map(|n| sample(n, 100)).collect();
    let tasks: Vec<Sample> = (0..tasks as u32).map(|t| sample(t, 20)).collect();
    let before = p.cluster().placement().clone();
    let mut events = Vec::new();
    if p.observe(now, &nodes, &tasks, &mut events).is_err() {
        assert!(events.is_empty(), "refused samples told of events");
    } else {
        known.observed(now, &nodes, &tasks);
    }
    for event in events {
        known.told(event.node, event.kind);
    }
    assert_eq!(&before, p.cluster().placement());
}

/// Changes the cluster, where it then holds together however its moves end.
fn change(
    p: &mut Protector,
    known: &mut Known,
    now: Timestamp,
    (kind, task, node): (u32, TaskId, NodeId),
) {
    let before = p.clone();
    let model = p.cluster().model();
    let mut edit = model.edit();
    let service = ServiceId(task.0 % model.services() as u32);
    let facts = |need| Task {
        service,
        need,
        move_cost: 1,
    };
    let node_facts = Node {
        location: u64::from(node.0 % 3),
        neighbourhood: u64::from(node.0 % 2),
        capacity: &[80, 9],
        safety: &[400 + u64::from(task.0) * 20, 9],
    };
    let mut placed = Vec::new();
    let asked = match kind {
        0 => edit
            .task(facts(&[1, 1]))
            .map(|new| placed.push((new, node))),
        1 => edit.remove_task(task),
        2 => edit.node(node_facts).map(drop),
        3 => {
            for task in (0..model.tasks() as u32).map(TaskId) {
                if p.cluster().node_of(task) == Some(node) {
                    // Known to the model, so that it can be removed.
                    let _ = edit.remove_task(task);
                }
            }
            edit.remove_node(node)
        }
        4 => edit.set_node(node, node_facts),
        5 => {
            placed.push((task, node));
            Ok(())
        }
        _ => edit.set_task(task, facts(&[3, 1])),
    };
    if asked.is_err() {
        return;
    }
    match p.change(now, edit, &placed) {
        Ok(changed) if every_ending_is_feasible(p.cluster()) => {
            let model = p.cluster().model();
            known.changed(&changed, model.nodes(), model.tasks());
        }
        Ok(_) => *p = before,
        Err(_) => assert_eq!(before.cluster().placement(), p.cluster().placement()),
    }
}

/// A small model from bytes; none when the builder refuses it.
fn model(bytes: &mut Bytes<'_>) -> Option<Model> {
    let load = Resource {
        transient: false,
        load_weight: 1,
    };
    let slots = Resource {
        transient: true,
        load_weight: 0,
    };
    let mut b = ModelBuilder::new(&[load, slots]).ok()?;
    for _ in 0..=bytes.below(8) {
        let (location, neighbourhood) = (u64::from(bytes.below(3)), u64::from(bytes.below(2)));
        let capacity = [
            u64::from(bytes.below(4)) * 20 + 40,
            u64::from(bytes.below(8)) + 6,
        ];
        let safety = [capacity[0] * 10, capacity[1]];
        b.node(Node {
            location,
            neighbourhood,
            capacity: &capacity,
            safety: &safety,
        })
        .ok()?;
    }
    let services = bytes.below(8) + 1;
    for _ in 0..services {
        let (spread, per_node) = (bytes.below(3), bytes.below(2) + 1);
        b.service(Service { spread, per_node }).ok()?;
    }
    for s in 0..services {
        if bytes.below(4) == 3 {
            b.depends(ServiceId(s), ServiceId(bytes.below(services)));
        }
    }
    for _ in 0..bytes.below(32) {
        let service = ServiceId(bytes.below(services));
        let need = [u64::from(bytes.below(8)), 1];
        b.task(Task {
            service,
            need: &need,
            move_cost: 1,
        })
        .ok()?;
    }
    b.build().ok()
}

//! Random operations on a live cluster against what must hold whatever is done.

use super::Bytes;
use crate::{
    ByCount, Cluster, Model, ModelBuilder, Node, NodeId, Placement, Placer as _, ProtectConfig,
    Protector, Resource, Sample, Service, ServiceId, Task, TaskId, Timestamp, UNKNOWN,
};
use alloc::vec::Vec;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveOp {
    /// Time passes by so many milliseconds and one sample for each node and task is taken, made from a seed.
    Observe(u32, u32),
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
        match bytes.below(8) {
            0..=2 => Self::Observe(bytes.below(40) * 100, bytes.below(256)),
            3 => Self::Plan,
            4 => Self::DryRun,
            5 => Self::Begin(TaskId(bytes.below(34)), NodeId(bytes.below(9))),
            6 => Self::Finish(TaskId(bytes.below(34))),
            _ => Self::Abort(TaskId(bytes.below(34))),
        }
    }
}

/// A small cluster with its protector, and time.
#[derive(Clone, Debug)]
pub struct LiveWorld {
    protector: Option<Protector>,
    now: Timestamp,
}

impl LiveWorld {
    /// A cluster of up to 8 nodes and 32 tasks; none when the tasks do not fit.
    pub fn decode(bytes: &mut Bytes<'_>) -> Self {
        let protector = model(bytes).and_then(|model| {
            let at = ByCount.place(&model).ok()?;
            let cluster = Cluster::new(model, &at).ok()?;
            Protector::new(cluster, 0, ProtectConfig::default()).ok()
        });
        Self {
            protector,
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
            LiveOp::Observe(millis, seed) => {
                let delay = core::time::Duration::from_millis(u64::from(*millis));
                self.now = self.now.plus(delay);
                observe(p, self.now, *seed);
            }
            LiveOp::Plan => {
                for m in p.plan(self.now).moves {
                    assert!(p.begin_move(self.now, m.task, m.to).is_ok(), "planned: {m}");
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
                if p.begin_move(self.now, *task, *to).is_err() {
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
        every_ending_is_feasible(p.cluster());
    }
}

/// Whichever of the moves under way are finished or aborted, no hard constraint is broken.
fn every_ending_is_feasible(cluster: &Cluster) {
    let moves = cluster.under_way();
    let homes: Vec<NodeId> = (0..cluster.model().tasks() as u32)
        .filter_map(|t| cluster.node_of(TaskId(t)))
        .collect();
    for ending in 0_u32..1 << moves.len().min(6) {
        let mut at = homes.clone();
        for (i, m) in moves.iter().enumerate() {
            // Beyond six moves the later ones are taken as finished.
            if i >= 6 || ending >> i & 1 == 1 {
                at[m.task.index()] = m.to;
            }
        }
        let placement = Placement::new(cluster.model(), &at);
        let broken = placement.map(|p| p.violations_of_tasks(cluster.model()));
        assert!(
            broken.as_ref().is_ok_and(crate::Violations::is_empty),
            "{broken:?} in {ending:b} of {moves:?}"
        );
    }
}

fn observe(p: &mut Protector, now: Timestamp, seed: u32) {
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
    }
    assert_eq!(&before, p.cluster().placement());
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

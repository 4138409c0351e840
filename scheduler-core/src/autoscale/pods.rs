//! What a replica calculation is told about pods, and which of them count.

use crate::time::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, its containers do not all run yet.
    Pending,
    /// At least one container runs.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, one of them badly.
    Failed,
    /// Its node cannot be asked.
    Unknown,
}

/// A pod's readiness and since when it is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it may serve.
    pub ready: bool,
    /// The last change.
    pub since: Timestamp,
}

/// One pod that the scaled workload's selector finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodState<'a> {
    /// Its name; metrics are matched by it.
    pub name: &'a str,
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Its readiness, `None` while it was never judged.
    pub readiness: Option<Readiness>,
    /// When it was started, `None` while it was not.
    pub started: Option<Timestamp>,
    /// What its containers request of the resource together, milli-units; `None` if one of them states none.
    pub request: Option<i64>,
}

impl<'a> PodState<'a> {
    /// A pod that has been running and ready since the epoch.
    #[must_use]
    pub const fn running(name: &'a str, request: Option<i64>) -> Self {
        Self {
            name,
            phase: Phase::Running,
            deleting: false,
            readiness: Some(Readiness {
                ready: true,
                since: Timestamp::ZERO,
            }),
            started: Some(Timestamp::ZERO),
            request,
        }
    }

    /// Whether it runs and is ready.
    pub(super) fn serves(&self) -> bool {
        self.phase == Phase::Running && self.readiness.is_some_and(|r| r.ready)
    }
}

/// What was measured for one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodMetric<'a> {
    /// The pod's name.
    pub pod: &'a str,
    /// The mean over the window, milli-units.
    pub value: i64,
    /// When the window ended.
    pub at: Timestamp,
    /// Its length.
    pub window: Duration,
}

impl<'a> PodMetric<'a> {
    /// A metric over the usual window of a minute.
    #[must_use]
    pub const fn new(pod: &'a str, value: i64, at: Timestamp) -> Self {
        Self {
            pod,
            value,
            at,
            window: Duration::from_secs(60),
        }
    }
}

/// The workload that is scaled.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The present.
    pub now: Timestamp,
    /// Replicas it has now.
    pub current: u32,
    /// Its pods.
    pub pods: &'a [PodState<'a>],
}

/// The pods by how they count. `values` are the metrics left: of pods that count, and of unknown ones.
pub(super) struct Groups<'a> {
    pub(super) ready: usize,
    pub(super) unready: BTreeSet<&'a str>,
    pub(super) missing: BTreeSet<&'a str>,
    pub(super) values: BTreeMap<&'a str, i64>,
}

/// Sorts pods into ready, unready (not counted yet), missing (no metric) and gone. Readiness is looked at for
/// CPU only (`judge` given): a starting container burns CPU that says nothing about its load.
pub(super) fn group<'a>(
    load: &Load<'a>,
    metrics: &[PodMetric<'a>],
    judge: Option<(Duration, Duration)>,
) -> Groups<'a> {
    let found: BTreeMap<&str, &PodMetric<'_>> = metrics.iter().map(|m| (m.pod, m)).collect();
    let mut groups = Groups {
        ready: 0,
        unready: BTreeSet::new(),
        missing: BTreeSet::new(),
        values: metrics.iter().map(|m| (m.pod, m.value)).collect(),
    };
    for pod in load.pods {
        if pod.deleting || pod.phase == Phase::Failed {
            groups.values.remove(pod.name);
        } else if pod.phase == Phase::Pending {
            groups.values.remove(pod.name);
            groups.unready.insert(pod.name);
        } else if let Some(metric) = found.get(pod.name) {
            if judge.is_some_and(|periods| too_early(pod, metric, load.now, periods)) {
                groups.values.remove(pod.name);
                groups.unready.insert(pod.name);
            } else {
                groups.ready += 1;
            }
        } else {
            groups.missing.insert(pod.name);
        }
    }
    groups
}

/// Whether a pod's CPU metric is to be left out: it is starting, or has never been ready.
fn too_early(
    pod: &PodState<'_>,
    metric: &PodMetric<'_>,
    now: Timestamp,
    (initialization, readiness_delay): (Duration, Duration),
) -> bool {
    let (Some(readiness), Some(started)) = (pod.readiness, pod.started) else {
        return true;
    };
    // A date ahead of now is of a clock that is ahead: it would keep the pod out until that date has come.
    let believed = |at: Timestamp| if at > now { Timestamp::ZERO } else { at };
    let (started, since) = (believed(started), believed(readiness.since));
    if started.after(initialization) > now {
        !readiness.ready || metric.at < since.after(metric.window)
    } else {
        !readiness.ready && started.after(readiness_delay) > since
    }
}

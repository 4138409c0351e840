//! What became of probes.

use discovery_core::health::ProbeOutcome;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a probe could not be carried out: all of them are this host's, none the endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// No descriptor, buffer, memory or process is left.
    Resources,
    /// No port is left.
    Ports,
    /// No permit came, or this thread was late.
    Late,
    /// What it should do can't be done: a program that can't be started, a path that is none.
    Check,
}

/// How many probes ended how, since the start. Shared, and counted while it is read.
#[derive(Debug, Default)]
pub struct Counts {
    passed: AtomicU64,
    degraded: AtomicU64,
    failed: AtomicU64,
    resources: AtomicU64,
    ports: AtomicU64,
    late: AtomicU64,
    check: AtomicU64,
    problem: Mutex<Option<String>>,
}

/// Counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counted {
    /// Endpoints that were well.
    pub passed: u64,
    /// Endpoints that asked for less.
    pub degraded: u64,
    /// Endpoints that were not well.
    pub failed: u64,
    /// Not carried out: no descriptor, buffer or process was left.
    pub no_resources: u64,
    /// Not carried out: no local port was left.
    pub no_ports: u64,
    /// Not carried out in time, because of this process.
    pub late: u64,
    /// Not carried out: the check cannot be.
    pub bad_check: u64,
}

impl Counted {
    /// Those that could not be carried out.
    #[must_use]
    pub fn unprobed(&self) -> u64 {
        self.no_resources + self.no_ports + self.late + self.bad_check
    }
}

impl Counts {
    /// As they are now.
    #[must_use]
    pub fn now(&self) -> Counted {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            passed: of(&self.passed),
            degraded: of(&self.degraded),
            failed: of(&self.failed),
            no_resources: of(&self.resources),
            no_ports: of(&self.ports),
            late: of(&self.late),
            bad_check: of(&self.check),
        }
    }

    /// The last reason why a probe could not be carried out, once: who asks again is told of the next.
    pub fn take_problem(&self) -> Option<String> {
        self.problem.lock().ok()?.take()
    }

    pub(crate) fn outcome(&self, outcome: ProbeOutcome) {
        match outcome {
            ProbeOutcome::Pass => &self.passed,
            ProbeOutcome::Degraded => &self.degraded,
            // What was not probed is counted by its reason.
            ProbeOutcome::Unprobed => return,
            _ => &self.failed,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn local(&self, why: Local, text: String) {
        match why {
            Local::Resources => &self.resources,
            Local::Ports => &self.ports,
            Local::Late => &self.late,
            Local::Check => &self.check,
        }
        .fetch_add(1, Ordering::Relaxed);
        if let Ok(mut problem) = self.problem.lock() {
            *problem = Some(text);
        }
    }
}

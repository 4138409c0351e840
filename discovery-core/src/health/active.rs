//! The state of one endpoint's active check: rise, fall, and when to look again.

use core::time::Duration;

use super::check::{DAMPING_DECAY_PASSES, HealthCheck};
use super::status::Status;
use crate::effect::Reason;

/// What a probe gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ProbeOutcome {
    /// Well.
    Pass,
    /// Well, but asks for less traffic.
    Degraded,
    /// Not well: no connection, no answer in time, a failure that may pass.
    Fail,
    /// Certainly not well (it said so itself): fails at once, whatever `fall` says, as Envoy does for an
    /// answer whose status is neither expected nor retriable.
    FailAtOnce,
    /// It could not be carried out, for a reason of the prober's own (no descriptor or port is left, say): nothing is known of
    /// the endpoint, its status stays, and it is asked again after its interval.
    Unprobed,
}

/// One endpoint's check: its status and the run of results against it.
///
/// ```
/// use discovery_core::health::{CheckKind, Checker, HealthCheck, ProbeOutcome, Status};
///
/// let check = HealthCheck::new(CheckKind::Tcp).with_fall(2);
/// let mut checker = Checker::default();
/// assert_eq!(checker.result(&check, ProbeOutcome::Pass), Some(Status::Passing));
/// assert_eq!(checker.result(&check, ProbeOutcome::Fail), None);
/// assert_eq!(checker.result(&check, ProbeOutcome::Fail), Some(Status::Failing));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Checker {
    pub(crate) status: Status,
    /// Results in a row that speak against `status`.
    pub(crate) against: u8,
    /// Whether the last result changed the status.
    pub(crate) edge: bool,
    /// Flap damping: falls that still count, and consecutive passes towards not counting one of them.
    pub(crate) falls: u8,
    #[cfg_attr(feature = "serde", serde(alias = "calm"))]
    pub(crate) passes: u8,
}

impl Checker {
    /// The status so far.
    #[must_use]
    pub fn status(self) -> Status {
        self.status
    }

    /// Takes one result; the new status if that changed it. O(1).
    pub fn result(&mut self, check: &HealthCheck, outcome: ProbeOutcome) -> Option<Status> {
        let says = match outcome {
            ProbeOutcome::Pass => Status::Passing,
            ProbeOutcome::Degraded => Status::Degraded,
            ProbeOutcome::Fail | ProbeOutcome::FailAtOnce => Status::Failing,
            ProbeOutcome::Unprobed => return None,
        };
        self.edge = false;
        let well = |s| matches!(s, Status::Passing | Status::Degraded);
        if says == self.status {
            self.against = 0;
            self.decay_damping();
            return None;
        }
        self.passes = 0;
        let needed = match self.status {
            // The first result decides; from passing to degraded and back no run is needed.
            Status::Unknown => 1,
            s if well(s) && well(says) => 1,
            _ if outcome == ProbeOutcome::FailAtOnce => 1,
            Status::Failing => self.rise(check),
            _ => check.fall,
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return None;
        }
        self.edge = self.status == Status::Failing || says == Status::Failing;
        self.status = says;
        self.against = 0;
        if says == Status::Failing {
            self.falls = self.falls.saturating_add(1);
        }
        Some(says)
    }

    /// The rise that is needed after so many falls.
    fn rise(self, check: &HealthCheck) -> u8 {
        let doublings = self.falls.saturating_sub(1).min(check.flap_damping);
        check
            .rise
            .saturating_mul(1u8.checked_shl(u32::from(doublings)).unwrap_or(u8::MAX))
    }

    fn decay_damping(&mut self) {
        if self.status == Status::Failing || self.falls == 0 {
            return;
        }
        self.passes = self.passes.saturating_add(1);
        if self.passes >= DAMPING_DECAY_PASSES {
            self.passes = 0;
            self.falls -= 1;
        }
    }

    /// Why the next probe is sent.
    pub(crate) fn reason(self) -> Reason {
        match self.status {
            Status::Unknown => Reason::FirstCheck,
            _ if self.against > 0 => Reason::InDoubt,
            Status::Failing => Reason::Failing,
            Status::Passing | Status::Degraded => Reason::Routine,
        }
    }

    /// How long to wait until the next probe, before jitter. `idle`: the service has had no call yet.
    #[must_use]
    pub fn wait(self, check: &HealthCheck, idle: bool) -> Duration {
        let failing = self.status == Status::Failing;
        let chosen = if self.against > 0 {
            check.fast_interval
        } else if self.edge && failing {
            check.unhealthy_edge_interval.or(check.unhealthy_interval)
        } else if self.edge {
            check.healthy_edge_interval
        } else if failing {
            check.unhealthy_interval
        } else if idle {
            check.no_traffic_interval
        } else {
            None
        };
        chosen.unwrap_or(check.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::CheckKind;
    use super::*;
    use alloc::vec::Vec;

    fn check() -> HealthCheck {
        let secs = |s| Some(Duration::from_secs(s));
        HealthCheck {
            fast_interval: secs(1),
            unhealthy_interval: secs(20),
            unhealthy_edge_interval: secs(30),
            healthy_edge_interval: secs(40),
            no_traffic_interval: secs(60),
            ..HealthCheck::new(CheckKind::Tcp)
        }
    }

    #[test]
    fn first_result_decides_then_rise_and_fall() {
        let check = check();
        let mut c = Checker::default();
        assert_eq!(c.result(&check, ProbeOutcome::Fail), Some(Status::Failing));
        assert_eq!(c.wait(&check, false).as_secs(), 30);
        assert_eq!(c.result(&check, ProbeOutcome::Fail), None);
        assert_eq!(c.wait(&check, false).as_secs(), 20);
        assert_eq!(c.result(&check, ProbeOutcome::Pass), None);
        assert_eq!(c.wait(&check, false).as_secs(), 1);
        assert_eq!(c.result(&check, ProbeOutcome::Pass), Some(Status::Passing));
        assert_eq!(c.wait(&check, false).as_secs(), 40);
        assert_eq!(c.result(&check, ProbeOutcome::Pass), None);
        assert_eq!(c.wait(&check, false).as_secs(), 10);
        assert_eq!(c.wait(&check, true).as_secs(), 60);
        for _ in 0..2 {
            assert_eq!(c.result(&check, ProbeOutcome::Fail), None);
        }
        assert_eq!(c.result(&check, ProbeOutcome::Pass), None);
        for _ in 0..2 {
            assert_eq!(c.result(&check, ProbeOutcome::Fail), None);
        }
        assert_eq!(c.result(&check, ProbeOutcome::Fail), Some(Status::Failing));
    }

    #[test]
    fn flap_damping_doubles_the_rise_and_decays_with_consecutive_passes() {
        let check = HealthCheck {
            flap_damping: 2,
            fall: 1,
            ..check()
        };
        let mut c = Checker::default();
        c.result(&check, ProbeOutcome::Pass);
        let passes_needed = |c: &mut Checker| {
            c.result(&check, ProbeOutcome::Fail);
            (1..99).find(|_| c.result(&check, ProbeOutcome::Pass).is_some())
        };
        let needed: Vec<_> = (0..4).map(|_| passes_needed(&mut c)).collect();
        assert_eq!(needed, [Some(2), Some(4), Some(8), Some(8)]);
        for _ in 0..5 * u16::from(DAMPING_DECAY_PASSES) {
            c.result(&check, ProbeOutcome::Pass);
        }
        assert_eq!(passes_needed(&mut c), Some(2));
    }

    #[test]
    fn fail_at_once_needs_no_consecutive_failures() {
        let mut c = Checker::default();
        c.result(&check(), ProbeOutcome::Pass);
        assert_eq!(
            c.result(&check(), ProbeOutcome::FailAtOnce),
            Some(Status::Failing)
        );
    }

    #[test]
    fn what_was_not_probed_speaks_for_nothing() {
        let mut c = Checker::default();
        assert_eq!(c.result(&check(), ProbeOutcome::Unprobed), None);
        assert_eq!(c.status(), Status::Unknown);
        c.result(&check(), ProbeOutcome::Pass);
        for outcome in [
            ProbeOutcome::Fail,
            ProbeOutcome::Fail,
            ProbeOutcome::Unprobed,
        ] {
            assert_eq!(c.result(&check(), outcome), None);
        }
        // Neither does it end a run of failures.
        assert_eq!(
            c.result(&check(), ProbeOutcome::Fail),
            Some(Status::Failing)
        );
    }

    #[test]
    fn degraded_begins_and_ends_with_one_result() {
        let mut c = Checker::default();
        c.result(&check(), ProbeOutcome::Pass);
        assert_eq!(
            c.result(&check(), ProbeOutcome::Degraded),
            Some(Status::Degraded)
        );
        assert_eq!(
            c.result(&check(), ProbeOutcome::Pass),
            Some(Status::Passing)
        );
    }
}

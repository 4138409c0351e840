//! An endpoint's active checks: when the next is due, and what a result means.

use core::time::Duration;

use super::Record;
use crate::duration::nanos;
use crate::effect::Reason;
use crate::engine::clock::Moved;
use crate::hash::{high, mix, part};
use crate::health::{CheckKind, Checker, HealthCheck, ProbeOutcome, Status};
use crate::time::Timestamp;

/// What a check that is due asks for.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum DueCheck {
    /// A probe is to be sent.
    Probe {
        attempt: u32,
        deadline: Timestamp,
        reason: Reason,
    },
    /// An answer or heartbeat is missing.
    Missing(ProbeOutcome),
}

/// What a new configuration leaves of an endpoint's check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Rearmed {
    /// It goes on.
    Continues,
    /// It begins anew, with a first check.
    BeginsAnew,
}

impl Record {
    /// Worth probing: something answers there.
    pub(in crate::engine) fn answers(&self) -> bool {
        self.conditions.ready || self.conditions.serving
    }

    /// The next check is a first one, at this time.
    pub(in crate::engine) fn begin_checks(&mut self, due: Timestamp) {
        (self.check_due, self.probing) = (due, false);
    }

    /// Sets when the next check, or the failure of the one under way, is due.
    pub(in crate::engine) fn set_check_due(&mut self, due: Timestamp) {
        self.check_due = due;
    }

    /// The outcome of a probe as it counts; `None` if this probe is not waited for. An answer after the deadline is none.
    pub(in crate::engine) fn outcome(
        &self,
        now: Timestamp,
        attempt: u32,
        outcome: ProbeOutcome,
    ) -> Option<ProbeOutcome> {
        if !self.probing || self.attempt != attempt {
            return None;
        }
        let late = now > self.check_due && outcome != ProbeOutcome::Unprobed;
        Some(if late { ProbeOutcome::Fail } else { outcome })
    }

    /// The check is due: begins a probe, or finds that an answer is missing. Nothing is asked for without checks.
    pub(in crate::engine) fn check_fell_due(
        &mut self,
        now: Timestamp,
        check: Option<&HealthCheck>,
    ) -> Option<DueCheck> {
        let Some(check) = check else {
            debug_assert!(false, "what is not checked is never due");
            self.check_due = Timestamp::MAX;
            return None;
        };
        if check.ttl().is_some() {
            return Some(DueCheck::Missing(ProbeOutcome::FailAtOnce));
        }
        if self.probing {
            return Some(DueCheck::Missing(ProbeOutcome::Fail));
        }
        let reason = self.checker.reason();
        self.probing = true;
        self.attempt = self.attempt.wrapping_add(1);
        self.check_due = now.after(check.timeout);
        Some(DueCheck::Probe {
            attempt: self.attempt,
            deadline: self.check_due,
            reason,
        })
    }

    /// Takes one result and sets the time of the next check; the new status if that changed it. `idle`: the service has
    /// had no call yet.
    pub(in crate::engine) fn take_result(
        &mut self,
        now: Timestamp,
        check: &HealthCheck,
        outcome: ProbeOutcome,
        idle: bool,
        seed: u64,
    ) -> Option<Status> {
        self.probing = false;
        let change = self.checker.result(check, outcome);
        self.check_due = match check.ttl() {
            Some(ttl) => now.after(ttl),
            None => {
                let wait = nanos(self.checker.wait(check, idle));
                let most = wait / 100 * u64::from(check.jitter_percent);
                // Drawn from the endpoint's own name and attempt: nobody else's probes move it.
                let jitter = match most {
                    0 => 0,
                    _ => high(mix(self.seed(seed) ^ u64::from(self.attempt)), most),
                };
                now.after(Duration::from_nanos(wait.saturating_add(jitter)))
            }
        };
        change
    }

    /// Whether a check that passed ends its ejection. Envoy asks for a status that passes, not just a pass on the way
    /// there.
    pub(in crate::engine) fn returns_after(&self, outcome: ProbeOutcome) -> bool {
        let well = matches!(outcome, ProbeOutcome::Pass | ProbeOutcome::Degraded);
        let up = matches!(self.checker.status, Status::Passing | Status::Degraded);
        well && up && self.ejected
    }

    /// Follows a new configuration from now on, not only after the wait of the old one.
    pub(in crate::engine) fn rearm_check(
        &mut self,
        now: Timestamp,
        before: Option<&HealthCheck>,
        after: Option<&HealthCheck>,
        idle: bool,
        seed: u64,
    ) -> Rearmed {
        if before == after {
            return Rearmed::Continues;
        }
        let ttl = |c: Option<&HealthCheck>| c.and_then(HealthCheck::ttl);
        let kind = |c: Option<&HealthCheck>| (c.is_some(), ttl(c).is_some());
        if kind(before) != kind(after) {
            self.reset_checker(after.is_some());
            return Rearmed::BeginsAnew;
        }
        let (Some(check), true) = (after, self.answers()) else {
            return Rearmed::Continues;
        };
        if let Some(whole) = check.ttl() {
            if ttl(before) != Some(whole) {
                self.check_due = now.after(whole);
            }
        } else if self.probing {
            // The answer to a probe that is under way is still waited for, by now for as long as the new timeout at most.
            self.check_due = self.check_due.min(now.after(check.timeout));
        } else {
            let wait = self.checker.wait(check, idle);
            if self.check_due > now.after(wait) {
                self.check_due = now.after(part(self.seed(seed), wait));
            }
        }
        Rearmed::Continues
    }

    /// Checks of another kind, or none, begin. What passed keeps its traffic until its first result of the new kind says
    /// otherwise.
    pub(super) fn reset_checker(&mut self, checked: bool) {
        let status = match checked {
            true => self.checker.status,
            false => Status::Passing,
        };
        self.checker = Checker {
            status,
            ..Checker::default()
        };
    }

    /// Moves its times with a clock that was set back; whether its check is overdue by the clock as it reads now.
    pub(in crate::engine) fn retime(&mut self, moved: &Moved, check: Option<&HealthCheck>) -> bool {
        let now = moved.now;
        self.warm_from = moved.past(self.warm_from);
        self.down_at = moved.past(self.down_at);
        self.queued = Timestamp::MAX;
        let planned = moved.at(self.check_due);
        self.check_due = match check.filter(|_| self.answers()) {
            None => Timestamp::MAX,
            Some(check) => match check.kind {
                // Heartbeats that were sent meanwhile were not heard: the whole time again.
                CheckKind::Ttl { ttl } if !moved.deaf().is_zero() => now.after(ttl),
                CheckKind::Ttl { ttl } => planned.min(now.after(ttl)),
                _ if self.probing => planned.min(now.after(check.timeout)),
                _ => moved.wait(self.check_due, check.longest_wait()),
            },
        };
        self.check_due < now
    }
}

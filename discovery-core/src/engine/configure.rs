//! A service's configuration changes; first checks are spread.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Engine, Service};
use crate::config::ServiceConfig;
use crate::duration::nanos;
use crate::effect::{Effect, Reason};
use crate::error::InputError;
use crate::hash::{hash, high, mix};
use crate::health::Status;
use crate::health::{CheckKind, Checker, HealthCheck};
use crate::id::ServiceId;
use crate::time::Timestamp;

/// So many endpoints of a service are checked at once when they come together, the others spread over the interval: few
/// enough for a small machine to answer, enough for a small service to be up at once.
const AT_ONCE: u32 = 16;

impl Engine {
    pub(super) fn configure(
        &mut self,
        now: Timestamp,
        id: ServiceId,
        config: &ServiceConfig,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let config = &config.clone().checked()?;
        let service = self.service_of(id)?;
        let members: Vec<u32> = service.members().collect();
        let before = service.config.clone();
        if before == *config {
            return Ok(());
        }
        let service = self.services.of_mut(id);
        service.config = config.clone();
        service.settled_at = match service.settled_at {
            Timestamp::MAX => Timestamp::MAX,
            at => at.min(now.after(config.hold_window)),
        };
        service.arm_holds(id, &mut self.timers);
        self.together(now, out, |engine, out| {
            for index in members {
                engine.rearm_check(now, index, before.health.as_ref(), config.health.as_ref());
                let Some(record) = engine.records.get_mut(index) else {
                    debug_assert!(false, "members of a service are alive");
                    continue;
                };
                record.ejected &= config.outlier_detection.is_some();
                engine.refresh(now, index, Reason::Configured, out);
                engine.queue(index);
            }
        });
        self.rearm_judging(now, id);
        Ok(())
    }

    /// An endpoint's check follows a new configuration from now on, not only after the wait of the old one.
    fn rearm_check(
        &mut self,
        now: Timestamp,
        index: u32,
        before: Option<&HealthCheck>,
        after: Option<&HealthCheck>,
    ) {
        if before == after {
            return;
        }
        let ttl = |c: Option<&HealthCheck>| match c.map(|c| &c.kind) {
            Some(CheckKind::Ttl { ttl }) => Some(*ttl),
            _ => None,
        };
        let kind = |c| (Option::is_some(&c), ttl(c).is_some());
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "members of a service are alive");
            return;
        };
        if kind(before) != kind(after) {
            // What passed keeps its traffic until its first result of the new kind says otherwise.
            let status = if after.is_some() {
                record.checker.status
            } else {
                Status::Passing
            };
            record.checker = Checker {
                status,
                ..Checker::default()
            };
            self.check_first(now, index);
            return;
        }
        let (Some(check), true) = (after, record.answers()) else {
            return;
        };
        if let Some(whole) = ttl(after) {
            if ttl(before) != ttl(after) {
                record.check_due = now.after(whole);
            }
            return;
        }
        // The answer to a probe that is under way is still waited for, by now for as long as the new timeout at most.
        if record.probing {
            record.check_due = record.check_due.min(now.after(check.timeout));
            return;
        }
        let idle = !self.services.of(record.service).busy;
        let wait = record.checker.wait(check, idle);
        if record.check_due > now.after(wait) {
            let name = hash(record.name.as_bytes());
            record.check_due = now.after(part(self.seed ^ name, wait));
        }
    }

    /// Passive checks follow a new configuration from now on.
    fn rearm_judging(&mut self, now: Timestamp, id: ServiceId) {
        let service = self.services.of_mut(id);
        let Some(config) = service.config.outlier_detection else {
            service.judged_at = Timestamp::MAX;
            return;
        };
        let latest = now.after(config.longest_ejection());
        for reports in &mut service.reported {
            reports.until = reports.until.min(latest);
        }
        let planned = service.judged_at;
        self.start_judging(now, id);
        // An interval that is under way goes on, unless the new one is over sooner.
        let service = self.services.of_mut(id);
        service.judged_at = service.judged_at.min(planned);
    }

    /// An endpoint begins to answer, or no longer does: sets the time of its first check.
    pub(super) fn check_first(&mut self, now: Timestamp, index: u32) {
        let due = self.first_check(now, index, Duration::ZERO);
        if let Some(record) = self.records.get_mut(index) {
            (record.check_due, record.probing) = (due, false);
        } else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
        }
    }

    /// When an endpoint is first checked: at once, or within an interval of it if many begin together; never while it
    /// does not answer. A sign of life is waited for. `spent` of the interval is over already.
    pub(super) fn first_check(&mut self, now: Timestamp, index: u32, spent: Duration) -> Timestamp {
        let Some(record) = self.records.get(index).filter(|r| r.answers()) else {
            return Timestamp::MAX;
        };
        let service = self.services.of_mut(record.service);
        let Some(check) = &service.config.health else {
            return Timestamp::MAX;
        };
        if let CheckKind::Ttl { ttl } = check.kind {
            return now.after(ttl);
        }
        let interval = check.interval;
        if service.at_once(now, interval) {
            return now;
        }
        let name = hash(record.name.as_bytes());
        // Nothing is left of it: an engine that slept through all of it spreads them over a whole one.
        let left = match interval.saturating_sub(spent) {
            Duration::ZERO => interval,
            left => left,
        };
        now.after(part(self.seed ^ name, left))
    }
}

impl Service {
    /// Whether one more endpoint may be checked at once, of those that begin within an interval.
    fn at_once(&mut self, now: Timestamp, interval: Duration) -> bool {
        let (since, count) = self.fresh;
        if count == 0 || now.since(since) >= interval {
            self.fresh = (now, 0);
        }
        self.fresh.1 = self.fresh.1.saturating_add(1);
        self.fresh.1 <= AT_ONCE
    }
}

/// A part of a duration, drawn evenly.
fn part(seed: u64, whole: Duration) -> Duration {
    Duration::from_nanos(high(mix(seed), nanos(whole)))
}

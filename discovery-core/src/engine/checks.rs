//! Active and passive checks: probes go out, results and reports come in, a service's reports are judged region by region.

use alloc::vec::Vec;
use core::time::Duration;

use super::Engine;
use super::record::{DueCheck, Rearmed};
use crate::config::ServiceConfig;
use crate::duration::nanos;
use crate::effect::{Effect, Reason};
use crate::error::InputError;
use crate::hash::{high, mix};
use crate::health::{
    CallOutcome, Flavour, HealthCheck, OutlierDetection, ProbeOutcome, RegionCalls, Status,
    may_eject,
};
use crate::id::{EndpointId, ServiceId};
use crate::time::Timestamp;

/// Configuration.
impl Engine {
    pub(super) fn configure(
        &mut self,
        now: Timestamp,
        id: ServiceId,
        config: &ServiceConfig,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let config = &config.clone().checked()?;
        let service = self.services.known(id)?;
        if service.config() == config {
            return Ok(());
        }
        let members: Vec<u32> = service.slots.members().collect();
        let service = self.services.of_mut(id);
        let before = service.configure(now, id, config, &mut self.timers);
        self.batched(now, out, |engine, out| {
            for index in members {
                engine.rearm_check(now, index, before.health.as_ref(), config.health.as_ref());
                let Some(record) = engine.records.get_mut(index) else {
                    debug_assert!(false, "members of a service are alive");
                    continue;
                };
                record.keep_ejection_if(config.outlier_detection.is_some());
                engine.refresh(now, index, Reason::Configured, out);
                engine.queue(index);
            }
        });
        let service = self.services.of_mut(id);
        service.rearm_reports(now, id, &mut self.timers);
        Ok(())
    }

    /// An endpoint's check follows a new configuration from now on.
    fn rearm_check(
        &mut self,
        now: Timestamp,
        index: u32,
        before: Option<&HealthCheck>,
        after: Option<&HealthCheck>,
    ) {
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "members of a service are alive");
            return;
        };
        let idle = self.services.of(record.service()).idle();
        if record.rearm_check(now, before, after, idle, self.seed) == Rearmed::BeginsAnew {
            self.check_first(now, index);
        }
    }

    /// An endpoint begins to answer, or no longer does: sets the time of its first check.
    pub(super) fn check_first(&mut self, now: Timestamp, index: u32) {
        let due = self.first_check(now, index, Duration::ZERO);
        if let Some(record) = self.records.get_mut(index) {
            record.begin_checks(due);
        } else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
        }
    }

    /// When an endpoint is first checked, `spent` of the interval being over already; never while it does not answer.
    pub(super) fn first_check(&mut self, now: Timestamp, index: u32, spent: Duration) -> Timestamp {
        let Some(record) = self.records.get(index).filter(|r| r.answers()) else {
            return Timestamp::MAX;
        };
        let service = self.services.of_mut(record.service());
        service.first_check(now, record.seed(self.seed), spent)
    }
}

/// Active checks.
impl Engine {
    pub(super) fn probed(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        attempt: u32,
        outcome: ProbeOutcome,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let index = self.records.living(id)?;
        let record = self.records.get(index);
        if let Some(outcome) = record.and_then(|r| r.outcome(now, attempt, outcome)) {
            self.result(now, index, outcome, out);
        }
        Ok(())
    }

    pub(super) fn heartbeat(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        passing: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let index = self.records.living(id)?;
        let Some(record) = self.records.get(index) else {
            debug_assert!(false, "the index of a living endpoint was just found");
            return Ok(());
        };
        let config = self.services.of(record.service()).config();
        let ttl = config.health.as_ref().and_then(HealthCheck::ttl);
        if ttl.is_some() && record.answers() {
            let outcome = match passing {
                true => ProbeOutcome::Pass,
                false => ProbeOutcome::FailAtOnce,
            };
            self.result(now, index, outcome, out);
        }
        Ok(())
    }

    /// The endpoint's check is due: send a probe, or take the missing answer as a failure.
    pub(super) fn check_fell_due(&mut self, now: Timestamp, index: u32, out: &mut Vec<Effect>) {
        let endpoint = self.records.id(index);
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "timers of dead endpoints are passed over");
            return;
        };
        let service = record.service();
        let check = self.services.of(service).config().health.as_ref();
        match record.check_fell_due(now, check) {
            Some(DueCheck::Missing(outcome)) => self.result(now, index, outcome, out),
            Some(DueCheck::Probe {
                attempt,
                deadline,
                reason,
            }) => out.push(Effect::Probe {
                endpoint,
                service,
                attempt,
                deadline,
                reason,
            }),
            None => {}
        }
    }

    /// Takes one result and sets the time of the next check.
    fn result(&mut self, now: Timestamp, index: u32, outcome: ProbeOutcome, out: &mut Vec<Effect>) {
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let service = self.services.of(record.service());
        let Some(check) = &service.config().health else {
            debug_assert!(false, "only what is checked has results");
            return;
        };
        let change = record.take_result(now, check, outcome, service.idle(), self.seed);
        let passive = service.config().outlier_detection;
        let returned = passive.is_some_and(|o| o.pass_returns) && record.returns_after(outcome);
        match change {
            Some(Status::Failing) if record.held() => {
                // The source lost it and its check says so too: it is gone.
                self.drop_endpoint(now, index, Reason::Confirmed, out);
                return;
            }
            Some(status) => self.refresh(now, index, reason(status), out),
            None => {}
        }
        if returned {
            self.end_ejection(now, index, out);
        }
        self.queue(index);
    }
}

/// Passive checks.
impl Engine {
    pub(super) fn calls_ended(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        outcome: CallOutcome,
        count: u32,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let index = self.records.living(id)?;
        let Some(record) = self.records.get(index).filter(|_| count > 0) else {
            return Ok(());
        };
        let service = self.services.of_mut(record.service());
        if let Some((config, reports)) = service.call_ended(record.slot())
            && reports.take(&config, outcome, count)
        {
            self.eject(now, index, &config, out);
        }
        Ok(())
    }

    /// One interval of a service's reports is over.
    pub(super) fn judge(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        id: ServiceId,
        out: &mut Vec<Effect>,
    ) {
        let service = self.services.of(id);
        let due = service.reports.judged_at() == at;
        let Some(config) = service.config().outlier_detection.filter(|_| due) else {
            return;
        };
        let members: Vec<u32> = service.slots.members().collect();
        self.batched(now, out, |engine, out| match config.flavour {
            Flavour::Envoy => {
                engine.end_ejections(now, &members, out);
                engine.judge_rates(now, &members, &config, out);
                engine.decay_ejections(now, &members, &config);
            }
            Flavour::Grpc => {
                engine.judge_rates(now, &members, &config, out);
                engine.decay_ejections(now, &members, &config);
                engine.end_ejections(now, &members, out);
            }
        });
        let service = self.services.of_mut(id);
        service.reports.end_interval();
        service.begin_interval(now, id, &mut self.timers);
    }

    /// Ejects an endpoint, if its region's cap allows. O(members).
    fn eject(
        &mut self,
        now: Timestamp,
        index: u32,
        config: &OutlierDetection,
        out: &mut Vec<Effect>,
    ) {
        let Some(record) = self.records.get(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        if record.ejected() || !record.class().may_be_ejected() {
            return;
        }
        let service = self.services.of(record.service());
        let peers = service.slots.members().filter_map(|i| self.records.get(i));
        let (mut hosts, mut ejected) = (0usize, 0usize);
        for peer in peers.filter(|p| p.region() == record.region() && p.class().counts_for_cap()) {
            hosts += 1;
            ejected += usize::from(peer.ejected());
        }
        if !may_eject(config, ejected, hosts) {
            return;
        }
        let draw = mix(record.seed(self.seed) ^ now.as_nanos());
        let jitter = Duration::from_nanos(high(draw, nanos(config.ejection_jitter)));
        let slot = record.slot();
        let service = self.services.of_mut(record.service());
        let reports = service.reports_on(slot);
        reports.until = now.after(reports.eject(config)).after(jitter);
        if let Some(record) = self.records.get_mut(index) {
            record.eject();
        } else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
        }
        self.refresh(now, index, Reason::Ejected, out);
    }

    /// Ends an ejection.
    fn end_ejection(&mut self, now: Timestamp, index: u32, out: &mut Vec<Effect>) {
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        record.end_ejection();
        let service = self.services.of_mut(record.service());
        service.reports_on(record.slot()).end(now);
        self.refresh(now, index, Reason::Returned, out);
    }

    /// Ends the ejections whose time is over.
    fn end_ejections(&mut self, now: Timestamp, members: &[u32], out: &mut Vec<Effect>) {
        for &index in members {
            let Some(record) = self.records.member(index).filter(|r| r.ejected()) else {
                continue;
            };
            let service = self.services.of_mut(record.service());
            if now >= service.reports_on(record.slot()).until {
                self.end_ejection(now, index, out);
            }
        }
    }

    /// Who is not ejected is a step further from the long ejections.
    fn decay_ejections(&mut self, now: Timestamp, members: &[u32], config: &OutlierDetection) {
        for &index in members {
            let Some(record) = self.records.get(index).filter(|r| !r.ejected()) else {
                continue;
            };
            let service = self.services.of_mut(record.service());
            service.reports_on(record.slot()).decay(config, now);
        }
    }

    /// Ejects outliers by success rate and failure percentage.
    fn judge_rates(
        &mut self,
        now: Timestamp,
        members: &[u32],
        config: &OutlierDetection,
        out: &mut Vec<Effect>,
    ) {
        let mut regions = RegionCalls::default();
        for &index in members {
            let Some(record) = self.records.member(index).filter(|r| !r.ejected()) else {
                continue;
            };
            let service = self.services.of(record.service());
            let reports = service.reports.get(record.slot()).unwrap_or_default();
            regions.add(record.region().0, index, &reports);
        }
        for outlier in regions.outliers(config) {
            let Some(record) = self.records.member(outlier.index) else {
                continue;
            };
            // A draw of its own for each endpoint, moment and kind.
            let own = mix(record.seed(self.seed) ^ outlier.kind << 63);
            let draw = high(mix(own ^ now.as_nanos()), 100);
            if draw < u64::from(outlier.enforcement_percent) {
                self.eject(now, outlier.index, config, out);
            }
        }
    }
}

fn reason(status: Status) -> Reason {
    match status {
        Status::Degraded => Reason::Degraded,
        Status::Failing => Reason::Failing,
        Status::Passing | Status::Unknown => Reason::Passing,
    }
}

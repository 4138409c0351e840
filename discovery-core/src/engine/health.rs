//! Probes go out, results come in.

use alloc::vec::Vec;
use core::time::Duration;

use super::Engine;
use crate::duration::nanos;
use crate::effect::{Effect, Reason};
use crate::error::InputError;
use crate::hash::{high, mix};
use crate::health::Status;
use crate::health::{CheckKind, ProbeOutcome};
use crate::id::EndpointId;
use crate::time::Timestamp;

impl Engine {
    pub(super) fn probed(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        attempt: u32,
        outcome: ProbeOutcome,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let index = self.living(id)?;
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "the index of a living endpoint was just found");
            return Ok(());
        };
        if !record.probing || record.attempt != attempt {
            return Ok(());
        }
        // An answer after the deadline is none.
        let late = now > record.check_due;
        let outcome = if late { ProbeOutcome::Fail } else { outcome };
        self.result(now, index, outcome, out);
        Ok(())
    }

    pub(super) fn heartbeat(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        passing: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let index = self.living(id)?;
        let Some(record) = self.records.get(index) else {
            debug_assert!(false, "the index of a living endpoint was just found");
            return Ok(());
        };
        let check = self.services.of(record.service).config.health.as_ref();
        let ttl = check.is_some_and(|c| matches!(c.kind, CheckKind::Ttl { .. }));
        if ttl && record.answers() {
            let outcome = if passing {
                ProbeOutcome::Pass
            } else {
                ProbeOutcome::FailAtOnce
            };
            self.result(now, index, outcome, out);
        }
        Ok(())
    }

    /// The endpoint's check is due: send a probe, or take the missing answer as a failure.
    pub(super) fn check_fell_due(&mut self, now: Timestamp, index: u32, out: &mut Vec<Effect>) {
        let id = self.records.id(index);
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "timers of dead endpoints are passed over");
            return;
        };
        let service = self.services.of(record.service);
        let Some(check) = &service.config.health else {
            debug_assert!(false, "what is not checked is never due");
            record.check_due = Timestamp::MAX;
            return;
        };
        if matches!(check.kind, CheckKind::Ttl { .. }) {
            self.result(now, index, ProbeOutcome::FailAtOnce, out);
        } else if record.probing {
            self.result(now, index, ProbeOutcome::Fail, out);
        } else {
            let reason = record.checker.reason();
            record.probing = true;
            record.attempt = record.attempt.wrapping_add(1);
            let deadline = now.after(check.timeout);
            record.check_due = deadline;
            let (service, attempt) = (record.service, record.attempt);
            out.push(Effect::Probe {
                endpoint: id,
                service,
                attempt,
                deadline,
                reason,
            });
        }
    }

    /// Takes one result and sets the time of the next check.
    fn result(&mut self, now: Timestamp, index: u32, outcome: ProbeOutcome, out: &mut Vec<Effect>) {
        let seed = self.seed;
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let service = self.services.of(record.service);
        let Some(check) = &service.config.health else {
            debug_assert!(false, "only what is checked has results");
            return;
        };
        record.probing = false;
        let change = record.checker.result(check, outcome);
        record.check_due = match check.kind {
            CheckKind::Ttl { ttl } => now.after(ttl),
            _ => {
                let wait = nanos(record.checker.wait(check, !service.busy));
                // Drawn from the endpoint's own name and attempt: nobody else's probes move it.
                let own = crate::hash::hash(record.name.as_bytes()) ^ u64::from(record.attempt);
                let most = wait / 100 * u64::from(check.jitter_percent);
                let jitter = match most {
                    0 => 0,
                    _ => high(mix(seed ^ own), most),
                };
                now.after(Duration::from_nanos(wait.saturating_add(jitter)))
            }
        };
        let well = matches!(outcome, ProbeOutcome::Pass | ProbeOutcome::Degraded);
        let returns = service
            .config
            .outlier_detection
            .is_some_and(|o| o.pass_returns);
        // Envoy asks for a status that passes, not just a pass on the way there.
        let up = matches!(record.checker.status, Status::Passing | Status::Degraded);
        let returned = well && up && returns && record.ejected;
        match change {
            Some(Status::Failing) if record.held => {
                // The source lost it and its check says so too: it is gone.
                self.drop_endpoint(now, index, Reason::Confirmed, out);
                return;
            }
            Some(status) => self.refresh(now, index, reason(status), out),
            None => {}
        }
        if returned {
            self.return_ejected(now, index, out);
        }
        self.queue(index);
    }
}

fn reason(status: Status) -> Reason {
    match status {
        Status::Degraded => Reason::Degraded,
        Status::Failing => Reason::Failing,
        Status::Passing | Status::Unknown => Reason::Passing,
    }
}

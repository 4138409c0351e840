//! What callers report, judged service by service and, within a service, region by region.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Engine;
use super::record::Class;
use super::timers::Owner;
use crate::duration::nanos;
use crate::effect::{Effect, Reason};
use crate::error::InputError;
use crate::hash::{hash, high, mix};
use crate::health::{
    CallOutcome, Flavour, OutlierDetection, Reports, by_failure, by_success, may_eject,
};
use crate::id::{EndpointId, ServiceId};
use crate::time::Timestamp;

impl Engine {
    pub(super) fn calls_ended(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        outcome: CallOutcome,
        count: u32,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let index = self.living(id)?;
        let Some(record) = self.records.get(index) else {
            debug_assert!(false, "the index of a living endpoint was just found");
            return Ok(());
        };
        let service = self.services.of_mut(record.service);
        if count == 0 {
            return Ok(());
        }
        service.busy = true;
        let Some(config) = service.config.outlier_detection else {
            return Ok(());
        };
        let trips = service.reports(record.slot).take(&config, outcome, count);
        if trips {
            self.eject(now, index, &config, out);
        }
        Ok(())
    }

    /// Ejects an endpoint, if its priority's cap allows. O(members).
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
        let service = self.services.of(record.service);
        // Who takes no traffic anyway needs no ejection.
        if record.ejected || !matches!(record.class, Class::Good | Class::Degraded | Class::Failed)
        {
            return;
        }
        let (mut hosts, mut ejected) = (0usize, 0usize);
        for peer in service.members().filter_map(|i| self.records.get(i)) {
            if peer.region == record.region && counted(peer.class) {
                hosts += 1;
                ejected += usize::from(peer.ejected);
            }
        }
        if !may_eject(config, ejected, hosts) {
            return;
        }
        let own = hash(record.name.as_bytes());
        let slot = record.slot;
        let service = self.services.of_mut(record.service);
        let reports = service.reports(slot);
        let length = reports.eject(config);
        let draw = mix(self.seed ^ own ^ nanos(now.since(Timestamp::ZERO)));
        let jitter = high(draw, nanos(config.ejection_jitter));
        reports.until = now
            .after(length)
            .after(core::time::Duration::from_nanos(jitter));
        if let Some(record) = self.records.get_mut(index) {
            record.ejected = true;
        } else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
        }
        self.refresh(now, index, Reason::Ejected, out);
    }

    /// Ends an ejection.
    pub(super) fn return_ejected(&mut self, now: Timestamp, index: u32, out: &mut Vec<Effect>) {
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        record.ejected = false;
        let service = self.services.of_mut(record.service);
        service.reports(record.slot).end(now);
        self.refresh(now, index, Reason::Returned, out);
    }

    /// Begins the intervals at which a service's reports are judged, if it has passive checks.
    pub(super) fn start_judging(&mut self, now: Timestamp, id: ServiceId) {
        let service = self.services.of_mut(id);
        service.judged_at = match service.config.outlier_detection {
            Some(config) => now.after(config.interval),
            None => Timestamp::MAX,
        };
        self.timers.push(service.judged_at, Owner::Service(id));
    }

    /// One interval is over.
    pub(super) fn judge(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        id: ServiceId,
        out: &mut Vec<Effect>,
    ) {
        let service = self.services.of(id);
        let Some(config) = service
            .config
            .outlier_detection
            .filter(|_| service.judged_at == at)
        else {
            return;
        };
        let members: Vec<u32> = service.members().collect();
        self.together(now, out, |engine, out| match config.flavour {
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
        service.all_reports(|r| (r.calls, r.well) = (0, 0));
        self.start_judging(now, id);
    }

    /// Returns whose time is over.
    fn end_ejections(&mut self, now: Timestamp, members: &[u32], out: &mut Vec<Effect>) {
        for &index in members {
            debug_assert!(
                self.records.get(index).is_some(),
                "members of a service are alive"
            );
            let Some(record) = self.records.get(index).filter(|r| r.ejected) else {
                continue;
            };
            let service = self.services.of_mut(record.service);
            if now >= service.reports(record.slot).until {
                self.return_ejected(now, index, out);
            }
        }
    }

    /// Who is not ejected is a step further from the long ejections.
    fn decay_ejections(&mut self, now: Timestamp, members: &[u32], config: &OutlierDetection) {
        for &index in members {
            debug_assert!(
                self.records.get(index).is_some(),
                "members of a service are alive"
            );
            let Some(record) = self.records.get(index).filter(|r| !r.ejected) else {
                continue;
            };
            let service = self.services.of_mut(record.service);
            service.reports(record.slot).decay(config, now);
        }
    }

    fn judge_rates(
        &mut self,
        now: Timestamp,
        members: &[u32],
        config: &OutlierDetection,
        out: &mut Vec<Effect>,
    ) {
        let mut priorities: BTreeMap<u32, Vec<(usize, u64, u64)>> = BTreeMap::new();
        for &index in members {
            let Some(record) = self.records.get(index) else {
                debug_assert!(false, "members of a service are alive");
                continue;
            };
            let (ejected, region, slot) = (record.ejected, record.region.0, record.slot);
            let service = self.services.of_mut(record.service);
            let reports = *service.reports(slot);
            if !ejected {
                let interval = (index as usize, reports.calls, reports.well);
                priorities.entry(region).or_default().push(interval);
            }
        }
        for hosts in priorities.values() {
            let mut outliers = Vec::new();
            if let Some(rate) = &config.success_rate {
                outliers.push((rate.enforcement_percent, by_success(rate, hosts)));
            }
            if let Some(rate) = &config.failure_percentage {
                outliers.push((
                    rate.enforcement_percent,
                    by_failure(rate, config.flavour, hosts),
                ));
            }
            for (kind, (enforced, who)) in (0u64..).zip(outliers) {
                for index in who {
                    let index = index as u32;
                    if self.enforced(now, index, kind, enforced) {
                        self.eject(now, index, config, out);
                    }
                }
            }
        }
    }

    /// Whether an outlier of this kind is ejected: a draw of its own for each endpoint, moment and kind.
    fn enforced(&self, now: Timestamp, index: u32, kind: u64, percent: u8) -> bool {
        let Some(record) = self.records.get(index) else {
            debug_assert!(false, "outliers are members, which are alive");
            return false;
        };
        let own = mix(self.seed ^ hash(record.name.as_bytes()) ^ kind << 63);
        high(mix(own ^ now.as_nanos()), 100) < u64::from(percent)
    }
}

/// Counts among the hosts that the cap is a share of.
fn counted(class: Class) -> bool {
    matches!(
        class,
        Class::Good | Class::Degraded | Class::Failed | Class::Pending
    )
}

impl super::Service {
    /// The reports on a slot; room for them is made at the first.
    pub(super) fn reports(&mut self, slot: u32) -> &mut Reports {
        let slot = slot as usize;
        if slot >= self.reported.len() {
            let slots = self.slots().max(slot + 1);
            self.reported.resize(slots, Reports::default());
        }
        // Resized above, so the slot is there; the spare place only satisfies the types.
        match self.reported.get_mut(slot) {
            Some(reports) => reports,
            None => &mut self.spare,
        }
    }

    fn all_reports(&mut self, change: impl Fn(&mut Reports)) {
        for reports in &mut self.reported {
            change(reports);
        }
    }
}

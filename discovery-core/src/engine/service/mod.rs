//! A service: its configuration, and parts that own what there is to know of its members together. All services by id and name.

mod all;
mod call_reports;
mod division;
mod first_checks;
mod holds;
mod settling;
mod slots;
mod traffic;

use alloc::vec::Vec;
use core::time::Duration;

pub(super) use all::Services;
use call_reports::CallReports;
#[cfg(feature = "testing")]
pub(super) use division::Tally;
use first_checks::FirstChecks;
use holds::Holds;
pub(super) use holds::Loss;
use settling::Settling;
use slots::Slots;
use traffic::Traffic;

use super::class::Counted;
use super::clock::Moved;
use super::saved::SavedService;
use super::timers::{Owner, Timers};
use crate::config::ServiceConfig;
use crate::hash::part;
use crate::health::{CheckKind, OutlierDetection, Reports};
use crate::id::ServiceId;
use crate::time::Timestamp;

/// One service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    config: ServiceConfig,
    /// Whether a call has been seen.
    busy: bool,
    pub(super) slots: Slots,
    pub(super) traffic: Traffic,
    pub(super) holds: Holds,
    pub(super) settling: Settling,
    pub(super) reports: CallReports,
    first_checks: FirstChecks,
}

impl Service {
    pub(super) fn new(config: ServiceConfig) -> Self {
        Self {
            config,
            busy: false,
            slots: Slots::default(),
            traffic: Traffic::default(),
            holds: Holds::NONE,
            settling: Settling::NEW,
            reports: CallReports::new(),
            first_checks: FirstChecks::default(),
        }
    }

    pub(super) fn config(&self) -> &ServiceConfig {
        &self.config
    }

    /// Whether it has had no call yet.
    pub(super) fn idle(&self) -> bool {
        !self.busy
    }

    /// How many members it has, as effects give it.
    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Takes another configuration; the old one. Waits and holds that the new one shortens are shortened.
    pub(super) fn configure(
        &mut self,
        now: Timestamp,
        id: ServiceId,
        config: &ServiceConfig,
        timers: &mut Timers,
    ) -> ServiceConfig {
        let before = core::mem::replace(&mut self.config, config.clone());
        self.settling.shorten(now, config.hold_window);
        self.arm_holds(id, timers);
        before
    }

    /// A call was seen: the reports on its endpoint, if there are passive checks.
    pub(super) fn call_ended(&mut self, slot: u32) -> Option<(OutlierDetection, &mut Reports)> {
        self.busy = true;
        let config = self.config.outlier_detection?;
        Some((config, self.reports_on(slot)))
    }

    /// The reports on a slot; room for them is made at the first.
    pub(super) fn reports_on(&mut self, slot: u32) -> &mut Reports {
        self.reports.of(slot, self.slots.bound())
    }

    /// An endpoint that counted like this goes; the next one to have its slot has no past.
    pub(super) fn departs(&mut self, now: Timestamp, slot: u32, counted: Counted, name: &str) {
        self.slots.leave(slot);
        self.reports.clear(slot);
        self.traffic.count(counted, Counted::default());
        self.settling.departs(now, name);
    }

    /// An endpoint comes: whether a registry may know it from a predecessor of this engine.
    pub(super) fn arrives(&mut self, now: Timestamp, name: &str) -> bool {
        self.settling.arrives(now, name, self.config.hold_window)
    }

    /// Whether so many members may go at once; if so, they are counted.
    pub(super) fn may_lose(&mut self, now: Timestamp, count: usize) -> bool {
        let size = self.size();
        self.holds.may_lose(now, count, size, &self.config)
    }

    /// Sees to it that there is a timer for the first hold that ends. O(held).
    pub(super) fn arm_holds(&mut self, id: ServiceId, timers: &mut Timers) {
        if let Some(due) = self.holds.arm(&self.config) {
            timers.push(due, Owner::Hold(id));
        }
    }

    /// The timer of holds that was set for `at` fires: who has been held for long enough; `None` if it is an old one.
    pub(super) fn end_holds(&mut self, at: Timestamp, now: Timestamp) -> Option<Vec<u32>> {
        self.holds.fire(at, now, &self.config)
    }

    /// When the first hold ends. O(held).
    pub(super) fn hold_ends(&self) -> Option<Timestamp> {
        self.holds.first_end(&self.config)
    }

    /// Begins an interval of passive checks, if there are any.
    pub(super) fn begin_interval(&mut self, now: Timestamp, id: ServiceId, timers: &mut Timers) {
        let config = self.config.outlier_detection.as_ref();
        let end = self.reports.begin_interval(now, config);
        timers.push(end, Owner::Service(id));
    }

    /// Passive checks follow a new configuration from now on.
    pub(super) fn rearm_reports(&mut self, now: Timestamp, id: ServiceId, timers: &mut Timers) {
        let config = self.config.outlier_detection.as_ref();
        if let Some(end) = self.reports.rearm(now, config) {
            timers.push(end, Owner::Service(id));
        }
    }

    /// When an endpoint that answers is first checked: at once, or within an interval of it if many begin together. A
    /// heartbeat is waited for. `spent` of the interval is over already, `draw` is the endpoint's own seed.
    pub(super) fn first_check(&mut self, now: Timestamp, draw: u64, spent: Duration) -> Timestamp {
        let Some(check) = &self.config.health else {
            return Timestamp::MAX;
        };
        if let CheckKind::Ttl { ttl } = check.kind {
            return now.after(ttl);
        }
        let interval = check.interval;
        if self.first_checks.at_once(now, interval) {
            return now;
        }
        // Nothing is left of it: an engine that slept through all of it spreads them over a whole one.
        let left = match interval.saturating_sub(spent) {
            Duration::ZERO => interval,
            left => left,
        };
        now.after(part(draw, left))
    }

    /// All its times move with a clock that was set back, and its timers are set anew.
    pub(super) fn retime(&mut self, id: ServiceId, moved: &Moved, timers: &mut Timers) {
        self.settling.retime(moved);
        self.holds.retime(moved, &self.config);
        self.first_checks.since = moved.past(self.first_checks.since);
        if let Some(config) = &self.config.outlier_detection {
            timers.push(self.reports.retime(moved, config), Owner::Service(id));
        }
        self.arm_holds(id, timers);
    }

    pub(super) fn save(&self, name: Option<&str>) -> SavedService {
        let (settled_at, gone, dropped) = self.settling.save();
        SavedService {
            name: name.unwrap_or_default().into(),
            config: self.config.clone(),
            busy: self.busy,
            loss: self.holds.loss(),
            judged_at: self.reports.judged_at(),
            dropped,
            settled_at,
            gone,
            fresh: (self.first_checks.since, self.first_checks.count),
        }
    }

    /// Made again from a snapshot, without its members.
    pub(super) fn restore(saved: &SavedService, config: ServiceConfig) -> Self {
        let (since, count) = saved.fresh;
        Self {
            busy: saved.busy,
            holds: Holds::restore(saved.loss),
            settling: Settling::restore(saved.settled_at, &saved.gone, saved.dropped),
            reports: CallReports::restore(saved.judged_at),
            first_checks: FirstChecks { since, count },
            ..Self::new(config)
        }
    }
}

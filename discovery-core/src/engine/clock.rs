//! Time as it is told: late messages, and a clock that was set back.

use core::time::Duration;

use super::Engine;
use super::timers::{Owner, Timers};
use crate::config::ServiceConfig;
use crate::duration::nanos;
use crate::health::CheckKind;
use crate::time::Timestamp;

/// Tellings that are late by up to this are messages out of order, not a clock that was set back; by less, half of the
/// shortest interval, in an engine that checks more often. Chosen well above what threads lose between reading a clock
/// and telling the time.
const PATIENCE: Duration = Duration::from_secs(1);

/// The least that any interval may be ([`crate::health::HealthCheck`]).
const SHORTEST: Duration = Duration::from_millis(1);

/// The latest time that can be told: [`Timestamp::MAX`] is "never".
pub(super) const LATEST: Timestamp = Timestamp::from_nanos(u64::MAX - 1);

/// How an engine follows the clock that it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// The first of the tellings that are behind without a break; MAX when the last was not.
    back: Timestamp,
    /// The widest gap between two tellings: from where a clock that now goes back may have leapt ahead.
    pub(super) leap: (Timestamp, Timestamp),
    /// While an input is taken in: how far the time it was told with is behind what the engine's times are counted by.
    pub(super) lead: Duration,
}

impl Clock {
    pub(super) const NEW: Self = Self {
        back: Timestamp::MAX,
        leap: (Timestamp::ZERO, Timestamp::ZERO),
        lead: Duration::ZERO,
    };
}

/// How times of before move to a clock that reads otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    now: Timestamp,
    by: u64,
    /// Times up to this were told before the clock leapt ahead, and are right as they are.
    right: Option<Timestamp>,
    /// The last time that was told before; nobody listened from then on until now, unless now is earlier.
    was: Timestamp,
    /// For how long the engine's time has stood since the clock read otherwise.
    doubt: Duration,
}

impl Moved {
    /// From a clock that read `was` to one that reads `now`.
    pub(super) fn new(was: Timestamp, now: Timestamp, leap: (Timestamp, Timestamp)) -> Self {
        let by = was.since(now);
        let leapt = leap.0 <= now && now < leap.1 && by <= leap.1.since(leap.0);
        Self {
            now,
            by: nanos(by),
            right: leapt.then_some(leap.0),
            was,
            doubt: Duration::ZERO,
        }
    }

    /// When it was first told of a clock that reads otherwise.
    fn doubted_since(self, back: Timestamp) -> Self {
        let doubt = self.now.since(back);
        Self { doubt, ..self }
    }

    /// For how long nobody listened.
    fn deaf(&self) -> Duration {
        self.now.since(self.was)
    }

    /// What is left of a wait that went on in doubt.
    fn left(&self, wait: Duration) -> Duration {
        wait.saturating_sub(self.doubt)
    }

    fn at(&self, t: Timestamp) -> Timestamp {
        if t == Timestamp::MAX || self.right.is_some_and(|right| t <= right) {
            return t;
        }
        earlier(t, self.by)
    }

    /// A time of something that has happened: not in the future.
    fn past(&self, t: Timestamp) -> Timestamp {
        match self.at(t) {
            Timestamp::MAX => Timestamp::MAX,
            t => t.min(self.now),
        }
    }

    /// The beginning of a hold. Its time runs on while nobody listens, but leaves a while to hear that it was for nothing;
    /// what of that while is spent stays spent, so restarts do not add up.
    fn held(&self, since: Timestamp, config: &ServiceConfig) -> Timestamp {
        let since = self.past(since);
        let end = since.after(config.hold_limit);
        let hearing = end.since(self.was).min(config.hold_window);
        let least = self.now.after(hearing);
        if self.deaf().is_zero() || end >= least {
            return since;
        }
        earlier(least, nanos(config.hold_limit))
    }

    /// The end of a wait that may be as long as `longest`.
    fn wait(&self, t: Timestamp, longest: Duration) -> Timestamp {
        let planned = earlier(self.at(t), nanos(self.doubt));
        planned.min(self.now.after(self.left(longest)))
    }
}

fn earlier(t: Timestamp, by: u64) -> Timestamp {
    Timestamp::from_nanos(t.as_nanos().saturating_sub(by))
}

impl Engine {
    /// How late a telling may be without being taken for a clock that was set back.
    fn patience(&self) -> Duration {
        let checks = self
            .services
            .iter()
            .filter_map(|(_, s)| s.config.health.as_ref());
        let least = checks
            .map(crate::health::HealthCheck::shortest_interval)
            .min();
        least.map_or(PATIENCE, |d| (d / 2).min(PATIENCE))
    }

    fn late(&self, told: Timestamp) -> bool {
        let behind = self.now.since(told);
        behind >= SHORTEST && behind > self.patience()
    }

    /// How far the clock was set back, once it has been seen to run on from there; zero otherwise.
    pub(super) fn set_back_by(&self, told: Timestamp) -> Duration {
        let seen = self.clock.back < Timestamp::MAX && self.late(told);
        if seen && told >= self.clock.back.after(self.patience()) {
            return self.now.since(told);
        }
        Duration::ZERO
    }

    /// Takes the time in. O(1), O(endpoints) when the clock was set back.
    pub(super) fn tick(&mut self, told: Timestamp, lead: Duration) {
        if !lead.is_zero() {
            let moved = Moved::new(self.now, told, self.clock.leap).doubted_since(self.clock.back);
            (self.now, self.clock) = (told, Clock::NEW);
            self.retime(&moved);
        } else if self.late(told) {
            self.clock.back = self.clock.back.min(told);
        } else {
            self.clock.back = Timestamp::MAX;
            let (from, to) = self.clock.leap;
            if self.now > Timestamp::ZERO && told.since(self.now) > to.since(from) {
                self.clock.leap = (self.now, told);
            }
            self.now = self.now.max(told);
        }
    }

    /// When the time wants to be told again, since the last telling was far behind.
    pub(super) fn doubt_ends(&self) -> Option<Timestamp> {
        let doubt = self.clock.back < Timestamp::MAX;
        doubt.then(|| self.clock.back.after(self.patience()))
    }

    /// Moves every time that is remembered, and arms every timer anew: no check is later than one interval after the
    /// first telling by the clock that reads otherwise.
    pub(super) fn retime(&mut self, moved: &Moved) {
        let now = moved.now;
        self.timers = Timers::default();
        for (i, ramp) in (0..).zip(&mut self.places.ramps) {
            ramp.since = moved.past(ramp.since);
            self.timers.push(now, Owner::Region(i));
        }
        for (id, service) in self.services.iter_mut() {
            service.settled_at = moved.at(service.settled_at);
            service.loss.since = moved.past(service.loss.since);
            service.fresh.0 = moved.past(service.fresh.0);
            service.hold_due = Timestamp::MAX;
            for since in service.holds.values_mut() {
                *since = moved.held(*since, &service.config);
            }
            if let Some(config) = service.config.outlier_detection {
                let longest = config.longest_ejection();
                for reports in &mut service.reported {
                    reports.until = moved.at(reports.until).min(now.after(longest));
                }
                service.judged_at = moved.wait(service.judged_at, config.interval).max(now);
                self.timers.push(service.judged_at, Owner::Service(id));
            }
            service.arm_holds(id, &mut self.timers);
        }
        let all: alloc::vec::Vec<u32> = self.records.indices().collect();
        for index in all {
            self.retime_endpoint(index, moved);
        }
    }

    fn retime_endpoint(&mut self, index: u32, moved: &Moved) {
        let now = moved.now;
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        record.warm_from = moved.past(record.warm_from);
        record.down_at = moved.past(record.down_at);
        record.queued = Timestamp::MAX;
        let planned = moved.at(record.check_due);
        let check = self.services.of(record.service).config.health.as_ref();
        record.check_due = match check.filter(|_| record.answers()) {
            None => Timestamp::MAX,
            Some(check) => match check.kind {
                // Signs of life that were sent meanwhile were not heard: the whole time again.
                CheckKind::Ttl { ttl } if !moved.deaf().is_zero() => now.after(ttl),
                CheckKind::Ttl { ttl } => planned.min(now.after(ttl)),
                _ if record.probing => planned.min(now.after(check.timeout)),
                _ => moved.wait(record.check_due, check.longest_wait()),
            },
        };
        if record.check_due < now {
            // Overdue ones do not all go at once.
            let first = self.first_check(now, index, moved.doubt);
            if let Some(record) = self.records.get_mut(index) {
                record.check_due = first;
            } else {
                debug_assert!(false, "its caller holds the index of a living endpoint");
            }
        }
        self.foresee(now, index);
    }

    /// Sets the next step of a weight; a weight that is another by now is left for [`Engine::handle`] to say.
    fn foresee(&mut self, now: Timestamp, index: u32) {
        let moved = self.measure(now, index);
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "its caller holds the index of a living endpoint");
            return;
        };
        let service = self.services.of(record.service);
        let part = service.division.part(record.class, record.counted_region);
        let weight = part.map_or(0, |part| part.in_use(record.full));
        if moved || weight != record.weight {
            record.warm_due = now;
        }
        self.queue(index);
    }
}

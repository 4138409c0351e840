//! All times move when the clock was set back.

use super::Engine;
use super::clock::{Moved, patience};
use super::timers::{Owner, Timers};
use crate::health::CheckKind;
use crate::time::Timestamp;
use core::time::Duration;

impl Engine {
    /// How late a time told may be; see [`patience`]. O(services): asked only about one that is behind.
    pub(super) fn patience(services: &super::Services) -> Duration {
        patience(
            services
                .iter()
                .filter_map(|(_, s)| s.config.health.as_ref()),
        )
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

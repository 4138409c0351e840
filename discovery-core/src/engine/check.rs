//! What must hold of an engine after every input, computed anew from its records.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::class::{classify, full, registration_status};
use super::division::{Counted, Division, Tally};
use super::members::Loss;
use super::record::Class;
use super::{Engine, Snapshot};
use crate::effect::Mode;
use crate::hash::mix;
use crate::health::Reports;
use crate::time::Timestamp;

impl Engine {
    /// Every invariant that can be read off the engine's own state; for tests and fuzzers.
    ///
    /// # Errors
    /// The first one that is broken.
    #[doc(hidden)]
    pub fn check_invariants(&self) -> Result<(), String> {
        for (id, service) in self.services.iter() {
            let (mut tally, mut held, mut sum, mut well) = (Tally::default(), 0, 0u64, 0u32);
            for index in service.members() {
                let record = self
                    .records
                    .get(index)
                    .ok_or(format!("slot of a dead record {index}"))?;
                if record.service != id || service.at(record.slot as usize) != Some(index) {
                    return Err(format!("{} is not where its service has it", record.name));
                }
                self.check_record(index, &service.division)?;
                tally.shift(Counted::default(), record.counted());
                held += u32::from(record.held);
                sum += u64::from(record.weight);
                let open = matches!(
                    record.class,
                    Class::Good | Class::Degraded | Class::Fallback
                );
                well += u32::from(open && record.base > 0);
            }
            if !tally.same(&service.tally) || held != service.held() {
                return Err(format!(
                    "service {id:?}: {:?} kept, {tally:?} counted",
                    service.tally
                ));
            }
            if service.division != tally.divide(service.config.panic_percent) {
                return Err(format!(
                    "service {id:?}: {:?} for {tally:?}",
                    service.division
                ));
            }
            if (well > 0 && sum == 0) || ((sum == 0) != (service.division.mode == Mode::Empty)) {
                return Err(format!(
                    "service {id:?} is without traffic though {well} are well"
                ));
            }
        }
        let members: usize = self.services.iter().map(|(_, s)| s.len()).sum();
        match members == self.records.len() {
            true => Ok(()),
            false => Err(format!("{members} members, {} records", self.records.len())),
        }
    }

    fn check_record(&self, index: u32, division: &Division) -> Result<(), String> {
        let Some(r) = self.records.get(index) else {
            return Ok(());
        };
        let name = &r.name;
        if self.records.find(name) != Some(index) {
            return Err(format!("{name} is not found by its name"));
        }
        let class = classify(r, &self.places);
        let status = registration_status(r, &self.places);
        if (class, status) != (r.class, r.registration_status) {
            return Err(format!(
                "{name} is {:?} {:?}, not {class:?} {status:?}",
                r.class, r.registration_status
            ));
        }
        if (r.counted_region, r.full) != (r.region.0, full(r, &self.places)) {
            return Err(format!("{name} is counted for what it was"));
        }
        let part = division.part(class, r.counted_region);
        let expected = part.map_or(0, |p| p.in_use(r.full));
        if expected != r.weight || (r.base == 0 && r.weight > 0) {
            return Err(format!("{name} weighs {}, not {expected}", r.weight));
        }
        let check = self.config(r.service).and_then(|c| c.health.as_ref());
        if let Some(check) = check.filter(|c| r.answers() && !c.expects_heartbeats() && !r.probing)
            && r.check_due > self.clock.now().after(check.longest_wait())
        {
            return Err(format!("{name} is not checked for more than an interval"));
        }
        if check.is_some() != (r.check_due < Timestamp::MAX) && r.answers() {
            return Err(format!("{name} is due at {:?}", r.check_due));
        }
        if r.queued > r.check_due.min(r.warm_due) {
            return Err(format!("{name} is due before its timer"));
        }
        if r.up() != (r.down_at == Timestamp::MAX) {
            return Err(format!("{name}: up {} but down at {:?}", r.up(), r.down_at));
        }
        Ok(())
    }
}

impl Snapshot {
    /// The same in an order that does not depend on which ids were free.
    #[doc(hidden)]
    #[must_use]
    pub fn by_name(mut self) -> Self {
        self.endpoints.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }

    /// Damages a snapshot, for fuzzers: each word of `bytes` overwrites something.
    #[doc(hidden)]
    pub fn damage(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(4) {
            let word = chunk.iter().fold(0u64, |w, b| w << 8 | u64::from(*b));
            let value = mix(word);
            if value.is_multiple_of(5) {
                self.damage_service(value / 5);
                continue;
            }
            let n = self.endpoints.len().max(1) as u64;
            let Some(e) = self.endpoints.get_mut((word % n) as usize) else {
                return;
            };
            let small = (value >> 32) as u32 % 5;
            match value % 14 {
                0 => e.at[(small % 4) as usize] = small,
                1 => e.base = (value >> 20) as u32,
                2 => e.weight = (value >> 20) as u32,
                3 => e.warm_from = Timestamp::from_nanos(value),
                4 => e.down_at = Timestamp::from_nanos(value),
                5 => e.check_due = Timestamp::from_nanos(value),
                6 => e.flags[small as usize] ^= true,
                7 => (e.checker.against, e.checker.falls, e.checker.passes) = (255, 255, 255),
                8 => {
                    e.name = Vec::from(["", "a", "web-1"])
                        .into_iter()
                        .cycle()
                        .nth(small as usize)
                        .map_or_else(String::new, Into::into);
                }
                9 => e.conditions.ready ^= true,
                10 => self.now = Timestamp::from_nanos(value),
                11 => {
                    e.reports = Some(Reports {
                        times: value as u32,
                        calls: value,
                        until: Timestamp::from_nanos(value << 20),
                        ..Reports::default()
                    });
                }
                12 => (e.attempt, e.started_at) = (u32::MAX, Timestamp::MAX),
                _ => {
                    if let Some((_, ramp)) = self.regions.first_mut() {
                        (ramp.share, ramp.from) =
                            ((value >> 40) as u16, (value >> 20) as u16 % 1001);
                    }
                }
            }
        }
    }

    fn damage_service(&mut self, value: u64) {
        let n = self.services.len().max(1) as u64;
        let Some(s) = self.services.get_mut((value % n) as usize) else {
            return;
        };
        let time = Timestamp::from_nanos(value << (value % 40));
        match value / n % 6 {
            0 => {
                s.loss = Loss {
                    since: time,
                    of: value as u32,
                    lost: u32::MAX,
                }
            }
            1 => s.judged_at = time,
            2 => s.dropped = u64::MAX,
            3 => s.config.hold_percent = value as u8,
            4 => s.config.health = None,
            _ => s.config.flap_grace = core::time::Duration::from_nanos(value),
        }
    }
}

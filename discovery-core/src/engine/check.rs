//! What must hold of an engine after every input, computed anew from its records.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::class::Counted;
use super::service::{Loss, Service, Tally};
use super::{Engine, Snapshot};
use crate::effect::Mode;
use crate::hash::mix;
use crate::health::Reports;
use crate::id::ServiceId;
use crate::time::Timestamp;

impl Engine {
    /// Every invariant that can be read off the engine's own state; for tests and fuzzers.
    ///
    /// # Errors
    /// The first one that is broken.
    #[doc(hidden)]
    pub fn check_invariants(&self) -> Result<(), String> {
        for (id, service) in self.services.iter() {
            self.check_service(id, service)?;
        }
        let members: usize = self.services.iter().map(|(_, s)| s.slots.len()).sum();
        match members == self.records.len() {
            true => Ok(()),
            false => Err(format!("{members} members, {} records", self.records.len())),
        }
    }

    fn check_service(&self, id: ServiceId, service: &Service) -> Result<(), String> {
        let (mut tally, mut held, mut sum, mut well) = (Tally::default(), 0, 0u64, 0u32);
        for index in service.slots.members() {
            let record = self.records.get(index);
            let record = record.ok_or(format!("slot of a dead record {index}"))?;
            let slot = record.slot() as usize;
            if record.service() != id || service.slots.at(slot) != Some(index) {
                return Err(format!("{} is not where its service has it", record.name()));
            }
            if self.records.find(record.name()) != Some(index) {
                return Err(format!("{} is not found by its name", record.name()));
            }
            let expected = service.traffic.weight(record.counted());
            let now = self.clock.now();
            record.check_invariants(service.config(), &self.places, expected, now)?;
            tally.shift(Counted::default(), record.counted());
            held += u32::from(record.held());
            sum += u64::from(record.weight());
            well += u32::from(record.usable());
        }
        if !service.traffic.same(&tally) || held != service.holds.len() {
            return Err(format!(
                "service {id:?}: {:?} stored, {tally:?} counted",
                service.traffic
            ));
        }
        if !service.traffic.is_current(service.config().panic_percent) {
            return Err(format!("service {id:?}: {:?}", service.traffic));
        }
        if (well > 0 && sum == 0) || ((sum == 0) != (service.traffic.mode() == Mode::Empty)) {
            return Err(format!(
                "service {id:?} is without traffic though {well} are well"
            ));
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

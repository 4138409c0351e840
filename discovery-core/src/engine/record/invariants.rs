//! What must hold of a record at any time, for tests and fuzzers.

use alloc::format;
use alloc::string::String;

use super::Record;
use crate::config::ServiceConfig;
use crate::engine::class::Class;
use crate::engine::places::Places;
use crate::time::Timestamp;

impl Record {
    /// Whether it could take traffic in some mode.
    pub(in crate::engine) fn usable(&self) -> bool {
        let open = matches!(self.class, Class::Good | Class::Degraded | Class::Fallback);
        open && self.base > 0
    }

    /// # Errors
    /// The first invariant that is broken; `expected` is the weight by its service's division.
    pub(in crate::engine) fn check_invariants(
        &self,
        config: &ServiceConfig,
        places: &Places,
        expected: u32,
        now: Timestamp,
    ) -> Result<(), String> {
        let name = &self.name;
        let (class, status) = (self.classify(places), self.status_for_registry(places));
        if (class, status) != (self.class, self.registration_status) {
            return Err(format!(
                "{name} is {:?} {:?}, not {class:?} {status:?}",
                self.class, self.registration_status
            ));
        }
        if (self.counted_region, self.full) != (self.region.0, self.weight_if_used(places)) {
            return Err(format!("{name} is counted for what it was"));
        }
        if expected != self.weight || (self.base == 0 && self.weight > 0) {
            return Err(format!("{name} weighs {}, not {expected}", self.weight));
        }
        self.check_times(config, now)
    }

    fn check_times(&self, config: &ServiceConfig, now: Timestamp) -> Result<(), String> {
        let (name, check) = (&self.name, config.health.as_ref());
        if let Some(check) = check.filter(|c| self.answers() && c.ttl().is_none() && !self.probing)
            && self.check_due > now.after(check.longest_wait())
        {
            return Err(format!("{name} is not checked for more than an interval"));
        }
        if check.is_some() != (self.check_due < Timestamp::MAX) && self.answers() {
            return Err(format!("{name} is due at {:?}", self.check_due));
        }
        if self.queued > self.check_due.min(self.warm_due) {
            return Err(format!("{name} is due before its timer"));
        }
        if self.up() != (self.down_at == Timestamp::MAX) {
            return Err(format!(
                "{name}: up {} but down at {:?}",
                self.up(),
                self.down_at
            ));
        }
        Ok(())
    }
}

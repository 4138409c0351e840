//! Changes that count as one are carried out.

use alloc::vec::Vec;

use super::Engine;
use super::bulk::{Bulk, rises_first};
use crate::effect::Effect;
use crate::time::Timestamp;

impl Engine {
    /// Carries out changes that count as one.
    pub(super) fn together(
        &mut self,
        now: Timestamp,
        out: &mut Vec<Effect>,
        changes: impl FnOnce(&mut Self, &mut Vec<Effect>),
    ) {
        if self.bulk.is_some() {
            // They are part of more.
            return changes(self, out);
        }
        self.bulk = Some(Bulk::default());
        changes(self, out);
        let bulk = self.bulk.take().unwrap_or_default();
        let mut services = bulk.services;
        let service_of = |i: u32, e: &Self| e.records.get(i).map(|r| r.service);
        services.extend(
            bulk.touched
                .iter()
                .filter_map(|(i, _)| service_of(*i, self)),
        );
        services.retain(|&service| self.follow_tally(now, service, out));
        let from = out.len();
        for (index, reason) in bulk.touched {
            // One that went meanwhile is said below; the members of a service that was divided anew were said.
            if service_of(index, self).is_some_and(|s| !services.contains(&s)) {
                self.say_weight(index, reason, out);
            }
        }
        rises_first(out, from);
        out.extend(bulk.last);
    }
}

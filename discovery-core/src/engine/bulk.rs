//! Changes that count as one: how a service's traffic is divided follows once, when all of them are in, so that no state in
//! between is said (a node whose healthy endpoints leave before its failing ones would look like panic).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Engine;
use crate::effect::{Effect, Reason};
use crate::id::ServiceId;
use crate::time::Timestamp;

/// What is to be said when all changes are in.
#[derive(Clone, Debug, Default)]
pub(super) struct Bulk {
    /// Endpoints that were measured anew, and why.
    pub(super) touched: Vec<(u32, Reason)>,
    /// Services that lost endpoints.
    pub(super) services: BTreeSet<ServiceId>,
    /// Said last: whoever takes over is said first.
    pub(super) last: Vec<Effect>,
}

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

/// Weights that rise are said before those that fall to nothing, so that nobody sees a service without weight.
pub(super) fn rises_first(out: &mut [Effect], from: usize) {
    if let Some(said) = out.get_mut(from..) {
        said.sort_by_key(|e| matches!(e, Effect::SetWeight { weight: 0, .. }));
    }
}

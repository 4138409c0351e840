//! Changes that count as one: how a service's traffic is divided follows once, when all of them are in, so that no state in
//! between is announced (a node whose healthy endpoints leave before its failing ones would look like panic).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::effect::{Effect, Reason};
use crate::id::ServiceId;

/// What is to be announced when all changes are in.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// Endpoints that were measured anew, and why.
    measured: Vec<(u32, Reason)>,
    /// Services that lost endpoints.
    services: BTreeSet<ServiceId>,
    /// Announced last: whoever takes over comes first.
    last: Vec<Effect>,
}

impl Batch {
    /// An endpoint was measured anew.
    pub(super) fn measured(&mut self, index: u32, reason: Reason) {
        self.measured.push((index, reason));
    }

    /// A service lost an endpoint, which is announced by these effects.
    pub(super) fn lost(&mut self, service: ServiceId, effects: &mut Vec<Effect>) {
        self.services.insert(service);
        self.last.append(effects);
    }

    /// All changes are in: who was measured and why, which services lost endpoints, and what is announced last.
    pub(super) fn complete(self) -> (Vec<(u32, Reason)>, BTreeSet<ServiceId>, Vec<Effect>) {
        (self.measured, self.services, self.last)
    }
}

/// Weights that rise are announced before those that fall to nothing, so that nobody sees a service without weight.
pub(super) fn rises_first(out: &mut [Effect], from: usize) {
    if let Some(announced) = out.get_mut(from..) {
        announced.sort_by_key(|e| matches!(e, Effect::SetWeight { weight: 0, .. }));
    }
}

//! Changes that count as one: how a service's traffic is divided follows once, when all of them are in, so that no state in
//! between is said (a node whose healthy endpoints leave before its failing ones would look like panic).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::effect::{Effect, Reason};
use crate::id::ServiceId;

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

/// Weights that rise are said before those that fall to nothing, so that nobody sees a service without weight.
pub(super) fn rises_first(out: &mut [Effect], from: usize) {
    if let Some(said) = out.get_mut(from..) {
        said.sort_by_key(|e| matches!(e, Effect::SetWeight { weight: 0, .. }));
    }
}

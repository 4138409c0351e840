//! Reservations whose workloads are gone, or want them no longer.

use crate::effect::Effect;
use crate::names::WorkloadId;
use crate::object::Workload;
use crate::policy::Retain;
use crate::view::View;
use ipam::Ipam;
use ipam::claim::DEFAULT_INTERFACE;
use std::collections::VecDeque;

/// A pass over the reservations: it is made once, and gone through one by one.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweep {
    wanted: bool,
    found: VecDeque<Effect>,
}

/// Whether a workload says that it wants another retention. One that says nothing, or nothing that can be read, keeps what it has.
pub(super) fn is_unwanted(workload: &Workload) -> bool {
    let policy = workload.policy.as_ref().ok().and_then(Option::as_ref);
    let retention = policy.and_then(|policy| policy.retention);
    retention.is_some_and(|retention| retention != Retain::Fixed)
}

impl Sweep {
    /// Something happened that may end a reservation.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// One that could not be carried out comes again.
    pub(super) fn put_back(&mut self, effect: &Effect) {
        self.found.push_front(effect.clone());
    }

    /// The next reservation to end.
    pub(super) fn next(&mut self, cluster: &str, view: &View, ipam: &Ipam) -> Option<Effect> {
        if self.found.is_empty() && std::mem::take(&mut self.wanted) {
            self.found = found(cluster, view, ipam);
        }
        while let Some(effect) = self.found.pop_front() {
            // It may have been told of meanwhile.
            if let Effect::Unreserve {
                workload,
                slot,
                unwanted,
            } = &effect
                && ipam.is_reserved(slot)
                && unwanted_now(view, workload) == Some(*unwanted)
            {
                return Some(effect);
            }
            if self.found.is_empty() && std::mem::take(&mut self.wanted) {
                self.found = found(cluster, view, ipam);
            }
        }
        None
    }
}

/// Whether a reservation is to end, and if so, whether its workload is there and wants another.
fn unwanted_now(view: &View, workload: &WorkloadId) -> Option<bool> {
    match view.workload(workload) {
        None if !view.covers(&workload.namespace) => None,
        None => Some(false),
        Some(workload) => is_unwanted(workload).then_some(true),
    }
}

fn found(cluster: &str, view: &View, ipam: &Ipam) -> VecDeque<Effect> {
    let mut found: VecDeque<Effect> = VecDeque::new();
    let mut last = "";
    for retained in ipam.retained() {
        let slot = retained.identity.workload;
        // One of several addresses, or none of ours.
        let seen = std::mem::replace(&mut last, slot) == slot;
        if seen || !retained.reserved || retained.identity.interface != DEFAULT_INTERFACE {
            continue;
        }
        if let Some((workload, _)) = WorkloadId::of_slot(cluster, slot)
            && let Some(unwanted) = unwanted_now(view, &workload)
        {
            found.push_back(Effect::Unreserve {
                workload,
                slot: slot.to_owned(),
                unwanted,
            });
        }
    }
    found
}

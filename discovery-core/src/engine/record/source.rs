//! What the source says of an endpoint: a new record, and changes of a known one.

use core::time::Duration;

use super::Record;
use crate::endpoint::EndpointSpec;
use crate::engine::class::Class;
use crate::health::{Checker, Status};
use crate::registry::RegistrationStatus;
use crate::time::Timestamp;

/// What was changed by a spec.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Changed {
    /// It is another process than before.
    pub(in crate::engine) restarted: bool,
    /// It has another address or place.
    pub(in crate::engine) moved: bool,
    /// It was held, and is seen again.
    pub(in crate::engine) returned: bool,
    /// It is looked at at once: a new process, or one that begins or ceases to answer.
    pub(in crate::engine) checked_anew: bool,
}

impl Record {
    /// An endpoint that the source added; `checked`: its service has active checks.
    pub(in crate::engine) fn new(name: &str, spec: &EndpointSpec, checked: bool) -> Self {
        let status = match checked {
            true => Status::Unknown,
            false => Status::Passing,
        };
        Self {
            name: name.into(),
            address: spec.address.into(),
            started_at: spec.started_at,
            warm_from: Timestamp::MAX,
            down_at: Timestamp::ZERO,
            check_due: Timestamp::MAX,
            warm_due: Timestamp::MAX,
            queued: Timestamp::MAX,
            service: spec.service,
            node: spec.node,
            zone: spec.zone,
            region: spec.region,
            generation: 0,
            slot: 0,
            base: spec.base_weight,
            weight: 0,
            full: 0,
            counted_region: spec.region.0,
            attempt: 0,
            warm_permille: 0,
            checker: Checker {
                status,
                ..Checker::default()
            },
            class: Class::Out,
            registration_status: RegistrationStatus::Unknown,
            conditions: spec.conditions,
            alive: true,
            warm: false,
            seen_up: false,
            drained: false,
            probing: false,
            ejected: false,
            held: false,
            unsettled: false,
        }
    }

    /// A registry may know more of it than this engine does.
    pub(in crate::engine) fn set_unsettled(&mut self, unsettled: bool) {
        self.unsettled = unsettled;
    }

    /// Takes a spec over; `None` if it says nothing new. The time of the input is `lead` behind `now`.
    pub(in crate::engine) fn change(
        &mut self,
        spec: &EndpointSpec,
        checked: bool,
        now: Timestamp,
        lead: Duration,
    ) -> Option<Changed> {
        let restarted = self.started_at != spec.started_at;
        let place = (self.address.get(), self.node, self.zone, self.region);
        let moved = place != (spec.address, spec.node, spec.zone, spec.region);
        let answered = self.answers();
        let same = self.base == spec.base_weight && self.conditions == spec.conditions;
        if same && !restarted && !moved && !self.held {
            return None;
        }
        if moved {
            self.address = spec.address.into();
        }
        self.node = spec.node;
        (self.zone, self.region) = (spec.zone, spec.region);
        (self.base, self.conditions) = (spec.base_weight, spec.conditions);
        self.started_at = spec.started_at;
        let returned = core::mem::take(&mut self.held);
        if restarted {
            self.warm_up_from(spec.warm_up_start, now, lead);
            self.seen_up = false;
            self.down_at = Timestamp::ZERO;
            self.ejected = false;
            self.unsettled = false;
            // A new process knows no past.
            if checked {
                self.checker = Checker::default();
            }
        }
        Some(Changed {
            restarted,
            moved,
            returned,
            checked_anew: restarted || answered != self.answers(),
        })
    }
}

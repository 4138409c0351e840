//! How an endpoint counts, and what a registry is told of it.

use super::Record;
use crate::engine::class::Class;
use crate::engine::places::Places;
use crate::health::Status;
use crate::registry::RegistrationStatus;

impl Record {
    /// Works out how it counts. Kubernetes' reading: ready ones are used, else those that still serve.
    pub(super) fn classify(&self, places: &Places) -> Class {
        let (c, status) = (self.conditions, self.checker.status);
        let well = matches!(status, Status::Passing | Status::Degraded) && !self.ejected;
        let leaving = c.terminating || places.drained(self.node, self.region);
        if self.drained || self.base == 0 {
            Class::Out
        } else if leaving {
            if c.serving && well {
                Class::Fallback
            } else {
                Class::Out
            }
        } else if !c.ready {
            Class::Out
        } else if self.ejected {
            Class::Failed
        } else {
            match status {
                Status::Unknown => Class::Pending,
                Status::Failing => Class::Failed,
                Status::Degraded => Class::Degraded,
                Status::Passing => Class::Good,
            }
        }
    }

    /// What a registry is told. Ejections are what callers see, and stay out of it.
    pub(super) fn status_for_registry(&self, places: &Places) -> RegistrationStatus {
        let drained = self.drained || places.drained(self.node, self.region);
        if drained || self.conditions.terminating {
            return RegistrationStatus::Draining;
        }
        if !self.conditions.ready {
            return RegistrationStatus::Failing;
        }
        match self.checker.status {
            Status::Unknown if self.unsettled => RegistrationStatus::Unknown,
            Status::Unknown => RegistrationStatus::Failing,
            Status::Passing => RegistrationStatus::Passing,
            Status::Degraded => RegistrationStatus::Degraded,
            Status::Failing => RegistrationStatus::Failing,
        }
    }

    /// Whether it would be lost if it vanished now: it carries traffic, or would but for its callers.
    pub(in crate::engine) fn carries_traffic(&self) -> bool {
        match self.class {
            Class::Good | Class::Degraded => true,
            Class::Failed => self.ejected,
            _ => false,
        }
    }
}

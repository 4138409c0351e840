//! Which endpoints a zone's traffic may use, by hints.

use alloc::vec::Vec;

use super::Engine;
use super::names::known;
use crate::error::InputError;
use crate::id::{EndpointId, ServiceId, ZoneId};

impl Engine {
    pub(super) fn hint(&mut self, id: EndpointId, zones: &[ZoneId]) -> Result<(), InputError> {
        let index = self.living(id)?;
        for zone in zones {
            known("zone", &self.zones, zone.0)?;
        }
        self.hints.set(index, zones)
    }

    /// The endpoints that a caller in `zone` uses, with their weights in use, in order of slots.
    ///
    /// Kubernetes' rule: if all that are in use have hints, and one of them names the zone, those that name
    /// it; else all that are in use. O(members log endpoints).
    #[must_use]
    pub fn usable_from(&self, service: ServiceId, zone: ZoneId) -> Vec<(EndpointId, u32)> {
        let used: Vec<(EndpointId, u32)> = self
            .endpoints(service)
            .filter(|(_, weight)| *weight > 0)
            .collect();
        let hints = |id: &EndpointId| self.hints.of(id.index);
        let near = |(id, _): &&(EndpointId, u32)| hints(id).contains(&zone);
        let hinted = used.iter().all(|(id, _)| !hints(id).is_empty());
        let mine: Vec<(EndpointId, u32)> = used.iter().filter(near).copied().collect();
        if hinted && !mine.is_empty() {
            mine
        } else {
            used
        }
    }
}

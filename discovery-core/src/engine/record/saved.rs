//! A record as a snapshot has it.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::Record;
use crate::config::ServiceConfig;
use crate::endpoint::MAX_WEIGHT;
use crate::engine::class::Class;
use crate::engine::places::Places;
use crate::engine::saved::SavedEndpoint;
use crate::error::InputError;
use crate::id::{NodeId, RegionId, ServiceId, ZoneId};
use crate::time::Timestamp;

impl Record {
    /// All of it but what others own: its reports, hints, and since when it is held.
    pub(in crate::engine) fn save(&self, now: Timestamp) -> SavedEndpoint {
        SavedEndpoint {
            name: self.name.to_string(),
            at: [self.service.0, self.node.0, self.zone.0, self.region.0],
            address: self.address.get(),
            base: self.base,
            conditions: self.conditions,
            started_at: self.started_at,
            warm_from: self.warm_from,
            down_at: self.down_at,
            // A probe that is under way is asked for again, as the same attempt.
            check_due: if self.probing { now } else { self.check_due },
            weight: self.weight,
            registration_status: self.registration_status,
            checker: self.checker,
            attempt: self.attempt.wrapping_sub(u32::from(self.probing)),
            flags: [
                self.warm,
                self.seen_up,
                self.drained,
                self.ejected,
                self.held,
                self.unsettled,
            ],
            reports: None,
            hints: Vec::new(),
            slot: Some(self.slot),
            held_since: None,
        }
    }

    /// Made again from a snapshot, as an endpoint of a service with this configuration.
    pub(in crate::engine) fn restore(
        saved: &SavedEndpoint,
        config: &ServiceConfig,
        places: &Places,
        now: Timestamp,
    ) -> Result<Self, InputError> {
        let [warm, seen_up, drained, ejected, held, unsettled] = saved.flags;
        let [service, node, zone, region] = saved.at;
        let (node, zone, region) = (NodeId(node), ZoneId(zone), RegionId(region));
        places.known(node, zone, region)?;
        if saved.base > MAX_WEIGHT {
            return Err(InputError::Weight { given: saved.base });
        }
        let mut record = Self {
            name: Box::from(saved.name.as_str()),
            address: saved.address.into(),
            started_at: saved.started_at,
            warm_from: saved.warm_from,
            down_at: saved.down_at,
            check_due: saved.check_due,
            warm_due: Timestamp::MAX,
            queued: Timestamp::MAX,
            service: ServiceId(service),
            node,
            zone,
            region,
            generation: 0,
            slot: 0,
            base: saved.base,
            weight: saved.weight,
            full: 0,
            counted_region: region.0,
            attempt: saved.attempt,
            warm_permille: 0,
            checker: saved.checker,
            class: Class::Out,
            registration_status: saved.registration_status,
            conditions: saved.conditions,
            alive: true,
            warm,
            seen_up,
            drained,
            probing: false,
            // What a configuration without these checks could never end.
            ejected: ejected && config.outlier_detection.is_some(),
            held,
            unsettled,
        };
        if config.health.is_none() {
            record.reset_checker(false);
        }
        record.gauge(config, places, now);
        Ok(record)
    }
}

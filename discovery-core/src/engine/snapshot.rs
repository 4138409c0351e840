//! An engine at rest: what a restart needs so that nothing that did not change is deregistered or warmed anew.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::drain::Ramp;
use super::record::Record;
use super::{Engine, Service};
use crate::config::ServiceConfig;
use crate::endpoint::Conditions;
use crate::health::{Checker, Reports};
use crate::id::ZoneId;
use crate::sync::Standing;
use crate::time::Timestamp;

/// Everything an engine knows, as data. Serialises with the `serde` feature, in formats that describe themselves (JSON,
/// CBOR); what is read back is checked as a whole before an engine is made of it. Numbers whose names were forgotten
/// have empty names.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    pub(super) zones: Vec<String>,
    pub(super) nodes: Vec<(String, bool)>,
    pub(super) centres: Vec<(String, Ramp)>,
    pub(super) services: Vec<KeptService>,
    pub(super) endpoints: Vec<KeptEndpoint>,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct KeptService {
    pub(super) name: String,
    pub(super) config: ServiceConfig,
    pub(super) busy: bool,
    pub(super) loss: super::members::Loss,
    pub(super) judged_at: Timestamp,
    /// How many endpoints went: what a registry may still hold of them.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) dropped: u64,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct KeptEndpoint {
    pub(super) name: String,
    /// Service, node, zone, centre.
    pub(super) at: [u32; 4],
    pub(super) address: SocketAddr,
    pub(super) base: u32,
    pub(super) conditions: Conditions,
    pub(super) started_at: Timestamp,
    pub(super) warm_from: Timestamp,
    pub(super) down_at: Timestamp,
    pub(super) check_due: Timestamp,
    /// As said last.
    pub(super) weight: u32,
    pub(super) standing: Standing,
    pub(super) checker: Checker,
    pub(super) attempt: u32,
    /// Warm, seen up, drained, ejected, held, unsettled.
    pub(super) flags: [bool; 6],
    pub(super) reports: Option<Reports>,
    /// Zones that its hints name.
    pub(super) hints: Vec<ZoneId>,
}

impl Engine {
    /// All of the engine's state. O(endpoints).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let text = |names: &crate::id::Names| -> Vec<String> {
            names
                .iter()
                .map(|name| name.unwrap_or_default().to_string())
                .collect()
        };
        let drained = self.places.node_drained.iter().copied();
        let service = |(name, s): (Option<&str>, &Service)| KeptService {
            name: name.unwrap_or_default().to_string(),
            config: s.config.clone(),
            busy: s.busy,
            loss: s.loss,
            judged_at: s.judged_at,
            dropped: s.dropped,
        };
        let mut endpoints = Vec::with_capacity(self.records.len());
        // By service and slot, so that slots are given again in the same order.
        for s in &self.services {
            for index in s.members() {
                let Some(r) = self.records.get(index) else {
                    continue;
                };
                let hints = self.hints.get(&index).cloned().unwrap_or_default();
                let reports = s.reported.get(r.slot as usize).copied();
                let reports = reports.filter(|r| *r != Reports::default());
                endpoints.push(kept(r, reports, hints));
            }
        }
        Snapshot {
            seed: self.seed,
            now: self.now,
            zones: text(&self.zones),
            nodes: text(&self.places.nodes).into_iter().zip(drained).collect(),
            centres: text(&self.places.centres)
                .into_iter()
                .zip(self.places.ramps.iter().copied())
                .collect(),
            services: self
                .service_names
                .iter()
                .zip(&self.services)
                .map(service)
                .collect(),
            endpoints,
        }
    }
}

fn kept(r: &Record, reports: Option<Reports>, hints: Vec<ZoneId>) -> KeptEndpoint {
    KeptEndpoint {
        name: r.name.to_string(),
        at: [r.service.0, r.node.0, r.zone.0, r.centre.0],
        address: r.address.get(),
        base: r.base,
        conditions: r.conditions,
        started_at: r.started_at,
        warm_from: r.warm_from,
        down_at: r.down_at,
        // A probe that is under way is asked for again.
        check_due: if r.probing {
            Timestamp::ZERO
        } else {
            r.check_due
        },
        weight: r.weight,
        standing: r.standing,
        checker: r.checker,
        attempt: r.attempt,
        flags: [r.warm, r.seen_up, r.drained, r.ejected, r.held, r.unsettled],
        reports,
        hints,
    }
}

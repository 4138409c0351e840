//! Who gets traffic: `discovery-core`'s engine decides, a registry held as data is brought in line each
//! second, and callers know what the registry says.

use super::broken;
use crate::error::Error;
use crate::events::Events;
use crate::figures::Figures;
use discovery_core::endpoint::{NodeId, RegionId, ServiceId, WarmUpStart, ZoneId};
use discovery_core::engine::DrainTarget;
use discovery_core::health::{CheckKind, HealthCheck, ProbeOutcome};
use discovery_core::pick::LowDiscrepancy;
use discovery_core::registry::{Op, diff, transactions};
use discovery_core::warm_up::WarmUp;
use discovery_core::{
    Effect, EndpointId, EndpointSpec, Engine, Input, Picker, Registry, ServiceConfig, Timestamp,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Base weight of every endpoint.
const WEIGHT: u32 = 100;
/// The window of a warm-up.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Rounds of probes and answers within one second; a probe's answer may ask for another.
const PROBE_ROUNDS: usize = 4;
/// Our mark in the registry.
const OWNER: &str = "berth-replay";

/// A service: its id, name and picker, whether the registry has to be looked at, and the share check.
pub(super) struct Service {
    id: ServiceId,
    pub(super) name: String,
    pub(super) picker: LowDiscrepancy,
    dirty: bool,
    pub(super) total: u64,
    pub(super) picked: Vec<u64>,
    pub(super) expected: Vec<f64>,
}

/// An endpoint as callers know it.
struct Known {
    replica: usize,
    endpoint: EndpointId,
    slot: usize,
}

/// The engine, the registry and what callers know.
pub(super) struct Traffic {
    pub(super) engine: Engine,
    registry: Registry,
    pub(super) services: Vec<Service>,
    nodes: Vec<NodeId>,
    zones: Vec<ZoneId>,
    regions: Vec<RegionId>,
    known: BTreeMap<String, Known>,
    effects: Vec<Effect>,
    probes: Vec<(EndpointId, u32)>,
    /// Until the first step.
    eve: bool,
}

/// Seconds before the first, in which all that runs when the day begins is checked: first checks of many endpoints are
/// spread over an interval.
const EVE: u64 = 10;

pub(super) fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(EVE + second)
}

impl Traffic {
    /// An engine with every service, node and region, and no endpoint.
    pub(super) fn new(
        seed: u64,
        services: &[String],
        hosts: &[String],
        region_of: &[usize],
        warm: bool,
    ) -> Result<Self, Error> {
        let mut engine = Engine::new(seed);
        let fault = |e: &dyn std::fmt::Display| broken(0, "discovery-core", e);
        let mut out = Vec::with_capacity(services.len());
        for name in services {
            let mut check = HealthCheck::new(CheckKind::Tcp);
            check.jitter_percent = 10;
            let warm_up = if warm {
                WarmUp::envoy(WINDOW)
            } else {
                WarmUp::Off
            };
            let config = ServiceConfig::default()
                .with_health(check)
                .with_warm_up(warm_up);
            let id = engine.service(name, config).map_err(|e| fault(&e))?;
            let picker = LowDiscrepancy::new(&[], seed ^ id.index() as u64);
            let (name, dirty, total) = (name.clone(), false, 0);
            out.push(Service {
                id,
                name,
                picker,
                dirty,
                total,
                picked: Vec::new(),
                expected: Vec::new(),
            });
        }
        let mut nodes = Vec::with_capacity(hosts.len());
        let (mut zones, mut regions) = (Vec::new(), Vec::new());
        for (host, &region) in hosts.iter().zip(region_of) {
            nodes.push(engine.node(host).map_err(|e| fault(&e))?);
            let name = format!("region-{region}");
            zones.push(engine.zone(&name).map_err(|e| fault(&e))?);
            regions.push(engine.region(&name).map_err(|e| fault(&e))?);
        }
        let (known, effects, probes) = (BTreeMap::new(), Vec::new(), Vec::new());
        let registry = Registry::new();
        Ok(Self {
            engine,
            registry,
            services: out,
            nodes,
            zones,
            regions,
            known,
            effects,
            probes,
            eve: true,
        })
    }

    fn told(&mut self, second: u64, input: Input<'_>) -> Result<(), Error> {
        let now = if self.eve {
            Timestamp::ZERO
        } else {
            at(second)
        };
        self.told_at(now, second, input)
    }

    fn told_at(&mut self, now: Timestamp, second: u64, input: Input<'_>) -> Result<(), Error> {
        let told = self.engine.handle(now, input, &mut self.effects);
        told.map_err(|e| broken(second, "discovery-core", &e))
    }

    /// A replica is up at `address`: from now on it is probed and, once it passes, given traffic.
    pub(super) fn start(
        &mut self,
        second: u64,
        name: &str,
        (replica, service, host): (usize, usize, usize),
        address: IpAddr,
        warm: bool,
    ) -> Result<(), Error> {
        let spec = EndpointSpec::new(
            self.services[service].id,
            self.nodes[host],
            self.zones[host],
            self.regions[host],
            SocketAddr::new(address, 8080),
        )
        .with_base_weight(WEIGHT)
        .with_started_at(at(second))
        .with_warm_up_start(if warm {
            WarmUpStart::Done
        } else {
            WarmUpStart::WhenHealthy
        });
        self.told(second, Input::Upsert { name, spec })?;
        let endpoint = self.engine.find(name);
        let slot = endpoint
            .and_then(|e| self.engine.endpoint(e))
            .map(|e| e.slot);
        let (Some(endpoint), Some(slot)) = (endpoint, slot) else {
            return Err(broken(
                second,
                "discovery-core",
                &format!("{name} was added and is not there"),
            ));
        };
        self.known.insert(
            name.to_owned(),
            Known {
                replica,
                endpoint,
                slot,
            },
        );
        Ok(())
    }

    /// Takes a replica out of rotation; after the next sync it has no traffic.
    pub(super) fn drain(&mut self, second: u64, name: &str) -> Result<(), Error> {
        let Some(known) = self.known.get(name) else {
            return Ok(());
        };
        let target = DrainTarget::Endpoint(known.endpoint);
        self.told(
            second,
            Input::Drain {
                target,
                on: true,
                over: Duration::ZERO,
            },
        )
    }

    /// A replica is gone.
    pub(super) fn stop(&mut self, second: u64, name: &str) -> Result<(), Error> {
        self.told(second, Input::Remove { name })?;
        // A drain is the name's until it is ended.
        self.told(second, Input::DrainName { name, on: false })
    }

    /// Whether the engine gives this replica its whole weight: warm, passing, not draining.
    pub(super) fn warm(&self, name: &str) -> bool {
        let endpoint = self
            .known
            .get(name)
            .and_then(|k| self.engine.endpoint(k.endpoint));
        endpoint.is_some_and(|e| e.weight == e.base_weight.saturating_mul(1_000))
    }

    /// A second of the engine's life: what is due fires, probes are answered (`up` says which replicas
    /// answer), the registry is brought in line, and `factor` is told each replica's weight over its base
    /// weight as callers know it from now on.
    pub(super) fn step(
        &mut self,
        second: u64,
        figures: &mut Figures,
        events: &mut Events,
        up: impl Fn(usize) -> bool,
        mut factor: impl FnMut(usize, &str, f32),
    ) -> Result<(), Error> {
        if std::mem::take(&mut self.eve) {
            for before in 0..EVE {
                self.advance(Timestamp::from_secs(before), second, figures, events, &up)?;
            }
        }
        self.advance(at(second), second, figures, events, &up)?;
        self.sync(second, figures, events, &mut factor)
    }

    /// What is due by `now` fires, and probes are answered.
    fn advance(
        &mut self,
        now: Timestamp,
        second: u64,
        figures: &mut Figures,
        events: &mut Events,
        up: &impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        if self.engine.next_deadline().is_some_and(|due| due <= now) {
            self.told_at(now, second, Input::Time)?;
        }
        for _ in 0..PROBE_ROUNDS {
            self.take(second, figures, events);
            if self.probes.is_empty() {
                break;
            }
            let probes = std::mem::take(&mut self.probes);
            for &(endpoint, attempt) in &probes {
                // One that was removed since it was to be probed answers nobody.
                let Some(endpoint_now) = self.engine.endpoint(endpoint) else {
                    continue;
                };
                figures.probes += 1;
                let replica = self.known.get(endpoint_now.name).map(|k| k.replica);
                let outcome = if replica.is_some_and(up) {
                    ProbeOutcome::Pass
                } else {
                    ProbeOutcome::Fail
                };
                self.told_at(
                    now,
                    second,
                    Input::Probed {
                        endpoint,
                        attempt,
                        outcome,
                    },
                )?;
            }
            self.probes = probes;
            self.probes.clear();
        }
        Ok(())
    }

    /// Takes in what the engine wants done.
    fn take(&mut self, second: u64, figures: &mut Figures, events: &mut Events) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            let service = match &effect {
                Effect::Probe {
                    endpoint, attempt, ..
                } => {
                    self.probes.push((*endpoint, *attempt));
                    continue;
                }
                Effect::Register { endpoint, .. } | Effect::Update { endpoint, .. } => {
                    self.engine.endpoint(*endpoint).map(|e| e.service)
                }
                Effect::SetWeight { service, .. } => {
                    figures.weight_updates += 1;
                    Some(*service)
                }
                Effect::Deregister { service, .. }
                | Effect::Mode { service, .. }
                | Effect::Hold { service, .. }
                | Effect::Rejected { service, .. } => Some(*service),
                _ => None,
            };
            if let Some(service) = service.and_then(|id| self.services.get_mut(id.index())) {
                service.dirty = true;
            }
            if events.wants("discovery-core") {
                self.say(second, &effect, events);
            }
        }
        self.effects = effects;
    }

    /// Brings the registry in line with the engine, service by service where something changed, and tells
    /// what callers now know.
    fn sync(
        &mut self,
        second: u64,
        figures: &mut Figures,
        events: &mut Events,
        factor: &mut impl FnMut(usize, &str, f32),
    ) -> Result<(), Error> {
        for service in self.services.iter_mut().filter(|s| s.dirty) {
            service.dirty = false;
            let ops = diff(
                &service.name,
                self.engine.registrations(service.id),
                &self.registry,
                OWNER,
            );
            for op in transactions(&ops).flatten() {
                self.registry
                    .apply(op)
                    .map_err(|e| broken(second, "discovery-core", &e))?;
                figures.registry_updates += 1;
                let (name, weight) = (op.name(), op.entry().map_or(0, |entry| entry.weight));
                let Some(known) = self.known.get(name) else {
                    continue;
                };
                service.total -= u64::from(service.picker.weight(known.slot));
                service.total += u64::from(weight);
                service.picker.set_weight(known.slot, weight);
                let part = weight as f32 / (WEIGHT * 1_000) as f32;
                factor(known.replica, name, part);
                if matches!(op, Op::Deregister { .. }) {
                    self.known.remove(name);
                }
            }
            let again = diff(
                &service.name,
                self.engine.registrations(service.id),
                &self.registry,
                OWNER,
            );
            if !again.is_empty() {
                let what = format!(
                    "the registry of {} has not converged: {} operations left",
                    service.name,
                    again.len()
                );
                return Err(broken(second, "discovery-core", &what));
            }
            if !ops.is_empty() && events.wants("discovery-core") {
                let reason = "the registry differs from the engine";
                let data = json!({"operations": ops.len()});
                events.say(
                    second,
                    "discovery-core",
                    "sync",
                    &service.name,
                    reason,
                    data,
                );
            }
        }
        Ok(())
    }
}

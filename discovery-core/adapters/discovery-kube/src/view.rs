//! What is known of a cluster, and how an engine is told of it.

use crate::slice::{Member, Slice};
use discovery_core::endpoint::Conditions;
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, EndpointSpec, Engine, Input, InputError, ServiceConfig, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Of what is not told.
const UNNAMED: &str = "default";
/// Weights move at least this often while a service warms up, in seconds.
const STEP_S: f64 = 0.5;

/// Where a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) zone: Option<String>,
    pub(crate) region: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct View {
    nodes: BTreeMap<String, Place>,
    /// By `NAMESPACE/NAME`.
    slices: BTreeMap<String, Slice>,
    /// The slices of each Service.
    services: BTreeMap<String, BTreeSet<String>>,
    /// Services that the engine has not been told of as they are.
    changed: BTreeSet<String>,
    /// By Service, the engine's services: one a port.
    told: BTreeMap<String, BTreeSet<String>>,
    /// The engine may know services that are gone: it was restored.
    unsure: bool,
}

impl View {
    /// All is as these say, and nothing else is.
    pub(crate) fn list(&mut self, slices: BTreeMap<String, Slice>) {
        let gone: Vec<String> = self.slices.keys().cloned().collect();
        for key in gone.iter().filter(|key| !slices.contains_key(*key)) {
            self.remove(key);
        }
        for (key, slice) in slices {
            self.put(key, Some(slice));
        }
        self.unsure = true;
    }

    pub(crate) fn slice(&self, key: &str) -> Option<&Slice> {
        self.slices.get(key)
    }

    /// A slice is so now; `None`: it belongs to no Service.
    pub(crate) fn put(&mut self, key: String, slice: Option<Slice>) {
        let known = self.slices.get(&key);
        if known == slice.as_ref() {
            return;
        }
        self.remove(&key);
        if let Some(slice) = slice {
            self.changed.insert(slice.service.clone());
            let keys = self.services.entry(slice.service.clone()).or_default();
            keys.insert(key.clone());
            self.slices.insert(key, slice);
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        let Some(slice) = self.slices.remove(key) else {
            return;
        };
        if let Some(keys) = self.services.get_mut(&slice.service) {
            keys.remove(key);
            if keys.is_empty() {
                self.services.remove(&slice.service);
            }
        }
        self.changed.insert(slice.service);
    }

    /// All nodes.
    pub(crate) fn list_nodes(&mut self, nodes: BTreeMap<String, Place>) {
        if self.nodes != nodes {
            self.nodes = nodes;
            self.changed.extend(self.services.keys().cloned());
        }
    }

    /// A node is there, or elsewhere, or gone.
    pub(crate) fn node(&mut self, name: &str, place: Option<Place>) {
        if self.nodes.get(name) == place.as_ref() {
            return;
        }
        match place {
            Some(place) => self.nodes.insert(name.to_owned(), place),
            None => self.nodes.remove(name),
        };
        let on_it = |slice: &&Slice| {
            slice
                .members
                .iter()
                .any(|m| m.node.as_deref() == Some(name))
        };
        let services = self
            .slices
            .values()
            .filter(on_it)
            .map(|s| s.service.clone());
        self.changed.extend(services);
    }

    /// Whether there is something to tell.
    pub(crate) fn has_news(&self) -> bool {
        self.unsure || !self.changed.is_empty()
    }

    /// Tells the engine of each service that changed, as a whole; gives back what it refused.
    pub(crate) fn tell(
        &mut self,
        config: &ServiceConfig,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        let mut refused = Vec::new();
        let mut told = std::mem::take(&mut self.told);
        for service in std::mem::take(&mut self.changed) {
            let ports = self.ports(&service);
            let before = told.remove(&service).unwrap_or_default();
            for gone in before.iter().filter(|name| !ports.contains_key(*name)) {
                refused.extend(empty(gone, engine, now, out).err());
            }
            if !ports.is_empty() {
                let names = ports.keys().cloned().collect();
                told.insert(service.clone(), names);
            }
            let config = self.config(&service, config);
            for (name, members) in &ports {
                let taken = self.snapshot(name, members, &config, engine, now, out);
                refused.extend(taken.err());
            }
        }
        if std::mem::take(&mut self.unsure) {
            let there: BTreeSet<&str> = told.values().flatten().map(|name| &**name).collect();
            let known = engine.services().map(|(_, name)| name.to_owned());
            let gone: Vec<String> = known.filter(|name| !there.contains(&**name)).collect();
            for name in gone {
                refused.extend(empty(&name, engine, now, out).err());
            }
        }
        self.told = told;
        refused
    }

    /// The engine's services of a Service, and their endpoints by name.
    fn ports(&self, service: &str) -> BTreeMap<String, BTreeMap<String, (&Member, u16)>> {
        let mut ports: BTreeMap<_, BTreeMap<String, (&Member, u16)>> = BTreeMap::new();
        let keys = self.services.get(service).into_iter().flatten();
        for slice in keys.filter_map(|key| self.slices.get(key)) {
            for (port, number) in &slice.ports {
                let name = match &**port {
                    "" => service.to_owned(),
                    port => format!("{service}:{port}"),
                };
                let members = ports.entry(name.clone()).or_default();
                for member in &slice.members {
                    let id = format!("{name}/{}", member.name);
                    let held = members.get(&id).map(|(held, _)| usable(held.conditions));
                    if held.is_none_or(|held| held < usable(member.conditions)) {
                        members.insert(id, (member, *number));
                    }
                }
            }
        }
        ports
    }

    fn config(&self, service: &str, config: &ServiceConfig) -> ServiceConfig {
        let keys = self.services.get(service).into_iter().flatten();
        let slices = keys.filter_map(|key| self.slices.get(key));
        match slices.filter_map(|slice| slice.warm_up).max() {
            None => config.clone(),
            Some(window) if window.is_zero() => config.clone().with_warm_up(WarmUp::Off),
            Some(window) => {
                let step = (1000.0 * STEP_S / window.as_secs_f64()).clamp(1.0, 50.0);
                let config = config.clone().with_warm_up(WarmUp::envoy(window));
                config.with_weight_step_permille(step as u16)
            }
        }
    }

    fn snapshot(
        &self,
        name: &str,
        members: &BTreeMap<String, (&Member, u16)>,
        config: &ServiceConfig,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let service = match engine.find_service(name) {
            Some(service) => {
                engine.handle(now, Input::Configure { service, config }, out)?;
                service
            }
            None => engine.service(name, config.clone())?,
        };
        let mut endpoints = Vec::new();
        for (id, (member, port)) in members {
            let node = member.node.as_deref();
            let place = node.and_then(|node| self.nodes.get(node));
            let zone = place.and_then(|p| p.zone.as_deref());
            let zone = zone.or(member.zone.as_deref()).unwrap_or(UNNAMED);
            let region = place.and_then(|p| p.region.as_deref());
            let spec = EndpointSpec::new(
                service,
                engine.node(node.unwrap_or(UNNAMED))?,
                engine.zone(zone)?,
                engine.region(region.unwrap_or(UNNAMED))?,
                SocketAddr::new(member.address, *port),
            );
            endpoints.push((&**id, spec.with_conditions(member.conditions)));
        }
        let endpoints = &endpoints;
        engine.handle(now, Input::Snapshot { service, endpoints }, out)
    }
}

/// Which of two reports of one endpoint counts.
fn usable(conditions: Conditions) -> (bool, bool, bool) {
    (
        conditions.ready,
        conditions.serving,
        !conditions.terminating,
    )
}

fn empty(
    name: &str,
    engine: &mut Engine,
    now: Timestamp,
    out: &mut Vec<Effect>,
) -> Result<(), InputError> {
    let Some(service) = engine.find_service(name) else {
        return Ok(());
    };
    let endpoints = &[];
    engine.handle(now, Input::Snapshot { service, endpoints }, out)
}

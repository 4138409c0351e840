//! The engine as a source.

use crate::container::Container;
use crate::follow::{Follower, Known, Shared};
use crate::view::Service;
use async_trait::async_trait;
use discovery_core::driver::Source;
use discovery_core::endpoint::ServiceId;
use discovery_core::{Effect, EndpointSpec, Engine, Input, InputError, Timestamp};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// What is said of an engine's containers where labels say nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The node of all of them; what the engine calls its host, where there is none.
    pub node: Option<String>,
    /// Their zone.
    pub zone: String,
    /// Their region.
    pub region: String,
    /// The address of containers that share the host's network, 127.0.0.1 unless told.
    pub host: IpAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: None,
            zone: "default".into(),
            region: "default".into(),
            host: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

/// Follows the containers of an engine, in a task of its own, which ends when this is dropped.
#[derive(Debug)]
pub struct DockerSource {
    settings: Settings,
    shared: Arc<Shared>,
    /// What was told last.
    told: u64,
    task: JoinHandle<()>,
}

impl DockerSource {
    /// Begins to follow the engine with this socket; `say` is told what is wrong, each time once. Nothing is told to an engine before
    /// everything was listed for the first time, however long that takes.
    ///
    /// # Panics
    /// Outside a tokio runtime with its clock and its I/O.
    #[must_use]
    pub fn start(
        socket: impl AsRef<Path>,
        settings: Settings,
        say: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let follower = Follower {
            socket: socket.as_ref().to_owned(),
            host: settings.host,
            shared: Arc::clone(&shared),
            say,
            said: BTreeSet::new(),
        };
        Self {
            settings,
            shared,
            told: 0,
            task: tokio::spawn(follower.run()),
        }
    }
}

impl Drop for DockerSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl Source for DockerSource {
    async fn wait(&mut self) {
        while self.shared.with(|known| known.version) == self.told {
            self.shared.changed.notified().await;
        }
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        let (settings, told) = (&self.settings, self.told);
        let version = self.shared.with(|known| {
            let fresh = known.version != told;
            (
                known.version,
                if fresh {
                    tell(known, settings, engine, now, out)
                } else {
                    Vec::new()
                },
            )
        });
        self.told = version.0;
        version.1
    }
}

/// Tells all that is known, each service as a whole.
fn tell(
    known: &Known,
    settings: &Settings,
    engine: &mut Engine,
    now: Timestamp,
    out: &mut Vec<Effect>,
) -> Vec<InputError> {
    let services = known.view.services();
    let mut refused = Vec::new();
    for (name, service) in &services {
        moved_away(name, service, engine, now, out);
    }
    let node = settings.node.as_deref().unwrap_or(&known.node);
    for (name, service) in &services {
        let told = configured(name, service, engine, now, out).and_then(|id| {
            let endpoints = specs(service, id, (node, settings), engine, &mut refused);
            let endpoints = &endpoints;
            engine.handle(
                now,
                Input::Snapshot {
                    service: id,
                    endpoints,
                },
                out,
            )
        });
        refused.extend(told.err());
    }
    let gone = engine
        .services()
        .filter(|(_, name)| !services.contains_key(name));
    for service in gone.map(|(id, _)| id).collect::<Vec<_>>() {
        let endpoints = &[];
        let told = engine.handle(now, Input::Snapshot { service, endpoints }, out);
        refused.extend(told.err());
    }
    refused
}

/// A container's name that stands in another service now has left the one it was in.
fn moved_away(
    service_name: &str,
    service: &Service<'_>,
    engine: &mut Engine,
    now: Timestamp,
    out: &mut Vec<Effect>,
) {
    for container in &service.endpoints {
        let name = &*container.name;
        let holder = engine.find(name).and_then(|id| engine.endpoint(id));
        let holder = holder.and_then(|known| engine.service_name(known.service));
        if holder.is_some_and(|holder| holder != service_name) {
            // A name that was found is a good one.
            let _ = engine.handle(now, Input::Remove { name }, out);
        }
    }
}

fn configured(
    name: &str,
    service: &Service<'_>,
    engine: &mut Engine,
    now: Timestamp,
    out: &mut Vec<Effect>,
) -> Result<ServiceId, InputError> {
    let config = service.config;
    let Some(service) = engine.find_service(name) else {
        return engine.service(name, config.clone());
    };
    engine.handle(now, Input::Configure { service, config }, out)?;
    Ok(service)
}

/// The endpoints of a service; whose names are none is told of, and stops no other.
fn specs<'v>(
    service: &Service<'v>,
    id: ServiceId,
    (node, settings): (&str, &Settings),
    engine: &mut Engine,
    refused: &mut Vec<InputError>,
) -> Vec<(&'v str, EndpointSpec)> {
    let mut spec = |container: &Container| {
        let wishes = &container.wishes;
        let node = engine.node(if node.is_empty() { "default" } else { node })?;
        let zone = engine.zone(wishes.zone.as_deref().unwrap_or(&settings.zone))?;
        let region = engine.region(wishes.region.as_deref().unwrap_or(&settings.region))?;
        let spec = EndpointSpec::new(id, node, zone, region, container.address)
            .with_base_weight(wishes.weight)
            .with_conditions(container.conditions)
            .with_started_at(container.begun());
        Ok(spec)
    };
    let mut all = Vec::with_capacity(service.endpoints.len());
    for container in &service.endpoints {
        match spec(container) {
            Ok(spec) => all.push((&*container.name, spec)),
            Err(error) => refused.push(error),
        }
    }
    all
}

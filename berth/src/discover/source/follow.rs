//! An engine that follows a document.

use super::document::{Document, Endpoint, Service};
use discovery_core::endpoint::{MAX_WEIGHT, ServiceId};
use discovery_core::{Effect, EndpointSpec, Engine, Input, InputError, Timestamp};
use std::collections::BTreeSet;

/// Tells the engine all that a document says, each service as a whole. Gives back what was refused.
pub(super) fn follow(
    document: &Document,
    engine: &mut Engine,
    now: Timestamp,
    out: &mut Vec<Effect>,
) -> Vec<String> {
    let mut refused = Vec::new();
    for service in &document.services {
        moved_away(service, engine, now, out);
    }
    for service in &document.services {
        match configured(service, engine, now, out) {
            Ok(id) => snapshot(service, id, engine, (now, out), &mut refused),
            Err(error) => refused.push(format!("service {:?}: {error}", service.name)),
        }
    }
    // What could not be read may be of any service: then nobody is said to be gone.
    if !document.unread {
        let named: BTreeSet<&str> = document.services.iter().map(|s| &*s.name).collect();
        let gone = engine.services().filter(|(_, name)| !named.contains(name));
        for service in gone.map(|(id, _)| id).collect::<Vec<_>>() {
            let endpoints = &[];
            let told = engine.handle(now, Input::Snapshot { service, endpoints }, out);
            refused.extend(told.err().map(|e| e.to_string()));
        }
    }
    refused
}

/// An endpoint that stands in another service now has left the one it was in.
fn moved_away(service: &Service, engine: &mut Engine, now: Timestamp, out: &mut Vec<Effect>) {
    for endpoint in &service.endpoints {
        let name = &*endpoint.id;
        let holder = engine.find(name).and_then(|id| engine.endpoint(id));
        let holder = holder.and_then(|known| engine.service_name(known.service));
        if holder.is_some_and(|holder| holder != service.name) {
            // A name that was found is a good one.
            let _ = engine.handle(now, Input::Remove { name }, out);
        }
    }
}

fn configured(
    service: &Service,
    engine: &mut Engine,
    now: Timestamp,
    out: &mut Vec<Effect>,
) -> Result<ServiceId, InputError> {
    let Some(id) = engine.find_service(&service.name) else {
        return engine.service(&service.name, service.config.clone());
    };
    let config = &service.config;
    let configure = Input::Configure {
        service: id,
        config,
    };
    engine.handle(now, configure, out)?;
    Ok(id)
}

/// What is refused of it is said, and stops nothing else.
fn snapshot(
    service: &Service,
    id: ServiceId,
    engine: &mut Engine,
    (now, out): (Timestamp, &mut Vec<Effect>),
    refused: &mut Vec<String>,
) {
    let mut unread: Vec<&str> = service.unread.iter().map(|name| &**name).collect();
    let mut endpoints = Vec::new();
    for endpoint in &service.endpoints {
        match spec(endpoint, id, engine) {
            Ok(spec) => endpoints.push((&*endpoint.id, spec)),
            Err(error) => {
                refused.push(format!("endpoint {:?}: {error}", endpoint.id));
                unread.push(&endpoint.id);
            }
        }
    }
    // What could not be read is no absence: a record that is refused leaves its endpoint as it is.
    let read = endpoints.len();
    for name in unread {
        if let Some(known) = engine.find(name).and_then(|id| engine.endpoint(id)) {
            let (node, zone, region) = (known.node, known.zone, known.region);
            let spec = EndpointSpec::new(id, node, zone, region, known.address);
            endpoints.push((name, spec.with_base_weight(MAX_WEIGHT + 1)));
        }
    }
    let snapshot = Input::Snapshot {
        service: id,
        endpoints: &endpoints,
    };
    let before = out.len();
    if let Err(error) = engine.handle(now, snapshot, out) {
        refused.push(format!("service {:?}: {error}", service.name));
    }
    let mut place = 0;
    out.retain(|effect| {
        place += 1;
        let Effect::Rejected {
            entry,
            name,
            problem,
            ..
        } = effect
        else {
            return true;
        };
        let here = place > before;
        if here && (*entry as usize) < read {
            refused.push(format!("endpoint {name:?}: {problem}"));
        }
        // That of one that could not be read was told of when it was read.
        !here || (*entry as usize) < read
    });
}

fn spec(
    endpoint: &Endpoint,
    service: ServiceId,
    engine: &mut Engine,
) -> Result<EndpointSpec, InputError> {
    let node = engine.node(&endpoint.node)?;
    let zone = engine.zone(&endpoint.zone)?;
    let region = engine.region(&endpoint.region)?;
    Ok(
        EndpointSpec::new(service, node, zone, region, endpoint.address)
            .with_base_weight(endpoint.weight)
            .with_conditions(endpoint.conditions)
            .with_started_at(endpoint.started_at),
    )
}

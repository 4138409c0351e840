//! What a driver knows, as a document.

use super::super::report::seconds;
use discovery_core::endpoint::ServiceId;
use discovery_core::{Engine, Timestamp};
use serde_json::{Value, json};

pub(in crate::discover) fn show(engine: &Engine, now: Timestamp) -> Value {
    let services: Vec<Value> = engine
        .services()
        .map(|(id, name)| service(engine, id, name))
        .collect();
    json!({
        "time_s": seconds(now),
        "services": services,
        "drains": engine.drains().collect::<Vec<_>>(),
    })
}

fn service(engine: &Engine, service: ServiceId, name: &str) -> Value {
    let endpoint = |(id, weight)| {
        let known = engine.endpoint(id)?;
        let registration = engine.registration(id)?;
        Some(json!({
            "id": known.name,
            "address": known.address.to_string(),
            "node": registration.node,
            "zone": registration.zone,
            "region": registration.region,
            "base_weight": known.base_weight,
            "weight": f64::from(weight) / 1e3,
            "warm_permille": known.warm_permille,
            "status": registration.status.to_string(),
            "draining": known.draining,
            "held": known.held,
        }))
    };
    let endpoints: Vec<Value> = engine.endpoints(service).filter_map(endpoint).collect();
    json!({
        "name": name,
        "mode": engine.mode(service).to_string(),
        "held": engine.held(service),
        "endpoints": endpoints,
    })
}

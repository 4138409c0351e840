//! The engine at size: updates a second, bytes an endpoint.

use std::time::Duration;

use discovery_core::endpoint::Conditions;
use discovery_core::health::{CheckKind, HealthCheck, ProbeOutcome};
use discovery_core::rng;
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};
use rand::RngExt as _;

use crate::measure::ns_per_call;
use crate::{Figure, Judge, Limit, Measured};

const ENDPOINTS: usize = 100_000;
const SERVICES: usize = 500;

/// An engine that knows 500 services on 2,000 nodes, and what a source would say of 100,000 endpoints in them.
fn told() -> Result<(Engine, Vec<(String, EndpointSpec)>), String> {
    let text = |e: discovery_core::InputError| e.to_string();
    let mut engine = Engine::new(1);
    let mut endpoints = Vec::with_capacity(ENDPOINTS);
    let config = ServiceConfig::default()
        .with_health(HealthCheck::new(CheckKind::Tcp))
        .with_warm_up(WarmUp::envoy(Duration::from_secs(60)));
    for i in 0..ENDPOINTS {
        let service = engine.service(&format!("service-{:03}", i % SERVICES), config.clone());
        let spec = EndpointSpec::new(
            service.map_err(text)?,
            engine.node(&format!("node-{}", i % 2_000)).map_err(text)?,
            engine.zone(&format!("zone-{}", i % 6)).map_err(text)?,
            engine.region(&format!("region-{}", i % 2)).map_err(text)?,
            ([10, (i >> 16) as u8, (i >> 8) as u8, i as u8], 8080).into(),
        );
        endpoints.push((format!("service-{:03}/pod-{i:06}", i % SERVICES), spec));
    }
    Ok((engine, endpoints))
}

/// Tells the engine of all endpoints, each checked and warming.
fn fill(engine: &mut Engine, endpoints: &[(String, EndpointSpec)]) -> Result<(), String> {
    let text = |e: discovery_core::InputError| e.to_string();
    let mut out: Vec<Effect> = Vec::new();
    for (name, spec) in endpoints {
        engine
            .handle(
                Timestamp::ZERO,
                Input::Upsert { name, spec: *spec },
                &mut out,
            )
            .map_err(text)?;
        for effect in std::mem::take(&mut out) {
            if let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            {
                let input = Input::Probed {
                    endpoint,
                    attempt,
                    outcome: ProbeOutcome::Pass,
                };
                engine
                    .handle(Timestamp::ZERO, input, &mut out)
                    .map_err(text)?;
            }
        }
        out.clear();
    }
    Ok(())
}

/// Updates in random order; each changes the endpoint: its weight, or it becomes unready, or ready again.
fn updates() -> Result<Measured, String> {
    let (mut engine, mut endpoints) = told()?;
    fill(&mut engine, &endpoints)?;
    let mut rng = rng::stream(3, "updates");
    let order: Vec<usize> = (0..ENDPOINTS)
        .map(|_| rng.random_range(0..ENDPOINTS as u64) as usize)
        .collect();
    let (mut out, now) = (Vec::new(), Timestamp::from_secs(1));
    let mut failed = None;
    let ns = ns_per_call(15, ENDPOINTS, |i| {
        let (name, spec) = &mut endpoints[order[i]];
        if i % 4 == 0 {
            let ready = !spec.conditions.ready;
            spec.conditions = Conditions {
                ready,
                serving: ready,
                terminating: false,
            };
        } else {
            spec.base_weight = 50 + (spec.base_weight + 7) % 100;
        }
        out.clear();
        if let Err(e) = engine.handle(now, Input::Upsert { name, spec: *spec }, &mut out) {
            failed = Some(e.to_string());
        }
    })?;
    failed.map_or(Ok(Measured::alone(1e9 / ns)), Err)
}

/// Resident bytes an endpoint, all included (names, timers, indices, spare capacity in use): what a second
/// and a third engine add once the first has taken whatever memory lay free.
fn bytes() -> Result<Measured, String> {
    let (empty, endpoints) = told()?;
    let mut engines = [empty.clone(), empty.clone(), empty];
    let (mut before, mut filled) = (0.0, 0);
    for (i, engine) in engines.iter_mut().enumerate() {
        fill(engine, &endpoints)?;
        if i == 0 {
            before = resident()?;
        } else {
            filled += engine.len();
        }
    }
    Ok(Measured::alone((resident()? - before) / filled as f64))
}

fn resident() -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/self/statm").map_err(|e| e.to_string())?;
    let pages: f64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|f| f.parse().ok())
        .ok_or("no resident size in /proc/self/statm")?;
    Ok(pages * 4096.0)
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    vec![
        Figure {
            id: "discovery/updates",
            what: "endpoint updates a second into an engine of 100,000",
            unit: "per s",
            judge: Judge::Ours,
            must: Limit::AtLeast(500_000.0),
            aim: Limit::AtLeast(1_000_000.0),
            long: false,
            run: updates,
        },
        Figure {
            id: "discovery/bytes",
            what: "resident bytes an endpoint in an engine of 100,000",
            unit: "bytes",
            judge: Judge::Ours,
            must: Limit::AtMost(400.0),
            aim: Limit::AtMost(250.0),
            long: false,
            run: bytes,
        },
    ]
}

//! `discovery-core`'s main calls: `cargo bench -p benches --bench discovery`. How to read them:
//!
//! - `pick/*`: what each request pays in the caller, among a thousand endpoints with weights from 1 to 100. The
//!   low-discrepancy picker is the default; the others have the behaviour that their names promise and cost this much.
//!   `p2c` includes the end of the request, which feeds its latencies.
//! - `set-weight`: one step of a warm-up in one caller.
//! - `engine/update`: an endpoint's weight changes among ten thousand: what the source's events cost.
//! - `engine/probe`: a probe's result comes in, and the next one is asked for.
//! - `registry/diff`: a service of twenty endpoints compared with what the registry says; agrees.
//! - `admission/ask`: what each request pays in a callee that is still warming up.
#![forbid(unsafe_code)]

mod common;

use common::quick;
use criterion::{Criterion, criterion_group, criterion_main};
use discovery_core::endpoint::ServiceId;
use discovery_core::health::{CallOutcome, CheckKind, HealthCheck, ProbeOutcome};
use discovery_core::pick::{Edf, LowDiscrepancy, Maglev, P2c, PeakEwma, Request};
use discovery_core::pick::{SmoothRoundRobin, WeightedRandom};
use discovery_core::registry::{Registry, diff};
use discovery_core::warm_up::{Admission, AdmissionRules, Curve};
use discovery_core::{Effect, EndpointSpec, Engine, Input, InputError, Picker};
use discovery_core::{ServiceConfig, Timestamp};
use std::time::Duration;

const SLOTS: usize = 1_000;
const ENDPOINTS: usize = 10_000;
const SERVICES: usize = 500;

fn weights() -> Vec<u32> {
    (0..SLOTS).map(|i| 1 + (i as u32 * 37) % 100).collect()
}

fn picks(c: &mut Criterion) {
    let weights = weights();
    let floats: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    let named: Vec<(u64, u32)> = (0_u64..).zip(weights.iter().copied()).collect();
    let pickers: [(&str, Box<dyn Picker>); 5] = [
        (
            "low-discrepancy",
            Box::new(LowDiscrepancy::new(&weights, 1)),
        ),
        ("edf", Box::new(Edf::new(&floats))),
        ("smooth", Box::new(SmoothRoundRobin::new(&weights))),
        (
            "weighted-random",
            Box::new(WeightedRandom::new(&weights, 1)),
        ),
        ("maglev", Box::new(Maglev::new(&named))),
    ];
    let mut group = c.benchmark_group("pick");
    for (name, mut picker) in pickers {
        let mut key = 0_u64;
        group.bench_function(name, |b| {
            b.iter(|| {
                key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
                picker.pick(&Request::default().with_key(key))
            });
        });
    }
    let mut picker = P2c::new(&weights, PeakEwma::default(), 1);
    let (mut now, took) = (Timestamp::from_secs(1), Duration::from_millis(3));
    group.bench_function("p2c", |b| {
        b.iter(|| {
            now = now.after(Duration::from_micros(10));
            let slot = picker.pick(&Request::new(now))?;
            picker.ended(slot, now.after(took), took, CallOutcome::Ok);
            Some(slot)
        });
    });
    group.finish();
    let mut picker = LowDiscrepancy::new(&weights, 1);
    let mut i = 0_u32;
    c.bench_function("set-weight", |b| {
        b.iter(|| {
            i = i.wrapping_add(1);
            picker.set_weight(i as usize % SLOTS, 1 + i % 100);
        });
    });
}

/// An engine that knows the endpoints, each probed once and healthy, and what a source said of them.
struct Told {
    engine: Engine,
    endpoints: Vec<(String, EndpointSpec)>,
    first: ServiceId,
}

impl Told {
    fn new() -> Result<Self, InputError> {
        let mut engine = Engine::new(1);
        let config = ServiceConfig::default().with_health(HealthCheck::new(CheckKind::Tcp));
        let (mut endpoints, mut out) = (Vec::new(), Vec::new());
        for i in 0..ENDPOINTS {
            let service =
                engine.service(&format!("service-{:03}", i % SERVICES), config.clone())?;
            let node = engine.node(&format!("node-{}", i % 200))?;
            let (zone, region) = (engine.zone("a")?, engine.region("north")?);
            let address = ([10, 0, (i >> 8) as u8, i as u8], 8080).into();
            let spec = EndpointSpec::new(service, node, zone, region, address);
            let name = format!("pod-{i:06}");
            engine.handle(
                Timestamp::ZERO,
                Input::Upsert { name: &name, spec },
                &mut out,
            )?;
            endpoints.push((name, spec));
        }
        let first = engine.service("service-000", config)?;
        let mut told = Self {
            engine,
            endpoints,
            first,
        };
        told.answer(Timestamp::ZERO, &mut out)?;
        Ok(told)
    }

    /// Answers the probes among the effects; how many.
    fn answer(&mut self, now: Timestamp, effects: &mut Vec<Effect>) -> Result<usize, InputError> {
        let mut answered = 0;
        for effect in std::mem::take(effects) {
            if let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            {
                let outcome = ProbeOutcome::Pass;
                let probed = Input::Probed {
                    endpoint,
                    attempt,
                    outcome,
                };
                self.engine.handle(now, probed, effects)?;
                answered += 1;
            }
        }
        effects.clear();
        Ok(answered)
    }
}

fn engine(c: &mut Criterion) {
    let mut told = Told::new().expect("names fit");
    let (mut out, now) = (Vec::new(), Timestamp::from_nanos(1));
    let mut i = 0;
    c.bench_function("engine/update", |b| {
        b.iter(|| {
            i = (i + 7_919) % ENDPOINTS;
            let (name, spec) = &mut told.endpoints[i];
            spec.base_weight = 50 + (spec.base_weight + 7) % 100;
            out.clear();
            told.engine
                .handle(now, Input::Upsert { name, spec: *spec }, &mut out)
        });
    });
    out.clear();
    c.bench_function("engine/probe", |b| {
        b.iter(|| {
            let due = told.engine.next_deadline().expect("probes go on");
            told.engine
                .handle(due, Input::Time, &mut out)
                .expect("time only goes on");
            told.answer(due, &mut out).expect("asked for")
        });
    });
    let mut registry = Registry::new();
    let wanted = |told: &Told, registry: &Registry| {
        diff(
            "service-000",
            told.engine.registrations(told.first),
            registry,
            "bench",
        )
    };
    for op in wanted(&told, &registry) {
        registry.apply(&op).expect("nobody else writes here");
    }
    c.bench_function("registry/diff", |b| {
        b.iter(|| assert!(wanted(&told, &registry).is_empty()));
    });
}

fn admission(c: &mut Criterion) {
    let window = Duration::from_secs(1_000_000);
    let rules = AdmissionRules::new(window, Curve::Linear { cold_percent: 10 })
        .with_rate(Some(1_000_000))
        .with_queue(Duration::from_millis(1));
    let admission = Admission::new(rules, Timestamp::from_secs(1)).expect("rules that work");
    let mut now = Timestamp::from_secs(201);
    c.bench_function("admission/ask", |b| {
        b.iter(|| {
            now = now.after(Duration::from_micros(20));
            admission.ask(now)
        });
    });
}

criterion_group! { name = main_paths; config = quick(); targets = picks, engine, admission }
criterion_main!(main_paths);

//! Two replicas start, answer probes, warm up; one is drained: `cargo run -p discovery-core --example discover`.

use discovery_core::engine::DrainTarget;
use discovery_core::health::{CheckKind, HealthCheck, ProbeOutcome};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, EndpointSpec, Engine, Input, InputError, ServiceConfig, Timestamp};
use std::time::Duration;

/// Lets virtual time pass: every probe is answered, what is to be done is printed.
fn run(
    engine: &mut Engine,
    effects: &mut Vec<Effect>,
    (mut now, end): (Timestamp, Timestamp),
) -> Result<(), InputError> {
    loop {
        for effect in std::mem::take(effects) {
            match effect {
                Effect::Probe {
                    endpoint, attempt, ..
                } => {
                    let outcome = ProbeOutcome::Pass;
                    let passed = Input::Probed {
                        endpoint,
                        attempt,
                        outcome,
                    };
                    engine.handle(now, passed, effects)?;
                }
                other => println!("{:>3} s: {other}", now.as_nanos() / 1_000_000_000),
            }
        }
        if !effects.is_empty() {
            continue;
        }
        now = engine.next_deadline().unwrap_or(Timestamp::MAX);
        if now > end {
            return Ok(());
        }
        engine.handle(now, Input::Time, effects)?;
    }
}

fn main() -> Result<(), InputError> {
    let (mut engine, mut effects) = (Engine::new(7), Vec::new());
    let config = ServiceConfig::default()
        .with_health(HealthCheck::new(CheckKind::Tcp))
        .with_warm_up(WarmUp::envoy(Duration::from_secs(30)));
    let service = engine.service("web", config)?;
    for (name, node, address) in [
        ("web-1", "n1", "10.9.0.2:80"),
        ("web-2", "n2", "10.9.0.3:80"),
    ] {
        let spec = EndpointSpec::new(
            service,
            engine.node(node)?,
            engine.zone("a")?,
            engine.region("north")?,
            address.parse().expect("an address"),
        );
        engine.handle(Timestamp::ZERO, Input::Upsert { name, spec }, &mut effects)?;
    }
    let warm = Timestamp::from_secs(40);
    run(&mut engine, &mut effects, (Timestamp::ZERO, warm))?;

    // The node is taken out of service: traffic ends before the replica does.
    let drain = Input::Drain {
        target: DrainTarget::Node(engine.node("n1")?),
        on: true,
        over: Duration::ZERO,
    };
    engine.handle(warm, drain, &mut effects)?;
    run(&mut engine, &mut effects, (warm, Timestamp::from_secs(50)))
}

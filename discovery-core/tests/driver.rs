//! The seams: a source, a prober and a sink in memory, driven by `turn` without a runtime.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;

use async_trait::async_trait;
use discovery_core::{
    CheckKind, Conditions, Effect, EndpointId, EndpointSpec, Engine, HealthCheck, Input,
    InputError, ProbeOutcome, Prober, Registry, ServiceConfig, ServiceId, Sink, Source, Timestamp,
    Warmth, diff, turn,
};

/// Runs a future that never waits for anything outside.
fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

struct Script(VecDeque<(&'static str, EndpointSpec)>, Timestamp);

#[async_trait]
impl Source for Script {
    async fn next(
        &mut self,
        engine: &mut Engine,
        _until: Option<Timestamp>,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        match self.0.pop_front() {
            Some((name, spec)) => engine.handle(self.1, Input::Upsert { name, spec }, out),
            None => Ok(()),
        }
    }
}

#[derive(Default)]
struct AllPass(Vec<(EndpointId, u32, ProbeOutcome)>);

#[async_trait]
impl Prober for AllPass {
    async fn probe(&mut self, _: &Engine, endpoint: EndpointId, _: ServiceId, attempt: u32) {
        self.0.push((endpoint, attempt, ProbeOutcome::Pass));
    }

    async fn results(&mut self) -> Vec<(EndpointId, u32, ProbeOutcome)> {
        std::mem::take(&mut self.0)
    }
}

struct InMemory(Registry);

#[async_trait]
impl Sink for InMemory {
    async fn apply(&mut self, engine: &Engine, _: Timestamp, _: &[Effect]) {
        for (id, name) in engine.services() {
            for op in diff(name, engine.registrations(id), &self.0, "us") {
                self.0.apply(&op).unwrap();
            }
        }
    }
}

#[test]
fn a_turn_takes_news_in_and_carries_effects_out() {
    let mut engine = Engine::new(1);
    let health = Some(HealthCheck::new(CheckKind::Tcp));
    let service = engine
        .service(
            "web",
            ServiceConfig {
                health,
                ..Default::default()
            },
        )
        .unwrap();
    let spec = EndpointSpec {
        service,
        node: engine.node("n").unwrap(),
        zone: engine.zone("z").unwrap(),
        centre: engine.centre("c").unwrap(),
        address: "10.0.0.1:80".parse().unwrap(),
        weight: 1,
        conditions: Conditions::READY,
        started_at: Timestamp::ZERO,
        warmth: Warmth::Cold,
    };
    let now = Timestamp::from_secs(5);
    let heavy = EndpointSpec {
        weight: u32::MAX,
        ..spec
    };
    let mut source = Script(
        VecDeque::from([("a", spec), ("b", heavy), ("c", spec)]),
        now,
    );
    let (mut prober, mut sink) = (AllPass::default(), InMemory(Registry::new()));
    let turns: Vec<_> = (0..4)
        .map(|_| run(turn(&mut engine, now, &mut source, &mut prober, &mut sink)).is_ok())
        .collect();
    assert_eq!(
        turns,
        [true, false, true, true],
        "the second spec is refused, the rest goes on"
    );
    let weights: Vec<_> = sink
        .0
        .service("web")
        .map(|(n, e)| (n.to_owned(), e.weight))
        .collect();
    assert_eq!(weights, [("a".to_owned(), 1_000), ("c".to_owned(), 1_000)]);
}

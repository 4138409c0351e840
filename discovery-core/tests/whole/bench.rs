//! An engine with one service, probes answered at once, everything it said kept.

use std::collections::BTreeSet;

use discovery_core::endpoint::ServiceId;
use discovery_core::engine::Mode;
use discovery_core::health::ProbeOutcome;
use discovery_core::{Effect, EndpointId, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};

pub(crate) fn secs(s: u64) -> Timestamp {
    Timestamp::from_secs(s)
}

pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) service: ServiceId,
    pub(crate) now: Timestamp,
    pub(crate) said: Vec<Effect>,
    pub(crate) failing: BTreeSet<&'static str>,
    spec: EndpointSpec,
}

impl Bench {
    pub(crate) fn new(config: ServiceConfig) -> Self {
        let mut engine = Engine::new(1);
        let service = engine.service("web", config).unwrap();
        let spec = EndpointSpec::new(
            service,
            engine.node("n1").unwrap(),
            engine.zone("a").unwrap(),
            engine.region("north").unwrap(),
            "10.0.0.1:80".parse().unwrap(),
        );
        let (now, said, failing) = (Timestamp::ZERO, Vec::new(), BTreeSet::new());
        Self {
            engine,
            service,
            now,
            said,
            failing,
            spec,
        }
    }

    pub(crate) fn spec(&self) -> EndpointSpec {
        self.spec
    }

    pub(crate) fn id(&self, name: &str) -> EndpointId {
        self.engine.find(name).unwrap()
    }

    pub(crate) fn weight(&self, name: &str) -> u32 {
        self.engine.weight(self.id(name))
    }

    pub(crate) fn mode(&self) -> Mode {
        self.engine.mode(self.service)
    }

    pub(crate) fn put(&mut self, name: &str, change: impl FnOnce(&mut EndpointSpec)) {
        let mut spec = self.spec;
        change(&mut spec);
        let mut out = Vec::new();
        self.engine
            .handle(self.now, Input::Upsert { name, spec }, &mut out)
            .unwrap();
        self.take(out);
    }

    pub(crate) fn tell(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        self.engine.handle(self.now, input, &mut out).unwrap();
        self.take(out);
    }

    /// Answers probes at once and keeps the rest.
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            {
                let fails = self
                    .failing
                    .contains(self.engine.endpoint(endpoint).unwrap().name);
                let outcome = if fails {
                    ProbeOutcome::Fail
                } else {
                    ProbeOutcome::Pass
                };
                self.tell(Input::Probed {
                    endpoint,
                    attempt,
                    outcome,
                });
            } else {
                self.said.push(effect);
            }
        }
    }

    pub(crate) fn run_until(&mut self, until: Timestamp) {
        while let Some(due) = self.engine.next_deadline().filter(|&t| t <= until) {
            self.now = self.now.max(due);
            self.tell(Input::Time);
        }
        self.now = until;
        self.tell(Input::Time);
    }
}

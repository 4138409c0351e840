//! An engine with endpoints, and a driver that probes them.

use async_trait::async_trait;
use discovery_core::driver::Sink;
use discovery_core::health::{CheckKind, HealthCheck, Status};
use discovery_core::{Driver, Effect, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};
use discovery_probe::{Counts, Limits, probes};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) counts: Arc<Counts>,
    driver: Driver<'static>,
    began: Instant,
}

struct NoSink;

#[async_trait]
impl Sink for NoSink {
    fn take(&mut self, _: &Engine, _: Timestamp, _: &[Effect], _: u64) {}
    async fn carry_out(&mut self) {}
}

pub(crate) fn http(path: &str) -> CheckKind {
    CheckKind::Http { path: path.into() }
}

impl World {
    pub(crate) fn new(check: HealthCheck, addresses: &[SocketAddr], limits: Limits) -> Self {
        let began = Instant::now();
        let (prober, outcomes) = probes(move || Timestamp::from(began.elapsed()), limits);
        let mut engine = Engine::new(7);
        let service = engine.service("web", ServiceConfig::default().with_health(check));
        let service = service.expect("a service");
        let place = (engine.node("n"), engine.zone("a"), engine.region("r"));
        let (Ok(node), Ok(zone), Ok(region)) = place else {
            panic!("{place:?}");
        };
        let mut out = Vec::new();
        for (i, address) in addresses.iter().enumerate() {
            let spec = EndpointSpec::new(service, node, zone, region, *address);
            let name = &format!("web-{i}");
            let upsert = Input::Upsert { name, spec };
            // What is to be probed is asked for again by the first deadline.
            engine
                .handle(Timestamp::ZERO, upsert, &mut out)
                .expect("taken");
        }
        // The first probes were asked for already: the engine is told of them anew by a restart.
        let engine = Engine::restore(&engine.snapshot(), Timestamp::ZERO).expect("its own");
        Self {
            engine,
            counts: prober.counts(),
            driver: Driver::new(prober, NoSink).source(outcomes),
            began,
        }
    }

    pub(crate) fn status(&self, i: usize) -> Status {
        let id = self.engine.find(&format!("web-{i}")).expect("known");
        self.engine.endpoint(id).expect("known").status
    }

    /// Drives until something is so.
    pub(crate) async fn until(&mut self, limit: Duration, so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !so(self) {
            assert!(begun.elapsed() < limit, "{:?}", self.counts);
            let now = Timestamp::from(self.began.elapsed());
            let refused = self.driver.run_once(&mut self.engine, now);
            assert!(refused.is_empty(), "{refused:?}");
            let next = self.engine.next_deadline().unwrap_or(Timestamp::MAX);
            let pause = next.since(Timestamp::from(self.began.elapsed()));
            self.driver
                .wait(sleep(pause.min(Duration::from_millis(50))))
                .await;
        }
    }
}

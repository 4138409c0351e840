//! Begins probes.

use crate::counts::Counts;
use crate::limits::Limits;
use crate::outcomes::{Outcome, Outcomes};
use crate::probe::{Permits, Probe};
use discovery_core::driver::Prober;
use discovery_core::endpoint::ServiceId;
use discovery_core::{EndpointId, Engine, Timestamp};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// The clock by which an engine is told the time.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Carries probes out as tasks of the runtime that it is called in.
pub struct Probes {
    clock: Clock,
    permits: Permits,
    counts: Arc<Counts>,
    ended: UnboundedSender<Outcome>,
}

/// A prober, and the source that tells the engine what it found. `clock` is the one by which the engine is told the time.
#[must_use]
pub fn probes(
    clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    limits: Limits,
) -> (Probes, Outcomes) {
    let (ended, outcomes) = unbounded_channel();
    let prober = Probes {
        clock: Arc::new(clock),
        permits: Permits::new(limits),
        counts: Arc::default(),
        ended,
    };
    (prober, Outcomes::new(outcomes))
}

impl Probes {
    /// What became of them, counted from now on too.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }
}

impl Prober for Probes {
    fn probe(
        &mut self,
        engine: &Engine,
        endpoint: EndpointId,
        service: ServiceId,
        attempt: u32,
        deadline: Timestamp,
    ) {
        let check = engine.config(service).and_then(|c| c.health.as_ref());
        let (Some(check), Some(known)) = (check, engine.endpoint(endpoint)) else {
            return;
        };
        let probe = Probe {
            kind: check.kind.clone(),
            address: known.address,
            name: known.name.into(),
            service: engine.service_name(service).unwrap_or_default().into(),
            // As far away by the runtime's clock as by the engine's.
            deadline: Instant::now() + deadline.since((self.clock)()),
        };
        let (permits, counts) = (self.permits.clone(), Arc::clone(&self.counts));
        let (ended, clock) = (self.ended.clone(), Arc::clone(&self.clock));
        tokio::spawn(async move {
            let outcome = probe.carry_out(&permits, &counts).await;
            counts.outcome(outcome);
            let outcome = Outcome {
                endpoint,
                attempt,
                outcome,
                at: clock(),
            };
            // An engine that is gone needs no answer.
            let _ = ended.send(outcome);
        });
    }
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probes")
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

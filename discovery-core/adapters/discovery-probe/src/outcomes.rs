//! Tells an engine what probes gave.

use async_trait::async_trait;
use discovery_core::driver::Source;
use discovery_core::health::ProbeOutcome;
use discovery_core::{Effect, EndpointId, Engine, Input, InputError, Timestamp};
use tokio::sync::mpsc::UnboundedReceiver;

/// What a probe gave, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) endpoint: EndpointId,
    pub(crate) attempt: u32,
    pub(crate) outcome: ProbeOutcome,
    pub(crate) at: Timestamp,
}

/// The source beside [`Probes`](crate::Probes). No more wait in it than probes are under way: each endpoint has one.
#[derive(Debug)]
pub struct Outcomes {
    ended: UnboundedReceiver<Outcome>,
    first: Option<Outcome>,
}

impl Outcomes {
    pub(crate) fn new(ended: UnboundedReceiver<Outcome>) -> Self {
        Self { ended, first: None }
    }
}

#[async_trait]
impl Source for Outcomes {
    async fn wait(&mut self) {
        if self.first.is_some() {
            return;
        }
        self.first = self.ended.recv().await;
        if self.first.is_none() {
            // Its prober is gone: there is never anything again.
            std::future::pending::<()>().await;
        }
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        let mut refused = Vec::new();
        while let Some(outcome) = self.first.take().or_else(|| self.ended.try_recv().ok()) {
            let input = Input::Probed {
                endpoint: outcome.endpoint,
                attempt: outcome.attempt,
                outcome: outcome.outcome,
            };
            match engine.handle(outcome.at.min(now), input, out) {
                // Who went while it was probed is no mistake.
                Ok(()) | Err(InputError::UnknownEndpoint { .. }) => {}
                Err(error) => refused.push(error),
            }
        }
        refused
    }
}

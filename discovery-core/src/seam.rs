//! The seams to the world, and the loop that every driver would write.
//!
//! A seam carries out and reports; it decides nothing. The traits are runtime-free.

use alloc::boxed::Box;
use alloc::vec::Vec;

use async_trait::async_trait;

use crate::effect::Effect;
use crate::engine::Engine;
use crate::error::InputError;
use crate::health::ProbeOutcome;
use crate::id::{EndpointId, ServiceId};
use crate::input::Input;
use crate::time::Timestamp;

/// Where endpoints come from.
#[async_trait]
pub trait Source: Send {
    /// Hands the engine what changed since the last call, through `tell`; empty-handed when nothing did.
    /// Returns at the latest at `until`.
    async fn next(
        &mut self,
        engine: &mut Engine,
        until: Option<Timestamp>,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError>;
}

/// Who checks endpoints.
#[async_trait]
pub trait Prober: Send {
    /// Carries out one probe; its outcome is told through [`Prober::results`] when it is there.
    async fn probe(
        &mut self,
        engine: &Engine,
        endpoint: EndpointId,
        service: ServiceId,
        attempt: u32,
    );

    /// The outcomes since the last call: endpoint, attempt, outcome.
    async fn results(&mut self) -> Vec<(EndpointId, u32, ProbeOutcome)>;
}

/// Registries, proxies, logs: whoever carries effects out.
#[async_trait]
pub trait Sink: Send {
    /// Carries out effects, in order. What fails is the sink's to repeat: its next comparison of
    /// [`Engine::registrations`] with what it holds mends it.
    async fn apply(&mut self, engine: &Engine, now: Timestamp, effects: &[Effect]);
}

/// One turn of the loop at `now`: due times, the source's news and probes' outcomes in, probes and effects
/// out. Its caller waits until [`Engine::next_deadline`] or news, whichever is first.
///
/// # Errors
/// What the engine refused; everything else of the turn has been carried out.
pub async fn turn(
    engine: &mut Engine,
    now: Timestamp,
    source: &mut dyn Source,
    prober: &mut dyn Prober,
    sink: &mut dyn Sink,
) -> Result<(), InputError> {
    let mut out = Vec::new();
    engine.handle(now, Input::Time, &mut out)?;
    let told = source.next(engine, engine.next_deadline(), &mut out).await;
    for (endpoint, attempt, outcome) in prober.results().await {
        // A result for an endpoint that is gone meanwhile is nobody's.
        let _ = engine.handle(
            now,
            Input::Probed {
                endpoint,
                attempt,
                outcome,
            },
            &mut out,
        );
    }
    for effect in &out {
        if let Effect::Probe {
            endpoint,
            service,
            attempt,
            ..
        } = effect
        {
            prober.probe(engine, *endpoint, *service, *attempt).await;
        }
    }
    sink.apply(engine, now, &out).await;
    told
}

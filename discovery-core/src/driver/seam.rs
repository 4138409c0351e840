//! The seams to the world. A seam carries out and reports; it decides nothing. The traits are runtime-free.

use alloc::boxed::Box;
use alloc::vec::Vec;

use async_trait::async_trait;

use crate::effect::Effect;
use crate::engine::Engine;
use crate::error::InputError;
use crate::id::{EndpointId, ServiceId};
use crate::time::Timestamp;

/// Whoever has something to tell an engine: where endpoints come from, what probes gave, how calls ended, what an operator
/// wants. Waiting and telling are apart, so that nobody holds the engine while it waits.
#[async_trait]
pub trait Source: Send {
    /// Waits until there is something to tell, for ever if there never is. Everybody else goes on meanwhile. A
    /// [`Driver`](super::Driver) keeps the future until it ends.
    async fn wait(&mut self);

    /// Tells the engine what there is, which may be nothing, and gives back what it refused. Does not wait. What is
    /// refused does not end the telling.
    ///
    /// What happened before `now` may be told with the time it happened: the engine counts it as the latest told, and a
    /// probe that was answered in time has not failed because the driver was late.
    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError>;
}

/// Who checks endpoints. The outcomes are told by a [`Source`], as [`crate::Input::Probed`].
pub trait Prober: Send {
    /// Begins one probe, which is to be answered by `deadline`. Does not wait for it.
    fn probe(
        &mut self,
        engine: &Engine,
        endpoint: EndpointId,
        service: ServiceId,
        attempt: u32,
        deadline: Timestamp,
    );
}

/// Registries, proxies, logs: whoever carries effects out. Taking them and carrying them out are apart, so that a slow
/// registry does not hold the engine.
#[async_trait]
pub trait Sink: Send {
    /// Takes effects, in order, and what it needs to know of the engine's state to carry them out. `lost` is how many
    /// went before them that had to be left out, since the sink was busy for too long: compare everything then
    /// ([`crate::registry::diff`]). Probes are not among them. Does not wait.
    fn take(&mut self, engine: &Engine, now: Timestamp, effects: &[Effect], lost: u64);

    /// Carries out what was taken. What fails is the sink's to repeat: its next comparison of
    /// [`Engine::registrations`] with what it holds mends it. A [`Driver`](super::Driver) keeps the future until it
    /// ends, and gathers what comes meanwhile for the next [`Sink::take`].
    async fn carry_out(&mut self);
}

#[async_trait]
impl<S: Source + ?Sized> Source for &mut S {
    async fn wait(&mut self) {
        (**self).wait().await;
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        (**self).tell(engine, now, out)
    }
}

impl<P: Prober + ?Sized> Prober for &mut P {
    fn probe(
        &mut self,
        engine: &Engine,
        endpoint: EndpointId,
        service: ServiceId,
        attempt: u32,
        deadline: Timestamp,
    ) {
        (**self).probe(engine, endpoint, service, attempt, deadline);
    }
}

#[async_trait]
impl<S: Sink + ?Sized> Sink for &mut S {
    fn take(&mut self, engine: &Engine, now: Timestamp, effects: &[Effect], lost: u64) {
        (**self).take(engine, now, effects, lost);
    }

    async fn carry_out(&mut self) {
        (**self).carry_out().await;
    }
}

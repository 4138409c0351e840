//! The loop around an engine, and the traits of what is outside: [`Source`], [`Prober`], [`Sink`].
//!
//! The traits belong to no runtime. The [`Driver`] borrows the engine in [`Driver::run_once`] only, which never waits: a slow
//! registry, or a source that has nothing to say, holds up nobody else.

mod seam;

pub use seam::{Prober, Sink, Source};

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use crate::effect::Effect;
use crate::engine::Engine;
use crate::error::InputError;
use crate::input::Input;
use crate::time::Timestamp;

/// The most effects that wait for a busy sink; beyond, the oldest are left out and counted.
const BACKLOG: usize = 65_536;

/// Runs an engine between its seams, in any runtime or none. The engine is borrowed for [`Driver::run_once`] only, which does
/// not wait; in [`Driver::wait`] everybody waits at once, and whoever is ready first ends it. So a source may wait for
/// ever and a sink may be slow: probes leave in time, and outcomes, calls and an operator's wishes are told as they come.
///
/// ```
/// use core::task::{Context, Waker};
/// use discovery_core::driver::{Driver, Prober, Sink, Source};
/// use discovery_core::endpoint::{EndpointId, ServiceId};
/// use discovery_core::{Effect, Engine, InputError, Timestamp};
/// # use std::sync::mpsc::{Receiver, Sender, channel};
/// # struct Quiet;
/// # #[async_trait::async_trait]
/// # impl Source for Quiet {
/// #     async fn wait(&mut self) { core::future::pending().await }
/// #     fn tell(&mut self, _: &mut Engine, _: Timestamp, _: &mut Vec<Effect>) -> Vec<InputError> { Vec::new() }
/// # }
/// # struct None;
/// # impl Prober for None {
/// #     fn probe(&mut self, _: &Engine, _: EndpointId, _: ServiceId, _: u32, _: Timestamp) {}
/// # }
/// # #[async_trait::async_trait]
/// # impl Sink for None {
/// #     fn take(&mut self, _: &Engine, _: Timestamp, _: &[Effect], _: u64) {}
/// #     async fn carry_out(&mut self) {}
/// # }
/// # let (outcomes, pods, operator) = (Quiet, Quiet, Quiet);
/// # let (prober, sink) = (None, None);
/// # let now = || Timestamp::from_secs(1);
/// # async fn sleep_until(_: Option<Timestamp>) {}
/// # async fn run(outcomes: Quiet, pods: Quiet, operator: Quiet, prober: None, sink: None, now: fn() -> Timestamp) {
/// let mut engine = Engine::new(7);
/// let mut driver = Driver::new(prober, sink).source(outcomes).source(pods).source(operator);
/// loop {
///     for refused in driver.run_once(&mut engine, now()) {
///         eprintln!("{refused}");
///     }
///     driver.wait(sleep_until(engine.next_deadline())).await;
///     # break;
/// }
/// # }
/// # let mut running = core::pin::pin!(run(outcomes, pods, operator, prober, sink, now));
/// # let mut context = Context::from_waker(Waker::noop());
/// # assert!(core::future::Future::poll(running.as_mut(), &mut context).is_ready());
/// ```
pub struct Driver<'s> {
    sources: Vec<Seat<'s, Box<dyn Source + 's>>>,
    prober: Box<dyn Prober + 's>,
    sink: Seat<'s, Box<dyn Sink + 's>>,
    backlog: Vec<Effect>,
    lost: u64,
}

type Work<'s, S> = Pin<Box<dyn Future<Output = S> + Send + 's>>;

/// A seam: here, or away at work and back when it is done.
enum Seat<'s, S> {
    Here(S),
    Away(Work<'s, S>),
    /// Between the two; never seen from outside.
    Empty,
}

impl<'s, S: 's> Seat<'s, S> {
    fn send(&mut self, work: impl FnOnce(S) -> Work<'s, S>) {
        *self = match core::mem::replace(self, Seat::Empty) {
            Seat::Here(seam) => Seat::Away(work(seam)),
            other => other,
        };
    }

    /// Whether it has come back just now.
    fn back(&mut self, context: &mut Context<'_>) -> bool {
        let Seat::Away(work) = self else {
            return false;
        };
        let Poll::Ready(seam) = work.as_mut().poll(context) else {
            return false;
        };
        *self = Seat::Here(seam);
        true
    }
}

impl<'s> Driver<'s> {
    /// A driver without sources.
    #[must_use]
    pub fn new(prober: impl Prober + 's, sink: impl Sink + 's) -> Self {
        Self {
            sources: Vec::new(),
            prober: Box::new(prober),
            sink: Seat::Here(Box::new(sink)),
            backlog: Vec::new(),
            lost: 0,
        }
    }

    /// Adds a source. They are heard in this order: outcomes of probes first, so that none is late because of others.
    #[must_use]
    pub fn source(mut self, source: impl Source + 's) -> Self {
        let mut seat = Seat::Here(Box::new(source) as Box<dyn Source + 's>);
        seat.send(wait_for_news);
        self.sources.push(seat);
        self
    }

    /// Hears whoever is ready, fires what is due at `now`, begins probes, and hands effects to the sink if it is not
    /// busy. Gives back what the engine refused; all else has been done. Does not wait.
    pub fn run_once(&mut self, engine: &mut Engine, now: Timestamp) -> Vec<InputError> {
        let (mut out, mut refused) = (Vec::new(), Vec::new());
        for seat in &mut self.sources {
            if let Seat::Here(source) = seat {
                refused.append(&mut source.tell(engine, now, &mut out));
                seat.send(wait_for_news);
            }
        }
        refused.extend(engine.handle(now, Input::Time, &mut out).err());
        for effect in out {
            match effect {
                Effect::Probe {
                    endpoint,
                    service,
                    attempt,
                    deadline,
                    ..
                } => self
                    .prober
                    .probe(engine, endpoint, service, attempt, deadline),
                effect => self.backlog.push(effect),
            }
        }
        self.hand_over(engine, now);
        refused
    }

    fn hand_over(&mut self, engine: &Engine, now: Timestamp) {
        let surplus = self.backlog.len().saturating_sub(BACKLOG);
        self.backlog.drain(..surplus);
        self.lost = self.lost.saturating_add(surplus as u64);
        if self.backlog.is_empty() {
            return;
        }
        let Seat::Here(sink) = &mut self.sink else {
            return;
        };
        sink.take(engine, now, &self.backlog, self.lost);
        self.backlog.clear();
        self.lost = 0;
        self.sink.send(|mut sink| {
            Box::pin(async move {
                sink.carry_out().await;
                sink
            })
        });
    }

    /// Waits until [`Driver::run_once`] has something to do, or until `until` ends, whichever is first. Nobody's waiting or
    /// work is broken off, not even when this future is dropped.
    pub async fn wait(&mut self, until: impl Future<Output = ()>) {
        let mut until = pin!(until);
        poll_fn(|context| {
            let over = until.as_mut().poll(context).is_ready();
            match self.poll(context) || over {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Lets everybody go on; whether there is something to do.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let mut ready = false;
        for seat in &mut self.sources {
            ready |= seat.back(context) || matches!(seat, Seat::Here(_));
        }
        let sink = self.sink.back(context) || matches!(self.sink, Seat::Here(_));
        ready || (sink && !self.backlog.is_empty())
    }
}

impl core::fmt::Debug for Driver<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver")
            .field("sources", &self.sources.len())
            .field("backlog", &self.backlog.len())
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

fn wait_for_news<'s>(mut source: Box<dyn Source + 's>) -> Work<'s, Box<dyn Source + 's>> {
    Box::pin(async move {
        source.wait().await;
        source
    })
}

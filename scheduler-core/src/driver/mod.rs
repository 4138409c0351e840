//! The loop that everybody who protects a cluster would write: samples in, moves out, between two async seams.
//!
//! - [`Sampler`] gives samples, [`Actuator`] carries out moves.
//! - [`Driver`] is generic over both, needs no runtime, never blocks, and holds the [`Protector`] only in calls that do not
//!   wait.

mod seam;

pub use seam::{Actuator, Outcome, Sampler};

use crate::live::{
    ChangeError, Changed, Event, Move, MoveError, MovePlan, Protector, SampleError, UNKNOWN,
};
use crate::model::{ModelBuilder, NodeId, TaskId};
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use thiserror::Error;

type Work<'s, T> = Pin<Box<dyn Future<Output = T> + Send + 's>>;

/// What a protector refused; everything else has been done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DriverError {
    /// A row of samples.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The beginning or the end of a move.
    #[error(transparent)]
    Move(#[from] MoveError),
}

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Round {
    /// Nodes that became overloaded, or no longer are.
    pub events: Vec<Event>,
    /// Moves that ended, with how.
    pub ended: Vec<(TaskId, Outcome)>,
    /// What was planned after that; its moves have begun. Empty where there was nothing new to plan on.
    pub plan: MovePlan,
    /// What the protector refused.
    pub refused: Vec<DriverError>,
}

/// The sampler: here with a row to give, or away waiting for one.
enum Seat<'s, S> {
    Here(S),
    Away(Work<'s, S>),
}

/// One move being carried out; its task is `None` once a change of the cluster has ended the move.
struct Running<'s> {
    task: Option<TaskId>,
    work: Work<'s, Outcome>,
}

/// Runs a protector between its seams, in any runtime or none. The protector is borrowed for [`Driver::run_once`] only,
/// which does not wait; in [`Driver::wait`] sampler and moves go on together, and whoever is ready first ends it. So a
/// sampler may wait for ever and a move may take an hour: neither holds the other up.
///
/// ```
/// use async_trait::async_trait;
/// use scheduler_core::driver::{Actuator, Driver, Outcome, Sampler};
/// use scheduler_core::live::{Move, ProtectorConfig, Sample};
/// use scheduler_core::model::{Node, Resource, Service, Task};
/// use scheduler_core::{Cluster, ModelBuilder, NodeId, Protector, Timestamp};
///
/// struct Constant(Sample);
/// #[async_trait]
/// impl Sampler for Constant {
///     async fn wait(&mut self) {} // a real one sleeps a second
///     fn samples(&mut self, cluster: &Cluster, nodes: &mut [Sample], tasks: &mut [Sample]) {
///         tasks.fill(self.0);
///         for (node, id) in nodes.iter_mut().zip(cluster.model().node_ids()) {
///             *node = cluster.placement().tasks_on(id).len() as Sample * self.0;
///         }
///     }
/// }
/// struct Print;
/// #[async_trait]
/// impl Actuator for Print {
///     async fn carry_out(&self, planned: Move) -> Outcome {
///         println!("{planned}");
///         Outcome::Finished
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
/// for _ in 0..2 {
///     b.node(Node { location: 0, neighbourhood: 0, capacity: &[8000], safety: &[6400] })?;
/// }
/// let service = b.service(Service { spread: 0, per_node: 4 })?;
/// for _ in 0..4 {
///     b.task(Task { service, need: &[0], move_cost: 1 })?;
/// }
/// let cluster = Cluster::new(b.build()?, &[NodeId(0); 4])?;
/// let mut protector = Protector::new(cluster, 0, ProtectorConfig::default())?;
/// let mut driver = Driver::new(Constant(1700), Print);
/// # let mut running = Box::pin(async {
/// for second in 1..60 {
///     let round = driver.run_once(&mut protector, Timestamp::from_secs(second));
///     assert!(round.refused.is_empty());
///     driver.wait(core::future::pending()).await; // or a deadline of your runtime
/// }
/// # });
/// # let mut context = core::task::Context::from_waker(core::task::Waker::noop());
/// # while core::future::Future::poll(running.as_mut(), &mut context).is_pending() {}
/// # drop(running);
/// assert_eq!(protector.cluster().placement().tasks_on(NodeId(1)).len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct Driver<'s, S, A> {
    /// `None` only while the sampler is handed over, never seen from outside.
    sampler: Option<Seat<'s, S>>,
    actuator: Arc<A>,
    running: Vec<Running<'s>>,
    ended: Vec<(TaskId, Outcome)>,
    nodes: Vec<u32>,
    tasks: Vec<u32>,
}

impl<'s, S: Sampler + 's, A: Actuator + 's> Driver<'s, S, A> {
    /// A driver with no move in flight. Moves that a protector began elsewhere are left to whoever began them.
    #[must_use]
    pub fn new(sampler: S, actuator: A) -> Self {
        Self {
            sampler: Some(Seat::Away(wait_for_samples(sampler))),
            actuator: Arc::new(actuator),
            running: Vec::new(),
            ended: Vec::new(),
            nodes: Vec::new(),
            tasks: Vec::new(),
        }
    }

    /// Number of moves that are being carried out, those that a change has ended among them.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Tells the protector which moves have ended and what was sampled, and begins what it plans then. Does not wait;
    /// what begins is carried out in [`Driver::wait`]. O(nodes + tasks), and what [`Protector::plan`] costs.
    pub fn run_once(&mut self, protector: &mut Protector, now: Timestamp) -> Round {
        let mut round = Round::default();
        for (task, outcome) in core::mem::take(&mut self.ended) {
            let end = match outcome {
                Outcome::Finished => protector.finish_move(now, task),
                Outcome::Aborted => protector.abort_move(now, task),
            };
            match end {
                Ok(_) => round.ended.push((task, outcome)),
                Err(error) => round.refused.push(error.into()),
            }
        }
        let sampled = self.observe(protector, now, &mut round);
        if sampled || !round.ended.is_empty() {
            round.plan = protector.plan(now);
            for planned in &round.plan.moves {
                match protector.begin_move(now, planned.task, planned.to) {
                    Ok(_) => self.running.push(self.begin(*planned)),
                    Err(error) => round.refused.push(error.into()),
                }
            }
        }
        round
    }

    /// Takes the row of samples, if there is one; whether the protector took it.
    fn observe(&mut self, protector: &mut Protector, now: Timestamp, round: &mut Round) -> bool {
        let Some(Seat::Here(mut sampler)) = self.sampler.take_if(|s| matches!(s, Seat::Here(_)))
        else {
            return false;
        };
        let cluster = protector.cluster();
        for (row, entries) in [
            (&mut self.nodes, cluster.model().nodes()),
            (&mut self.tasks, cluster.model().tasks()),
        ] {
            row.clear();
            row.resize(entries, UNKNOWN);
        }
        sampler.samples(cluster, &mut self.nodes, &mut self.tasks);
        self.sampler = Some(Seat::Away(wait_for_samples(sampler)));
        match protector.observe(now, &self.nodes, &self.tasks, &mut round.events) {
            Ok(()) => true,
            Err(error) => {
                round.refused.push(error.into());
                false
            }
        }
    }

    fn begin(&self, planned: Move) -> Running<'s> {
        let actuator = Arc::clone(&self.actuator);
        Running {
            task: Some(planned.task),
            work: Box::pin(async move { actuator.carry_out(planned).await }),
        }
    }

    /// [`Protector::change`], after which the driver knows its moves by their new ids. What the change has ended is
    /// carried to its end by the actuator all the same, and its outcome counts no more.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub fn change(
        &mut self,
        protector: &mut Protector,
        now: Timestamp,
        edit: ModelBuilder,
        placed: &[(TaskId, NodeId)],
    ) -> Result<Changed, ChangeError> {
        let changed = protector.change(now, edit, placed)?;
        let goes_on = |task: TaskId| {
            let ended = changed.ended.iter().any(|(m, _)| m.task == task);
            changed.ids.task(task).filter(|_| !ended)
        };
        for running in &mut self.running {
            running.task = running.task.and_then(goes_on);
        }
        let ended = self.ended.iter();
        self.ended = ended
            .filter_map(|(t, o)| Some((goes_on(*t)?, *o)))
            .collect();
        Ok(changed)
    }

    /// Waits until [`Driver::run_once`] has something to do, or until `until` ends, whichever is first. Neither the sampler's
    /// waiting nor a move is broken off, not even when this future is dropped.
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
        let ended = &mut self.ended;
        self.running.retain_mut(|running| {
            let Poll::Ready(outcome) = running.work.as_mut().poll(context) else {
                return true;
            };
            ended.extend(running.task.map(|task| (task, outcome)));
            false
        });
        if let Some(Seat::Away(work)) = &mut self.sampler
            && let Poll::Ready(sampler) = work.as_mut().poll(context)
        {
            self.sampler = Some(Seat::Here(sampler));
        }
        !self.ended.is_empty() || matches!(self.sampler, Some(Seat::Here(_)))
    }
}

impl<S, A> core::fmt::Debug for Driver<'_, S, A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver")
            .field("running", &self.running.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

fn wait_for_samples<'s, S: Sampler + 's>(mut sampler: S) -> Work<'s, S> {
    Box::pin(async move {
        sampler.wait().await;
        sampler
    })
}

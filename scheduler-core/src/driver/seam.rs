//! The seams to the world. A seam measures or carries out and reports; it decides nothing. The traits are runtime-free.

use crate::live::{Cluster, Move, Sample};
use alloc::boxed::Box;
use async_trait::async_trait;

/// Whoever measures nodes and tasks: procfs and cgroups, a metrics server, a trace. Waiting and telling are apart, so that
/// nobody holds the [`Protector`](crate::Protector) while it waits.
#[doc(alias = "metrics")]
#[async_trait]
pub trait Sampler: Send {
    /// Waits until there is a new row of samples, for ever if there never is. A [`Driver`](super::Driver) keeps the
    /// future until it ends; moves go on meanwhile.
    async fn wait(&mut self);

    /// Writes the samples, one for each node and each task of the cluster as it is now, in the unit of the measured
    /// resource. The rows come filled with [`UNKNOWN`](crate::live::UNKNOWN): leave what is not known. Does not wait.
    fn samples(&mut self, cluster: &Cluster, nodes: &mut [Sample], tasks: &mut [Sample]);
}

/// How a move ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The task runs at the destination, the old copy is gone.
    Finished,
    /// The task still runs where it did, the new copy is gone.
    Aborted,
}

/// Whoever carries moves out: evicts and recreates a pod, migrates a container, or only logs (a dry run answers
/// [`Outcome::Aborted`]).
#[doc(alias("evictor", "migrator"))]
#[async_trait]
pub trait Actuator: Send + Sync {
    /// Carries out one move from beginning to end: start the new copy on [`Move::to`], end the old one on [`Move::from`].
    /// Several run at once, as many as the protector's limits let begin. A [`Driver`](super::Driver) keeps the future
    /// until it ends, however often its own waiting is broken off. Limit the time here: a move that never ends counts
    /// against those limits for ever.
    async fn carry_out(&self, planned: Move) -> Outcome;
}

#[async_trait]
impl<S: Sampler + ?Sized> Sampler for &mut S {
    async fn wait(&mut self) {
        (**self).wait().await;
    }

    fn samples(&mut self, cluster: &Cluster, nodes: &mut [Sample], tasks: &mut [Sample]) {
        (**self).samples(cluster, nodes, tasks);
    }
}

#[async_trait]
impl<A: Actuator + ?Sized> Actuator for &A {
    async fn carry_out(&self, planned: Move) -> Outcome {
        (**self).carry_out(planned).await
    }
}

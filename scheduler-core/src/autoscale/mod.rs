//! Scaling out (Kubernetes' horizontal autoscaler, v2) and up (the vertical autoscaler's recommender) as pure
//! functions of metrics.
//!
//! - [`ReplicaCalculator`] turns the metrics of one scrape into a wanted number of replicas; [`largest`] makes one of
//!   several, and does not scale down on what is only half known.
//! - [`Scaler`] holds what behaviour needs to remember: stabilisation windows and rate policies.
//! - [`DecayingHistogram`] keeps a container's usage in buckets whose weights halve with age, with compact
//!   checkpoints; [`Recommender`] reads a target and its bounds from it.
//!
//! Restarts, pauses and clocks: a [`Scaler`] without a past begins its windows with what runs, and a workload paused at 0
//! stays paused; what is dated ahead of now (samples, checkpoints, changes, a pod's start) counts as of now, so that a
//! clock that jumped does no lasting harm.
//!
//! Values are in *milli-units* (1000 = one core, one request a second, one byte) unless a name says otherwise.
//! What is computed agrees with the upstream components on their own tests (`tests/vectors.rs`).
//!
//! ```
//! use scheduler_core::Timestamp;
//! use scheduler_core::autoscale::{Load, PodMetric, PodState, ReplicaCalculator};
//!
//! let now = Timestamp::from_secs(10_000);
//! let pods = [PodState::running("a", Some(1000)), PodState::running("b", Some(1000))];
//! let metrics = [PodMetric::new("a", 900, now), PodMetric::new("b", 1100, now)];
//! let load = Load { now, current: 2, pods: &pods };
//! // 100 % of what was requested, half of it wanted: twice as many.
//! let wanted = ReplicaCalculator::default().resource(&load, "cpu", 50, &metrics)?;
//! assert_eq!((wanted.replicas, wanted.usage), (4, 100));
//! # Ok::<(), scheduler_core::autoscale::ReplicaError>(())
//! ```

mod buckets;
mod decay;
mod histogram;
mod pods;
#[cfg(test)]
mod properties;
mod recommend;
mod replicas;
mod scaler;
mod sums;
#[cfg(test)]
mod tests;

pub use buckets::{BucketError, Buckets};
pub use decay::DecayingHistogram;
pub use histogram::{Checkpoint, Histogram, HistogramError};
pub use pods::{Load, Phase, PodMetric, PodState, Readiness};
pub use recommend::{
    History, Recommendation, Recommender, RecommenderConfig, RecommenderError, after_oom,
};
pub use replicas::{ReplicaCalculator, ReplicaError, Wanted, largest};
pub use scaler::{Policy, PolicyKind, Rules, Scaled, Scaler, ScalerConfig, ScalerError, Select};

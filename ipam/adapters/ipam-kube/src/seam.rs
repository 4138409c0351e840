//! What a driver needs of the world: a cluster, its events, and clocks.

use crate::election::{Record, Wish, Written};
use crate::names::{PodId, WorkloadId};
use crate::object::Seen;
use crate::view::Event;
use async_trait::async_trait;
use ipam::Timestamp;
use ipam::store::{Sent, StoreError};
use std::collections::BTreeSet;
use std::fmt;

/// Why the cluster did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterError(pub String);

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClusterError {}

/// What came of a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patched {
    /// It is so; the pod as it is now.
    Done(Box<Seen>),
    /// The pod has another version or `uid`, or is gone; nothing was written.
    Conflict,
}

/// The API server, as far as a controller calls it. A call that is dropped may have happened.
#[async_trait]
pub trait Cluster: Send {
    /// A pod by name; `None`: there is none.
    ///
    /// # Errors
    /// [`ClusterError`]: whether there is one is not known.
    async fn pod(&mut self, namespace: &str, name: &str) -> Result<Option<Seen>, ClusterError>;

    /// The `uid` of whichever pod has this one's name.
    ///
    /// # Errors
    /// [`ClusterError`]: also where it cannot be read.
    async fn pod_uid(&mut self, pod: &PodId) -> Result<Option<String>, ClusterError>;

    /// The `uid` of whichever workload has this one's name.
    ///
    /// # Errors
    /// [`ClusterError`]: also where it cannot be read.
    async fn workload_uid(&mut self, workload: &WorkloadId)
    -> Result<Option<String>, ClusterError>;

    /// All pods, read just now.
    ///
    /// # Errors
    /// [`ClusterError`]: also where one of them does not tell what it is. A list is whole, or it is none.
    async fn pods(&mut self) -> Result<BTreeSet<PodId>, ClusterError>;

    /// Writes the annotation [`LEASE`](crate::LEASE), where the pod still has this `uid` and version.
    ///
    /// # Errors
    /// [`ClusterError`]: it may have happened.
    async fn annotate(
        &mut self,
        pod: &PodId,
        version: &str,
        lease: &str,
    ) -> Result<Patched, ClusterError>;

    /// The Lease object of the leader; `None`: there is none.
    ///
    /// # Errors
    /// [`ClusterError`].
    async fn lease(&mut self) -> Result<Option<Record>, ClusterError>;

    /// Makes or replaces the Lease object, where it has the version wished.
    ///
    /// # Errors
    /// [`ClusterError`]: it may have happened.
    async fn write_lease(&mut self, wish: &Wish) -> Result<Written, ClusterError>;
}

/// Where events come from: lists and watches of [`Watched`](crate::Watched) resources, that begin anew by themselves.
#[async_trait]
pub trait Source: Send {
    /// The next event. May be dropped without losing any.
    async fn next(&mut self) -> Event;
}

/// The clocks of a process.
#[async_trait]
pub trait Clock<S>: Send {
    /// The monotonic clock.
    fn monotonic(&self) -> Timestamp;

    /// The store's time, for a request that is sent at once.
    ///
    /// # Errors
    /// [`StoreError`] where the store keeps it and does not answer.
    async fn tick(&mut self, store: &mut S) -> Result<Sent, StoreError>;
}

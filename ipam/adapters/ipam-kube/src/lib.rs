//! An IP controller for Kubernetes on [`ipam`]: pods are given addresses, StatefulSets and Deployments keep theirs.
//!
//! [`Controller`] decides, without I/O, clock or runtime; its page has an example. [`Driver`] carries out what is decided, over a
//! [`Cluster`] (the API server), a [`Source`] (lists and watches), an `ipam` store and a [`Clock`]; [`KubeCluster`] and
//! [`KubeSource`] are those of the crate `kube`. Annotations ask for retention: [`RETENTION`], [`POOLS`], [`FAMILY`], [`ADDRESSES`]; the
//! answer is written to [`LEASE`].
#![forbid(unsafe_code)]

mod client;
mod controller;
mod driver;
mod effect;
mod election;
mod field;
mod names;
mod object;
mod policy;
mod queue;
mod raw;
mod seam;
mod source;
mod view;

pub use client::KubeCluster;
pub use controller::{Controller, Counts, Settings};
pub use driver::Driver;
pub use effect::{Asked, Effect, Note, Outcome};
pub use election::{Record, Timing, Wish, Written};
pub use field::Malformed;
pub use names::{PodId, WorkloadId, WorkloadKind};
pub use object::{Seen, Watched};
pub use policy::{ADDRESSES, FAMILY, LEASE, POOLS, RETENTION};
pub use seam::{Clock, Cluster, ClusterError, Patched, Source};
pub use source::KubeSource;
pub use view::Event;

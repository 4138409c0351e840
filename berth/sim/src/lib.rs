//! The simulated platform behind `berth replay`: a day of load through the four cores, second by second.
//!
//! The simulation holds the world (containers, demand, hosts' cores, a model of the kernel's shaping, a registry)
//! and carries out what the cores decide; it decides nothing itself. Addresses come from `ipam`, shaping
//! plans and the division of the uplink from `netshape`, who gets traffic and how much from
//! `discovery-core`, placement, overload and moves from `scheduler-core`. After every simulated second the
//! invariants of all four are checked, and the first that breaks ends the run with the second named.
//!
//! ```
//! use berth_sim::{Options, replay, trace};
//! use std::sync::atomic::AtomicU64;
//!
//! let mut day = trace::generate(7);
//! for container in &mut day.containers {
//!     container.samples.truncate(1); // its first five minutes
//! }
//! let summary = replay(&Options::default(), &day, &AtomicU64::new(0))?;
//! assert_eq!(summary.runs.len(), 2); // without and with overload protection
//! assert_eq!(summary.baselines.len(), 3); // what it is held against
//! # Ok::<(), berth_sim::Error>(())
//! ```
//!
//! The same trace, options and seed give the same bytes on any machine. One thread per run, no other I/O than the
//! files of [`Options::out`]. The first hour (of short traces the first half) is what placement by load is made from:
//! nothing moves in it and nobody is judged by it.
#![forbid(unsafe_code)]

mod error;
mod events;
mod figures;
mod host;
mod load;
mod policy;
mod report;
pub mod rng;
mod run;
mod summary;
pub mod trace;
pub mod upsample;
mod world;

pub use error::{Error, ErrorKind};
pub use events::Detail;
pub use figures::{BUCKET, Bucket, Figures, TcOps};
pub use host::{HOST_CORES, SAFETY};
pub use policy::Policy;
pub use run::{FILES, Options, Protect, replay};
pub use summary::Summary;
pub use upsample::Between;

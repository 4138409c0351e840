#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod autoscale;
pub mod driver;
pub mod kube;
pub mod live;
pub mod model;
pub mod order;
pub mod placement;
mod repair;
pub mod rng;
pub mod roadef;
pub mod search;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod time;
mod uniform;

pub use live::{Cluster, Protector};
pub use model::{Model, ModelBuilder, NodeId, ServiceId, TaskId};
pub use placement::Placement;
pub use search::Solver;
pub use time::Timestamp;

#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod autoscale;
mod bound;
mod ids;
pub mod kube;
mod live;
mod mend;
mod model;
mod order;
mod place;
mod placement;
mod rng;
pub mod roadef;
mod search;
#[cfg(feature = "testing")]
pub mod testing;
mod time;

pub use bound::relaxed_bound;
pub use ids::{NodeId, ServiceId, TaskId};
pub use live::{
    ChangeError, Changed, Cluster, ClusterError, Detector, DetectorConfig, Ending, Event,
    EventKind, Figures, InFlight, Move, MoveError, MovePlan, Obstacle, ProtectConfig, ProtectError,
    Protector, Reason, Sample, SampleError, SilentNode, Stuck, UNKNOWN, Unmended,
};
pub use mend::mend;
pub use model::{
    Balance, Model, ModelBuilder, ModelError, Node, NodeSetId, Objective, Renumbered, Resource,
    Service, Task, Weights,
};
pub use order::{Order, OrderLimits, Step, order_moves};
pub use place::{ByCount, Placer, Unplaced, keep_best_moves};
pub use placement::{Constraint, Cost, Placement, PlacementError, Violations};
pub use rng::Rng;
pub use search::{
    Answer, Budget, Evaluations, Exchange, Improver, Solver, Urgent, UrgentMove, lower_bound,
    relieve,
};
pub use time::Timestamp;

//! A live cluster: samples in, overload events and safe moves out.

mod builders;
mod change;
mod cluster;
mod config;
mod detector;
mod levels;
mod pace;
mod plan;
mod planner;
mod protector;
mod repairing;
mod signals;

pub use change::{ChangeError, Changed, MoveOutcome};
pub use cluster::{Cluster, ClusterError, InFlight, MoveError};
pub use config::{ProtectorConfig, ProtectorError};
pub use detector::{Detector, DetectorConfig, Event, EventKind, Sample, SampleError, UNKNOWN};
pub use plan::{Figures, Move, MovePlan, Obstacle, Reason, StaleNode, Unrelieved, Unrepaired};
pub use protector::Protector;

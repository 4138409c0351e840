//! A live cluster: samples in, overload events and safe moves out.

mod change;
mod cluster;
mod config;
mod detector;
mod levels;
mod mending;
mod pace;
mod plan;
mod planner;
mod protector;
mod signals;

pub use change::{ChangeError, Changed, Ending};
pub use cluster::{Cluster, ClusterError, InFlight, MoveError};
pub use config::{ProtectConfig, ProtectError};
pub use detector::{Detector, DetectorConfig, Event, EventKind, Sample, SampleError, UNKNOWN};
pub use plan::{Figures, Move, MovePlan, Obstacle, Reason, SilentNode, Stuck, Unmended};
pub use protector::Protector;

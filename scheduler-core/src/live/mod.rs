//! A live cluster: samples in, overload events and safe moves out.
//!
//! - A [`Cluster`] is a placement with moves in flight. Whichever of them finish or are aborted, no hard constraint is broken
//!   that was not broken before; one that breaks rules to begin with is taken as it is, and says so
//!   ([`Cluster::violations`]).
//! - A [`Detector`] tells overload, with a window and hysteresis for each node.
//! - A [`Protector`] joins both and plans: victims, destinations, reasons, and what stood in the way ([`MovePlan`]). Hard
//!   constraints are held by what tasks *ask for*; overload is told by what they *take*. A task whose use is not to be
//!   reserved asks for 0 of that resource.
//!
//! # What a protector decides
//! With the defaults of [`ProtectorConfig`]:
//!
//! - **Overload** begins once the mean of a node's window (10 samples) is above its threshold and 10 of the last 20 samples
//!   were, and ends below 95 % of it. A node is relieved early once the same holds of 90 % of its threshold. By neither path does a
//!   spike that is shorter than the window move anything.
//! - **Relief** goes down to 86 %. Of the tasks that may move, the one that just removes the excess leaves; it goes to the
//!   least filled node that stays below 84 % with it, moves in flight counted. At most two moves of a task a day, none within
//!   half an hour of its last, at most two in flight on a node.
//! - **Harm.** With [`ProtectorConfig::worth`] nodes are relieved by what is expected of their tasks in the next half hour, their unsteadiness
//!   included: of all pairs of a task and a destination the one that saves the most harm beyond its cost moves, as long as it pays ([`Worth`]).
//! - **Missing samples** are unknown, not zero, and unknown is no headroom. A node whose last sample is older than
//!   [`ProtectorConfig::stale_after`], or whose window holds fewer known samples than [`DetectorConfig::min_known`], neither
//!   loses nor gains tasks ([`Protector::stale_nodes`], [`MovePlan::stale`]); a stale task does not move.
//! - **Late samples.** A mean over minutes shows a task long after it has left. For [`ProtectorConfig::node_lag`], or until
//!   the mean has fallen by as much, what has left is not taken for load that is still there.
//! - **Clocks.** One that is set back by more than two windows is followed: windows begin anew, and what was dated ahead
//!   counts as of now.
//! - **Repair comes first.** Where rules are broken (a taint set under running tasks, a drained node, two tasks that may not
//!   meet, too little room), each move is the one that repairs most, onto a node that is known and would not be overloaded.
//!   Cool-downs and budgets of tasks do not hold that up; limits on moves in flight and cool-downs of nodes do.
//!   [`MovePlan::broken`] counts what was broken, [`MovePlan::unrepaired`] names the tasks that stay and what keeps them.
//! - **A changing cluster.** [`Protector::change`] takes an edit of the model; what stays keeps its window, state, averages,
//!   budget and cool-downs.

mod builders;
mod change;
mod cluster;
mod config;
mod detector;
mod levels;
mod pace;
mod paying;
mod plan;
mod planner;
mod protector;
mod repairing;
mod samples;
mod signals;
mod worth;

pub use change::{ChangeError, Changed, MoveOutcome};
pub use cluster::{Cluster, ClusterError, InFlight, MoveError};
pub use config::{ProtectorConfig, ProtectorError};
pub use detector::Detector;
pub use plan::{Figures, Move, MovePlan, Obstacle, Reason, StaleNode, Unrelieved, Unrepaired};
pub use protector::Protector;
pub use samples::{DetectorConfig, Event, EventKind, Sample, SampleError, UNKNOWN};
pub use worth::{Balance, Worth};

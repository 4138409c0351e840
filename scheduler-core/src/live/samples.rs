//! Samples in, events out: what a [`Detector`](super::Detector) is told and tells.

use crate::model::NodeId;
use crate::time::Timestamp;
use core::fmt;
use core::time::Duration;
use thiserror::Error;

/// One measurement, in a unit that the caller chooses (millicores, say); [`UNKNOWN`] where there is none.
pub type Sample = u32;

/// A missing sample: unknown, not zero. Samples from 2^31 on count as unknown too.
pub const UNKNOWN: Sample = Sample::MAX;

/// The first value that is no measurement: below it a sample fits the signed lanes that averages use.
pub(super) const FIRST_UNKNOWN: Sample = 1 << 31;

/// How overload is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DetectorConfig {
    /// Time between two samples.
    pub interval: Duration,
    /// Samples in the window; a spike of fewer samples triggers nothing.
    pub window: usize,
    /// Left when the mean is below so many thousandths of the threshold.
    pub leave_permille: u32,
    /// Least known samples in the window; with fewer the state stays as it is.
    pub min_known: usize,
}

impl Default for DetectorConfig {
    /// 1 s, a window of 10 samples of which 5 are known, left below 95 % of the threshold.
    fn default() -> Self {
        let interval = Duration::from_secs(1);
        Self {
            interval,
            window: 10,
            leave_permille: 950,
            min_known: 5,
        }
    }
}

/// Samples that were refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// Not one sample for each node or task.
    #[error("{given} samples, want one for each of the {want} {kind}")]
    Length {
        /// `nodes` or `tasks`.
        kind: &'static str,
        /// Samples given.
        given: usize,
        /// Samples wanted.
        want: usize,
    },
    /// Not later than the samples before.
    #[error("samples of {given} came after those of {last}: want a later time")]
    Backwards {
        /// Their time.
        given: Timestamp,
        /// The time of those before.
        last: Timestamp,
    },
}

/// What happened to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum EventKind {
    /// The node has become overloaded.
    Entered,
    /// The node is no longer overloaded.
    Left,
}

/// A change of a node's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Which node.
    pub node: NodeId,
    /// What happened.
    pub kind: EventKind,
    /// The mean over the window that told it.
    pub mean: Sample,
    /// The threshold that it was held against.
    pub threshold: Sample,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.kind {
            EventKind::Entered => "has become overloaded",
            EventKind::Left => "is no longer overloaded",
        };
        write!(
            f,
            "{}: node {} {verb}: mean {}, threshold {}",
            self.at, self.node, self.mean, self.threshold
        )
    }
}

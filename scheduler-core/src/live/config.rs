//! The knobs of protection, with the reasons for their values.

use super::samples::DetectorConfig;
use super::worth::Worth;
use crate::model::{Model, NodeId};
use core::time::Duration;
use thiserror::Error;

/// The longest window, so that memory stays bounded: an hour at a sample a second, with room to spare.
const MOST_WINDOW: usize = 4096;
/// The first threshold that no [`super::Sample`] can reach.
const THRESHOLD_LIMIT: i64 = 1 << 31;

/// What is wrong with a configuration, by the name of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtectorError {
    /// The measured resource is none of the model's.
    #[error("resource {given} is to be measured, but the model has only {resources}")]
    Resource {
        /// The index given.
        given: usize,
        /// Resources in the model.
        resources: usize,
    },
    /// A threshold that no sample can reach.
    #[error(
        "the threshold of node {node} is {given}, want less than {limit}: measure in a larger unit"
    )]
    Threshold {
        /// The node.
        node: NodeId,
        /// Its safety capacity.
        given: i64,
        /// What samples cannot reach.
        limit: i64,
    },
    /// A number out of range.
    #[error("{field} is {given}, want {want}")]
    Number {
        /// Which number.
        field: &'static str,
        /// The number given.
        given: u64,
        /// What would be right.
        want: &'static str,
    },
    /// A time out of range.
    #[error("{field} is {given:?}, want {want}")]
    Span {
        /// Which time.
        field: &'static str,
        /// The time given.
        given: Duration,
        /// What would be right.
        want: &'static str,
    },
}

/// How a [`crate::live::Protector`] decides. Shares are thousandths of a node's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtectorConfig {
    /// How overload is told.
    pub detector: DetectorConfig,
    /// Samples of a task's short average.
    pub fast_samples: u32,
    /// Samples of a task's long average: long enough that what moves is what lasts.
    pub slow_samples: u32,
    /// Above this share a node is relieved before it is overloaded.
    pub early_permille: u32,
    /// A relieved node is brought down to this share.
    pub target_permille: u32,
    /// No destination is filled above this share.
    pub max_fill_permille: u32,
    /// A task below this share is not worth a move.
    pub min_task_permille: u32,
    /// Moves of one task within [`ProtectorConfig::budget_window`], at least 1.
    pub moves_per_task: usize,
    /// The time over which a task's moves are counted.
    pub budget_window: Duration,
    /// Cool-down of a task: it does not move again so soon after a move.
    pub task_cooldown: Duration,
    /// Cool-down of a node after it has lost or gained a task.
    pub node_cooldown: Duration,
    /// Moves in flight at once that leave or enter one node, at least 1.
    pub moves_per_node: usize,
    /// Moves in flight at once in the whole cluster, at least 1.
    pub moves_at_once: usize,
    /// A node or task whose last sample is older is unknown: it is neither source nor destination, and does not move,
    /// until it is sampled again. At least the detector's interval.
    pub stale_after: Duration,
    /// For how long a node's samples may still show a task that has left: the span over which each of them is a mean
    /// (300 s for a mean over five minutes). Until then, or until they are seen to have fallen, what has left is
    /// not taken for load that is still there.
    pub node_lag: Duration,
    /// After a plan that could do nothing for a node, it is looked at again so much later.
    pub retry: Duration,
    /// When set, nodes are relieved by the harm that is expected of them, and a move is made when it pays, in place of
    /// `early_permille`, `target_permille`, `max_fill_permille` and `min_task_permille`.
    pub worth: Option<Worth>,
}

impl Default for ProtectorConfig {
    /// A node is relieved from 90 % of its threshold down to 86 %, no destination is filled above 84 %, at
    /// most two moves of a task in a day; samples older than 30 s do not count.
    /// The three shares decide between few moves and little overload.
    fn default() -> Self {
        Self {
            detector: DetectorConfig::default(),
            fast_samples: 30,
            slow_samples: 300,
            early_permille: 900,
            target_permille: 860,
            max_fill_permille: 840,
            min_task_permille: 8,
            moves_per_task: 2,
            budget_window: Duration::from_secs(86_400),
            task_cooldown: Duration::from_secs(1800),
            node_cooldown: Duration::from_secs(5),
            moves_per_node: 2,
            moves_at_once: 64,
            stale_after: Duration::from_secs(30),
            node_lag: Duration::from_secs(300),
            retry: Duration::from_secs(10),
            worth: None,
        }
    }
}

impl ProtectorConfig {
    /// Refuses what could not work.
    pub(super) fn check(&self) -> Result<(), ProtectorError> {
        self.detector.check()?;
        let number = |fits: bool, field, given: u32, want| {
            let given = u64::from(given);
            fits.then_some(())
                .ok_or(ProtectorError::Number { field, given, want })
        };
        let (near, goal, fill) = (
            self.early_permille,
            self.target_permille,
            self.max_fill_permille,
        );
        number(
            self.fast_samples > 0,
            "fast_samples",
            self.fast_samples,
            "at least 1",
        )?;
        let slow = self.slow_samples;
        number(
            slow >= self.fast_samples,
            "slow_samples",
            slow,
            "at least fast_samples",
        )?;
        number(
            (1..=1000).contains(&near),
            "early_permille",
            near,
            "1 to 1000",
        )?;
        let upto_near = 1..=near;
        number(
            upto_near.contains(&goal),
            "target_permille",
            goal,
            "1 to early_permille",
        )?;
        // A destination filled further would have to be relieved at once.
        number(
            upto_near.contains(&fill),
            "max_fill_permille",
            fill,
            "1 to early_permille",
        )?;
        let least = self.min_task_permille;
        number(least <= 1000, "min_task_permille", least, "at most 1000")?;
        for (field, limit) in [
            ("moves_per_task", self.moves_per_task),
            ("moves_per_node", self.moves_per_node),
            ("moves_at_once", self.moves_at_once),
        ] {
            let given = limit.min(1) as u32;
            // With none allowed every plan is empty: whoever wants that does not plan.
            number(given > 0, field, given, "at least 1")?;
        }
        if self.stale_after < self.detector.interval {
            // Between two samples everything would be unknown.
            return Err(ProtectorError::Span {
                field: "stale_after",
                given: self.stale_after,
                want: "at least detector.interval",
            });
        }
        Ok(())
    }
}

impl DetectorConfig {
    /// Refuses what could never tell an overload.
    pub(super) fn check(&self) -> Result<(), ProtectorError> {
        let number = |fits: bool, field, given: usize, want| {
            let given = given as u64;
            fits.then_some(())
                .ok_or(ProtectorError::Number { field, given, want })
        };
        if self.interval.is_zero() {
            return Err(ProtectorError::Span {
                field: "detector.interval",
                given: self.interval,
                want: "the time between two samples, above zero",
            });
        }
        let (window, least, leave) = (self.window, self.min_known, self.leave_permille as usize);
        let fits = (1..=MOST_WINDOW).contains(&window);
        number(fits, "detector.window", window, "1 to 4096 samples")?;
        let fits = (1..=window).contains(&least);
        let want = "at least 1 and at most detector.window, which else is never full enough";
        number(fits, "detector.min_known", least, want)?;
        number(
            leave <= 1000,
            "detector.leave_permille",
            leave,
            "at most 1000",
        )
    }
}

/// Each node's threshold in the samples' unit.
pub(super) fn thresholds(
    model: &Model,
    resource: usize,
) -> Result<alloc::vec::Vec<super::Sample>, ProtectorError> {
    let resources = model.resources();
    let given = resource;
    let threshold = |node| {
        let safety = model.safety(node).get(resource);
        let safety = *safety.ok_or(ProtectorError::Resource { given, resources })?;
        let limit = THRESHOLD_LIMIT;
        let fits = super::Sample::try_from(safety)
            .ok()
            .filter(|_| safety < limit);
        fits.ok_or(ProtectorError::Threshold {
            node,
            given: safety,
            limit,
        })
    };
    if resource >= resources {
        return Err(ProtectorError::Resource { given, resources });
    }
    (0..model.nodes() as u32)
        .map(|n| threshold(NodeId(n)))
        .collect()
}

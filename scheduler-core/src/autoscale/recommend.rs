//! A container's requests from the histogram of its use.

use super::DecayingHistogram;
use crate::time::Timestamp;

const DAY: f64 = 86_400.0;
const MINUTE: f64 = 60.0;

/// What was taken of a histogram's samples: how sure one may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The first sample.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// How many there were.
    pub samples: u64,
}

impl History {
    /// Days of experience: those between first and last sample, or those that the samples would fill at one a
    /// minute, whichever is less.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        let days = self.last.since(self.first).as_secs_f64() / DAY;
        let filled = self.samples as f64 / (DAY / MINUTE);
        days.min(filled)
    }
}

/// Percentiles, margin and floor.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecommenderConfig {
    /// Percentile of the lower bound.
    pub lower: f64,
    /// Percentile of the target.
    pub target: f64,
    /// Percentile of the upper bound.
    pub upper: f64,
    /// What is added, as a share.
    pub margin: f64,
    /// The least that is ever recommended, in the histogram's unit.
    pub floor: f64,
}

impl RecommenderConfig {
    /// Upstream's defaults (p50, p90, p95, 15 %) with a floor: 0.025 cores, or 250 MB.
    #[must_use]
    pub const fn new(floor: f64) -> Self {
        Self {
            lower: 0.5,
            target: 0.9,
            upper: 0.95,
            margin: 0.15,
            floor,
        }
    }

    /// With these percentiles of the lower bound, the target and the upper bound, each 0 to 1 and rising.
    #[must_use]
    pub const fn with_percentiles(mut self, lower: f64, target: f64, upper: f64) -> Self {
        (self.lower, self.target, self.upper) = (lower, target, upper);
        self
    }

    /// With this safety margin, a share of the percentile.
    #[must_use]
    pub const fn with_margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecommenderError {
    /// Percentiles out of order or out of 0 to 1.
    #[error("percentiles must rise from 0 to 1: lower {lower}, target {target}, upper {upper}")]
    Percentiles {
        /// The lower bound's.
        lower: f64,
        /// The target's.
        target: f64,
        /// The upper bound's.
        upper: f64,
    },
    /// A margin or floor that is negative or not finite.
    #[error("{field} is {given}; it must be finite and not negative")]
    Amount {
        /// Which.
        field: &'static str,
        /// What was given.
        given: f64,
    },
}

/// What a container should request, in the histogram's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Recommendation {
    /// Below this it is certainly too little.
    pub lower: f64,
    /// What to request.
    pub target: f64,
    /// Above this it is certainly wasted; infinite without experience.
    pub upper: f64,
}

/// Reads requests from histograms.
///
/// ```
/// use scheduler_core::Timestamp;
/// use scheduler_core::autoscale::{Buckets, DecayingHistogram, History, Recommender, RecommenderConfig};
/// use std::time::Duration;
///
/// let buckets = Buckets::exponential(1000.0, 0.01, 1.05, 0.001)?;
/// let mut usage = DecayingHistogram::new(buckets, Duration::from_secs(86_400))?;
/// let minute = |m: u64| Timestamp::from_secs(m * 60);
/// for m in 0..1440 {
///     usage.add(minute(m), 0.5, 1.0, minute(m));
/// }
/// let history = History { first: minute(0), last: minute(1440), samples: 1440 };
/// let wanted = Recommender::new(RecommenderConfig::new(0.025))?.recommend(&usage, history);
/// // Half a core and 15 %, in buckets of 5 %.
/// let target = wanted.map(|w| w.target);
/// assert!(target.is_some_and(|t| (0.55..0.65).contains(&t)), "{target:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recommender {
    config: RecommenderConfig,
}

impl Recommender {
    /// With this configuration.
    ///
    /// # Errors
    /// [`RecommenderError`].
    pub fn new(config: RecommenderConfig) -> Result<Self, RecommenderError> {
        let (lower, target, upper) = (config.lower, config.target, config.upper);
        // Written so that NaN is refused.
        if !(0.0 <= lower && lower <= target && target <= upper && upper <= 1.0) {
            return Err(RecommenderError::Percentiles {
                lower,
                target,
                upper,
            });
        }
        for (field, given) in [("the margin", config.margin), ("the floor", config.floor)] {
            if !given.is_finite() || given < 0.0 {
                return Err(RecommenderError::Amount { field, given });
            }
        }
        Ok(Self { config })
    }

    /// Target and bounds. The bounds close in with experience of `d` days: the upper one is `1 + 1/d` times its
    /// percentile, the lower one `(1 + 0.001/d)^-2` times. `None` for an empty histogram. O(buckets).
    #[must_use]
    pub fn recommend(&self, usage: &DecayingHistogram, history: History) -> Option<Recommendation> {
        if usage.is_empty() {
            return None;
        }
        let days = history.confidence();
        let at = |percentile: f64| usage.percentile(percentile) * (1.0 + self.config.margin);
        let above = at(self.config.upper);
        // Nothing times infinity is not a number.
        let upper = if above > 0.0 {
            above * (1.0 + 1.0 / days)
        } else {
            0.0
        };
        let lower = at(self.config.lower) * libm::pow(1.0 + 0.001 / days, -2.0);
        let least = |amount: f64| amount.max(self.config.floor);
        Some(Recommendation {
            lower: least(lower),
            target: least(at(self.config.target)),
            upper: least(upper),
        })
    }
}

/// What to record as the use of a container that ran out of memory, bytes: a fifth more than it used, and at
/// least 100 MiB more.
#[must_use]
pub fn after_oom(used: u64) -> u64 {
    used.saturating_add((100 * 1024 * 1024).max(used / 5))
}

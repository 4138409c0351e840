//! Weights by bucket, percentiles and checkpoints.

use super::Buckets;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// The largest weight of a checkpoint's bucket.
const CHECKPOINT_MOST: f64 = 10_000.0;

/// Why a sample or a checkpoint was refused; the histogram is as it was.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// A value that is not a number.
    #[error("a sample's value must be a number")]
    Value,
    /// A negative, infinite or not-a-number weight.
    #[error("a weight must be finite and not negative, got {given}")]
    Weight {
        /// What was given.
        given: f64,
    },
    /// A half-life of nothing, in which everything would be too old at once.
    #[error("a half-life of 0, want more")]
    HalfLife,
    /// The weights would pass what a number can hold.
    #[error("the total of the weights would no longer be finite")]
    Overflow,
    /// A bucket that the axis does not have.
    #[error("the checkpoint names bucket {given}, the axis has {count}")]
    Bucket {
        /// What was named.
        given: usize,
        /// How many there are.
        count: usize,
    },
}

/// A histogram in little space: weights are whole numbers, the largest one 10,000, and those that round to
/// nothing are left out.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Checkpoint {
    /// Weight by bucket.
    pub weights: BTreeMap<usize, u32>,
    /// The sum of the true weights.
    pub total: f64,
}

/// Weights over an axis of buckets. `low` and `high` are the outermost buckets that are not empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    buckets: Buckets,
    weights: Vec<f64>,
    total: f64,
    low: usize,
    high: usize,
}

impl Histogram {
    /// An empty one. O(buckets) memory.
    #[must_use]
    pub fn new(buckets: Buckets) -> Self {
        Self {
            buckets,
            weights: vec![0.0; buckets.count()],
            total: 0.0,
            low: buckets.count().saturating_sub(1),
            high: 0,
        }
    }

    /// Its axis.
    #[must_use]
    pub const fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// The sum of all weights.
    #[must_use]
    pub const fn total(&self) -> f64 {
        self.total
    }

    /// A bucket's weight, `None` past the end.
    #[must_use]
    pub fn weight(&self, bucket: usize) -> Option<f64> {
        self.weights.get(bucket).copied()
    }

    /// Whether there is nothing in it to speak of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at(self.low) < self.buckets.epsilon()
    }

    /// Adds `weight` where `value` belongs. O(1).
    ///
    /// # Errors
    /// [`HistogramError`].
    pub fn add(&mut self, value: f64, weight: f64) -> Result<(), HistogramError> {
        check(value, weight)?;
        if !(self.total + weight).is_finite() {
            return Err(HistogramError::Overflow);
        }
        let bucket = self.buckets.find(value);
        self.total += weight;
        if let Some(slot) = self.weights.get_mut(bucket) {
            *slot += weight;
            if *slot >= self.buckets.epsilon() {
                self.low = self.low.min(bucket);
                self.high = self.high.max(bucket);
            }
        }
        Ok(())
    }

    /// Takes `weight` away from where `value` belongs, at most what is there. O(buckets).
    ///
    /// # Errors
    /// [`HistogramError`].
    pub fn subtract(&mut self, value: f64, weight: f64) -> Result<(), HistogramError> {
        check(value, weight)?;
        let epsilon = self.buckets.epsilon();
        let bucket = self.buckets.find(value);
        self.total = less(self.total, weight, epsilon);
        if let Some(slot) = self.weights.get_mut(bucket) {
            *slot = less(*slot, weight, epsilon);
        }
        self.narrow();
        Ok(())
    }

    /// Multiplies all weights by 2 to the power of `exponent`. O(buckets). Exact but for what falls out of
    /// range: what would be infinite stays as it is (nothing is scaled then).
    pub(super) fn double(&mut self, exponent: i32) {
        let factor = libm::scalbn(1.0, exponent);
        if !(self.total * factor).is_finite() {
            return;
        }
        for weight in &mut self.weights {
            *weight *= factor;
        }
        self.total *= factor;
        self.narrow();
    }

    /// The end of the first bucket with which the share `p` (0 to 1, beyond as the nearest) of the weight is
    /// reached; of the last bucket its start; 0 if empty. O(buckets).
    #[must_use]
    pub fn percentile(&self, p: f64) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let wanted = p * self.total;
        let (mut sum, mut bucket) = (0.0, self.low);
        while bucket < self.high {
            sum += self.at(bucket);
            if sum >= wanted {
                break;
            }
            bucket += 1;
        }
        let end = bucket.saturating_add(1);
        self.buckets.start(if end < self.buckets.count() {
            end
        } else {
            bucket
        })
    }

    /// What is needed to go on later. O(buckets).
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let inner = self.weights.get(self.low..=self.high).unwrap_or(&[]);
        let most = inner.iter().copied().fold(0.0, f64::max);
        if most <= 0.0 {
            return Checkpoint {
                weights: BTreeMap::new(),
                total: self.total,
            };
        }
        // In this order: the weights times one factor, as upstream rounds them.
        let ratio = CHECKPOINT_MOST / most;
        let weights = inner.iter().enumerate().filter_map(|(i, weight)| {
            let rounded = libm::round(weight * ratio) as u32;
            (rounded > 0).then_some((self.low.saturating_add(i), rounded))
        });
        Checkpoint {
            weights: weights.collect(),
            total: self.total,
        }
    }

    /// Adds a checkpoint to what is there. O(buckets).
    ///
    /// # Errors
    /// [`HistogramError::Weight`] for a total that is negative or not finite, [`HistogramError::Bucket`],
    /// [`HistogramError::Overflow`].
    pub fn load(&mut self, checkpoint: &Checkpoint) -> Result<(), HistogramError> {
        check(0.0, checkpoint.total)?;
        if let Some((given, _)) = checkpoint.weights.last_key_value()
            && *given >= self.weights.len()
        {
            return Err(HistogramError::Bucket {
                given: *given,
                count: self.weights.len(),
            });
        }
        if !(self.total + checkpoint.total).is_finite() {
            return Err(HistogramError::Overflow);
        }
        let sum: f64 = checkpoint.weights.values().map(|w| f64::from(*w)).sum();
        if sum <= 0.0 {
            return Ok(());
        }
        let ratio = checkpoint.total / sum;
        for (bucket, weight) in &checkpoint.weights {
            if let Some(slot) = self.weights.get_mut(*bucket) {
                *slot += f64::from(*weight) * ratio;
                if *slot >= self.buckets.epsilon() {
                    self.low = self.low.min(*bucket);
                    self.high = self.high.max(*bucket);
                }
            }
        }
        self.total += checkpoint.total;
        Ok(())
    }

    /// Adds another histogram's weights.
    ///
    /// # Errors
    /// [`HistogramError::Bucket`] when the axes differ in length, [`HistogramError::Overflow`].
    pub fn merge(&mut self, other: &Self) -> Result<(), HistogramError> {
        if self.weights.len() != other.weights.len() {
            return Err(HistogramError::Bucket {
                given: other.weights.len(),
                count: self.weights.len(),
            });
        }
        if !(self.total + other.total).is_finite() {
            return Err(HistogramError::Overflow);
        }
        for (mine, theirs) in self.weights.iter_mut().zip(&other.weights) {
            *mine += theirs;
        }
        self.total += other.total;
        (self.low, self.high) = (self.low.min(other.low), self.high.max(other.high));
        self.narrow();
        Ok(())
    }

    fn at(&self, bucket: usize) -> f64 {
        self.weights.get(bucket).copied().unwrap_or(0.0)
    }

    /// Moves the outermost buckets inwards past empty ones.
    fn narrow(&mut self) {
        let last = self.weights.len().saturating_sub(1);
        while self.low < last && self.at(self.low) < self.buckets.epsilon() {
            self.low += 1;
        }
        while self.high > 0 && self.at(self.high) < self.buckets.epsilon() {
            self.high -= 1;
        }
    }
}

pub(super) fn check(value: f64, weight: f64) -> Result<(), HistogramError> {
    if value.is_nan() {
        return Err(HistogramError::Value);
    }
    if !weight.is_finite() || weight < 0.0 {
        return Err(HistogramError::Weight { given: weight });
    }
    Ok(())
}

/// `value - weight`, or 0 where less than epsilon is left: rounding must not leave a rest.
fn less(value: f64, weight: f64, epsilon: f64) -> f64 {
    let rest = value - weight;
    if rest < epsilon { 0.0 } else { rest }
}

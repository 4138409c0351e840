//! A histogram whose weights halve with age.

use super::{Buckets, Checkpoint, Histogram, HistogramError};
use crate::Timestamp;
use core::time::Duration;

/// Weights grow with time instead of shrinking; past 2^100 everything is scaled back.
const MOST_HALF_LIVES: u32 = 100;

/// A [`Histogram`] in which a sample that is one half-life older weighs half as much. New samples are made
/// heavier rather than old ones lighter, relative to a reference time that is moved now and then, always to a
/// multiple of the half-life, so that moving it is exact.
#[derive(Clone, Debug, PartialEq)]
pub struct DecayingHistogram {
    histogram: Histogram,
    half_life: Duration,
    reference: Option<Timestamp>,
}

impl DecayingHistogram {
    /// An empty one. A half-life of zero is taken as a nanosecond.
    #[must_use]
    pub fn new(buckets: Buckets, half_life: Duration) -> Self {
        Self {
            histogram: Histogram::new(buckets),
            half_life: half_life.max(Duration::from_nanos(1)),
            reference: None,
        }
    }

    /// The weights as they stand at the reference time.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// The time at which a sample of weight 1 counts 1; `None` before the first sample.
    #[must_use]
    pub const fn reference(&self) -> Option<Timestamp> {
        self.reference
    }

    /// Whether there is nothing in it to speak of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    /// As [`Histogram::percentile`].
    #[must_use]
    pub fn percentile(&self, p: f64) -> f64 {
        self.histogram.percentile(p)
    }

    /// Adds a sample that was taken `at`; samples may come out of order. O(1), O(buckets) when the reference
    /// moves.
    ///
    /// # Errors
    /// [`HistogramError`].
    pub fn add(&mut self, value: f64, weight: f64, at: Timestamp) -> Result<(), HistogramError> {
        super::histogram::check(value, weight)?;
        let factor = self.factor(at);
        self.histogram.add(value, weight * factor)
    }

    /// Takes back a sample that was taken `at`. O(buckets).
    ///
    /// # Errors
    /// [`HistogramError`].
    pub fn subtract(
        &mut self,
        value: f64,
        weight: f64,
        at: Timestamp,
    ) -> Result<(), HistogramError> {
        super::histogram::check(value, weight)?;
        let factor = self.factor(at);
        self.histogram.subtract(value, weight * factor)
    }

    /// The weights in little space, and the reference time that they belong to.
    #[must_use]
    pub fn checkpoint(&self) -> (Checkpoint, Option<Timestamp>) {
        (self.histogram.checkpoint(), self.reference)
    }

    /// One that goes on from a checkpoint.
    ///
    /// # Errors
    /// [`HistogramError`].
    pub fn restore(
        buckets: Buckets,
        half_life: Duration,
        checkpoint: &Checkpoint,
        reference: Option<Timestamp>,
    ) -> Result<Self, HistogramError> {
        let mut restored = Self::new(buckets, half_life);
        restored.histogram.load(checkpoint)?;
        restored.reference = reference;
        Ok(restored)
    }

    /// What a sample's weight is multiplied by.
    fn factor(&mut self, at: Timestamp) -> f64 {
        let reference = match self.reference {
            Some(reference)
                if at <= reference.plus(self.half_life.saturating_mul(MOST_HALF_LIVES)) =>
            {
                reference
            }
            old => self.shift(old, at),
        };
        libm::exp2(self.half_lives(reference, at))
    }

    /// Moves the reference to the multiple of the half-life that is nearest to `at`.
    fn shift(&mut self, old: Option<Timestamp>, at: Timestamp) -> Timestamp {
        let nanos = u64::try_from(self.half_life.as_nanos()).unwrap_or(u64::MAX);
        let rest = at.nanos() % nanos;
        let down = at.nanos() - rest;
        let up = down.checked_add(nanos).filter(|_| rest >= nanos - rest);
        let new = Timestamp::from_nanos(up.unwrap_or(down));
        if let Some(old) = old {
            // `as` saturates, and 2^-(2^31) is 0 all the same.
            let exponent = libm::round(self.half_lives(new, old)) as i32;
            self.histogram.double(exponent);
        }
        self.reference = Some(new);
        new
    }

    /// Signed half-lives from one time to another.
    fn half_lives(&self, from: Timestamp, to: Timestamp) -> f64 {
        let nanos = i128::from(to.nanos()) - i128::from(from.nanos());
        nanos as f64 / self.half_life.as_nanos() as f64
    }
}

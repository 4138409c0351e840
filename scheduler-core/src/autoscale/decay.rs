//! A histogram whose weights halve with age.

use super::{Buckets, Checkpoint, Histogram, HistogramError};
use crate::time::Timestamp;
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
    /// The date of the newest sample.
    newest: Option<Timestamp>,
}

impl DecayingHistogram {
    /// An empty one.
    ///
    /// # Errors
    /// [`HistogramError::HalfLife`].
    pub fn new(buckets: Buckets, half_life: Duration) -> Result<Self, HistogramError> {
        if half_life.is_zero() {
            return Err(HistogramError::HalfLife);
        }
        Ok(Self {
            histogram: Histogram::new(buckets),
            half_life,
            reference: None,
            newest: None,
        })
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

    /// Adds a sample that was taken `at`; samples may come out of order. One that is dated ahead of `now` counts as taken
    /// now: it neither outweighs what is there nor makes it old. Where `now` itself was ahead and has come back by a half-life
    /// or more, what is there counts as of now. O(1), O(buckets) when the reference moves.
    ///
    /// # Errors
    /// [`HistogramError`]; nothing has changed then.
    pub fn add(
        &mut self,
        now: Timestamp,
        value: f64,
        weight: f64,
        at: Timestamp,
    ) -> Result<(), HistogramError> {
        super::histogram::check(value, weight)?;
        self.weighed(now, at, |histogram, factor| {
            histogram.add(value, weight * factor)
        })
    }

    /// Takes back a sample that was taken `at`, as [`DecayingHistogram::add`] has added it. O(buckets).
    ///
    /// # Errors
    /// [`HistogramError`]; nothing has changed then.
    pub fn subtract(
        &mut self,
        now: Timestamp,
        value: f64,
        weight: f64,
        at: Timestamp,
    ) -> Result<(), HistogramError> {
        super::histogram::check(value, weight)?;
        self.weighed(now, at, |histogram, factor| {
            histogram.subtract(value, weight * factor)
        })
    }

    /// The weights in little space, and the reference time that they belong to.
    #[must_use]
    pub fn checkpoint(&self) -> (Checkpoint, Option<Timestamp>) {
        (self.histogram.checkpoint(), self.reference)
    }

    /// One that goes on from a checkpoint. A reference that lies ahead of `now`, by more than rounding to a half-life
    /// explains, is of a clock that was ahead: the weights then count as of now.
    ///
    /// # Errors
    /// [`HistogramError`].
    pub fn restore(
        now: Timestamp,
        buckets: Buckets,
        half_life: Duration,
        checkpoint: &Checkpoint,
        reference: Option<Timestamp>,
    ) -> Result<Self, HistogramError> {
        let mut restored = Self::new(buckets, half_life)?;
        restored.histogram.load(checkpoint)?;
        restored.reference = reference;
        restored.believe(now);
        Ok(restored)
    }

    /// Changes the weights by a sample's, with what its own is multiplied by.
    fn weighed(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        change: impl FnOnce(&mut Histogram, f64) -> Result<(), HistogramError>,
    ) -> Result<(), HistogramError> {
        let at = at.min(now);
        let most = self.half_life.saturating_mul(MOST_HALF_LIVES);
        let newest = self.newest.max(Some(at));
        if let Some(reference) = self.reference
            && at <= reference.after(most)
            && self.ahead(now) == 0
        {
            let factor = libm::exp2(self.half_lives(reference, at));
            change(&mut self.histogram, factor)?;
            self.newest = newest;
            return Ok(());
        }
        let mut next = self.clone();
        next.believe(now);
        let reference = match next.reference {
            Some(reference) if at <= reference.after(most) => reference,
            old => next.shift(old, at),
        };
        let factor = libm::exp2(next.half_lives(reference, at));
        change(&mut next.histogram, factor)?;
        next.newest = next.newest.max(Some(at));
        *self = next;
        Ok(())
    }

    /// How many whole half-lives what is there lies ahead of `now`: more than none if a clock was ahead.
    fn ahead(&self, now: Timestamp) -> u128 {
        let newest = self.newest.or(self.reference);
        let ahead = newest.map_or(Duration::ZERO, |newest| newest.since(now));
        ahead.as_nanos() / self.half_life.as_nanos().max(1)
    }

    /// Takes back dates of a clock that was ahead: what is there lies no longer ahead, or new samples would have no
    /// weight beside it until that date has come.
    fn believe(&mut self, now: Timestamp) {
        let ahead = self.ahead(now);
        if ahead > 0 {
            let back = ahead.saturating_mul(self.half_life.as_nanos());
            let back = u64::try_from(back).unwrap_or(u64::MAX);
            let earlier = |at: Timestamp| Timestamp::from_nanos(at.as_nanos().saturating_sub(back));
            self.reference = self.reference.map(earlier);
            self.newest = self.newest.map(earlier);
        }
    }

    /// The multiple of the half-life that is nearest to `at`.
    fn nearest(&self, at: Timestamp) -> Timestamp {
        let nanos = u64::try_from(self.half_life.as_nanos()).unwrap_or(u64::MAX);
        let rest = at.as_nanos() % nanos;
        let down = at.as_nanos() - rest;
        let up = down.checked_add(nanos).filter(|_| rest >= nanos - rest);
        Timestamp::from_nanos(up.unwrap_or(down))
    }

    /// Moves the reference to the multiple of the half-life that is nearest to `at`.
    fn shift(&mut self, old: Option<Timestamp>, at: Timestamp) -> Timestamp {
        let new = self.nearest(at);
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
        let nanos = i128::from(to.as_nanos()) - i128::from(from.as_nanos());
        nanos as f64 / self.half_life.as_nanos() as f64
    }
}

#[cfg(test)]
#[path = "decay_tests.rs"]
mod tests;

//! How a histogram's axis is cut.

/// Why an axis cannot be cut that way.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// A size or maximum that is not a positive finite number, or a ratio that is not above 1.
    #[error("{field} is {given}; it must be finite and above {floor}")]
    Range {
        /// Which argument.
        field: &'static str,
        /// What was given.
        given: f64,
        /// What it must be above.
        floor: f64,
    },
    /// More buckets than [`Buckets::MOST`].
    #[error("the axis would have {given} buckets, at most {limit} are allowed")]
    TooMany {
        /// How many it would have.
        given: f64,
        /// The limit.
        limit: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
enum Cut {
    Linear { size: f64 },
    Exponential { first: f64, ratio: f64 },
}

/// An axis of buckets from 0 up; the last one takes everything above, the first one everything below.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Buckets {
    cut: Cut,
    count: usize,
    epsilon: f64,
}

impl Buckets {
    /// The most buckets of an axis.
    pub const MOST: usize = 4096;

    /// Buckets of one `size` up to `max`; weights below `epsilon` count as none.
    ///
    /// # Errors
    /// [`BucketError`].
    pub fn linear(max: f64, size: f64, epsilon: f64) -> Result<Self, BucketError> {
        above("max", max, 0.0)?;
        above("size", size, 0.0)?;
        above("epsilon", epsilon, 0.0)?;
        Self::checked(Cut::Linear { size }, libm::ceil(max / size) + 1.0, epsilon)
    }

    /// Buckets each `ratio` times as wide as the one before, `first` the first, up to `max`; weights below
    /// `epsilon` count as none. Bucket `n` begins at the geometric sum `first (ratio^n - 1) / (ratio - 1)`.
    ///
    /// # Errors
    /// [`BucketError`].
    pub fn exponential(
        max: f64,
        first: f64,
        ratio: f64,
        epsilon: f64,
    ) -> Result<Self, BucketError> {
        above("max", max, 0.0)?;
        above("first", first, 0.0)?;
        above("ratio", ratio, 1.0)?;
        above("epsilon", epsilon, 0.0)?;
        let count = libm::ceil(steps(max, first, ratio)) + 1.0;
        Self::checked(Cut::Exponential { first, ratio }, count, epsilon)
    }

    fn checked(cut: Cut, count: f64, epsilon: f64) -> Result<Self, BucketError> {
        // Written so that NaN is refused.
        if !(count >= 1.0 && count <= Self::MOST as f64) {
            return Err(BucketError::TooMany {
                given: count,
                limit: Self::MOST,
            });
        }
        Ok(Self {
            cut,
            count: count as usize,
            epsilon,
        })
    }

    /// How many there are, at least 1.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The weight below which a bucket counts as empty.
    #[must_use]
    pub const fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// The bucket of a value; NaN falls into the first.
    #[must_use]
    pub fn find(&self, value: f64) -> usize {
        let index = match self.cut {
            Cut::Linear { size } => value / size,
            Cut::Exponential { first, .. } if value < first => 0.0,
            Cut::Exponential { first, ratio } => steps(value, first, ratio),
        };
        // `as` truncates and saturates; NaN gives 0.
        (index as usize).min(self.count.saturating_sub(1))
    }

    /// Where a bucket begins; of one past the end, where the axis would go on.
    #[must_use]
    pub fn start(&self, bucket: usize) -> f64 {
        match self.cut {
            Cut::Linear { size } => size * bucket as f64,
            Cut::Exponential { .. } if bucket == 0 => 0.0,
            Cut::Exponential { first, ratio } => {
                first * (libm::pow(ratio, bucket as f64) - 1.0) / (ratio - 1.0)
            }
        }
    }
}

/// How many buckets end at or below `value`, before truncation.
fn steps(value: f64, first: f64, ratio: f64) -> f64 {
    libm::log(value * (ratio - 1.0) / first + 1.0) / libm::log(ratio)
}

fn above(field: &'static str, given: f64, floor: f64) -> Result<(), BucketError> {
    if !given.is_finite() || given <= floor {
        return Err(BucketError::Range {
            field,
            given,
            floor,
        });
    }
    Ok(())
}

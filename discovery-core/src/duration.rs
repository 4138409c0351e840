//! Durations as numbers.

use core::time::Duration;

use crate::time::Timestamp;

/// A duration in whole nanoseconds, saturating at some 584 years.
#[must_use]
pub(crate) fn nanos(duration: Duration) -> u64 {
    Timestamp::from(duration).as_nanos()
}

//! Rows of samples that are one interval apart, however often samples come.

use crate::time::Timestamp;
use core::time::Duration;

/// Where the newest row stands in time. Rows follow the samples' own pace by an eighth of what they stray, so that neither
/// jitter nor an interval of 2 % more or less counts a sample twice or leaves one out; where there are more samples than
/// rows they follow nothing, so that a window spans its time at any rate. An eighth of a
/// stray of half an interval at the most: samplers up to 6 % off are followed, and jitter is smoothed.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    row_at: Timestamp,
    too_many: bool,
}

impl Pace {
    /// The first row begins.
    pub(super) fn begin(now: Timestamp) -> Self {
        Self {
            row_at: now,
            too_many: false,
        }
    }

    /// How many rows begin until `now`, the one of its samples included; 0 where they come between two rows.
    pub(super) fn rows(&mut self, now: Timestamp, interval: Duration) -> u128 {
        let interval = interval.as_nanos();
        let rows = (now.since(self.row_at).as_nanos() + interval / 2) / interval;
        if rows > 0 {
            let passed = u64::try_from(rows * interval).unwrap_or(u64::MAX);
            let (expected, now) = (
                self.row_at.as_nanos().saturating_add(passed),
                now.as_nanos(),
            );
            let share = if self.too_many { u64::MAX } else { 8 };
            let (late, early) = (now.saturating_sub(expected), expected.saturating_sub(now));
            let followed = expected.saturating_add(late / share) - early / share;
            self.row_at = Timestamp::from_nanos(followed);
        }
        self.too_many = rows == 0;
        rows
    }
}

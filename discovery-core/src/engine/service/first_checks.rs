//! First checks of endpoints that come together are spread.

use core::time::Duration;

use crate::time::Timestamp;

/// So many endpoints of a service are checked at once when they come together, the others spread over the interval: few
/// enough for a small machine to answer, enough for a small service to be up at once.
const AT_ONCE: u32 = 16;

/// When the present run of first checks began, and how many were in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FirstChecks {
    pub(super) since: Timestamp,
    pub(super) count: u32,
}

impl FirstChecks {
    /// Whether one more endpoint may be checked at once, of those that begin within an interval.
    pub(super) fn at_once(&mut self, now: Timestamp, interval: Duration) -> bool {
        if self.count == 0 || now.since(self.since) >= interval {
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= AT_ONCE
    }
}

//! When leases end.

use crate::time::Timestamp;
use alloc::collections::BTreeMap;

/// How many claims' leases end when, of those that have one: whether any is over is known without a look at the claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leases {
    ends: BTreeMap<Timestamp, u32>,
}

impl Leases {
    /// A lease has this end from now on; [`Timestamp::MAX`] is none.
    pub(super) fn begin(&mut self, until: Timestamp) {
        if until != Timestamp::MAX {
            *self.ends.entry(until).or_default() += 1;
        }
    }

    /// A lease does not have this end any more.
    pub(super) fn end(&mut self, until: Timestamp) {
        if let Some(count) = self.ends.get_mut(&until) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.ends.remove(&until);
            }
        }
    }

    /// Whether any lease is over.
    pub(super) fn any_over(&self, now: Timestamp) -> bool {
        let first = self.ends.first_key_value();
        first.is_some_and(|(until, _)| *until <= now)
    }
}

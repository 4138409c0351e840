//! How a service's members count, and how its traffic is divided over them by that.

use super::division::{Division, Tally};
use crate::effect::Mode;
use crate::engine::class::Counted;

/// A tally, and the division that was made of it.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Traffic {
    tally: Tally,
    division: Division,
}

impl Traffic {
    /// Counts a member anew; whether hosts, not only weights, moved.
    pub(in crate::engine) fn count(&mut self, from: Counted, to: Counted) -> bool {
        self.tally.shift(from, to)
    }

    pub(in crate::engine) fn mode(&self) -> Mode {
        self.division.mode
    }

    /// Whether the division can change when weights do, though hosts do not.
    pub(in crate::engine) fn follows_weights(&self) -> bool {
        self.division.follows_weights()
    }

    /// Whether traffic is divided as the tally says. O(regions).
    pub(in crate::engine) fn is_current(&self, panic_percent: u8) -> bool {
        self.tally.divide(panic_percent) == self.division
    }

    /// Divides as the tally says. O(regions).
    pub(in crate::engine) fn divide(&mut self, panic_percent: u8) {
        self.division = self.tally.divide(panic_percent);
    }

    /// The weight in use of a member that counts like this.
    pub(in crate::engine) fn weight(&self, member: Counted) -> u32 {
        let part = self.division.part(member.class, member.region);
        part.map_or(0, |part| part.in_use(member.weight))
    }

    /// Whether another tally counts alike; regions that had members once do not matter.
    #[cfg(feature = "testing")]
    pub(in crate::engine) fn same(&self, tally: &Tally) -> bool {
        self.tally.same(tally)
    }
}

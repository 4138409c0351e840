//! Nodes and regions, with how far each is drained.

use alloc::vec::Vec;
use core::time::Duration;

use crate::duration::nanos;
use crate::id::Names;
use crate::time::Timestamp;

/// Steps of a region's share, in thousandths.
const STEP: u16 = 20;

/// Nodes and regions with their drains.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) nodes: Names,
    pub(crate) node_drained: Vec<bool>,
    pub(crate) regions: Names,
    pub(crate) ramps: Vec<Ramp>,
}

/// A region's share on its way between 0 and 1000 thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Ramp {
    pub(crate) share: u16,
    pub(crate) from: u16,
    pub(crate) draining: bool,
    pub(crate) since: Timestamp,
    pub(crate) over: Duration,
}

impl Ramp {
    pub(super) const FULL: Self = Self {
        share: 1000,
        from: 1000,
        draining: false,
        since: Timestamp::ZERO,
        over: Duration::ZERO,
    };

    fn end(&self) -> u16 {
        if self.draining { 0 } else { 1000 }
    }

    /// The share at `now`, in whole steps, and when the next step is.
    pub(super) fn at(&self, now: Timestamp) -> (u16, Timestamp) {
        let end = self.end();
        let (spent, over) = (nanos(now.since(self.since)), nanos(self.over));
        if spent >= over || self.from == end {
            return (end, Timestamp::MAX);
        }
        let way = u64::from(self.from.abs_diff(end));
        let gone = (u128::from(way) * u128::from(spent) / u128::from(over)) as u16;
        let steps = gone / STEP;
        let moved = steps * STEP;
        let share = if self.draining {
            self.from - moved
        } else {
            self.from + moved
        };
        let next = u128::from(steps + 1) * u128::from(STEP) * u128::from(over);
        let wait = (next.div_ceil(u128::from(way.max(1)))).min(u128::from(over)) as u64;
        (share, self.since.after(Duration::from_nanos(wait)))
    }
}

impl Places {
    pub(crate) fn node(&mut self, name: &str) -> Option<u32> {
        let id = self.nodes.intern(name)?;
        self.node_drained.resize(self.nodes.len(), false);
        Some(id)
    }

    pub(crate) fn region(&mut self, name: &str) -> Option<u32> {
        let id = self.regions.intern(name)?;
        self.ramps.resize(self.regions.len(), Ramp::FULL);
        Some(id)
    }

    /// Whether the node is drained, or the region wholly.
    pub(crate) fn drained(&self, node: u32, region: u32) -> bool {
        self.node_drained
            .get(node as usize)
            .copied()
            .unwrap_or(false)
            || self.share(region) == 0
    }

    /// The thousandths of its weight that a region's drain leaves.
    pub(crate) fn share(&self, region: u32) -> u16 {
        self.ramps.get(region as usize).map_or(1000, |r| r.share)
    }
}

//! Drains: an endpoint, a node, or a region over some time.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::names::known;
use super::timers::Owner;
use super::{Engine, named};
use crate::duration::nanos;
use crate::effect::{Effect, Reason};
use crate::endpoint::MAX_DRAINS;
use crate::error::InputError;
use crate::id::{EndpointId, Names, NodeId, RegionId};
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
    fn at(&self, now: Timestamp) -> (u16, Timestamp) {
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

/// Remembers, or no longer, that an endpoint is drained.
fn note(drains: &mut BTreeSet<Box<str>>, name: &str, on: bool) -> Result<(), InputError> {
    if !on {
        drains.remove(name);
    } else if !drains.contains(name) {
        if drains.len() >= MAX_DRAINS {
            return Err(InputError::Full { what: "drains" });
        }
        drains.insert(name.into());
    }
    Ok(())
}

impl Engine {
    pub(super) fn drain_endpoint(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        on: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let index = self.living(id)?;
        let Some(record) = self.records.get_mut(index) else {
            debug_assert!(false, "the index of a living endpoint was just found");
            return Ok(());
        };
        note(&mut self.drains, &record.name, on)?;
        record.drained = on;
        self.refresh(now, index, Reason::Drain, out);
        Ok(())
    }

    pub(super) fn drain_name(
        &mut self,
        now: Timestamp,
        name: &str,
        on: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        named(name)?;
        match self.find(name) {
            Some(endpoint) => self.drain_endpoint(now, endpoint, on, out),
            None => note(&mut self.drains, name, on),
        }
    }

    pub(super) fn drain_node(
        &mut self,
        now: Timestamp,
        node: NodeId,
        on: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        known("node", &self.places.nodes, node.0)?;
        if let Some(drained) = self.places.node_drained.get_mut(node.index()) {
            *drained = on;
        } else {
            debug_assert!(false, "each node has a place among the drains");
        }
        let there: Vec<u32> = self
            .records
            .indices()
            .filter(|&i| self.records.get(i).is_some_and(|r| r.node == node))
            .collect();
        self.refresh_all(now, there, Reason::Drain, out);
        Ok(())
    }

    pub(super) fn drain_region(
        &mut self,
        now: Timestamp,
        region: RegionId,
        on: bool,
        over: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        known("region", &self.places.regions, region.0)?;
        if let Some(ramp) = self.places.ramps.get_mut(region.index())
            && ramp.draining != on
        {
            *ramp = Ramp {
                share: ramp.share,
                from: ramp.share,
                draining: on,
                since: now,
                over,
            };
            self.step_region(now, region.0, out);
        }
        Ok(())
    }

    /// Takes a region's drain one step further.
    pub(super) fn step_region(&mut self, now: Timestamp, region: u32, out: &mut Vec<Effect>) {
        let Some(ramp) = self.places.ramps.get_mut(region as usize) else {
            debug_assert!(
                false,
                "each region has a ramp, and timers name regions only"
            );
            return;
        };
        let (share, due) = ramp.at(now);
        let changed = share != ramp.share;
        ramp.share = share;
        self.timers.push(due, Owner::Region(region));
        if !changed {
            return;
        }
        let here = |r: &super::record::Record| r.region.0 == region;
        let there: Vec<u32> = self
            .records
            .indices()
            .filter(|&i| self.records.get(i).is_some_and(here))
            .collect();
        self.refresh_all(now, there, Reason::Drain, out);
    }

    fn refresh_all(
        &mut self,
        now: Timestamp,
        all: Vec<u32>,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) {
        self.together(now, out, |engine, out| {
            for index in all {
                engine.refresh(now, index, reason, out);
            }
        });
    }
}

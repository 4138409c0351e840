//! Nodes, zones and regions, with how far each is drained.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::clock::Moved;
use super::names::{known, put_back, unused, valid};
use super::timers::{Owner, Timers};
use crate::duration::nanos;
use crate::error::{InputError, RestoreError};
use crate::id::{Names, NodeId, RegionId, ZoneId};
use crate::limits::within;
use crate::time::Timestamp;

/// Steps of a region's share, in thousandths.
const STEP: u16 = 20;

/// Nodes, zones and regions, with the drains of nodes and regions.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    nodes: Names,
    node_drained: Vec<bool>,
    zones: Names,
    regions: Names,
    ramps: Vec<Ramp>,
}

/// A region's share on its way between 0 and 1000 thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Ramp {
    pub(super) share: u16,
    pub(super) from: u16,
    pub(super) draining: bool,
    pub(super) since: Timestamp,
    pub(super) over: Duration,
}

impl Ramp {
    const FULL: Self = Self {
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

/// Names.
impl Places {
    pub(super) fn node(&mut self, name: &str) -> Result<NodeId, InputError> {
        valid(name)?;
        let full = InputError::Full { kind: "nodes" };
        let id = self.nodes.intern(name).ok_or(full)?;
        self.node_drained.resize(self.nodes.len(), false);
        Ok(NodeId(id))
    }

    pub(super) fn zone(&mut self, name: &str) -> Result<ZoneId, InputError> {
        valid(name)?;
        let full = InputError::Full { kind: "zones" };
        self.zones.intern(name).map(ZoneId).ok_or(full)
    }

    pub(super) fn region(&mut self, name: &str) -> Result<RegionId, InputError> {
        valid(name)?;
        let full = InputError::Full { kind: "regions" };
        let id = self.regions.intern(name).ok_or(full)?;
        self.ramps.resize(self.regions.len(), Ramp::FULL);
        Ok(RegionId(id))
    }

    pub(super) fn find_node(&self, name: &str) -> Option<NodeId> {
        self.nodes.find(name).map(NodeId)
    }

    pub(super) fn find_region(&self, name: &str) -> Option<RegionId> {
        self.regions.find(name).map(RegionId)
    }

    pub(super) fn node_name(&self, id: NodeId) -> Option<&str> {
        self.nodes.name(id.0)
    }

    pub(super) fn zone_name(&self, id: ZoneId) -> Option<&str> {
        self.zones.name(id.0)
    }

    pub(super) fn region_name(&self, id: RegionId) -> Option<&str> {
        self.regions.name(id.0)
    }

    pub(super) fn known(
        &self,
        node: NodeId,
        zone: ZoneId,
        region: RegionId,
    ) -> Result<(), InputError> {
        known("node", &self.nodes, node.0)?;
        self.known_zone(zone)?;
        known("region", &self.regions, region.0)
    }

    pub(super) fn known_zone(&self, zone: ZoneId) -> Result<(), InputError> {
        known("zone", &self.zones, zone.0)
    }

    /// Frees a node on which so many endpoints are; only one without any, and only if it is not drained.
    pub(super) fn remove_node(&mut self, id: NodeId, endpoints: usize) -> Result<(), InputError> {
        known("node", &self.nodes, id.0)?;
        unused("node", id.0, endpoints)?;
        if self.node_drained.get(id.index()) == Some(&true) {
            return Err(InputError::Drained {
                kind: "node",
                given: id.0,
            });
        }
        self.nodes.remove(id.0);
        Ok(())
    }

    /// Frees a zone which so many endpoints are in or name; only one without any.
    pub(super) fn remove_zone(&mut self, id: ZoneId, endpoints: usize) -> Result<(), InputError> {
        self.known_zone(id)?;
        unused("zone", id.0, endpoints)?;
        self.zones.remove(id.0);
        Ok(())
    }

    /// Frees a region in which so many endpoints are; only one without any, and only if nothing of it is drained.
    pub(super) fn remove_region(
        &mut self,
        id: RegionId,
        endpoints: usize,
    ) -> Result<(), InputError> {
        known("region", &self.regions, id.0)?;
        unused("region", id.0, endpoints)?;
        match self.ramps.get_mut(id.index()) {
            Some(ramp) if ramp.draining || ramp.share < 1000 => Err(InputError::Drained {
                kind: "region",
                given: id.0,
            }),
            Some(ramp) => {
                *ramp = Ramp::FULL;
                self.regions.remove(id.0);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Drains.
impl Places {
    /// Whether the node is drained, or the region wholly.
    pub(super) fn drained(&self, node: NodeId, region: RegionId) -> bool {
        let node = self.node_drained.get(node.index()).copied();
        node.unwrap_or(false) || self.share(region) == 0
    }

    /// The thousandths of its weight that a region's drain leaves.
    pub(super) fn share(&self, region: RegionId) -> u16 {
        self.ramps.get(region.index()).map_or(1000, |r| r.share)
    }

    pub(super) fn drain_node(&mut self, id: NodeId, on: bool) -> Result<(), InputError> {
        known("node", &self.nodes, id.0)?;
        if let Some(drained) = self.node_drained.get_mut(id.index()) {
            *drained = on;
        } else {
            debug_assert!(false, "each node has a place among the drains");
        }
        Ok(())
    }

    /// Begins a region's drain or return, over some time from what is left of it; whether that is new.
    pub(super) fn drain_region(
        &mut self,
        now: Timestamp,
        id: RegionId,
        on: bool,
        over: Duration,
    ) -> Result<bool, InputError> {
        known("region", &self.regions, id.0)?;
        let Some(ramp) = self.ramps.get_mut(id.index()) else {
            return Ok(false);
        };
        let new = ramp.draining != on;
        if new {
            *ramp = Ramp {
                share: ramp.share,
                from: ramp.share,
                draining: on,
                since: now,
                over,
            };
        }
        Ok(new)
    }

    /// Takes a region's drain one step further and sets the timer of the next; whether its share changed.
    pub(super) fn step_region(
        &mut self,
        now: Timestamp,
        id: RegionId,
        timers: &mut Timers,
    ) -> bool {
        let Some(ramp) = self.ramps.get_mut(id.index()) else {
            debug_assert!(
                false,
                "each region has a ramp, and timers name regions only"
            );
            return false;
        };
        let (share, due) = ramp.at(now);
        let changed = share != ramp.share;
        ramp.share = share;
        timers.push(due, Owner::Region(id));
        changed
    }

    /// Drains move with a clock that was set back, and each is looked at at once.
    pub(super) fn retime(&mut self, moved: &Moved, timers: &mut Timers) {
        for (id, ramp) in (0..).map(RegionId).zip(&mut self.ramps) {
            ramp.since = moved.past(ramp.since);
            timers.push(moved.now, Owner::Region(id));
        }
    }
}

/// What a snapshot has of places: their names by number, empty where a number is free.
impl Places {
    pub(super) fn saved_zones(&self) -> Vec<String> {
        text(&self.zones).collect()
    }

    pub(super) fn saved_nodes(&self) -> Vec<(String, bool)> {
        let drained = self.node_drained.iter().copied();
        text(&self.nodes).zip(drained).collect()
    }

    pub(super) fn saved_regions(&self) -> Vec<(String, Ramp)> {
        text(&self.regions)
            .zip(self.ramps.iter().copied())
            .collect()
    }

    pub(super) fn restore(
        zones: &[String],
        nodes: &[(String, bool)],
        regions: &[(String, Ramp)],
    ) -> Result<Self, RestoreError> {
        let mut places = Self::default();
        for name in zones {
            put_back(&mut places.zones, name, "zone")?;
        }
        for (name, drained) in nodes {
            put_back(&mut places.nodes, name, "node")?;
            places.node_drained.push(*drained && !name.is_empty());
        }
        for (name, ramp) in regions {
            put_back(&mut places.regions, name, "region")?;
            let share = u64::from(ramp.share.max(ramp.from));
            within("region share", share, 0, 1000)?;
            places.ramps.push(match name.is_empty() {
                true => Ramp::FULL,
                false => *ramp,
            });
        }
        Ok(places)
    }
}

fn text(names: &Names) -> impl Iterator<Item = String> + '_ {
    names.iter().map(|name| name.unwrap_or_default().into())
}

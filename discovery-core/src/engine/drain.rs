//! Drains: an endpoint, a node, or a region over some time.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::names::known;
use super::places::Ramp;
use super::timers::Owner;
use super::{Engine, named};
use crate::effect::{Effect, Reason};
use crate::endpoint::MAX_DRAINS;
use crate::error::InputError;
use crate::id::{EndpointId, NodeId, RegionId};
use crate::time::Timestamp;

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

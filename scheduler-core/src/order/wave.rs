//! Moves that are safe together in any interleaving. Nothing that leaves in a wave is counted as gone, and
//! everything that comes is counted as there, so whichever of them are done no constraint is broken.

use super::OrderLimits;
use crate::model::{Model, NodeId, TaskId};
use crate::placement::Placement;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Why a move cannot join a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// Too little room.
    Room {
        /// The task that waits.
        task: u32,
        /// The first resource that is short.
        resource: usize,
    },
    /// Its service is there already.
    Conflict {
        /// The task that waits.
        task: u32,
    },
    /// Spread, dependency, a pin or labels.
    Service,
    /// Enough moves leave or enter one of the nodes.
    Busy,
}

/// (service, place) -> how many.
type Tally = BTreeMap<(u32, u32), u32>;

/// A wave that is being built.
pub(super) struct Wave<'m> {
    model: &'m Model,
    per_node: usize,
    /// What arrives, per node and resource.
    arriving: Vec<i64>,
    busy: Vec<usize>,
    to_node: Tally,
    to_neighbourhood: Tally,
    from_neighbourhood: Tally,
    from_location: Tally,
}

impl<'m> Wave<'m> {
    pub(super) fn new(model: &'m Model, now: &Placement, limits: OrderLimits) -> Self {
        debug_assert_eq!(now.moves(), 0, "every task is at home between waves");
        Self {
            model,
            per_node: limits.per_node.max(1),
            arriving: vec![0; model.capacity.len()],
            busy: vec![0; model.nodes],
            to_node: Tally::new(),
            to_neighbourhood: Tally::new(),
            from_neighbourhood: Tally::new(),
            from_location: Tally::new(),
        }
    }

    /// Adds a move if the wave stays safe with it; otherwise says why not.
    pub(super) fn add(&mut self, now: &Placement, task: usize, to: usize) -> Option<Blocked> {
        let from = now.at[task] as usize;
        if self.busy[from] >= self.per_node || self.busy[to] >= self.per_node {
            return Some(Blocked::Busy);
        }
        if let Some(blocked) = self.blocked(now, task, from, to) {
            return Some(blocked);
        }
        let model = self.model;
        let (width, service) = (model.resources, model.service_of[task]);
        for r in 0..width {
            self.arriving[to * width + r] += model.need[task * width + r];
        }
        self.busy[from] += 1;
        self.busy[to] += 1;
        *self.to_node.entry((service, to as u32)).or_default() += 1;
        let (left, entered) = (model.neighbourhood[from], model.neighbourhood[to]);
        if left != entered {
            *self.to_neighbourhood.entry((service, entered)).or_default() += 1;
            *self.from_neighbourhood.entry((service, left)).or_default() += 1;
        }
        if model.location[from] != model.location[to] {
            *self
                .from_location
                .entry((service, model.location[from]))
                .or_default() += 1;
        }
        None
    }

    fn blocked(&self, now: &Placement, task: usize, from: usize, to: usize) -> Option<Blocked> {
        let model = self.model;
        let width = model.resources;
        let short = |r: &usize| {
            let free = now.rows[to * 2 * width + r] - self.arriving[to * width + r];
            let need = model.need[task * width + r];
            need > 0 && need > free
        };
        let waits = task as u32;
        if let Some(resource) = (0..width).find(short) {
            return Some(Blocked::Room {
                task: waits,
                resource,
            });
        }
        let held = model.pinned[task];
        if held || !model.allows(TaskId(task as u32), NodeId(to as u32)) {
            return Some(Blocked::Service);
        }
        let s = model.service_of[task] as usize;
        if now.tables.nodes.has(s) {
            let coming = count(&self.to_node, s, to as u32);
            if now.tables.on_node(model, &now.at, s, to) + coming >= model.per_node[s] {
                return Some(Blocked::Conflict { task: waits });
            }
        }
        let spread = now.tables.locations.has(s) && !self.spread_holds(now, task, from, to);
        let depends = now.tables.neighbourhoods.has(s) && !self.dependencies_hold(now, s, from, to);
        (spread || depends).then_some(Blocked::Service)
    }

    /// Locations where the service certainly is, whatever the wave has done, are enough; or it is the only
    /// move of the service between locations and the service has enough before and after it.
    fn spread_holds(&self, now: &Placement, task: usize, from: usize, to: usize) -> bool {
        let model = self.model;
        let (left, entered) = (model.location[from], model.location[to]);
        if left == entered {
            return true;
        }
        let s = model.service_of[task] as usize;
        let mut here: Vec<u32> = Vec::new();
        for t in model.members.of(s) {
            here.push(model.location[now.at[*t as usize] as usize]);
        }
        here.sort_unstable();
        let (mut certain, mut alone) = (0, true);
        for same in here.chunk_by(|a, b| a == b) {
            let place = same[0];
            let leaving = count(&self.from_location, s, place);
            alone &= leaving == 0;
            let leaving = leaving + u32::from(place == left);
            certain += u32::from(same.len() as u32 > leaving);
        }
        certain >= model.spread[s]
            || (alone && now.tables.scattered(model, &now.at, task, to).is_none())
    }

    fn dependencies_hold(&self, now: &Placement, s: usize, from: usize, to: usize) -> bool {
        let model = self.model;
        let (left, entered) = (model.neighbourhood[from], model.neighbourhood[to]);
        if left == entered {
            return true;
        }
        let there = |s: usize, b: u32| now.tables.in_neighbourhood(model, &now.at, s, b as usize);
        let certain = |s: usize, b: u32, more: u32| {
            there(s, b) > count(&self.from_neighbourhood, s, b) + more
        };
        let possible = |s: usize, b: u32| there(s, b) + count(&self.to_neighbourhood, s, b) > 0;
        let others = |list: &'m [u32]| list.iter().map(|o| *o as usize).filter(move |o| *o != s);
        let met = others(model.depends.of(s)).all(|on| certain(on, entered, 0));
        met && (certain(s, left, 1)
            || others(model.dependents.of(s)).all(|who| !possible(who, left)))
    }
}

fn count(tally: &Tally, service: usize, place: u32) -> u32 {
    tally.get(&(service as u32, place)).copied().unwrap_or(0)
}

//! From moves one after another to waves. A move may overtake those before it when these stay possible after it.

use super::sequence::{End, Hop};
use super::wave::{Blocked, Wave};
use super::{OrderLimits, Step};
use crate::model::{Model, NodeId, TaskId};
use crate::placement::Placement;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// Packs a sequence into waves, each as full as the moves that must wait allow.
pub(super) fn pack(
    model: &Model,
    start: Placement,
    target: &[NodeId],
    mut rest: Vec<Hop>,
    limits: OrderLimits,
) -> Vec<Vec<Step>> {
    let initial = start.at.clone();
    let mut end = End::new(start);
    let mut waves = Vec::new();
    let (mut passed, mut number) = (vec![0_u32; model.tasks()], 0);
    while !rest.is_empty() {
        number += 1;
        let mut line = Line::new(model, &end.now, limits, (&mut passed, number));
        let mut taken: Vec<Hop> = Vec::new();
        rest.retain(|hop| {
            // The first one is possible by itself: nothing but what has been overtaken stands before it.
            let goes = line.joins(&end.now, *hop) || (taken.is_empty() && line.is_first());
            if goes {
                line.moves(*hop);
                taken.push(*hop);
            } else {
                line.waits(&end.now, *hop);
            }
            !goes
        });
        let step = |hop: &Hop| {
            let (from, to) = (NodeId(hop.from), NodeId(hop.to));
            let task = TaskId(hop.task);
            let staging = target[task.index()] != to && initial[task.index()] != hop.to;
            let reason = reason(model, *hop, staging, &line.waiting);
            Step {
                task,
                from,
                to,
                staging,
                reason,
            }
        };
        waves.push(taken.iter().map(step).collect());
        for hop in taken {
            end.put(model, hop.task, hop.to);
        }
    }
    waves
}

/// The moves still to be made, gone through once for one wave.
struct Line<'m> {
    model: &'m Model,
    wave: Wave<'m>,
    /// What is free per node and resource once all moves gone through so far are made.
    free: Vec<i64>,
    /// The least that is free whenever a move that waits arrives; unbounded where none does.
    least: Vec<i64>,
    /// In which wave each task was gone past last, counted from 1, and this one's number; whether any waits; (service, node) pairs that tasks wait for; services of which tasks wait to change
    /// location, and services that tasks waiting to change neighbourhood have to do with.
    passed: &'m mut [u32],
    number: u32,
    any_waits: bool,
    arrivals: BTreeSet<(u32, u32)>,
    spread: BTreeSet<u32>,
    related: BTreeSet<u32>,
    /// Why the first that waits for each node does.
    waiting: BTreeMap<u32, Blocked>,
}

impl<'m> Line<'m> {
    fn new(
        model: &'m Model,
        now: &Placement,
        limits: OrderLimits,
        (passed, number): (&'m mut [u32], u32),
    ) -> Self {
        let width = model.resources;
        let free = |i: usize| now.rows[i / width * 2 * width + i % width];
        Self {
            model,
            wave: Wave::new(model, now, limits),
            free: (0..model.capacity.len()).map(free).collect(),
            least: vec![i64::MAX; model.capacity.len()],
            passed,
            number,
            any_waits: false,
            arrivals: BTreeSet::new(),
            spread: BTreeSet::new(),
            related: BTreeSet::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Whether none waits.
    fn is_first(&self) -> bool {
        !self.any_waits
    }

    /// Whether the move joins the wave: it is safe there and hinders none of those that wait.
    fn joins(&mut self, now: &Placement, hop: Hop) -> bool {
        let (model, task) = (self.model, hop.task as usize);
        let service = model.service_of[task];
        let same_task = self.passed[hop.task as usize] == self.number;
        let same_place = self.arrivals.contains(&(service, hop.to));
        let spread = self.changes_location(hop) && self.spread.contains(&service);
        let related = self.changes_area(hop) && self.related.contains(&service);
        if same_task || same_place || spread || related || !self.leaves_room(hop) {
            return false;
        }
        let blocked = self.wave.add(now, task, hop.to as usize);
        if let Some(blocked) = blocked {
            self.waiting.entry(hop.to).or_insert(blocked);
        }
        blocked.is_none()
    }

    /// Whether those that wait for the node still find room after it.
    fn leaves_room(&self, hop: Hop) -> bool {
        let width = self.model.resources;
        let need = &self.model.need[hop.task as usize * width..][..width];
        let least = &self.least[hop.to as usize * width..][..width];
        need.iter().zip(least).all(|(q, l)| q <= l)
    }

    fn changes_location(&self, hop: Hop) -> bool {
        self.model.location[hop.from as usize] != self.model.location[hop.to as usize]
    }

    fn changes_area(&self, hop: Hop) -> bool {
        self.model.neighbourhood[hop.from as usize] != self.model.neighbourhood[hop.to as usize]
    }

    /// Goes past a move that is made in the wave.
    fn moves(&mut self, hop: Hop) {
        self.passed[hop.task as usize] = self.number;
        let width = self.model.resources;
        for r in 0..width {
            let need = self.model.need[hop.task as usize * width + r];
            let (from, to) = (hop.from as usize * width + r, hop.to as usize * width + r);
            self.free[from] += need;
            self.free[to] -= need;
            for (i, by) in [(from, need), (to, -need)] {
                if self.least[i] != i64::MAX {
                    self.least[i] += by;
                }
            }
        }
    }

    /// Goes past a move that waits for a later wave.
    fn waits(&mut self, now: &Placement, hop: Hop) {
        let (model, width) = (self.model, self.model.resources);
        for r in 0..width {
            let need = model.need[hop.task as usize * width + r];
            self.free[hop.from as usize * width + r] += need;
            let to = hop.to as usize * width + r;
            self.free[to] -= need;
            self.least[to] = self.least[to].min(self.free[to]);
        }
        let s = model.service_of[hop.task as usize];
        self.passed[hop.task as usize] = self.number;
        self.any_waits = true;
        if now.tables.nodes.has(s as usize) {
            self.arrivals.insert((s, hop.to));
        }
        if now.tables.locations.has(s as usize) && self.changes_location(hop) {
            self.spread.insert(s);
        }
        if now.tables.neighbourhoods.has(s as usize) && self.changes_area(hop) {
            let others = [
                model.depends.of(s as usize),
                model.dependents.of(s as usize),
            ];
            self.related.insert(s);
            self.related.extend(others.into_iter().flatten());
        }
    }
}

fn reason(model: &Model, hop: Hop, staging: bool, waiting: &BTreeMap<u32, Blocked>) -> String {
    let (mut reason, Hop { task, from, to }) = (String::new(), hop);
    // Writing to a string cannot fail.
    let _ = match waiting.get(&from) {
        Some(Blocked::Room {
            task: other,
            resource,
        }) if model.need[task as usize * model.resources + resource] > 0 => {
            let freed = model.need[task as usize * model.resources + resource];
            write!(
                reason,
                "frees {freed} of resource {resource} on node {from} for task {other}"
            )
        }
        Some(Blocked::Conflict { task: other })
            if model.service_of[task as usize] == model.service_of[*other as usize] =>
        {
            write!(
                reason,
                "leaves node {from}, where task {other} of its service waits to go"
            )
        }
        _ if staging => write!(reason, "waits on node {to}, which has room"),
        _ => write!(reason, "node {to} has room"),
    };
    reason
}

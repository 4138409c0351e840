//! How much an assignment breaks, as one number that falls with every step that repairs something.
//!
//! [`crate::placement::Violations`] counts what is broken, not how far it is from whole: a node twice too full is one violation
//! until the last task that is too much has left. Here each task above a limit, each missing location, each task
//! without a service that it depends on counts, and what a node holds above capacity counts by its share.

use crate::model::{Model, NodeId, ServiceId, TaskId};
use crate::placement::{Constraint, Placement};
use alloc::vec::Vec;

/// What one broken rule counts; as much as a whole node's capacity in excess.
pub(crate) const RULE: i128 = 1_000_000_000;
/// What one resource of one node counts at most, however small its capacity.
const MOST: i128 = 1000 * RULE;

impl Placement {
    /// What all that is broken counts, from scratch. 0 when nothing is, services without tasks left out.
    /// O(nodes x resources + tasks + what dependencies touch).
    pub(crate) fn damage(&self, model: &Model) -> i128 {
        let width = model.resources;
        let nodes = (0..model.nodes).flat_map(|n| (0..width).map(move |r| (n, r)));
        let room: i128 = nodes.map(|(n, r)| self.overfull(model, n, r, 0)).sum();
        let tasks = 0..model.tasks();
        let astray = tasks.filter(|t| !allows(model, *t, self.at[*t])).count() as i128;
        let services: i128 = (0..model.services())
            .map(|s| self.damage_of_service(model, s))
            .sum();
        room + RULE * (astray + services)
    }

    /// What of the damage no move can repair: what is above capacity of transient resources with every task at home
    /// stays held there.
    pub(crate) fn held_damage(&self, model: &Model) -> i128 {
        let width = model.resources;
        let mut held = alloc::vec![0_i64; model.capacity.len()];
        for (task, home) in self.home.iter().enumerate() {
            for r in (0..width).filter(|r| model.transient[*r]) {
                held[*home as usize * width + r] += model.need[task * width + r];
            }
        }
        let all = held.iter().zip(&model.capacity);
        all.map(|(held, capacity)| share(held - capacity, *capacity))
            .sum()
    }

    /// Rules of a service that are broken: tasks above the limit of a node, missing locations, and tasks where
    /// something that they depend on is not.
    pub(crate) fn damage_of_service(&self, model: &Model, s: usize) -> i128 {
        let members = model.members.of(s);
        let at = |t: &u32| self.at[*t as usize];
        let mut broken = 0;
        if self.tables.nodes.has(s) {
            let mut nodes: Vec<u32> = members.iter().map(at).collect();
            nodes.sort_unstable();
            let most = model.per_node[s] as usize;
            let above = |same: &[u32]| same.len().saturating_sub(most) as i128;
            broken += nodes.chunk_by(|a, b| a == b).map(above).sum::<i128>();
        }
        if self.tables.locations.has(s) && !members.is_empty() {
            broken += self.missing_locations(model, s);
        }
        for on in model.depends.of(s) {
            let lonely = |t: &&u32| {
                let b = model.neighbourhood[at(t) as usize];
                self.count_near(model, *on as usize, b) == 0
            };
            broken += members.iter().filter(lonely).count() as i128;
        }
        broken
    }

    /// The rule that a task breaks where it stands; of one that stands well what its coming elsewhere would repair.
    pub(crate) fn broken_by(&self, model: &Model, task: usize) -> Constraint {
        let (node, s) = (self.at[task] as usize, model.service_of[task] as usize);
        let service = ServiceId(s as u32);
        let width = model.resources;
        let full = |r: &usize| self.overfull(model, node, *r, 0) > 0;
        let b = model.neighbourhood[node];
        let missing = |on: &&u32| self.count_near(model, **on as usize, b) == 0;
        let on = model.depends.of(s).iter().find(missing);
        if !allows(model, task, node as u32) {
            return Constraint::NotAllowed;
        }
        if let Some(resource) = (0..width).find(full) {
            return Constraint::Capacity { resource };
        }
        if self.tables.nodes.has(s)
            && self.tables.on_node(model, &self.at, s, node) > model.per_node[s]
        {
            return Constraint::Conflict { service };
        }
        if self.tables.locations.has(s) && self.missing_locations(model, s) > 0 {
            return Constraint::Spread { service };
        }
        if let Some(on) = on {
            let on = ServiceId(*on);
            return Constraint::Dependency { service, on };
        }
        let mut who = model.dependents.of(s).iter();
        let who = who.find(|who| self.misses(model, **who as usize, s));
        let (who, on) = (who.map_or(service, |who| ServiceId(*who)), service);
        Constraint::Dependency { service: who, on }
    }

    /// Whether a service that the task depends on is missing where it stands.
    pub(crate) fn is_lonely(&self, model: &Model, task: usize) -> bool {
        let b = model.neighbourhood[self.at[task] as usize];
        let mut on = model.depends.of(model.service_of[task] as usize).iter();
        on.any(|on| self.count_near(model, *on as usize, b) == 0)
    }

    fn missing_locations(&self, model: &Model, s: usize) -> i128 {
        let has = self.tables.spread(model, &self.at, s);
        i128::from(model.spread[s].saturating_sub(has))
    }

    /// Tasks of a service in a neighbourhood.
    fn count_near(&self, model: &Model, s: usize, neighbourhood: u32) -> u32 {
        let b = neighbourhood as usize;
        self.tables.in_neighbourhood(model, &self.at, s, b)
    }

    /// What a node's use of a resource above capacity counts once its use has changed by so much; of a transient
    /// one also what is above capacity with what moved tasks still hold.
    fn overfull(&self, model: &Model, node: usize, r: usize, change: i64) -> i128 {
        let width = model.resources;
        let row = &self.rows[node * 2 * width..][..2 * width];
        let (capacity, safety) = (
            model.capacity[node * width + r],
            model.safety[node * width + r],
        );
        let used = row[width + r] + safety + change;
        share(used - capacity, capacity)
            + if model.transient[r] {
                share(change - row[r], capacity)
            } else {
                0
            }
    }

    /// By how much [`Placement::damage`] changes if a task moves; negative where that repairs.
    /// O(resources + what the service's constraints touch).
    pub(crate) fn damage_change(&self, model: &Model, task: usize, to: usize) -> i128 {
        let from = self.at[task] as usize;
        if from == to {
            return 0;
        }
        let mut rules = i128::from(!allows(model, task, to as u32))
            - i128::from(!allows(model, task, from as u32));
        let s = model.service_of[task] as usize;
        if self.tables.nodes.has(s) {
            let most = model.per_node[s];
            let on = |n: usize| self.tables.on_node(model, &self.at, s, n);
            rules += i128::from(on(to) >= most) - i128::from(on(from) > most);
        }
        rules += self.spread_change(model, s, from, to);
        rules += self.dependency_change(model, s, from, to);
        RULE * rules + self.room_change(model, task, from, to)
    }

    fn room_change(&self, model: &Model, task: usize, from: usize, to: usize) -> i128 {
        let (width, home) = (model.resources, self.home[task] as usize);
        let mut change = 0;
        for r in 0..width {
            let need = model.need[task * width + r];
            if need == 0 {
                continue;
            }
            for (node, by) in [(from, -need), (to, need)] {
                change += if node == home && model.transient[r] {
                    // What it holds there it holds whether it is there or not.
                    self.used_change(model, node, r, by)
                } else {
                    self.overfull(model, node, r, by) - self.overfull(model, node, r, 0)
                };
            }
        }
        change
    }

    fn used_change(&self, model: &Model, node: usize, r: usize, by: i64) -> i128 {
        let (width, at) = (model.resources, node * model.resources + r);
        let above = self.rows[node * 2 * width + width + r] + model.safety[at] - model.capacity[at];
        share(above + by, model.capacity[at]) - share(above, model.capacity[at])
    }

    fn spread_change(&self, model: &Model, s: usize, from: usize, to: usize) -> i128 {
        let (left, entered) = (model.location[from] as usize, model.location[to] as usize);
        if left == entered || !self.tables.locations.has(s) {
            return 0;
        }
        let there = |l: usize| self.tables.in_location(model, &self.at, s, l);
        let has = i128::from(self.tables.spread(model, &self.at, s));
        let after = has + i128::from(there(entered) == 0) - i128::from(there(left) == 1);
        let want = i128::from(model.spread[s]);
        (want - after).max(0) - (want - has).max(0)
    }

    fn dependency_change(&self, model: &Model, s: usize, from: usize, to: usize) -> i128 {
        let (left, entered) = (model.neighbourhood[from], model.neighbourhood[to]);
        if left == entered || !self.tables.neighbourhoods.has(s) {
            return 0;
        }
        let count = |s: usize, b: u32| self.count_near(model, s, b);
        let mut change = 0;
        for on in model.depends.of(s).iter().map(|on| *on as usize) {
            if on != s {
                change += i128::from(count(on, entered) == 0) - i128::from(count(on, left) == 0);
            }
        }
        let (last, first) = (count(s, left) == 1, count(s, entered) == 0);
        for who in model.dependents.of(s).iter().map(|who| *who as usize) {
            if who != s {
                change += if last {
                    i128::from(count(who, left))
                } else {
                    0
                };
                change -= if first {
                    i128::from(count(who, entered))
                } else {
                    0
                };
            }
        }
        change
    }

    /// Whether moving the task could repair something: quickly, and true too often rather than too seldom.
    pub(crate) fn may_repair(&self, model: &Model, task: usize) -> bool {
        let (node, s) = (self.at[task] as usize, model.service_of[task] as usize);
        let crowded = || {
            self.tables.nodes.has(s)
                && self.tables.on_node(model, &self.at, s, node) > model.per_node[s]
        };
        let spread = || self.tables.locations.has(s) && self.missing_locations(model, s) > 0;
        !allows(model, task, node as u32)
            || self.is_overfull(model, node)
            || crowded()
            || spread()
            || (self.tables.neighbourhoods.has(s)
                && (self.is_lonely(model, task) || self.is_missed(model, s)))
    }

    /// Whether a service that depends on this one runs where this one does not.
    fn is_missed(&self, model: &Model, s: usize) -> bool {
        let mut who = model.dependents.of(s).iter();
        who.any(|who| self.misses(model, *who as usize, s))
    }

    /// Whether a service runs where another one does not.
    fn misses(&self, model: &Model, who: usize, on: usize) -> bool {
        let mut members = model.members.of(who).iter();
        members.any(|t| {
            let b = model.neighbourhood[self.at[*t as usize] as usize];
            self.count_near(model, on, b) == 0
        })
    }

    /// Whether a node is used above its capacity.
    pub(crate) fn is_overfull(&self, model: &Model, node: usize) -> bool {
        let width = model.resources;
        (0..width).any(|r| {
            let at = node * width + r;
            self.rows[node * 2 * width + width + r] + model.safety[at] > model.capacity[at]
        })
    }
}

fn allows(model: &Model, task: usize, node: u32) -> bool {
    model.allows(TaskId(task as u32), NodeId(node))
}

/// An amount above capacity in thousand-millionths of it, rounded up; 0 if it is not above.
fn share(above: i64, capacity: i64) -> i128 {
    if above <= 0 {
        return 0;
    }
    let capacity = i128::from(capacity.max(1));
    ((i128::from(above) * RULE + capacity - 1) / capacity).min(MOST)
}

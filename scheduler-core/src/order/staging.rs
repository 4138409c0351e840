//! What to do when no move can be made: some task is let in by sending others from its node to wait elsewhere.
//! Tasks whose nodes wait for each other in a cycle come first, since all others wait for these.

use super::sequence::{End, Sequencer, ends, share};
use crate::model::Model;
use crate::placement::Constraint;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// A task may be sent to wait so often; more would hardly ever help and could go on for ever.
const STAGINGS: u32 = 6;
/// What a task that has waited on a node takes off its room for others to wait, in millionths of capacity.
const CROWDED: i64 = 20_000;
/// Tasks sent away at most to let one in.
const MOST_OUT: usize = 24;
/// Tasks for which a way in is looked for, of which the one worth most is taken.
const ASKED: usize = 48;
/// How many of a cycle of services that depend on each other are asked to leave a neighbourhood in turn.
const DEPTH: usize = 4;
/// Nodes looked at after which the first way in is taken, and after which no more are looked for.
const SOFT_LIMIT: u64 = 100_000_000;
const HARD_LIMIT: u64 = 4 * SOFT_LIMIT;

/// How one task is let in at one end: the hops there, the last one its own.
struct Way {
    cost: usize,
    /// Moves that it makes possible, less what it costs.
    worth: i64,
    hops: Vec<(u32, u32)>,
}

impl Sequencer<'_> {
    /// Lets one task in at an end, in the way that makes most other moves possible for the additional moves
    /// that it needs; false when there is none.
    pub(super) fn stage(&mut self, end: usize) -> bool {
        let model = self.model;
        let mut best: Option<Way> = None;
        let (mut asked, mut found) = (0, 0);
        let looked = self.looked.get();
        let most = if looked < SOFT_LIMIT { ASKED } else { 0 };
        if looked > HARD_LIMIT {
            return false;
        }
        for task in self.in_cycles_first() {
            asked += 1;
            if found > 0 && asked > most {
                break;
            }
            let Some(way) = self.way_in(end, task) else {
                continue;
            };
            found += 1;
            if best.as_ref().is_none_or(|b| way.worth > b.worth) {
                best = Some(way);
            }
        }
        let Some(way) = best.filter(|w| w.cost <= self.patience) else {
            return false;
        };
        self.patience -= way.cost;
        let (front, goal) = ends(&mut self.ends, end);
        for (task, to) in way.hops {
            front.hop(model, task, to);
            if goal.now.at[task as usize] == to {
                self.left.retain(|t| *t != task);
            } else {
                *self.staged.entry(task).or_default() += 1;
                self.waited[to as usize] += 1;
                if !self.left.contains(&task) {
                    self.left.push(task);
                }
            }
        }
        true
    }

    /// The tasks that are left; first those between nodes that wait for each other in a cycle.
    fn in_cycles_first(&self) -> Vec<u32> {
        let [ahead, back] = &self.ends;
        let mut graph: DiGraph<(), ()> = DiGraph::new();
        let nodes: Vec<NodeIndex> = (0..self.model.nodes).map(|_| graph.add_node(())).collect();
        for task in &self.left {
            let (from, to) = (ahead.now.at[*task as usize], back.now.at[*task as usize]);
            graph.add_edge(nodes[from as usize], nodes[to as usize], ());
        }
        let mut cycle = vec![0_u32; self.model.nodes];
        for (component, number) in tarjan_scc(&graph).iter().zip(0_u32..) {
            for index in component {
                cycle[index.index()] = number;
            }
        }
        let in_circle = |task: &u32| {
            let (from, to) = (ahead.now.at[*task as usize], back.now.at[*task as usize]);
            cycle[from as usize] == cycle[to as usize]
        };
        let (mut first, rest): (Vec<u32>, Vec<u32>) =
            self.left.iter().copied().partition(in_circle);
        first.extend(rest);
        first
    }

    /// Sends residents of the task's goal away, one after another, until it can go there. The end is left as
    /// it was.
    fn way_in(&mut self, end: usize, task: u32) -> Option<Way> {
        let model = self.model;
        let (start, to) = (
            self.ends[end].hops.len(),
            self.ends[1 - end].now.at[task as usize],
        );
        let mut way: Option<Way> = None;
        let mut cost = 0;
        for _ in 0..=MOST_OUT {
            let blocked = {
                let ids = (crate::model::TaskId(task), crate::model::NodeId(to));
                self.ends[end].now.blocked(model, ids.0, ids.1)
            };
            let Some(blocked) = blocked else {
                self.ends[end].hop(model, task, to);
                let hops: Vec<(u32, u32)> = self.ends[end].hops[start..]
                    .iter()
                    .map(|h| (h.task, h.to))
                    .collect();
                let worth = self.made_possible(end, start) as i64 - cost as i64;
                way = Some(Way { cost, worth, hops });
                break;
            };
            let out = match blocked {
                Constraint::Capacity { .. } => self.who_makes_room(end, task, to),
                Constraint::Conflict { .. } => self.who_is_in_conflict(end, task, to),
                Constraint::Spread { .. } | Constraint::Dependency { .. } => self
                    .who_must_be_there(end, task, to, blocked)
                    .or_else(|| self.who_must_leave(end, task, blocked, DEPTH)),
                _ => None,
            };
            let Some((out, node)) = out else { break };
            // A task on its way needs one move more; one that was where it belongs needs two.
            let (now, goal) = (&self.ends[end].now, &self.ends[1 - end].now);
            let goal = goal.at[out as usize];
            cost += usize::from(node != goal) + usize::from(now.at[out as usize] == goal);
            self.ends[end].hop(model, out, node);
        }
        self.ends[end].undo_to(model, start);
        way
    }

    /// Whether the task may be sent to wait once more.
    fn may_wait(&self, task: u32) -> bool {
        self.staged.get(&task).is_none_or(|n| *n < STAGINGS)
    }

    /// A resident whose going makes room for the task: of those that make enough the smallest, those still
    /// on their way first; or else the one that makes most.
    fn who_makes_room(&self, end: usize, task: u32, to: u32) -> Option<(u32, u32)> {
        let (now, goal) = (&self.ends[end].now, &self.ends[1 - end].now);
        let mut residents: Vec<((bool, bool, i64), u32)> = Vec::new();
        for out in now.list(to as usize).iter().filter(|t| self.may_wait(**t)) {
            let missing = missing_without(self.model, &self.ends[end], task, to, *out);
            let settled = goal.at[*out as usize] == to;
            let size = if missing > 0 {
                missing
            } else {
                share(self.model, *out, to)
            };
            residents.push(((missing > 0, settled, size), *out));
        }
        residents.sort_unstable();
        let place = |out: u32| {
            self.waiting_place(end, out, to, &|_| true)
                .map(|n| (out, n))
        };
        residents.into_iter().find_map(|(_, out)| place(out))
    }

    /// A resident of the task's service.
    fn who_is_in_conflict(&self, end: usize, task: u32, to: u32) -> Option<(u32, u32)> {
        let (now, goal) = (&self.ends[end].now, &self.ends[1 - end].now);
        let service = self.model.service_of[task as usize] as usize;
        let members = self.model.members.of(service).iter().copied();
        let here = |t: &u32| now.at[*t as usize] == to && self.may_wait(*t);
        let mut here: Vec<u32> = members.filter(here).collect();
        here.sort_by_key(|t| (goal.at[*t as usize] == to, share(self.model, *t, to)));
        let place = |out: u32| {
            self.waiting_place(end, out, to, &|_| true)
                .map(|n| (out, n))
        };
        here.into_iter().find_map(place)
    }

    /// A task whose waiting elsewhere fulfils the dependency or spread that keeps `task` from going to `to`.
    fn who_must_be_there(
        &self,
        end: usize,
        task: u32,
        to: u32,
        blocked: Constraint,
    ) -> Option<(u32, u32)> {
        let (model, now) = (self.model, &self.ends[end].now);
        let from = now.at[task as usize] as usize;
        let area = |node: usize| model.neighbourhood[node];
        let (who, suits): (u32, Box<dyn Fn(u32) -> bool>) = match blocked {
            Constraint::Dependency { service, on } => {
                let arrives = service.0 == model.service_of[task as usize];
                let wants = area(if arrives { to as usize } else { from });
                (on.0, Box::new(move |n| area(n as usize) == wants))
            }
            Constraint::Spread { service } => {
                let members = model.members.of(service.index());
                let location = |t: &u32| model.location[now.at[*t as usize] as usize];
                let taken: BTreeSet<u32> = members.iter().map(location).collect();
                (
                    service.0,
                    Box::new(move |n| !taken.contains(&model.location[n as usize])),
                )
            }
            _ => return None,
        };
        let members = model.members.of(who as usize).iter().copied();
        // For spread one that is not alone in its location, or else nothing would be won.
        let spare = |t: u32| {
            let location = model.location[now.at[t as usize] as usize];
            let same = |o: &&u32| model.location[now.at[**o as usize] as usize] == location;
            model.members.of(who as usize).iter().filter(same).count() > 1
        };
        let spread = matches!(blocked, Constraint::Spread { .. });
        let free = |t: &u32| *t != task && self.may_wait(*t) && (!spread || spare(*t));
        let mut places = members
            .filter(free)
            .map(|t| (t, self.waiting_place(end, t, to, &suits)));
        places.find_map(|(t, place)| place.map(|n| (t, n)))
    }

    /// A task that depends on the service whose last task in a neighbourhood `task` is, or one that keeps such
    /// a task there in turn.
    fn who_must_leave(
        &self,
        end: usize,
        task: u32,
        blocked: Constraint,
        depth: usize,
    ) -> Option<(u32, u32)> {
        let (model, now) = (self.model, &self.ends[end].now);
        let Constraint::Dependency { service, .. } = blocked else {
            return None;
        };
        if service.0 == model.service_of[task as usize] || depth == 0 {
            return None;
        }
        let area = |node: u32| model.neighbourhood[node as usize];
        let at = |t: u32| now.at[t as usize];
        let left = area(at(task));
        let members = model.members.of(service.index()).iter().copied();
        let needs = |t: &u32| area(at(*t)) == left && self.may_wait(*t);
        members.filter(needs).find_map(|t| {
            let place = self.waiting_place(end, t, at(t), &|n| area(n) != left);
            place.map(|n| (t, n)).or_else(|| {
                let mut others = (0..model.nodes as u32).filter(|n| area(*n) != left);
                let why = |n| now.blocked(model, crate::model::TaskId(t), crate::model::NodeId(n));
                let depends = |c: &Constraint| {
                    matches!(c, Constraint::Dependency { service, .. } if service.0 != model.service_of[t as usize])
                };
                let blocked = others.find_map(|n| why(n).filter(depends))?;
                self.who_must_leave(end, t, blocked, depth - 1)
            })
        })
    }

    /// How many of the tasks that are left could go once the hops from `start` on are made.
    fn made_possible(&self, end: usize, start: usize) -> usize {
        let (front, goal) = (&self.ends[end], &self.ends[1 - end].now);
        let left_from = |n: u32| front.hops[start..].iter().any(|h| h.from == n);
        let wants = |t: u32| goal.at[t as usize];
        let freed = self.left.iter().copied().filter(|t| left_from(wants(*t)));
        freed
            .filter(|t| {
                front.now.at[*t as usize] != wants(*t) && front.may(self.model, *t, wants(*t))
            })
            .count()
    }

    /// Where a task waits: at its goal if it can; or else on the node with most room for it both now and
    /// once everything is where it goes.
    fn waiting_place(
        &self,
        end: usize,
        task: u32,
        not: u32,
        suits: &dyn Fn(u32) -> bool,
    ) -> Option<u32> {
        let model = self.model;
        let (front, goal) = (&self.ends[end], &self.ends[1 - end]);
        let (at, home) = (front.now.at[task as usize], goal.now.at[task as usize]);
        let may = |n: u32| n != at && n != not && suits(n) && front.may(model, task, n);
        if home != at && may(home) {
            return Some(home);
        }
        self.looked.set(self.looked.get() + model.nodes as u64);
        let mut best: Option<(i64, u32)> = None;
        let fits = |n: &u32| front.now.fits(model, *n as usize, task as usize);
        for node in (0..model.nodes as u32).filter(fits) {
            let room = spare(model, front, task, node).min(spare(model, goal, task, node));
            // Different places, so that waiting can be at the same time.
            let room = room - CROWDED * i64::from(self.waited[node as usize]);
            if best.is_none_or(|(b, _)| room > b) && may(node) {
                best = Some((room, node));
            }
        }
        best.map(|(_, node)| node)
    }
}

/// What is missing for `task` on `to` without `out`, summed over the resources, in millionths of capacity.
fn missing_without(model: &Model, end: &End, task: u32, to: u32, out: u32) -> i64 {
    let width = model.resources;
    let share = |r: usize| {
        let free = end.now.rows[to as usize * 2 * width + r] + model.need[out as usize * width + r];
        let missing = (model.need[task as usize * width + r] - free).max(0) as f64;
        (missing * 1e6 / model.capacity[to as usize * width + r].max(1) as f64) as i64
    };
    (0..width).map(share).sum()
}

/// The least that is left of any resource if the task came to the node, in millionths of capacity.
fn spare(model: &Model, end: &End, task: u32, node: u32) -> i64 {
    let width = model.resources;
    let left = |r: usize| {
        let free = end.now.rows[node as usize * 2 * width + r];
        let left = (free - model.need[task as usize * width + r]) as f64;
        (left * 1e6 / model.capacity[node as usize * width + r].max(1) as f64) as i64
    };
    (0..width).map(left).min().unwrap_or(0)
}

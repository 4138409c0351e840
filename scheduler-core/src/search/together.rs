//! Tasks of services that depend on each other, moved to another neighbourhood together: one by one none of them
//! may go, since what it depends on would be missing where it comes, or it where it leaves.

use super::penalised::Penalised;
use super::scope::Scope;
use crate::uniform::Uniform as _;
use alloc::vec::Vec;
use rand::Rng;

/// Tasks that move together at most.
pub(super) const MOST: usize = 16;
/// Groups sent in a batch of single steps: more where tasks are few, so that each has its turn even in a short search, and
/// hardly any where they cost more than they find. Tries and tasks multiplied between the bounds.
const TRIES: (u64, u64) = (2, 16);
const TRIES_BY_TASKS: u64 = 2048;
/// Groups sent in a whole search for each task, evenly over its budget: a long one settles better by single steps. On a1_2 of the
/// challenge 400 for each task ended 0.02 to 0.1 % dearer on three of seven seeds (800 million evaluations), 100 on none, and
/// both end about 0.1 % cheaper than none where the budget is a quarter of that (2026-11-29, `berth place solve --evaluations`).
const MOST_TRIES_EACH: f64 = 100.0;
/// Tasks drawn of which the one on the costliest node is sent.
const DRAWN: usize = 3;
/// Share of groups that change places with a task, and what must go with it, of the node where they go.
const SWAPS: f64 = 0.25;
/// Nodes of the neighbourhood looked at for each task that comes along.
const LOOKS: usize = 4;

/// Finds and makes such moves; idle where no service depends on another.
#[derive(Clone, Debug)]
pub(super) struct Together {
    /// Tasks that may leave their homes in the scope and whose services depend on others or are depended on.
    linked: Vec<u32>,
    tries: u64,
    /// Groups sent so far, and in the whole search at most.
    sent: u64,
    most: f64,
    /// The tasks that move, and where they go.
    group: Vec<(u32, u32)>,
    /// What each of them would add where it goes, alone: all together add at least about as much.
    arriving: f64,
    /// Scratch: where they were, the nodes touched, the services touched.
    before: Vec<u32>,
    nodes: Vec<u32>,
    services: Vec<u32>,
}

impl Together {
    pub(super) fn new(state: &Penalised<'_>, scope: &Scope) -> Self {
        let model = state.model;
        let tries = TRIES_BY_TASKS / model.tasks().max(1) as u64;
        let mut together = Self {
            linked: Vec::new(),
            tries: tries.clamp(TRIES.0, TRIES.1),
            sent: 0,
            most: MOST_TRIES_EACH * model.tasks() as f64,
            group: Vec::new(),
            arriving: 0.0,
            before: Vec::new(),
            nodes: Vec::new(),
            services: Vec::new(),
        };
        together.narrow(state, scope);
        together
    }

    /// Only tasks at home in the scope are sent from now on.
    pub(super) fn narrow(&mut self, state: &Penalised<'_>, scope: &Scope) {
        let model = state.model;
        let linked = |t: &u32| {
            let s = model.service_of[*t as usize] as usize;
            state.tables.neighbourhoods.has(s)
        };
        self.linked.clear();
        if model.neighbourhoods > 1 {
            let movable = scope.movable().iter().copied();
            self.linked.extend(movable.filter(linked));
        }
    }

    /// How many groups are sent in a batch once this share of the budget is spent.
    pub(super) fn tries(&self, spent: f64) -> u64 {
        let due = (self.most * spent) as u64 >= self.sent;
        if due && !self.linked.is_empty() {
            self.tries
        } else {
            0
        }
    }

    /// A task to begin with: of a few drawn, the one on the costliest node. Not to be asked when idle.
    pub(super) fn draw(&self, state: &Penalised<'_>, rng: &mut impl Rng) -> usize {
        let mut one = || self.linked[rng.below(self.linked.len())] as usize;
        let cost = |t: usize| state.node_cost(state.at[t] as usize);
        let mut best = one();
        for _ in 1..DRAWN {
            let other = one();
            if cost(other) > cost(best) {
                best = other;
            }
        }
        best
    }

    /// Sends a task to a node in another neighbourhood and along with it what must come along, if that is
    /// permitted and costs at most `limit` more. A task that may go alone is left to single steps. Returns the
    /// number of tasks that were looked at.
    pub(super) fn send(
        &mut self,
        state: &mut Penalised<'_>,
        scope: &Scope,
        (task, to): (usize, usize),
        limit: f64,
        rng: &mut impl Rng,
    ) -> u64 {
        self.sent += 1;
        let model = state.model;
        let (left, entered) = (state.at[task] as usize, to);
        if model.neighbourhood[left] == model.neighbourhood[entered] || !state.reaches(task, to) {
            return 1;
        }
        self.group.clear();
        self.arriving = state.change(to, state.with(to, task)) + state.assignment(task, to);
        self.group.push((task as u32, to as u32));
        let swapped = rng.unit() < SWAPS && self.add_resident(state, to, left, rng);
        if self.gather(state, scope, rng)
            && self.group.len() > 1
            && (swapped || self.may_pay(state, limit))
        {
            self.carry_out(state, limit);
        }
        self.group.len() as u64
    }

    /// Adds a task of the node where the group goes, to go where it comes from.
    fn add_resident(
        &mut self,
        state: &Penalised<'_>,
        to: usize,
        left: usize,
        rng: &mut impl Rng,
    ) -> bool {
        let there = &state.on[to];
        let Some(other) = there.get(rng.below(there.len())).copied() else {
            return false;
        };
        let may = state.reaches(other as usize, left);
        if may {
            self.group.push((other, left as u32));
        }
        may
    }

    /// Adds to the group what must come along; false when that cannot be or is too much.
    fn gather(&mut self, state: &Penalised<'_>, scope: &Scope, rng: &mut impl Rng) -> bool {
        let model = state.model;
        let mut next = 0;
        while let Some((task, to)) = self.group.get(next).copied() {
            next += 1;
            let s = model.service_of[task as usize];
            let left = model.neighbourhood[state.at[task as usize] as usize];
            let entered = model.neighbourhood[to as usize];
            if left == entered {
                continue;
            }
            for on in model.depends.of(s as usize) {
                if *on == s || self.will_be(state, *on, entered) {
                    continue;
                }
                let Some(other) = self.partner(state, scope, (*on, left), rng) else {
                    return false;
                };
                if !self.join(state, scope, (other, entered, to), rng) {
                    return false;
                }
            }
            if self.will_be(state, s, left) {
                continue;
            }
            for who in model.dependents.of(s as usize).iter().filter(|w| **w != s) {
                // Nobody of it is there: the usual case, known without a look at its tasks.
                if !self.will_be(state, *who, left) {
                    continue;
                }
                for other in model.members.of(*who as usize) {
                    let there = model.neighbourhood[state.at[*other as usize] as usize] == left;
                    let stays = !self.group.iter().any(|(t, _)| t == other);
                    if there && stays && !self.join(state, scope, (*other, entered, to), rng) {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Whether the service has tasks in a neighbourhood once the group has moved.
    fn will_be(&self, state: &Penalised<'_>, service: u32, neighbourhood: u32) -> bool {
        let model = state.model;
        let (s, b) = (service as usize, neighbourhood as usize);
        let mut there = i64::from(state.tables.in_neighbourhood(model, &state.at, s, b));
        for (task, to) in &self.group {
            if model.service_of[*task as usize] == service {
                let from = state.at[*task as usize] as usize;
                there -= i64::from(model.neighbourhood[from] == neighbourhood);
                there += i64::from(model.neighbourhood[*to as usize] == neighbourhood);
            }
        }
        there > 0
    }

    /// A task of a service that is to come along: one that is where the others leave rather than any.
    fn partner(
        &self,
        state: &Penalised<'_>,
        scope: &Scope,
        (service, left): (u32, u32),
        rng: &mut impl Rng,
    ) -> Option<u32> {
        let model = state.model;
        let members = model.members.of(service as usize);
        let grouped = |t: &u32| self.group.iter().any(|(other, _)| other == t);
        let free = |t: &u32| scope.is_home_inside(state, *t) && !grouped(t);
        let here = |t: &u32| model.neighbourhood[state.at[*t as usize] as usize] == left;
        let mut any = None;
        for _ in 0..LOOKS.min(members.len()) {
            let drawn = members[rng.below(members.len())];
            if free(&drawn) {
                if here(&drawn) {
                    return Some(drawn);
                }
                any = Some(drawn);
            }
        }
        any
    }

    /// Adds a task to the group, on the cheapest of some nodes of the neighbourhood; false if it may not leave or none may
    /// take it.
    fn join(
        &mut self,
        state: &Penalised<'_>,
        scope: &Scope,
        (task, entered, beside): (u32, u32, u32),
        rng: &mut impl Rng,
    ) -> bool {
        if self.group.len() >= MOST || !scope.is_home_inside(state, task) {
            return false;
        }
        let t = task as usize;
        let among = scope.in_neighbourhood(entered as usize);
        let mut best: Option<(f64, u32)> = None;
        for look in 0..=LOOKS {
            let node = match look {
                0 => beside,
                _ if among.is_empty() => break,
                _ => among[rng.below(among.len())],
            };
            let n = node as usize;
            if !state.reaches(t, n) || self.is_full(state, t, n) {
                continue;
            }
            let cost = state.change(n, state.with(n, t)) + state.assignment(t, n);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, node));
            }
        }
        let Some((cost, node)) = best else {
            return false;
        };
        self.arriving += cost;
        self.group.push((task, node));
        true
    }

    /// Whether the node holds as many of the task's service as are allowed, the group's counted.
    fn is_full(&self, state: &Penalised<'_>, task: usize, node: usize) -> bool {
        let model = state.model;
        let service = model.service_of[task];
        let s = service as usize;
        if !state.tables.nodes.has(s) {
            return false;
        }
        let comes = |(t, to): &&(u32, u32)| {
            *to as usize == node && model.service_of[*t as usize] == service
        };
        let coming = self.group.iter().filter(comes).count() as u32;
        state.tables.on_node(model, &state.at, s, node) + coming >= model.per_node[s]
    }

    /// Whether the move can cost as little as `limit` more: what leaves gains no more than its nodes cost.
    fn may_pay(&mut self, state: &Penalised<'_>, limit: f64) -> bool {
        self.nodes.clear();
        let mut most = 0.0;
        for (task, _) in &self.group {
            let (task, from) = (*task as usize, state.at[*task as usize]);
            most += state.assignment(task, from as usize);
            if !self.nodes.contains(&from) {
                self.nodes.push(from);
                most += state.node_cost(from as usize);
            }
        }
        self.arriving - most <= limit
    }

    /// Moves the group; back again if that costs too much or breaks a constraint.
    fn carry_out(&mut self, state: &mut Penalised<'_>, limit: f64) -> bool {
        let model = state.model;
        let Self {
            group,
            before,
            nodes,
            services,
            ..
        } = self;
        before.clear();
        nodes.clear();
        services.clear();
        for (task, to) in &*group {
            let from = state.at[*task as usize];
            before.push(from);
            nodes.extend([from, *to]);
            services.push(model.service_of[*task as usize]);
        }
        for list in [&mut *nodes, &mut *services] {
            list.sort_unstable();
            list.dedup();
        }
        let cost = |state: &Penalised<'_>| -> f64 {
            let nodes = nodes.iter().map(|n| state.node_cost(*n as usize));
            let tasks = group.iter().map(|(t, _)| *t as usize);
            let assigned = tasks.map(|t| state.assignment(t, state.at[t] as usize));
            nodes.sum::<f64>() + assigned.sum::<f64>()
        };
        let present = cost(state);
        for (task, to) in &*group {
            state.shift(*task as usize, *to as usize);
        }
        let fits = |(task, to): &(u32, u32)| {
            let s = model.service_of[*task as usize] as usize;
            let here = state.tables.nodes.has(s);
            !here || state.tables.on_node(model, &state.at, s, *to as usize) <= model.per_node[s]
        };
        let holds = |s: &u32| state.tables.service_holds(model, &state.at, *s as usize);
        if cost(state) - present <= limit && group.iter().all(fits) && services.iter().all(holds) {
            return true;
        }
        for ((task, _), from) in group.iter().zip(&*before) {
            state.shift(*task as usize, *from as usize);
        }
        false
    }
}

#[cfg(test)]
#[path = "together_tests.rs"]
mod tests;

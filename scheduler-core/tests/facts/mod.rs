//! Plain facts of an instance, the rules of the challenge written down once more in the plainest way, and
//! random instances. Shares no code with the crate: what it says is what the crate is held against.

#![allow(dead_code, reason = "each test file uses its own part")]

use scheduler_core::model::{Balance, ModelError, Node, Resource, Service, Task, Weights};
use scheduler_core::rng::Xoshiro256PlusPlus;
use scheduler_core::testing::Uniform as _;
use scheduler_core::{Model, ModelBuilder, NodeId, ServiceId, TaskId};
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default)]
pub(crate) struct FactNode {
    pub(crate) location: u64,
    pub(crate) neighbourhood: u64,
    pub(crate) capacity: Vec<u64>,
    pub(crate) safety: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct FactTask {
    pub(crate) service: usize,
    pub(crate) need: Vec<u64>,
    pub(crate) move_cost: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// (transient, weight)
    pub(crate) resources: Vec<(bool, u64)>,
    pub(crate) nodes: Vec<FactNode>,
    pub(crate) travel: Vec<u32>,
    /// (spread, services depended on)
    pub(crate) services: Vec<(u32, Vec<usize>)>,
    pub(crate) tasks: Vec<FactTask>,
    /// (first, second, target, weight)
    pub(crate) balances: Vec<(usize, usize, u64, u64)>,
    pub(crate) weights: [u64; 3],
    pub(crate) at: Vec<usize>,
}

/// Counts of broken constraints, in the order capacity, transient, conflict, spread, dependency.
pub(crate) type Broken = [u64; 5];

impl Facts {
    pub(crate) fn model(&self) -> Model {
        self.model_with(|_| {})
    }

    /// The model, with something more said to its builder at the end.
    pub(crate) fn model_with(&self, more: impl FnOnce(&mut ModelBuilder)) -> Model {
        let mut b = self.builder();
        more(&mut b);
        b.build().unwrap()
    }

    /// The model unless its costs do not fit.
    pub(crate) fn try_model(&self) -> Result<Model, ModelError> {
        self.builder().build()
    }

    fn builder(&self) -> ModelBuilder {
        let resource = |(transient, load_weight): &(bool, u64)| Resource {
            transient: *transient,
            load_weight: *load_weight,
        };
        let resources: Vec<Resource> = self.resources.iter().map(resource).collect();
        let mut b = ModelBuilder::new(&resources).unwrap();
        for n in &self.nodes {
            b.node(Node {
                location: n.location,
                neighbourhood: n.neighbourhood,
                capacity: &n.capacity,
                safety: &n.safety,
            })
            .unwrap();
        }
        b.node_move_costs(self.travel.clone()).unwrap();
        for (spread, _) in &self.services {
            b.service(Service {
                spread: *spread,
                per_node: 1,
            })
            .unwrap();
        }
        for (s, (_, on)) in self.services.iter().enumerate() {
            for o in on {
                b.depends(ServiceId(s as u32), ServiceId(*o as u32));
            }
        }
        for t in &self.tasks {
            b.task(Task {
                service: ServiceId(t.service as u32),
                need: &t.need,
                move_cost: t.move_cost,
            })
            .unwrap();
        }
        for (first, second, target, weight) in &self.balances {
            b.balance(Balance {
                first: *first,
                second: *second,
                target: *target as i64,
                weight: *weight as i64,
            })
            .unwrap();
        }
        let [task_move, service_move, node_move] = self.weights.map(|w| w as i64);
        b.weights(Weights {
            task_move,
            service_move,
            node_move,
        })
        .unwrap();
        b
    }

    /// The model in the challenge's text format.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{}\n", self.resources.len());
        let join = |v: &[u64]| v.iter().map(|x| format!(" {x}")).collect::<String>();
        for (transient, weight) in &self.resources {
            out += &format!("{} {weight}\n", u8::from(*transient));
        }
        out += &format!("{}\n", self.nodes.len());
        for (i, n) in self.nodes.iter().enumerate() {
            let row: Vec<u64> = self.travel[i * self.nodes.len()..][..self.nodes.len()]
                .iter()
                .map(|c| u64::from(*c))
                .collect();
            let amounts = join(&n.capacity) + &join(&n.safety) + &join(&row);
            out += &format!("{} {}{amounts}\n", n.neighbourhood, n.location);
        }
        out += &format!("{}\n", self.services.len());
        for (spread, on) in &self.services {
            let on: Vec<u64> = on.iter().map(|o| *o as u64).collect();
            out += &format!("{spread} {}{}\n", on.len(), join(&on));
        }
        out += &format!("{}\n", self.tasks.len());
        for t in &self.tasks {
            out += &format!("{}{} {}\n", t.service, join(&t.need), t.move_cost);
        }
        out += &format!("{}\n", self.balances.len());
        for (first, second, target, weight) in &self.balances {
            out += &format!("{first} {second} {target} {weight}\n");
        }
        let [a, b, c] = self.weights;
        out + &format!("{a} {b} {c}\n")
    }

    pub(crate) fn ids(at: &[usize]) -> Vec<NodeId> {
        at.iter().map(|n| NodeId(*n as u32)).collect()
    }

    /// What is used on a node of a resource, where tasks may count on several nodes.
    fn used(&self, on: &[Vec<usize>], node: usize, r: usize) -> u64 {
        let mine = on
            .iter()
            .zip(&self.tasks)
            .filter(|(n, _)| n.contains(&node));
        mine.map(|(_, t)| t.need[r]).sum()
    }

    /// How often each rule is broken by `at` when the tasks came from `home`.
    pub(crate) fn broken(&self, home: &[usize], at: &[usize]) -> Broken {
        let here: Vec<Vec<usize>> = at.iter().map(|n| vec![*n]).collect();
        let both: Vec<Vec<usize>> = home.iter().zip(at).map(|(h, n)| vec![*h, *n]).collect();
        let mut broken = [0; 5];
        for (n, node) in self.nodes.iter().enumerate() {
            for (r, (transient, _)) in self.resources.iter().enumerate() {
                broken[0] += u64::from(self.used(&here, n, r) > node.capacity[r]);
                broken[1] += u64::from(*transient && self.used(&both, n, r) > node.capacity[r]);
            }
        }
        for (s, (spread, on)) in self.services.iter().enumerate() {
            let nodes = |s: usize| {
                let mine = at
                    .iter()
                    .zip(&self.tasks)
                    .filter(move |(_, t)| t.service == s);
                mine.map(|(n, _)| *n)
            };
            let areas =
                |s| -> BTreeSet<u64> { nodes(s).map(|n| self.nodes[n].neighbourhood).collect() };
            let different: BTreeSet<usize> = nodes(s).collect();
            broken[2] += (nodes(s).count() - different.len()) as u64;
            let locations: BTreeSet<u64> = nodes(s).map(|n| self.nodes[n].location).collect();
            broken[3] += u64::from(locations.len() < *spread as usize);
            for o in on {
                broken[4] += areas(s).difference(&areas(*o)).count() as u64;
            }
        }
        broken
    }

    /// Load, balance, task, service and node move costs of `at` when the tasks came from `home`.
    pub(crate) fn cost(&self, home: &[usize], at: &[usize]) -> [i64; 5] {
        let here: Vec<Vec<usize>> = at.iter().map(|n| vec![*n]).collect();
        let mut cost = [0; 5];
        for (n, node) in self.nodes.iter().enumerate() {
            let used = |r| self.used(&here, n, r) as i64;
            for (r, (_, weight)) in self.resources.iter().enumerate() {
                cost[0] += *weight as i64 * (used(r) - node.safety[r] as i64).max(0);
            }
            for (first, second, target, weight) in &self.balances {
                let free = |r: usize| node.capacity[r] as i64 - used(r);
                let missing = *target as i64 * free(*first) - free(*second);
                cost[1] += *weight as i64 * missing.max(0);
            }
        }
        let moved: Vec<usize> = (0..at.len()).filter(|t| home[*t] != at[*t]).collect();
        let travel = |t: &usize| i64::from(self.travel[home[*t] * self.nodes.len() + at[*t]]);
        let [task, service, node] = self.weights.map(|w| w as i64);
        cost[2] = task
            * moved
                .iter()
                .map(|t| self.tasks[*t].move_cost as i64)
                .sum::<i64>();
        let of = |s| {
            moved
                .iter()
                .filter(|t| self.tasks[**t].service == s)
                .count() as i64
        };
        cost[3] = service * (0..self.services.len()).map(of).max().unwrap_or(0);
        cost[4] = node * moved.iter().map(travel).sum::<i64>();
        cost
    }
}

/// How a random instance is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) tasks: usize,
    pub(crate) nodes: usize,
    /// What is free on each node beyond the initial use is below this, per resource (needs are below 20).
    pub(crate) slack: usize,
    /// Whether services' constraints are drawn so that the initial assignment just fulfils them.
    pub(crate) feasible: bool,
}

/// A random instance whose initial assignment is feasible if asked for.
pub(crate) fn draw(rng: &mut Xoshiro256PlusPlus, how: Draw) -> Facts {
    let Draw {
        tasks,
        nodes,
        slack,
        feasible,
    } = how;
    let width = 1 + rng.below(3);
    let mut facts = Facts {
        resources: (0..width)
            .map(|_| (rng.below(2) == 0, rng.below(10) as u64))
            .collect(),
        travel: (0..nodes * nodes).map(|_| rng.below(4) as u32).collect(),
        weights: [1, 10, 2],
        ..Facts::default()
    };
    let services = 1 + rng.below(tasks);
    facts.nodes = (0..nodes)
        .map(|_| FactNode {
            location: rng.below(3) as u64,
            neighbourhood: rng.below(2) as u64,
            ..FactNode::default()
        })
        .collect();
    facts.tasks = (0..tasks)
        .map(|_| FactTask {
            service: rng.below(services),
            need: (0..width).map(|_| rng.below(20) as u64).collect(),
            move_cost: rng.below(5) as u64,
        })
        .collect();
    // One task of a service on a node: the others of it become services of their own.
    let mut extra = services;
    for t in 0..tasks {
        facts.at.push(rng.below(nodes));
        let same = |u: usize| facts.tasks[u].service == facts.tasks[t].service;
        if feasible && (0..t).any(|u| same(u) && facts.at[u] == facts.at[t]) {
            facts.tasks[t].service = extra;
            extra += 1;
        }
    }
    let here: Vec<Vec<usize>> = facts.at.iter().map(|n| vec![*n]).collect();
    for n in 0..nodes {
        let used: Vec<u64> = (0..width).map(|r| facts.used(&here, n, r)).collect();
        let room = |rng: &mut Xoshiro256PlusPlus, u: u64| {
            let more = rng.below(slack) as u64;
            if feasible {
                u + more
            } else {
                (u + more).saturating_sub(8)
            }
        };
        facts.nodes[n].capacity = used.iter().map(|u| room(rng, *u)).collect();
        let capacity = facts.nodes[n].capacity.clone();
        facts.nodes[n].safety = capacity
            .iter()
            .map(|c| c * rng.below(10) as u64 / 10)
            .collect();
    }
    facts.services = vec![(0, Vec::new()); extra];
    services_of(rng, &mut facts, feasible);
    if rng.below(2) == 0 {
        facts
            .balances
            .push((rng.below(width), rng.below(width), 2, 3));
    }
    facts
}

fn services_of(rng: &mut Xoshiro256PlusPlus, facts: &mut Facts, feasible: bool) {
    let home = facts.at.clone();
    for s in 0..facts.services.len() {
        let spread = rng.below(4) as u32;
        facts.services[s].0 = spread;
        if feasible && facts.broken(&home, &home)[3] > 0 {
            facts.services[s].0 = 0;
        }
        let on = rng.below(facts.services.len());
        if rng.below(3) == 0 {
            facts.services[s].1.push(on);
            if feasible && facts.broken(&home, &home)[4] > 0 {
                facts.services[s].1.pop();
            }
        }
    }
}

/// A random walk of permitted moves from the initial assignment: an assignment that is feasible on its own.
pub(crate) fn wander(rng: &mut Xoshiro256PlusPlus, facts: &Facts, steps: usize) -> Vec<usize> {
    let mut at = facts.at.clone();
    for _ in 0..steps {
        let (t, n) = (rng.below(at.len()), rng.below(facts.nodes.len()));
        let before = std::mem::replace(&mut at[t], n);
        if facts.broken(&at, &at) != [0; 5] {
            at[t] = before;
        }
    }
    at
}

/// A feasible assignment that random moves and exchanges lead to, whatever lies between.
pub(crate) fn exchange(rng: &mut Xoshiro256PlusPlus, facts: &Facts, steps: usize) -> Vec<usize> {
    let mut at = facts.at.clone();
    for _ in 0..steps {
        let before = at.clone();
        for _ in 0..=rng.below(3) {
            let (a, b) = (rng.below(at.len()), rng.below(at.len()));
            at.swap(a, b);
        }
        if facts.broken(&at, &at) != [0; 5] {
            at = before;
        }
    }
    at
}

pub(crate) fn task(t: usize) -> TaskId {
    TaskId(t as u32)
}

//! Random small models with assignments: one that is feasible, and one that breaks constraints of every kind.

#![allow(dead_code, reason = "each test file uses its own part")]

use scheduler_core::model::{Balance, Node, Resource, Service, Task, Weights};
use scheduler_core::rng::Xoshiro256PlusPlus;
use scheduler_core::testing::Uniform as _;
use scheduler_core::{Model, ModelBuilder, NodeId, ServiceId};

/// Where everything is in the feasible assignment, around which the constraints are drawn.
struct Layout {
    at: Vec<NodeId>,
    /// Location and neighbourhood of each node.
    place: Vec<(u64, u64)>,
    service: Vec<usize>,
    services: usize,
}

impl Layout {
    fn members(&self, service: usize) -> impl Iterator<Item = usize> + '_ {
        let all = self.service.iter().enumerate();
        all.filter(move |(_, s)| **s == service).map(|(t, _)| t)
    }

    fn neighbourhoods(&self, service: usize) -> Vec<u64> {
        let members = self.members(service);
        members.map(|t| self.place[self.at[t].index()].1).collect()
    }

    /// Services and dependencies that the assignment just fulfils.
    fn add_services(&self, b: &mut ModelBuilder, rng: &mut Xoshiro256PlusPlus) {
        for s in 0..self.services {
            let on = |n: usize| self.members(s).filter(|t| self.at[*t].index() == n).count();
            let per_node = (0..self.place.len()).map(on).max().unwrap_or(0).max(1) as u32;
            let location = |t: usize| self.place[self.at[t].index()].0;
            let mut locations: Vec<u64> = self.members(s).map(location).collect();
            locations.sort_unstable();
            locations.dedup();
            let spread = rng.below(locations.len() + 1) as u32;
            b.service(Service { spread, per_node }).unwrap();
        }
        for s in 0..self.services {
            let on = rng.below(self.services);
            let there = self.neighbourhoods(on);
            if rng.below(3) == 0 && self.neighbourhoods(s).iter().all(|n| there.contains(n)) {
                b.depends(ServiceId(s as u32), ServiceId(on as u32));
            }
        }
    }
}

fn assignment(rng: &mut Xoshiro256PlusPlus, tasks: usize, nodes: usize) -> Vec<NodeId> {
    let draw = |_| NodeId(rng.below(nodes) as u32);
    (0..tasks).map(draw).collect()
}

fn places(rng: &mut Xoshiro256PlusPlus, nodes: usize) -> Vec<(u64, u64)> {
    let draw = |_| (rng.below(3) as u64, rng.below(2) as u64);
    (0..nodes).map(draw).collect()
}

/// What the tasks on a node need of a resource.
fn used(at: &[NodeId], need: &[Vec<u64>], node: usize, resource: usize) -> u64 {
    let here = at.iter().zip(need).filter(|(n, _)| n.index() == node);
    here.map(|(_, need)| need[resource]).sum()
}

/// A random model and a feasible initial assignment of it.
pub(crate) fn instance(
    rng: &mut Xoshiro256PlusPlus,
    tasks: usize,
    nodes: usize,
) -> (Model, Vec<NodeId>) {
    let width = 1 + rng.below(3);
    let resource = |_| Resource {
        transient: rng.below(2) == 0,
        load_weight: rng.below(10) as u64,
    };
    let resources: Vec<Resource> = (0..width).map(resource).collect();
    let mut b = ModelBuilder::new(&resources).unwrap();
    let services = 1 + rng.below(tasks);
    let at = assignment(rng, tasks, nodes);
    let service: Vec<usize> = (0..tasks).map(|_| rng.below(services)).collect();
    let need: Vec<Vec<u64>> = (0..tasks)
        .map(|_| (0..width).map(|_| rng.below(20) as u64).collect())
        .collect();
    let layout = Layout {
        place: places(rng, nodes),
        at,
        service,
        services,
    };
    for (n, (location, neighbourhood)) in layout.place.iter().copied().enumerate() {
        let room = |r| used(&layout.at, &need, n, r) + rng.below(25) as u64;
        let capacity: Vec<u64> = (0..width).map(room).collect();
        let safe = |c: &u64| c * rng.below(10) as u64 / 10;
        let safety: Vec<u64> = capacity.iter().map(safe).collect();
        let node = Node {
            location,
            neighbourhood,
            capacity: &capacity,
            safety: &safety,
        };
        b.node(node).unwrap();
    }
    layout.add_services(&mut b, rng);
    for (need, service) in need.iter().zip(&layout.service) {
        let task = Task {
            service: ServiceId(*service as u32),
            move_cost: rng.below(5) as u64,
            need,
        };
        b.task(task).unwrap();
    }
    add_costs(&mut b, rng, width, nodes);
    (b.build().unwrap(), layout.at)
}

fn add_costs(b: &mut ModelBuilder, rng: &mut Xoshiro256PlusPlus, width: usize, nodes: usize) {
    if rng.below(2) == 0 {
        let balance = Balance {
            first: rng.below(width),
            second: rng.below(width),
            target: 2,
            weight: 3,
        };
        b.balance(balance).unwrap();
    }
    let costs = (0..nodes * nodes).map(|_| rng.below(4) as u32).collect();
    b.node_move_costs(costs).unwrap();
    let weights = Weights {
        task_move: 1,
        service_move: 10,
        node_move: 2,
    };
    b.weights(weights).unwrap();
}

/// A random model and an assignment that breaks rules of every kind, and one that breaks none.
pub(crate) fn broken(
    rng: &mut Xoshiro256PlusPlus,
    tasks: usize,
    nodes: usize,
) -> (Model, Vec<NodeId>, Vec<NodeId>) {
    let resources = [
        Resource {
            transient: false,
            load_weight: 1,
        },
        Resource {
            transient: rng.below(2) == 0,
            load_weight: rng.below(3) as u64,
        },
    ];
    let mut b = ModelBuilder::new(&resources).unwrap();
    let at = assignment(rng, tasks, nodes);
    let need: Vec<Vec<u64>> = (0..tasks)
        .map(|_| vec![rng.below(9) as u64, rng.below(9) as u64])
        .collect();
    let place = places(rng, nodes);
    for (n, (location, neighbourhood)) in place.iter().copied().enumerate() {
        let capacity = [0, 1].map(|r| used(&at, &need, n, r) + 4 + rng.below(12) as u64);
        let node = Node {
            location,
            neighbourhood,
            capacity: &capacity,
            safety: &[capacity[0] / 2, capacity[1]],
        };
        b.node(node).unwrap();
    }
    let services = 1 + rng.below(tasks);
    let layout = Layout {
        service: (0..tasks).map(|_| rng.below(services)).collect(),
        at,
        place,
        services,
    };
    layout.add_services(&mut b, rng);
    for (t, need) in need.iter().enumerate() {
        let task = Task {
            service: ServiceId(layout.service[t] as u32),
            need,
            move_cost: 1,
        };
        let task = b.task(task).unwrap();
        let node = NodeId(rng.below(nodes) as u32);
        if rng.below(3) == 0 && node != layout.at[t] {
            b.forbid(task, node).unwrap();
        }
    }
    let weights = Weights {
        task_move: 1,
        service_move: 0,
        node_move: 0,
    };
    b.weights(weights).unwrap();
    // Most tasks are where they should be.
    let other = assignment(rng, tasks, nodes);
    let mut initial = layout.at.clone();
    for (node, other) in initial.iter_mut().zip(other) {
        if rng.below(3) == 0 {
            *node = other;
        }
    }
    (b.build().unwrap(), initial, layout.at)
}

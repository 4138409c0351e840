//! Synthetic clusters of any size.

use rand::RngExt as _;
use scheduler_core::model::{Node, Resource, Service, Task, Weights};
use scheduler_core::rng::stream;
use scheduler_core::{Model, ModelBuilder, NodeId};

/// A synthetic cluster: `tasks` tasks of 12 resources on `nodes` nodes, services of ten.
pub(super) fn synthetic(tasks: usize, nodes: usize) -> Result<(Model, Vec<NodeId>), String> {
    cluster(tasks, nodes, false)
}

/// The same with a cost of moving for each pair of nodes.
pub(super) fn synthetic_far(tasks: usize, nodes: usize) -> Result<(Model, Vec<NodeId>), String> {
    cluster(tasks, nodes, true)
}

fn cluster(tasks: usize, nodes: usize, far: bool) -> Result<(Model, Vec<NodeId>), String> {
    let mut rng = stream(7, "synthetic");
    let resources: Vec<Resource> = (0..12)
        .map(|r| Resource {
            transient: r < 2,
            load_weight: 1 + r,
        })
        .collect();
    let mut b = ModelBuilder::new(&resources).map_err(|e| e.to_string())?;
    let each = (tasks / nodes).max(1) as u64;
    for n in 0..nodes as u64 {
        let (capacity, safety) = ([each * 80; 12], [each * 52; 12]);
        let node = Node {
            location: n % 50,
            neighbourhood: n % 5,
            capacity: &capacity,
            safety: &safety,
        };
        b.node(node).map_err(|e| e.to_string())?;
    }
    if far {
        let costs = (0..nodes * nodes).map(|i| i as u32 % 7).collect();
        b.node_move_costs(costs).map_err(|e| e.to_string())?;
    }
    let mut at = Vec::with_capacity(tasks);
    for t in 0..tasks {
        if t % 10 == 0 {
            b.service(Service {
                spread: 2,
                per_node: 1,
            })
            .map_err(|e| e.to_string())?;
        }
        let need: Vec<u64> = (0..12).map(|_| rng.random_range(0..100)).collect();
        let service = scheduler_core::ServiceId((t / 10) as u32);
        b.task(Task {
            service,
            need: &need,
            move_cost: 1,
        })
        .map_err(|e| e.to_string())?;
        at.push(NodeId((t % nodes) as u32));
    }
    b.weights(Weights {
        task_move: 1,
        service_move: 10,
        node_move: 1,
    })
    .map_err(|e| e.to_string())?;
    Ok((b.build().map_err(|e| e.to_string())?, at))
}

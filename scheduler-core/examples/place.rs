//! Replicas are placed, one host gets hot, and a safe move is planned:
//! `cargo run -p scheduler-core --example place`.

use scheduler_core::live::{ProtectorConfig, Sample};
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::search::{ByCount, Placer as _};
use scheduler_core::{Cluster, ModelBuilder, Protector, Timestamp};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    // Two resources: millicores, of which 6,400 of 8,000 are safe, and slots.
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let slots = Resource {
        transient: true,
        load_weight: 0,
    };
    let mut model = ModelBuilder::new(&[cpu, slots])?;
    for location in [0, 0, 1, 1] {
        model.node(Node {
            location,
            neighbourhood: 0,
            capacity: &[8000, 20],
            safety: &[6400, 20],
        })?;
    }
    // Three services of three replicas each: over both locations, at most two on a node.
    for _ in 0..3 {
        let service = model.service(Service {
            spread: 2,
            per_node: 2,
        })?;
        for _ in 0..3 {
            model.task(Task {
                service,
                need: &[0, 1],
                move_cost: 1,
            })?;
        }
    }
    let model = model.build()?;
    let first = ByCount.place(&model)?;
    println!("placed on nodes {first:?}");

    // Samples come each second. Whatever runs on node 0 takes far more than the rest.
    let cluster = Cluster::new(model, &first)?;
    let mut protector = Protector::new(cluster, 0, ProtectorConfig::default())?;
    let mut events = Vec::new();
    for second in 1..120 {
        let now = Timestamp::from_secs(second);
        let load = |node: &scheduler_core::NodeId| if node.0 == 0 { 2400 } else { 100 };
        let tasks: Vec<Sample> = first.iter().map(load).collect();
        let mut nodes = [0; 4];
        for (node, sample) in first.iter().zip(&tasks) {
            nodes[node.index()] += sample;
        }
        protector.observe(now, &nodes, &tasks, &mut events)?;
        let plan = protector.plan(now);
        if plan.moves.is_empty() {
            continue;
        }
        print!("after {second} s: {}", plan.explain());
        for m in &plan.moves {
            protector.begin_move(now, m.task, m.to)?;
            protector.finish_move(now, m.task)?;
        }
        assert!(protector.cluster().violations().is_empty());
        return Ok(());
    }
    Err("nothing was planned".into())
}

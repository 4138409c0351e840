//! The same calls give the same answers: two protectors fed alike plan alike, move for move and word for word.

use rand::Rng as _;
use scheduler_core::live::{ProtectorConfig, Sample};
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::rng::stream;
use scheduler_core::search::{ByCount, Placer};
use scheduler_core::{Cluster, ModelBuilder, Protector, Timestamp};
use std::fmt::Write as _;

const NODES: u64 = 6;
const TASKS: usize = 48;

fn protector() -> Protector {
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let slots = Resource {
        transient: true,
        load_weight: 0,
    };
    let mut builder = ModelBuilder::new(&[cpu, slots]).expect("resources");
    for node in 0..NODES {
        let (capacity, safety) = ([8000, 30], [6400, 30]);
        let node = Node {
            location: node % 2,
            neighbourhood: 0,
            capacity: &capacity,
            safety: &safety,
        };
        builder.node(node).expect("a node");
    }
    for _ in 0..TASKS / 4 {
        let service = builder
            .service(Service {
                spread: 2,
                per_node: 2,
            })
            .expect("a service");
        for _ in 0..4 {
            builder
                .task(Task {
                    service,
                    need: &[0, 1],
                    move_cost: 1,
                })
                .expect("a task");
        }
    }
    let model = builder.build().expect("a model");
    let first = ByCount.place(&model).expect("a placement");
    let cluster = Cluster::new(model, &first).expect("feasible");
    Protector::new(cluster, 0, ProtectorConfig::default()).expect("a configuration")
}

/// Ten minutes of load from a seed; everything that was told and planned, in words.
fn life(seed: u64) -> String {
    let mut protector = protector();
    let mut rng = stream(seed, "load");
    let mut said = String::new();
    let mut events = Vec::new();
    let level: Vec<u64> = (0..TASKS).map(|_| rng.next_u64() % 1_400).collect();
    for second in 1..600 {
        let now = Timestamp::from_secs(second);
        let tasks: Vec<Sample> = level
            .iter()
            .map(|l| (l + rng.next_u64() % 200) as Sample)
            .collect();
        let mut nodes = [0; NODES as usize];
        let at = protector.cluster().placement().assignment();
        for (node, sample) in at.iter().zip(&tasks) {
            nodes[node.index()] += sample;
        }
        protector
            .observe(now, &nodes, &tasks, &mut events)
            .expect("samples");
        let plan = protector.plan(now);
        if !plan.is_empty() {
            writeln!(said, "{second}: {}", plan.explain()).expect("a string");
        }
        for m in &plan.moves {
            protector
                .begin_move(now, m.task, m.to)
                .expect("feasible one after another");
            protector.finish_move(now, m.task).expect("under way");
        }
    }
    writeln!(said, "{events:?}").expect("a string");
    said
}

#[test]
fn the_same_load_gives_the_same_plans() {
    let first = life(7);
    assert!(
        first.contains("move task"),
        "the load makes something move: {first}"
    );
    assert_eq!(first, life(7));
    assert_ne!(first, life(8));
}

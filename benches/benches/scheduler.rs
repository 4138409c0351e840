//! `scheduler-core`'s main calls: `cargo bench -p benches --bench scheduler`, on a cluster of five thousand tasks on five
//! hundred nodes, two resources, services of ten. How to read them:
//!
//! - `place`: every task's first node, by count: what a rollout of the whole cluster costs.
//! - `shift`: one candidate of a search: may this task go to that node, and what would it cost?
//! - `observe`: a second's samples of all nodes and tasks.
//! - `plan/nothing-to-do` and `plan/overload`: whether somebody must move, when nobody must, and the moves that relieve one hot node.
//! - `solve/20000-evaluations`: a short search for a cheaper assignment; divide by 20,000 for one evaluation.
//! - `order`: a safe order for the moves that the search found.
#![forbid(unsafe_code)]

mod common;

use common::quick;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use scheduler_core::live::{ProtectorConfig, Sample};
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::order::{OrderLimits, order_moves};
use scheduler_core::search::{ByCount, Evaluations, Improver as _, Placer as _};
use scheduler_core::{Cluster, Model, ModelBuilder, NodeId, Placement, Protector};
use scheduler_core::{Solver, TaskId, Timestamp};

type Failure = Box<dyn std::error::Error>;

const NODES: u64 = 500;
const SERVICES: u64 = 500;
/// Tasks of a service.
const REPLICAS: u64 = 10;

/// Cores in thousandths and slots; what tasks ask for differs, so that there is something to improve.
fn cluster() -> Result<Model, Failure> {
    let cores = Resource {
        transient: false,
        load_weight: 1,
    };
    let slots = Resource {
        transient: true,
        load_weight: 0,
    };
    let mut b = ModelBuilder::new(&[cores, slots])?;
    for n in 0..NODES {
        let (location, neighbourhood) = (n % 20, n % 5);
        b.node(Node {
            location,
            neighbourhood,
            capacity: &[8_000, 40],
            safety: &[4_000, 40],
        })?;
    }
    for s in 0..SERVICES {
        let service = b.service(Service {
            spread: 2,
            per_node: 1,
        })?;
        for t in 0..REPLICAS {
            let need = [50 + (s * 7_919 + t * 104_729) % 700, 1];
            b.task(Task {
                service,
                need: &need,
                move_cost: 1,
            })?;
        }
    }
    Ok(b.build()?)
}

fn placed() -> (Model, Vec<NodeId>) {
    let model = cluster().expect("a model");
    let at = ByCount.place(&model).expect("there is room");
    (model, at)
}

fn placement(c: &mut Criterion) {
    let (model, at) = placed();
    c.bench_function("place", |b| b.iter(|| ByCount.place(&model)));
    let p = Placement::new(&model, &at).expect("a placement");
    let mut i = 0_u32;
    c.bench_function("shift", |b| {
        b.iter(|| {
            i = i.wrapping_add(1);
            let task = TaskId(i.wrapping_mul(7_919) % model.tasks() as u32);
            let node = NodeId(i.wrapping_mul(104_729) % model.nodes() as u32);
            (
                p.blocked(&model, task, node),
                p.cost_of_shift(&model, task, node),
            )
        });
    });
}

/// Samples of a second: a task takes half of its share of a node, on the hot node four times that.
fn samples(at: &[NodeId], hot: Option<NodeId>) -> (Vec<Sample>, Vec<Sample>) {
    let take = |node: &NodeId| if Some(*node) == hot { 800 } else { 200 };
    let tasks: Vec<Sample> = at.iter().map(take).collect();
    let mut nodes = vec![0; NODES as usize];
    for (node, sample) in at.iter().zip(&tasks) {
        nodes[node.index()] += sample;
    }
    (nodes, tasks)
}

fn protector(seconds: u64, hot: Option<NodeId>) -> Protector {
    let (model, at) = placed();
    let cluster = Cluster::new(model, &at).expect("a cluster");
    let mut protector =
        Protector::new(cluster, 0, ProtectorConfig::default()).expect("what works by default");
    let (nodes, tasks) = samples(&at, hot);
    let mut events = Vec::new();
    for second in 1..=seconds {
        let now = Timestamp::from_secs(second);
        protector
            .observe(now, &nodes, &tasks, &mut events)
            .expect("samples of all");
    }
    protector
}

fn protection(c: &mut Criterion) {
    let (_, at) = placed();
    let (nodes, tasks) = samples(&at, None);
    let mut quiet = protector(60, None);
    let (mut second, mut events) = (60, Vec::new());
    c.bench_function("observe", |b| {
        b.iter(|| {
            second += 1;
            quiet.observe(Timestamp::from_secs(second), &nodes, &tasks, &mut events)
        });
    });
    let now = Timestamp::from_secs(second);
    assert!(quiet.plan(now).moves.is_empty());
    c.bench_function("plan/nothing-to-do", |b| b.iter(|| quiet.plan(now)));
    let hot = protector(60, Some(NodeId(7)));
    let now = Timestamp::from_secs(60);
    c.bench_function("plan/overload", |b| {
        b.iter_batched(
            || hot.clone(),
            |mut hot| {
                assert!(!hot.plan(now).moves.is_empty());
                hot
            },
            BatchSize::LargeInput,
        );
    });
}

fn search(c: &mut Criterion) {
    let (model, at) = placed();
    let solve = || {
        let mut budget = Evaluations(20_000);
        Solver { seed: 1 }.improve(&model, &at, &mut budget, &mut |_, _| {})
    };
    c.bench_function("solve/20000-evaluations", |b| b.iter(solve));
    let found = solve().expect("a feasible start");
    c.bench_function("order", |b| {
        b.iter(|| order_moves(&model, &at, &found.assignment, OrderLimits::default()));
    });
}

criterion_group! { name = main_paths; config = quick(); targets = placement, protection, search }
criterion_main!(main_paths);

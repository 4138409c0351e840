//! Relief by harm: moves that pay are made and say so, others are not.

use scheduler_core::live::{Obstacle, ProtectorConfig, Sample, Worth};
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::{Cluster, ModelBuilder, NodeId, Protector, TaskId, Timestamp};
use std::time::Duration;

const CPU: Resource = Resource {
    transient: false,
    load_weight: 1,
};

/// Three nodes of 8 cores, overloaded above 6.4; on node 0 tasks that take `loads`, elsewhere nothing.
fn protector(loads: &[Sample], worth: Worth) -> Protector {
    let mut b = ModelBuilder::new(&[CPU]).expect("a model");
    for rack in 0..3 {
        b.node(Node {
            location: rack,
            neighbourhood: 0,
            capacity: &[8000],
            safety: &[6400],
        })
        .expect("a node");
    }
    let service = b
        .service(Service {
            spread: 1,
            per_node: 99,
        })
        .expect("a service");
    for _ in loads {
        b.task(Task {
            service,
            need: &[1],
            move_cost: 1,
        })
        .expect("a task");
    }
    let at = vec![NodeId(0); loads.len()];
    let cluster = Cluster::new(b.build().expect("built"), &at).expect("a cluster");
    let config = ProtectorConfig::default().with_worth(Some(worth));
    Protector::new(cluster, 0, config).expect("a protector")
}

/// Feeds `seconds` of the same samples, without moves.
fn feed(protector: &mut Protector, loads: &[Sample], from: u64, seconds: u64) {
    let whole: Sample = loads.iter().sum::<Sample>().min(8000);
    let mut events = Vec::new();
    for second in from..from + seconds {
        let now = Timestamp::from_secs(second);
        protector
            .observe(now, &[whole, 0, 0], loads, &mut events)
            .expect("samples");
    }
}

#[test]
fn an_overloaded_node_is_relieved_by_moves_that_say_what_they_save_and_cost() {
    let loads = [2400, 1500, 1500, 1500, 300];
    let mut p = protector(&loads, Worth::default());
    feed(&mut p, &loads, 1, 60);
    let plan = p.plan(Timestamp::from_secs(60));
    let first = plan.moves.first().expect("a move");
    let balance = first.figures.balance.expect("weighed");
    assert!(balance.saved > balance.cost && balance.cost > 0, "{first}");
    // The excess is 800: one of the large tasks leaves, and that is enough.
    assert_eq!(plan.moves.len(), 1, "{}", plan.explain());
    assert!(loads[first.task.index()] >= 1500, "{first}");
    let said = plan.explain();
    let sentence = format!(
        "it saves {} of harm and costs {}",
        balance.saved, balance.cost
    );
    assert!(said.contains(&sentence), "{said}");
}

#[test]
fn no_move_is_made_that_costs_more_than_it_saves() {
    let loads = [2400, 1500, 1500, 1500, 300];
    // Nobody would serve a task that moves for an hour.
    let worth = Worth::default().with_gap(Duration::from_secs(3600));
    let mut p = protector(&loads, worth);
    feed(&mut p, &loads, 1, 60);
    let plan = p.plan(Timestamp::from_secs(60));
    assert!(plan.moves.is_empty(), "{}", plan.explain());
    assert_eq!(
        plan.unrelieved.len(),
        1,
        "it says that the node stays overloaded"
    );
    // What is worth little is not moved either, and the plan says why.
    let dear = Worth::default().with_least(Duration::from_secs(86_400));
    let mut p = protector(&loads, dear);
    feed(&mut p, &loads, 1, 60);
    assert!(p.plan(Timestamp::from_secs(60)).moves.is_empty());
    let some = Worth::default().with_least(Duration::from_secs(3000));
    let mut p = protector(&loads, some);
    feed(&mut p, &loads, 1, 60);
    let plan = p.plan(Timestamp::from_secs(60));
    let worthless = |o: &(Obstacle, u32)| o.0 == Obstacle::NotWorthIt;
    let told = plan
        .unrelieved
        .iter()
        .flat_map(|u| &u.obstacles)
        .any(worthless);
    assert!(plan.moves.is_empty() && (told || plan.unrelieved.is_empty()));
}

#[test]
fn a_quiet_node_and_a_short_spike_move_nothing() {
    let quiet = [1000, 1000, 1000, 1000];
    let mut p = protector(&quiet, Worth::default());
    feed(&mut p, &quiet, 1, 600);
    assert!(p.plan(Timestamp::from_secs(600)).is_empty());
    // A spike of three seconds, once an hour has been quiet.
    let spike = [1000, 1000, 1000, 5000];
    feed(&mut p, &quiet, 601, 3000);
    feed(&mut p, &spike, 3601, 3);
    let plan = p.plan(Timestamp::from_secs(3603));
    assert!(plan.moves.is_empty(), "{}", plan.explain());
}

#[test]
fn a_task_is_not_moved_again_within_its_cool_down() {
    let loads = [2400, 1500, 1500, 1500, 300];
    let mut p = protector(&loads, Worth::default());
    feed(&mut p, &loads, 1, 60);
    let now = Timestamp::from_secs(60);
    let first = p.plan(now).moves[0];
    p.begin_move(now, first.task, first.to).expect("begun");
    p.finish_move(now, first.task).expect("finished");
    // All that there is now runs hot where the task went: others may leave, it may not.
    let mut events = Vec::new();
    for second in 61..600 {
        let mut nodes = [0, 0, 0];
        nodes[first.to.index()] = 8000;
        let mut tasks = [10; 5];
        tasks[first.task.index()] = 7900;
        let now = Timestamp::from_secs(second);
        p.observe(now, &nodes, &tasks, &mut events)
            .expect("samples");
        let again = p.plan(now);
        let moved: Vec<TaskId> = again.moves.iter().map(|m| m.task).collect();
        assert!(!moved.contains(&first.task), "second {second}");
    }
}

//! Deltas against recomputation and searches against brute force, on random small models.

mod meeting;
#[path = "../random_model/mod.rs"]
mod random_model;

use random_model::instance;

use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::rng::stream;
use scheduler_core::search::{Evaluations, Exchange, Improver as _, lower_bound, relieve};
use scheduler_core::testing::Uniform as _;
use scheduler_core::{Model, ModelBuilder, NodeId, Placement, ServiceId, Solver, TaskId};

#[test]
fn deltas_and_counters_equal_recomputation_on_many_random_moves() {
    let mut rng = stream(1, "deltas");
    let mut moves = 0;
    for round in 0..60 {
        let (tasks, nodes) = (2 + rng.below(20), 2 + rng.below(6));
        let (model, at) = instance(&mut rng, tasks, nodes);
        let mut p = Placement::new(&model, &at).unwrap();
        for step in 0..8_000 {
            let task = TaskId(rng.below(tasks) as u32);
            let to = NodeId(rng.below(nodes) as u32);
            let said = p.cost_of_shift(&model, task, to);
            let before = p.cost(&model);
            let other = TaskId(rng.below(tasks) as u32);
            if step % 50 == 0 {
                let swap = p.cost_of_swap(&model, task, other);
                let mut at = p.assignment();
                at.swap(task.index(), other.index());
                let homes: Vec<NodeId> = (0..tasks as u32)
                    .map(|t| p.home_of(TaskId(t)).unwrap())
                    .collect();
                let swapped = Placement::moved(&model, &homes, &at).unwrap();
                assert_eq!(swapped.cost(&model) - before, swap, "round {round}");
            }
            match p.try_shift(&model, task, to) {
                Ok(delta) => {
                    moves += 1;
                    assert_eq!(delta, said, "round {round}, step {step}");
                    assert_eq!(p.cost(&model), before + delta);
                }
                Err(_) => assert_eq!(p.cost(&model), before),
            }
            if step % 997 == 0 {
                p.check_invariants(&model).unwrap();
                assert!(
                    p.violations(&model).is_empty(),
                    "round {round}, step {step}"
                );
            }
        }
    }
    assert!(moves > 40_000, "only {moves} moves were permitted");
}

#[test]
fn a_shift_is_refused_exactly_when_the_result_is_infeasible() {
    let mut rng = stream(2, "refusals");
    let (mut refused, mut allowed) = (0, 0);
    for _ in 0..300 {
        let (tasks, nodes) = (2 + rng.below(8), 2 + rng.below(4));
        let (model, at) = instance(&mut rng, tasks, nodes);
        let p = Placement::new(&model, &at).unwrap();
        for (t, n) in (0..tasks * nodes).map(|i| (i / nodes, i % nodes)) {
            let mut next = at.clone();
            next[t] = NodeId(n as u32);
            let fresh = Placement::moved(&model, &at, &next).unwrap();
            let blocked = p.blocked(&model, TaskId(t as u32), NodeId(n as u32));
            assert_eq!(
                blocked.is_none(),
                fresh.violations(&model).is_empty(),
                "{blocked:?}"
            );
            refused += u32::from(blocked.is_some());
            allowed += u32::from(blocked.is_none());
        }
    }
    assert!(
        refused > 300 && allowed > 300,
        "{refused} refused, {allowed} allowed"
    );
}

/// The least cost over all feasible assignments.
fn brute_force(model: &Model, at: &[NodeId]) -> i64 {
    let (tasks, nodes) = (model.tasks() as u32, model.nodes());
    let mut best = i64::MAX;
    for code in 0..nodes.pow(tasks) {
        let digit = |t: u32| NodeId((code / nodes.pow(t) % nodes) as u32);
        let next: Vec<NodeId> = (0..tasks).map(digit).collect();
        let p = Placement::moved(model, at, &next).unwrap();
        if p.violations(model).is_empty() {
            best = best.min(p.cost(model));
        }
    }
    best
}

#[test]
fn search_reaches_the_optimum_of_tiny_instances_and_never_passes_the_bound() {
    let mut rng = stream(3, "tiny");
    let mut reached = 0;
    for seed in 0..30 {
        let (model, at) = instance(&mut rng, 5, 3);
        let best = brute_force(&model, &at);
        let mut improvements = Vec::new();
        let found = Solver { seed }
            .improve(&model, &at, &mut Evaluations(100_000), &mut |_, c| {
                improvements.push(c);
            })
            .unwrap();
        let p = Placement::moved(&model, &at, &found.assignment).unwrap();
        assert!(p.violations(&model).is_empty());
        assert_eq!(p.cost_by_part(&model).total(), found.cost);
        assert!(lower_bound(&model) <= best && best <= found.cost && found.cost <= found.initial);
        assert!(improvements.is_sorted_by(|a, b| a > b));
        reached += u32::from(found.cost == best);
    }
    assert!(reached >= 25, "only {reached} of 30 optima were reached");
}

/// With more nodes than a sample has, schedules race among some of them; with more pairs of task and node than lists are
/// kept for, where a task can go is asked each time.
#[test]
fn searches_of_models_with_many_nodes_are_feasible_improve_and_depend_on_the_seed_alone() {
    for (seed, tasks, nodes) in [(1, 400, 150), (2, 300, 240), (3, 70, 1_000_000)] {
        let (model, at) = if nodes < 1_000 {
            instance(&mut stream(seed, "many nodes"), tasks, nodes)
        } else {
            row_of_nodes(tasks, nodes)
        };
        let run = || {
            Solver { seed }
                .improve(&model, &at, &mut Evaluations(1_000_000), &mut |_, _| {})
                .unwrap()
        };
        let found = run();
        assert!(found.cost < found.initial, "{tasks} x {nodes}");
        let p = Placement::moved(&model, &at, &found.assignment).unwrap();
        assert!(p.violations(&model).is_empty());
        assert_eq!(p.cost_by_part(&model).total(), found.cost);
        let above = (found.cost - found.lower_bound) as f64;
        assert!((found.gap() * found.cost as f64 - above).abs() < 1e-3 && found.gap() <= 1.0);
        assert_eq!(found, run());
    }
}

/// Nodes that hold one task each without cost; all tasks are on the first ones, two by two.
fn row_of_nodes(tasks: usize, nodes: usize) -> (Model, Vec<NodeId>) {
    let resource = Resource {
        transient: true,
        load_weight: 5,
    };
    let mut b = ModelBuilder::new(&[resource]).unwrap();
    for n in 0..nodes as u64 {
        b.node(Node {
            location: n / 10,
            neighbourhood: n % 3,
            capacity: &[2],
            safety: &[1],
        })
        .unwrap();
    }
    for t in 0..tasks {
        let (spread, per_node) = (0, 1);
        b.service(Service { spread, per_node }).unwrap();
        b.task(Task {
            service: ServiceId(t as u32),
            need: &[1],
            move_cost: 1,
        })
        .unwrap();
    }
    let at = (0..tasks).map(|t| NodeId((t / 2) as u32)).collect();
    (b.build().unwrap(), at)
}

#[test]
fn the_same_seed_and_evaluations_give_the_same_answer() {
    let (model, at) = instance(&mut stream(4, "same"), 60, 8);
    let run = |seed| {
        let mut budget = Evaluations(400_000);
        Solver { seed }
            .improve(&model, &at, &mut budget, &mut |_, _| {})
            .unwrap()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).evaluations, 0);
}

#[test]
fn urgent_answers_are_feasible_gain_what_they_say_and_leave_the_placement_alone() {
    let mut rng = stream(6, "urgent");
    let (mut found, mut explained) = (0, 0);
    for _ in 0..300 {
        let (tasks, nodes) = (2 + rng.below(15), 2 + rng.below(5));
        let (model, at) = instance(&mut rng, tasks, nodes);
        let mut p = Placement::new(&model, &at).unwrap();
        let node = NodeId(rng.below(nodes) as u32);
        let urgent = relieve(&model, &mut p, node, 3);
        assert_eq!(p.assignment(), at);
        p.check_invariants(&model).unwrap();
        for m in &urgent.moves {
            assert_eq!(p.try_shift(&model, m.task, m.to), Ok(-m.gain));
            assert!(m.gain > 0);
        }
        assert!(p.violations(&model).is_empty());
        found += urgent.moves.len();
        explained += usize::from(!urgent.forbidden.is_empty());
        assert!(!urgent.explain().is_empty());
    }
    assert!(
        found > 30 && explained > 20,
        "{found} moves, {explained} explanations"
    );
}

#[test]
fn an_assignment_above_capacity_is_repaired() {
    let mut b = ModelBuilder::new(&[Resource {
        transient: false,
        load_weight: 0,
    }])
    .unwrap();
    for location in 0..4 {
        b.node(Node {
            location,
            neighbourhood: 0,
            capacity: &[10],
            safety: &[10],
        })
        .unwrap();
    }
    for _ in 0..8 {
        let service = b
            .service(Service {
                spread: 0,
                per_node: 1,
            })
            .unwrap();
        b.task(Task {
            service,
            need: &[5],
            move_cost: 1,
        })
        .unwrap();
    }
    let model = b.build().unwrap();
    // All on one node; only two fit on each.
    let found = Solver { seed: 1 }
        .improve(
            &model,
            &[NodeId(0); 8],
            &mut Evaluations(100_000),
            &mut |_, _| {},
        )
        .unwrap();
    let placement = Placement::moved(&model, &[NodeId(0); 8], &found.assignment).unwrap();
    assert!(placement.violations(&model).is_empty());
    assert_eq!(placement.moves(), 6);
}

#[test]
fn a_model_without_resources_is_searched_too() {
    let mut b = ModelBuilder::new(&[]).unwrap();
    for location in 0..3 {
        let (capacity, safety) = (&[][..], &[][..]);
        b.node(Node {
            location,
            neighbourhood: 0,
            capacity,
            safety,
        })
        .unwrap();
    }
    let service = Service {
        spread: 0,
        per_node: 2,
    };
    let service = b.service(service).unwrap();
    for _ in 0..2 {
        b.task(Task {
            service,
            need: &[],
            move_cost: 1,
        })
        .unwrap();
    }
    let model = b.build().unwrap();
    let found = Solver { seed: 1 }
        .improve(
            &model,
            &[NodeId(0); 2],
            &mut Evaluations(50_000),
            &mut |_, _| {},
        )
        .unwrap();
    assert_eq!((found.cost, found.assignment), (0, vec![NodeId(0); 2]));
}

//! What users need beyond the challenge: labels and taints as sets of nodes, budgets of moves, objectives in order.

mod facts;

use facts::{Draw, Facts, draw};
use scheduler_core::model::{
    Balance, ModelError, Node, Objective, Resource, Service, Task, Weights,
};
use scheduler_core::rng::{Xoshiro256PlusPlus, stream};
use scheduler_core::search::{Evaluations, Improver as _, keep_best_moves};
use scheduler_core::testing::Uniform as _;
use scheduler_core::{ModelBuilder, NodeId, Placement, Solver, TaskId};

/// Four nodes of room 100 and threshold 10, three tasks of 8 in services of their own.
fn builder() -> ModelBuilder {
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let mut b = ModelBuilder::new(&[cpu]).unwrap();
    for n in 0..4 {
        let (capacity, safety) = ([100], [10]);
        b.node(Node {
            location: n,
            neighbourhood: 0,
            capacity: &capacity,
            safety: &safety,
        })
        .unwrap();
    }
    for _ in 0..3 {
        let service = b
            .service(Service {
                spread: 0,
                per_node: 1,
            })
            .unwrap();
        b.task(Task {
            service,
            need: &[8],
            move_cost: 1,
        })
        .unwrap();
    }
    b
}

#[test]
fn tasks_run_only_where_all_their_sets_and_no_forbidden_pair_allow() {
    let mut b = builder();
    // Nodes 1 and 2 have the label; 2 and 3 have a taint that only task 1 tolerates.
    let labelled = b.node_set(&[NodeId(1), NodeId(2)]).unwrap();
    let untainted = b.node_set(&[NodeId(0), NodeId(1)]).unwrap();
    for task in [0, 1] {
        b.only_on(TaskId(task), labelled).unwrap();
    }
    for task in [0, 2] {
        b.only_on(TaskId(task), untainted).unwrap();
    }
    b.forbid(TaskId(1), NodeId(2)).unwrap();
    let model = b.build().unwrap();
    let allowed = |task| -> Vec<u32> {
        (0..4)
            .filter(|n| model.allows(TaskId(task), NodeId(*n)))
            .collect()
    };
    assert_eq!(
        (allowed(0), allowed(1), allowed(2)),
        (vec![1], vec![1], vec![0, 1])
    );
    // The search keeps to it: task 2 is the only one that can make room on node 1.
    let at = [NodeId(1); 3];
    let found = Solver { seed: 1 }
        .improve(&model, &at, &mut Evaluations(5_000), &mut |_, _| {})
        .unwrap();
    assert_eq!(found.assignment, [NodeId(1), NodeId(1), NodeId(0)]);
}

#[test]
fn wrong_sets_are_refused_and_change_nothing() {
    let mut b = builder();
    assert!(matches!(
        b.node_set(&[NodeId(4)]),
        Err(ModelError::Unknown { .. })
    ));
    let set = b.node_set(&[NodeId(0)]).unwrap();
    assert!(matches!(
        b.only_on(TaskId(3), set),
        Err(ModelError::Unknown { .. })
    ));
    let mut other = builder();
    assert!(matches!(
        other.only_on(TaskId(0), set),
        Err(ModelError::Unknown { .. })
    ));
    let model = other.build().unwrap();
    assert!((0..4).all(|n| model.allows(TaskId(0), NodeId(n))));
}

#[test]
fn an_earlier_objective_outweighs_all_of_the_later_ones() {
    // Two tasks on one node, 6 above the threshold; moving one of them costs 1000.
    let cost = |order: &[Objective], to: u32| -> i64 {
        let mut b = builder();
        b.weights(Weights {
            task_move: 1000,
            service_move: 0,
            node_move: 0,
        })
        .unwrap();
        b.balance(Balance {
            first: 0,
            second: 0,
            target: 2,
            weight: 5,
        })
        .unwrap();
        b.order_objectives(order).unwrap();
        let model = b.build().unwrap();
        let at = [NodeId(0), NodeId(0), NodeId(1)];
        let p = Placement::moved(&model, &at, &[NodeId(0), NodeId(to), NodeId(1)]).unwrap();
        p.cost(&model)
    };
    use Objective::{Balance as Even, Load, Moves};
    assert!(
        cost(&[], 0) < cost(&[], 2),
        "by weights the move is not worth it"
    );
    assert!(cost(&[Load], 2) < cost(&[Load], 0));
    assert!(cost(&[Load, Moves], 2) < cost(&[Load, Moves], 0));
    assert!(cost(&[Moves, Load], 0) < cost(&[Moves, Load], 2));
    assert!(cost(&[Load, Even, Moves], 2) < cost(&[Load, Even, Moves], 0));
}

#[test]
fn order_of_objectives_is_the_order_of_costs_for_any_two_assignments() {
    let mut rng = stream(1, "order of objectives");
    let mut decided = [0; 3];
    for _ in 0..300 {
        let how = Draw {
            tasks: 5,
            nodes: 3,
            slack: 20,
            feasible: true,
        };
        let facts = draw(&mut rng, how);
        let all = [Objective::Load, Objective::Moves, Objective::Balance];
        let model = facts.model_with(|b| b.order_objectives(&all).unwrap());
        let any =
            |rng: &mut Xoshiro256PlusPlus| -> Vec<usize> { (0..5).map(|_| rng.below(3)).collect() };
        let (x, y) = (any(&mut rng), any(&mut rng));
        let parts = |at: &[usize]| {
            let [load, balance, a, b, c] = facts.cost(&facts.at, at);
            [load, a + b + c, balance]
        };
        let cost = |at: &[usize]| {
            Placement::moved(&model, &Facts::ids(&facts.at), &Facts::ids(at))
                .unwrap()
                .cost(&model)
        };
        assert_eq!(cost(&x).cmp(&cost(&y)), parts(&x).cmp(&parts(&y)));
        if let Some(i) = (0..3).find(|i| parts(&x)[*i] != parts(&y)[*i]) {
            decided[i] += 1;
        }
    }
    assert!(decided[0] > 100 && decided[1] > 10, "{decided:?}");
}

#[test]
fn objectives_that_do_not_fit_or_are_named_twice_are_refused_and_change_nothing() {
    let mut b = builder();
    let refused = b.order_objectives(&[Objective::Load, Objective::Load]);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("each objective once")
    );
    b.weights(Weights {
        task_move: 1 << 53,
        service_move: 0,
        node_move: 0,
    })
    .unwrap();
    let refused = b.order_objectives(&[Objective::Load, Objective::Moves]);
    assert!(matches!(refused, Err(ModelError::TooCostly { .. })));
    let at = [NodeId(0); 3];
    let model = b.build().unwrap();
    assert_eq!(Placement::new(&model, &at).unwrap().cost(&model), 14);
}

#[test]
fn a_budget_of_moves_is_kept_feasibly_and_spent_well() {
    let mut rng = stream(2, "move budgets");
    let (mut kept, mut least, mut none) = (0, 0, 0);
    for seed in 0..80 {
        let how = Draw {
            tasks: 5,
            nodes: 3,
            slack: 20,
            feasible: true,
        };
        let facts = draw(&mut rng, how);
        let (model, at) = (facts.model(), Facts::ids(&facts.at));
        let mut budget = Evaluations(20_000);
        let found = Solver { seed }
            .improve(&model, &at, &mut budget, &mut |_, _| {})
            .unwrap();
        for most in 0..4 {
            let answer = keep_best_moves(&model, &at, &found.assignment, most).unwrap();
            let p = Placement::moved(&model, &at, &answer).unwrap();
            assert!(p.moves() <= most && p.violations(&model).is_empty());
            let subset = answer.iter().zip(&found.assignment).zip(&at);
            assert!(subset.into_iter().all(|((a, f), i)| a == f || a == i));
            kept += p.cost(&model);
            least += best_of_all_subsets(&facts, &found.assignment, most);
            none += found.initial;
        }
    }
    // Of what the best choices gain nearly all is gained.
    assert!(
        (none - kept) * 100 >= (none - least) * 98,
        "{none} {kept} {least}"
    );
    assert!(none > least);
}

fn best_of_all_subsets(facts: &Facts, target: &[NodeId], most: usize) -> i64 {
    let mut best = i64::MAX;
    for set in 0_u32..1 << facts.at.len() {
        let take = |t: usize| {
            if set >> t & 1 == 1 {
                target[t].index()
            } else {
                facts.at[t]
            }
        };
        let at: Vec<usize> = (0..facts.at.len()).map(take).collect();
        let moved = at.iter().zip(&facts.at).filter(|(a, b)| a != b).count();
        if moved <= most && facts.broken(&facts.at, &at) == [0; 5] {
            best = best.min(facts.cost(&facts.at, &at).iter().sum());
        }
    }
    best
}

//! Every change of a placement against recomputation from scratch, over millions of random moves.

mod facts;

use facts::{Draw, Facts, draw};
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::placement::Constraint;
use scheduler_core::rng::{Xoshiro256PlusPlus, stream};
use scheduler_core::testing::Uniform as _;
use scheduler_core::{Model, ModelBuilder, NodeId, Placement, TaskId};

/// Random moves over random instances: after each the cost is what a pass over everything says, and every
/// refusal is one by the rules. Now and then everything is compared with the rules written down anew.
#[test]
fn two_million_moves_cost_what_recomputation_says() {
    let mut rng = stream(1, "millions");
    let (mut made, mut refused, mut swaps) = (0_u64, 0_u64, 0_u64);
    let mut kinds = [0_u32; 4];
    while made < 2_000_000 {
        let (tasks, nodes) = (3 + rng.below(8), 2 + rng.below(4));
        let facts = draw(
            &mut rng,
            Draw {
                tasks,
                nodes,
                slack: 40,
                feasible: true,
            },
        );
        let model = facts.model();
        let mut p = Placement::new(&model, &Facts::ids(&facts.at)).unwrap();
        let mut at = facts.at.clone();
        for step in 0..20_000 {
            let (t, n) = (rng.below(tasks), rng.below(nodes));
            let (task, node) = (TaskId(t as u32), NodeId(n as u32));
            let before = p.cost(&model);
            let said = p.cost_of_shift(&model, task, node);
            match p.try_shift(&model, task, node) {
                Ok(delta) => {
                    made += 1;
                    at[t] = n;
                    assert_eq!(delta, said);
                    assert_eq!(p.cost(&model), before + delta);
                    assert_eq!(p.cost_by_part(&model).total(), before + delta);
                }
                Err(constraint) => {
                    refused += 1;
                    assert_eq!(p.cost(&model), before);
                    let kind = match constraint {
                        Constraint::Capacity { .. } => 0,
                        Constraint::Conflict { .. } => 1,
                        Constraint::Spread { .. } => 2,
                        Constraint::Dependency { .. } => 3,
                        other => panic!("{other}"),
                    };
                    kinds[kind] += 1;
                }
            }
            if step % 500 == 0 {
                p.check_invariants(&model).unwrap();
                let costs = facts.cost(&facts.at, &at);
                assert_eq!(p.cost(&model), costs.iter().sum::<i64>());
                assert_eq!(facts.broken(&facts.at, &at), [0; 5]);
                swaps += u64::from(swap_agrees(&mut rng, &facts, &at, &p));
            }
        }
        assert!(p.moves() == facts.at.iter().zip(&at).filter(|(a, b)| a != b).count());
    }
    assert!(
        refused > 100_000 && kinds.iter().all(|k| *k > 1_000) && swaps > 1_000,
        "{refused} {kinds:?} {swaps}"
    );
}

fn swap_agrees(rng: &mut Xoshiro256PlusPlus, facts: &Facts, at: &[usize], p: &Placement) -> bool {
    let (a, b) = (rng.below(at.len()), rng.below(at.len()));
    let mut swapped = at.to_vec();
    swapped.swap(a, b);
    let cost = |at: &[usize]| facts.cost(&facts.at, at).iter().sum::<i64>();
    let said = p.cost_of_swap(&facts.model(), TaskId(a as u32), TaskId(b as u32));
    assert_eq!(said, cost(&swapped) - cost(at));
    at[a] != at[b]
}

/// What is done and undone leaves everything as it was.
#[test]
fn moves_made_and_taken_back_leave_no_trace() {
    let mut rng = stream(2, "undo");
    for _ in 0..300 {
        let facts = draw(
            &mut rng,
            Draw {
                tasks: 12,
                nodes: 5,
                slack: 40,
                feasible: true,
            },
        );
        let model = facts.model();
        let start = Placement::new(&model, &Facts::ids(&facts.at)).unwrap();
        let mut p = start.clone();
        let mut way = Vec::new();
        for _ in 0..60 {
            let (task, node) = (TaskId(rng.below(12) as u32), NodeId(rng.below(5) as u32));
            let from = p.node_of(task).unwrap();
            if p.try_shift(&model, task, node).is_ok() {
                way.push((task, from));
            }
        }
        for (task, from) in way.into_iter().rev() {
            p.try_shift(&model, task, from).unwrap();
        }
        p.check_invariants(&model).unwrap();
        assert_eq!(
            (p.assignment(), p.cost(&model)),
            (start.assignment(), start.cost(&model))
        );
        assert_eq!(p.cost_by_part(&model), start.cost_by_part(&model));
    }
}

/// A shift is refused exactly when it would break a rule.
#[test]
fn each_refusal_is_one_by_the_rules_and_each_permission_too() {
    let mut rng = stream(3, "refusals");
    let (mut refused, mut allowed) = (0, 0);
    for _ in 0..400 {
        let (tasks, nodes) = (2 + rng.below(8), 2 + rng.below(4));
        let facts = draw(
            &mut rng,
            Draw {
                tasks,
                nodes,
                slack: 20,
                feasible: true,
            },
        );
        let model = facts.model();
        let p = Placement::new(&model, &Facts::ids(&facts.at)).unwrap();
        for (t, n) in (0..tasks * nodes).map(|i| (i / nodes, i % nodes)) {
            let mut next = facts.at.clone();
            next[t] = n;
            let holds = facts.broken(&facts.at, &next) == [0; 5];
            let blocked = p.blocked(&model, TaskId(t as u32), NodeId(n as u32));
            assert_eq!(blocked.is_none(), holds, "{blocked:?}");
            refused += u32::from(!holds);
            allowed += u32::from(holds);
        }
    }
    assert!(
        refused > 500 && allowed > 500,
        "{refused} refused, {allowed} allowed"
    );
}

/// The largest weights that the builder takes: nothing overflows (the tests' profile checks), and twice as
/// large ones are refused.
#[test]
fn the_largest_model_that_is_taken_does_not_overflow() {
    use scheduler_core::Solver;
    use scheduler_core::order::OrderLimits;
    use scheduler_core::order::order_moves;
    use scheduler_core::search::{Evaluations, Improver as _};
    use scheduler_core::search::{lower_bound, relaxed_bound, relieve};
    let mut rng = stream(4, "largest");
    for round in 0..40 {
        let how = Draw {
            tasks: 8,
            nodes: 4,
            slack: 40,
            feasible: true,
        };
        let facts = draw(&mut rng, how);
        let scaled = |shift: u32| {
            let mut f = facts.clone();
            f.resources.iter_mut().for_each(|r| r.1 <<= shift);
            f.balances.iter_mut().for_each(|b| b.3 <<= shift);
            f.weights = f.weights.map(|w| w << shift);
            f
        };
        let taken = |shift: u32| roadef_like(&scaled(shift));
        let largest = (0..62).rev().find(|s| taken(*s)).unwrap();
        assert!(largest > 40 && !taken(largest + 1), "{largest}");
        let facts = scaled(largest);
        let (model, at) = (facts.model(), Facts::ids(&facts.at));
        let mut budget = Evaluations(3_000);
        let found = Solver { seed: round }
            .improve(&model, &at, &mut budget, &mut |_, _| {})
            .unwrap();
        let bound = relaxed_bound(&model, &at, found.cost, 50_000).unwrap();
        assert!(lower_bound(&model) <= bound && bound <= found.cost);
        let mut p = Placement::moved(&model, &at, &found.assignment).unwrap();
        p.check_invariants(&model).unwrap();
        let _ = relieve(&model, &mut p, NodeId(0), 3);
        order_moves(&model, &at, &found.assignment, OrderLimits::default()).unwrap();
        // The worst there can be: everything on one node, whatever that breaks.
        let heap = Placement::moved(&model, &at, &[NodeId(0); 8]).unwrap();
        assert_eq!(heap.cost_by_part(&model).total(), heap.cost(&model));
    }
}

/// Whether the builder takes a model of these facts' weights.
fn roadef_like(facts: &Facts) -> bool {
    facts.weights.iter().all(|w| i64::try_from(*w).is_ok())
        && facts.resources.iter().all(|r| r.1 <= 1 << 60)
        && facts.balances.iter().all(|b| i64::try_from(b.3).is_ok())
        && facts.try_model().is_ok()
}

/// Nodes of capacity 10 with one task size of 3.
fn simple(nodes: u64, safety: u64, tasks: usize) -> Model {
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let mut b = ModelBuilder::new(&[cpu]).unwrap();
    for location in 0..nodes {
        let node = Node {
            location,
            neighbourhood: 0,
            capacity: &[10],
            safety: &[safety],
        };
        b.node(node).unwrap();
    }
    let service = Service {
        spread: 0,
        per_node: 9,
    };
    let service = b.service(service).unwrap();
    for _ in 0..tasks {
        let task = Task {
            service,
            need: &[3],
            move_cost: 1,
        };
        b.task(task).unwrap();
    }
    b.build().unwrap()
}

#[test]
fn a_placement_asked_with_another_model_says_so_and_changes_nothing() {
    let own = simple(3, 5, 2);
    let mut p = Placement::new(&own, &[NodeId(0); 2]).unwrap();
    // An equal model is the same model, wherever it was built.
    assert_eq!(p.cost(&simple(3, 5, 2)), p.cost(&own));
    let before = p.clone();
    for other in [
        simple(1, 5, 1),
        simple(9, 5, 40),
        simple(3, 4, 2),
        ModelBuilder::new(&[]).unwrap().build().unwrap(),
    ] {
        let (task, to) = (TaskId(0), NodeId(1));
        assert_eq!(p.blocked(&other, task, to), Some(Constraint::OtherModel));
        assert_eq!(p.try_shift(&other, task, to), Err(Constraint::OtherModel));
        assert!(
            p.check_invariants(&other)
                .unwrap_err()
                .contains("another model")
        );
        assert!(!p.violations(&other).is_empty());
        assert_eq!(
            (p.cost(&other), p.cost_by_part(&other).total()),
            (i64::MAX, i64::MAX)
        );
        assert_eq!(p.cost_of_shift(&other, task, to), 0);
        assert_eq!(p.cost_of_swap(&other, task, TaskId(1)), 0);
        assert!(
            scheduler_core::search::relieve(&other, &mut p, NodeId(0), 3)
                .moves
                .is_empty()
        );
        assert!(
            scheduler_core::search::repair(&other, &mut p, 3)
                .moves
                .is_empty()
        );
        assert_eq!(p, before);
    }
}

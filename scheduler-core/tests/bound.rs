//! The relaxed bound against the least cost over all feasible assignments, found by trying all of them.

mod facts;

use facts::{Draw, Facts, draw};
use scheduler_core::model::{Node, Resource, Service, Task, Weights};
use scheduler_core::rng::stream;
use scheduler_core::search::{lower_bound, relaxed_bound};
use scheduler_core::testing::Uniform as _;
use scheduler_core::{ModelBuilder, NodeId, Placement};

fn least_cost(facts: &Facts) -> i64 {
    let (tasks, nodes) = (facts.tasks.len() as u32, facts.nodes.len());
    let mut least = i64::MAX;
    for code in 0..nodes.pow(tasks) {
        let at: Vec<usize> = (0..tasks).map(|t| code / nodes.pow(t) % nodes).collect();
        if facts.broken(&facts.at, &at) == [0; 5] {
            least = least.min(facts.cost(&facts.at, &at).iter().sum());
        }
    }
    least
}

#[test]
fn no_feasible_assignment_costs_less_and_the_elementary_bound_is_often_passed() {
    let mut rng = stream(1, "bounds");
    let (mut better, mut closed, mut gap_before, mut gap_after) = (0, 0, 0, 0);
    for round in 0..200 {
        let (tasks, nodes) = (3 + rng.below(4), 2 + rng.below(3));
        let how = Draw {
            tasks,
            nodes,
            slack: 2 + rng.below(30),
            feasible: true,
        };
        let facts = draw(&mut rng, how);
        let (model, at) = (facts.model(), Facts::ids(&facts.at));
        let least = least_cost(&facts);
        let elementary = lower_bound(&model);
        for known in [least, least * 2 + 50, 1 << 40] {
            let bound = relaxed_bound(&model, &at, known, 300_000).unwrap();
            assert!(
                elementary <= bound && bound <= least,
                "round {round}: {elementary} {bound} {least}"
            );
        }
        let bound = relaxed_bound(&model, &at, least, 300_000).unwrap();
        better += u32::from(bound > elementary);
        closed += u32::from(bound == least && least > elementary);
        gap_before += least - elementary;
        gap_after += least - bound;
    }
    println!("{better} of 200 better, {closed} closed, gaps {gap_before} to {gap_after}");
    assert!(
        better > 60 && gap_after * 4 < gap_before * 3,
        "{better}, {gap_before} to {gap_after}"
    );
}

#[test]
fn pins_and_forbidden_nodes_count() {
    let cpu = Resource {
        transient: false,
        load_weight: 3,
    };
    let mut b = ModelBuilder::new(&[cpu]).unwrap();
    for neighbourhood in 0..2 {
        let (capacity, safety) = ([100], [50]);
        b.node(Node {
            location: 0,
            neighbourhood,
            capacity: &capacity,
            safety: &safety,
        })
        .unwrap();
    }
    let service = b
        .service(Service {
            spread: 0,
            per_node: 9,
        })
        .unwrap();
    for need in [40, 40, 10] {
        b.task(Task {
            service,
            need: &[need],
            move_cost: 0,
        })
        .unwrap();
    }
    b.weights(Weights::default()).unwrap();
    let at = [NodeId(0); 3];
    let free = b.clone().build().unwrap();
    assert_eq!(relaxed_bound(&free, &at, 120, 100_000).unwrap(), 0);
    b.pin(scheduler_core::TaskId(0)).unwrap();
    b.forbid(scheduler_core::TaskId(1), NodeId(1)).unwrap();
    let held = b.build().unwrap();
    // 80 must stay on node 0, 30 above its safety capacity.
    assert_eq!(relaxed_bound(&held, &at, 120, 100_000).unwrap(), 90);
    assert_eq!(lower_bound(&held), 0);
    let p = Placement::moved(&held, &at, &[NodeId(0), NodeId(0), NodeId(1)]).unwrap();
    assert_eq!(p.cost(&held), 90);
}

#[test]
fn what_is_too_much_work_is_left_at_the_elementary_bound_and_wrong_input_is_refused() {
    let mut rng = stream(2, "work");
    let facts = draw(
        &mut rng,
        Draw {
            tasks: 6,
            nodes: 3,
            slack: 5,
            feasible: true,
        },
    );
    let (model, at) = (facts.model(), Facts::ids(&facts.at));
    assert_eq!(relaxed_bound(&model, &at, 1000, 1), Ok(lower_bound(&model)));
    assert!(relaxed_bound(&model, &at[1..], 1000, 100_000).is_err());
    let again = |work| relaxed_bound(&model, &at, 1000, work).unwrap();
    assert_eq!(again(100_000), again(100_000));
}

//! Small clusters of which it is known what repairs them.

use super::*;

/// Nodes of 10, one location and one neighbourhood each.
pub(super) fn plain(nodes: u64) -> ModelBuilder {
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let mut b = ModelBuilder::new(&[cpu]).unwrap();
    for n in 0..nodes {
        b.node(Node {
            location: n,
            neighbourhood: n,
            capacity: &[10],
            safety: &[10],
        })
        .unwrap();
    }
    let weights = Weights {
        task_move: 1,
        ..Weights::default()
    };
    b.weights(weights).unwrap();
    b
}

pub(super) fn tasks(b: &mut ModelBuilder, spread: u32, per_node: u32, need: &[u64]) -> Vec<TaskId> {
    let service = b.service(Service { spread, per_node }).unwrap();
    let one = |need: &u64| {
        let (need, move_cost) = (&[*need][..], 1);
        let task = Task {
            service,
            need,
            move_cost,
        };
        b.task(task).unwrap()
    };
    need.iter().map(one).collect()
}

/// Solver, relief of node 0 and repairing each lead to whole in exactly so many moves.
fn all_mend_in(b: ModelBuilder, at: &[u32], moves: usize, by_relief: bool) {
    let model = b.build().unwrap();
    let at: Vec<NodeId> = at.iter().map(|n| NodeId(*n)).collect();
    let mut p = Placement::new(&model, &at).unwrap();
    assert!(!p.violations(&model).is_empty());
    for (name, urgent) in [
        ("repair", repair(&model, &mut p, 100)),
        ("relieve", relieve(&model, &mut p, NodeId(0), 100)),
    ] {
        let after = carried_out(&model, &at, &urgent);
        if name == "repair" || by_relief {
            let left = Placement::new(&model, &after).unwrap().violations(&model);
            assert!(left.is_empty(), "{name}: {left:?}");
            assert_eq!(urgent.moves.len(), moves, "{name}");
        }
    }
    for evaluations in [500, 20_000] {
        let found = Solver { seed: 3 }
            .improve(&model, &at, &mut Evaluations(evaluations), &mut |_, _| {})
            .unwrap();
        assert!(found.violations.is_empty(), "{:?}", found.violations);
        let p = Placement::moved(&model, &at, &found.assignment).unwrap();
        assert_eq!(p.moves(), moves, "{evaluations}");
    }
}

#[test]
fn two_anti_affine_tasks_on_one_node_part() {
    let mut b = plain(3);
    tasks(&mut b, 0, 1, &[1, 1]);
    all_mend_in(b, &[0, 0], 1, true);
}

#[test]
fn a_taint_set_under_running_tasks_moves_those_that_do_not_tolerate_it() {
    let mut b = plain(3);
    let t = tasks(&mut b, 0, 9, &[2, 2, 2]);
    let untainted = b.node_set(&[NodeId(1), NodeId(2)]).unwrap();
    for task in &t[..2] {
        b.only_on(*task, untainted).unwrap();
    }
    all_mend_in(b, &[0, 0, 0], 2, true);
}

#[test]
fn a_drained_node_is_emptied_even_onto_nodes_that_cost_more() {
    let mut b = plain(3);
    let t = tasks(&mut b, 0, 9, &[5, 4, 3]);
    for task in &t {
        b.forbid(*task, NodeId(0)).unwrap();
    }
    all_mend_in(b, &[0, 0, 0], 3, true);
}

#[test]
fn a_node_without_capacity_left_is_emptied() {
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let mut b = ModelBuilder::new(&[cpu]).unwrap();
    for capacity in [0, 10, 10] {
        b.node(Node {
            location: 0,
            neighbourhood: 0,
            capacity: &[capacity],
            safety: &[capacity],
        })
        .unwrap();
    }
    tasks(&mut b, 0, 9, &[5, 4, 0]);
    // What takes nothing may stay.
    all_mend_in(b, &[0, 0, 0], 2, true);
}

#[test]
fn above_capacity_the_fewest_tasks_leave() {
    let mut b = plain(2);
    tasks(&mut b, 0, 9, &[1, 1, 4, 4, 4]);
    all_mend_in(b, &[0; 5], 1, true);
}

#[test]
fn spread_and_dependency_are_mended() {
    let mut b = plain(3);
    tasks(&mut b, 3, 9, &[1, 1, 1]);
    all_mend_in(b, &[0, 0, 0], 2, true);
    let mut b = plain(3);
    tasks(&mut b, 0, 9, &[1, 1, 1]);
    tasks(&mut b, 0, 9, &[1, 1]);
    // One task of the service that three depend on has to come, not three to go.
    b.depends(ServiceId(0), ServiceId(1));
    all_mend_in(b, &[0, 0, 0, 1, 1], 1, false);
}

#[test]
fn room_is_made_where_it_is_needed() {
    let mut b = plain(3);
    // The first may run on node 1 only, where there is no room until another has gone to node 2.
    let t = tasks(&mut b, 0, 9, &[5, 7, 2]);
    b.forbid(t[0], NodeId(0)).unwrap();
    b.forbid(t[0], NodeId(2)).unwrap();
    all_mend_in(b, &[0, 1, 1], 2, false);
}

#[test]
fn services_that_need_each_other_leave_a_drained_node_together() {
    let mut b = plain(2);
    let a = tasks(&mut b, 0, 9, &[1])[0];
    let c = tasks(&mut b, 0, 9, &[1])[0];
    for (task, service, on) in [(a, 0, 1), (c, 1, 0)] {
        b.depends(ServiceId(service), ServiceId(on));
        b.forbid(task, NodeId(0)).unwrap();
    }
    let model = b.build().unwrap();
    let at = [NodeId(0); 2];
    // No single move may begin, and that is said.
    let mut p = Placement::new(&model, &at).unwrap();
    let repaired = repair(&model, &mut p, 10);
    assert!(repaired.moves.is_empty() && !repaired.forbidden.is_empty());
    let found = Solver { seed: 1 }
        .improve(&model, &at, &mut Evaluations(10_000), &mut |_, _| {})
        .unwrap();
    assert!(found.violations.is_empty());
    assert_eq!(found.assignment, [NodeId(1); 2]);
}

#[test]
fn what_cannot_be_mended_stays_as_it_is_and_is_told() {
    // Pinned where it may not run; three that may not meet on two nodes; two that should be in three locations.
    let mut b = plain(2);
    let pinned = tasks(&mut b, 0, 9, &[1])[0];
    b.pin(pinned).unwrap();
    b.forbid(pinned, NodeId(0)).unwrap();
    tasks(&mut b, 0, 1, &[1, 1, 1]);
    tasks(&mut b, 3, 1, &[1, 1]);
    let model = b.build().unwrap();
    let at = [0, 0, 0, 0, 0, 0].map(NodeId);
    let mut p = Placement::new(&model, &at).unwrap();
    let before = p.violations(&model);
    assert_eq!(
        (before.not_allowed, before.conflict, before.spread),
        (1, 3, 1)
    );
    let after = carried_out(&model, &at, &repair(&model, &mut p, 100));
    let left = Placement::new(&model, &after).unwrap().violations(&model);
    assert_eq!((left.not_allowed, left.conflict, left.spread), (1, 1, 1));
    let found = Solver { seed: 1 }
        .improve(&model, &at, &mut Evaluations(30_000), &mut |_, _| {})
        .unwrap();
    assert_eq!(found.violations, left);
}

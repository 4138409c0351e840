//! A running protector whose cluster changes: what stays keeps its windows, budgets and cool-downs.

mod fixture;

use fixture::{NODE, TASK, at, feed, model, protector};
use scheduler_core::live::{ChangeError, MoveOutcome};
use scheduler_core::model::{ModelError, Node, NodeSetId, Resource, Service, Task};
use scheduler_core::{Model, ModelBuilder, NodeId, Protector, ServiceId, TaskId};

#[test]
fn a_pod_that_starts_elsewhere_ends_no_window_and_no_overload() {
    let mut p = protector(2, &[0, 0, 1]);
    feed(&mut p, 1..21, &[600, 600, 100]);
    assert!(p.detector().is_hot(NodeId(0)));
    let mut edit = p.cluster().model().edit();
    let node = edit.node(NODE).unwrap();
    let task = edit.task(TASK).unwrap();
    let changed = p.change(at(20), edit, &[(task, node)]).unwrap();
    assert_eq!(changed.ids.task(task), Some(TaskId(3)));
    assert_eq!(p.cluster().node_of(TaskId(3)), Some(node));
    assert!(p.detector().is_hot(NodeId(0)), "overload goes on");
    assert_eq!(p.detector().mean(NodeId(0)), Some(1200));
    assert_eq!(
        p.detector().mean(node),
        None,
        "nothing is known of the new node"
    );
    assert_eq!(p.task_level(TaskId(0)), 600);
    assert_eq!(p.task_level(TaskId(3)), 0);
    feed(&mut p, 21..22, &[600, 600, 100, 50]);
    let moves = p.plan(at(21)).moves;
    assert_eq!(moves.len(), 1, "{moves:?}");
    assert_eq!(moves[0].from, NodeId(0));
}

#[test]
fn renumbered_task_keeps_its_move_budget_and_cooldown() {
    let mut p = protector(3, &[0, 1, 1, 2]);
    feed(&mut p, 1..21, &[100, 600, 600, 50]);
    let first = p.plan(at(20)).moves;
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0].to, NodeId(2));
    let moved = first[0].task;
    p.begin_move(at(20), moved, first[0].to).unwrap();
    p.finish_move(at(25), moved).unwrap();
    // Task 0 and its node 0 go: all others move up by one.
    let mut edit = p.cluster().model().edit();
    edit.remove_task(TaskId(0)).unwrap();
    edit.remove_node(NodeId(0)).unwrap();
    let changed = p.change(at(26), edit, &[]).unwrap();
    let now = changed.ids.task(moved).unwrap();
    assert_eq!(now, TaskId(moved.0 - 1));
    let samples = vec![900; p.cluster().model().tasks()];
    feed(&mut p, 27..60, &samples);
    let again = p.plan(at(60));
    assert!(
        again.moves.iter().all(|m| m.task != now),
        "it is in cooldown for half an hour: {again:?}"
    );
}

#[test]
fn a_task_that_comes_into_the_place_of_another_inherits_nothing() {
    let mut p = protector(2, &[0, 0, 1]);
    feed(&mut p, 1..21, &[600, 600, 100]);
    let mut edit = p.cluster().model().edit();
    edit.remove_task(TaskId(2)).unwrap();
    edit.remove_node(NodeId(1)).unwrap();
    let node = edit.node(NODE).unwrap();
    let task = edit.task(TASK).unwrap();
    let changed = p.change(at(20), edit, &[(task, node)]).unwrap();
    let (task, node) = (changed.ids.task(task), changed.ids.node(node));
    assert_eq!((task, node), (Some(TaskId(2)), Some(NodeId(1))));
    assert_eq!(p.task_level(TaskId(2)), 0);
    assert_eq!(p.detector().mean(NodeId(1)), None);
}

#[test]
fn a_node_that_dies_ends_the_moves_that_concern_it() {
    let mut p = protector(4, &[0, 0, 0, 0]);
    for (task, to) in [(0, 1), (1, 2)] {
        p.begin_move(at(1), TaskId(task), NodeId(to)).unwrap();
    }
    // The first move's destination dies, then the second one's source.
    let mut edit = p.cluster().model().edit();
    edit.remove_node(NodeId(1)).unwrap();
    let changed = p.change(at(2), edit, &[]).unwrap();
    let ended: Vec<_> = changed.ended.iter().map(|(m, e)| (m.task.0, *e)).collect();
    assert_eq!(ended, [(0, MoveOutcome::Aborted)]);
    assert_eq!(p.cluster().node_of(TaskId(0)), Some(NodeId(0)));
    assert_eq!(
        p.cluster().moving_to(TaskId(1)),
        Some(NodeId(1)),
        "node 2 is 1 now"
    );
    let mut edit = p.cluster().model().edit();
    edit.remove_node(NodeId(0)).unwrap();
    for task in [0, 2] {
        edit.remove_task(TaskId(task)).unwrap();
    }
    let changed = p.change(at(3), edit, &[(TaskId(3), NodeId(2))]).unwrap();
    let ended: Vec<_> = changed.ended.iter().map(|(m, e)| (m.task.0, *e)).collect();
    assert_eq!(ended, [(1, MoveOutcome::Finished)]);
    assert_eq!(p.cluster().in_flight(), []);
    assert_eq!(p.cluster().node_of(TaskId(0)), Some(NodeId(0)));
    assert_eq!(p.cluster().node_of(TaskId(1)), Some(NodeId(1)));
    p.cluster().check_invariants().unwrap();
}

#[test]
fn a_change_that_does_not_hold_together_is_refused_and_changes_nothing() {
    let mut p = protector(2, &[0, 1]);
    feed(&mut p, 1..21, &[600, 600]);
    let before = format!("{p:?}");
    let refused = |p: &mut Protector, wrong: &dyn Fn(&mut ModelBuilder), placed: &[(u32, u32)]| {
        let mut edit = p.cluster().model().edit();
        wrong(&mut edit);
        let placed: Vec<_> = placed
            .iter()
            .map(|(t, n)| (TaskId(*t), NodeId(*n)))
            .collect();
        let error = p.change(at(21), edit, &placed).unwrap_err();
        assert_eq!(format!("{p:?}"), before, "{error}");
        error
    };
    let stranded = refused(&mut p, &|e| e.remove_node(NodeId(1)).unwrap(), &[]);
    let (task, node) = (TaskId(1), NodeId(1));
    assert_eq!(stranded, ChangeError::Stranded { task, node });
    let unplaced = refused(&mut p, &|e| assert_eq!(e.task(TASK), Ok(TaskId(2))), &[]);
    assert_eq!(unplaced, ChangeError::Unplaced { task: TaskId(2) });
    let unknown = refused(&mut p, &|e| e.remove_task(TaskId(0)).unwrap(), &[(0, 1)]);
    assert_eq!(unknown, ChangeError::Task { task: TaskId(0) });
    let nowhere = refused(&mut p, &|_| {}, &[(0, 7)]);
    let (task, node) = (TaskId(0), NodeId(7));
    assert_eq!(nowhere, ChangeError::Node { task, node });
    let twice = refused(&mut p, &|_| {}, &[(0, 1), (0, 0)]);
    assert_eq!(twice, ChangeError::Twice { task: TaskId(0) });
    let service = refused(&mut p, &|e| e.remove_service(ServiceId(0)).unwrap(), &[]);
    assert!(
        matches!(
            service,
            ChangeError::Model(ModelError::Removed {
                target: "service",
                ..
            })
        ),
        "{service}"
    );
    let other = model(2, 3).edit();
    let stale = p.change(at(21), other, &[(TaskId(2), NodeId(0))]);
    assert_eq!(stale, Err(ChangeError::Stale));
    let (first, second) = (p.cluster().model().edit(), p.cluster().model().edit());
    p.change(at(21), first, &[]).unwrap();
    assert_eq!(p.change(at(22), second, &[]), Err(ChangeError::Stale));
}

/// Three nodes and three services of one task each; the third needs the second, task 1 has labels to keep to, task 2 keeps off
/// a node.
fn labelled() -> (Model, [ServiceId; 3], NodeSetId) {
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let mut b = ModelBuilder::new(&[cpu]).unwrap();
    for location in [7, 7, 3] {
        let node = Node {
            location,
            neighbourhood: location,
            capacity: &[10],
            safety: &[8],
        };
        b.node(node).unwrap();
    }
    let services = [0, 1, 2].map(|_| {
        let service = Service {
            spread: 0,
            per_node: 9,
        };
        b.service(service).unwrap()
    });
    b.depends(services[2], services[1]);
    for service in services {
        let task = Task {
            service,
            need: &[1],
            move_cost: 1,
        };
        b.task(task).unwrap();
    }
    b.node_move_costs((0..9).collect()).unwrap();
    let set = b.node_set(&[NodeId(1), NodeId(2)]).unwrap();
    b.only_on(TaskId(1), set).unwrap();
    b.forbid(TaskId(2), NodeId(0)).unwrap();
    (b.build().unwrap(), services, set)
}

#[test]
fn labels_dependencies_and_costs_survive_an_edit() {
    let (model, services, set) = labelled();
    let mut edit = model.edit();
    edit.remove_service(services[0]).unwrap();
    edit.remove_task(TaskId(0)).unwrap();
    edit.remove_node(NodeId(1)).unwrap();
    let (edited, ids) = edit.build_renumbered().unwrap();
    assert_eq!(
        (edited.nodes(), edited.services(), edited.tasks()),
        (2, 2, 2)
    );
    let task = |was| ids.task(TaskId(was)).unwrap();
    let node = |was| ids.node(NodeId(was)).unwrap();
    assert_eq!([node(0), node(2)], [NodeId(0), NodeId(1)]);
    assert_eq!([task(1), task(2)], [TaskId(0), TaskId(1)]);
    let allowed = |t: u32| [0, 2].map(|n| edited.allows(task(t), node(n)));
    assert_eq!([allowed(1), allowed(2)], [[false, true], [false, true]]);
    // A node that comes is forbidden to nobody, and has no label until it is said.
    let mut edit = edited.edit();
    let facts = Node {
        location: 1,
        neighbourhood: 1,
        capacity: &[10],
        safety: &[8],
    };
    let added = edit.node(facts).unwrap();
    edit.node_move_costs(vec![0; 9]).unwrap();
    let labelled = {
        let mut edit = edit.clone();
        edit.set_nodes(set, &[added]).unwrap();
        edit.build().unwrap()
    };
    let plain = edit.build().unwrap();
    assert_eq!(
        [plain.allows(task(1), added), plain.allows(task(2), added)],
        [false, true]
    );
    assert!(labelled.allows(task(1), added));
    // Service 2 still needs service 1, wherever it runs.
    let at = [node(2), node(0)];
    let placement = scheduler_core::Placement::new(&edited, &at).unwrap();
    assert_eq!(placement.violations(&edited).dependency, 1);
}

#[test]
fn a_threshold_that_changes_counts_for_the_samples_before() {
    let mut p = protector(1, &[0]);
    feed(&mut p, 1..31, &[900]);
    assert!(!p.detector().is_hot(NodeId(0)));
    let mut edit = p.cluster().model().edit();
    let smaller = Node {
        safety: &[800, 20],
        ..NODE
    };
    edit.set_node(NodeId(0), smaller).unwrap();
    p.change(at(30), edit, &[]).unwrap();
    assert_eq!(p.detector().threshold(NodeId(0)), Some(800));
    feed(&mut p, 31..32, &[900]);
    assert!(p.detector().is_hot(NodeId(0)), "two windows were above 800");
}

//! A protector leads a cluster that breaks rules to one that breaks none.

mod fixture;

use fixture::{NODE, TASK, at, feed, model, protector};
use scheduler_core::live::{MovePlan, Obstacle, ProtectorConfig, Reason, Sample, UNKNOWN};
use scheduler_core::model::{Node, Service, Task};
use scheduler_core::placement::{Constraint, Violations};
use scheduler_core::{Cluster, NodeId, Protector, ServiceId, TaskId};

fn within(a: &Violations, b: &Violations) -> bool {
    a.capacity <= b.capacity
        && a.transient <= b.transient
        && a.conflict <= b.conflict
        && a.spread <= b.spread
        && a.dependency <= b.dependency
        && a.not_allowed <= b.not_allowed
}

/// Plans and carries out for so many seconds, each move over ten seconds after it began; all moves in order.
fn run(p: &mut Protector, seconds: std::ops::Range<u64>, tasks: &[Sample]) -> Vec<(u32, u32, u32)> {
    let mut made = Vec::new();
    let mut ends: Vec<(u64, TaskId)> = Vec::new();
    let mut broken = p.cluster().violations();
    for second in seconds {
        feed(p, second..second + 1, tasks);
        for m in p.plan(at(second)).moves {
            assert!(matches!(m.reason, Reason::Broken(_)), "{m}");
            p.begin_move(at(second), m.task, m.to).unwrap();
            made.push((m.task.0, m.from.0, m.to.0));
            ends.push((second + 10, m.task));
        }
        for (_, task) in ends.iter().filter(|(end, _)| *end == second) {
            p.finish_move(at(second), *task).unwrap();
        }
        p.cluster().check_invariants().unwrap();
        let now = p.cluster().violations();
        assert!(within(&now, &broken), "{broken:?} then {now:?}");
        broken = now;
    }
    made
}

/// A protector of three nodes whose tasks stand where `on` says, once the model has been edited.
fn broken(on: &[u32], edit: impl FnOnce(&mut scheduler_core::ModelBuilder)) -> Protector {
    let mut edited = model(3, on.len()).edit();
    edit(&mut edited);
    let on: Vec<NodeId> = on.iter().map(|n| NodeId(*n)).collect();
    let cluster = Cluster::new(edited.build().unwrap(), &on).unwrap();
    assert!(!cluster.violations().is_empty());
    Protector::new(cluster, 0, ProtectorConfig::default()).unwrap()
}

#[test]
fn two_anti_affine_tasks_on_one_node_part_in_one_move() {
    let mut p = broken(&[0, 0, 1], |edit| {
        let service = Service {
            spread: 0,
            per_node: 1,
        };
        edit.set_service(ServiceId(0), service).unwrap();
    });
    assert_eq!(p.cluster().violations().conflict, 1);
    let made = run(&mut p, 1..120, &[100, 100, 100]);
    assert_eq!(made, [(0, 0, 2)]);
    assert!(p.cluster().violations().is_empty());
}

#[test]
fn a_taint_set_while_it_runs_moves_the_tasks_that_do_not_tolerate_it() {
    let mut p = protector(3, &[0, 0, 0, 1]);
    assert_eq!(run(&mut p, 1..60, &[100; 4]), []);
    let mut edit = p.cluster().model().edit();
    let untainted = edit.node_set(&[NodeId(1), NodeId(2)]).unwrap();
    for task in [TaskId(0), TaskId(2)] {
        edit.only_on(task, untainted).unwrap();
    }
    p.change(at(60), edit, &[]).unwrap();
    assert_eq!(p.cluster().violations().not_allowed, 2);
    let made = run(&mut p, 61..180, &[100; 4]);
    let mut tasks: Vec<u32> = made.iter().map(|m| m.0).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, [0, 2]);
    assert!(p.cluster().violations().is_empty());
}

#[test]
fn a_drained_node_is_emptied_though_it_is_silent_and_its_tasks_have_just_moved() {
    let mut p = protector(3, &[0, 0, 0, 0, 1]);
    feed(&mut p, 1..30, &[100; 5]);
    p.begin_move(at(30), TaskId(4), NodeId(0)).unwrap();
    p.finish_move(at(31), TaskId(4)).unwrap();
    let mut edit = p.cluster().model().edit();
    for task in 0..5 {
        edit.forbid(TaskId(task), NodeId(0)).unwrap();
    }
    p.change(at(32), edit, &[]).unwrap();
    let (mut moved, mut in_flight) = (0, Vec::new());
    for second in 33..200 {
        // Nobody hears of node 0 and its tasks any more.
        let mut tasks = [UNKNOWN; 5];
        let mut nodes = [UNKNOWN, 0, 0];
        for (t, sample) in tasks.iter_mut().enumerate() {
            let node = p.cluster().node_of(TaskId(t as u32)).unwrap();
            if node != NodeId(0) {
                *sample = 100;
                nodes[node.index()] += 100;
            }
        }
        p.observe(at(second), &nodes, &tasks, &mut Vec::new())
            .unwrap();
        for m in p.plan(at(second)).moves {
            p.begin_move(at(second), m.task, m.to).unwrap();
            in_flight.push((second + 5, m.task));
            moved += 1;
        }
        for (_, task) in in_flight.iter().filter(|(end, _)| *end == second) {
            p.finish_move(at(second), *task).unwrap();
        }
    }
    assert_eq!(moved, 5);
    assert!(p.cluster().violations().is_empty());
}

#[test]
fn a_capacity_already_exceeded_is_mended_with_the_fewest_moves() {
    // 20 slots, 23 tasks: three leave.
    let mut p = broken(&[0; 23], |_| ());
    assert_eq!(p.cluster().violations().capacity, 1);
    let made = run(&mut p, 1..200, &[10; 23]);
    assert_eq!(made.len(), 3, "{made:?}");
    assert!(p.cluster().violations().is_empty());
}

#[test]
fn spread_and_dependency_are_mended() {
    let far = Node {
        location: 1,
        neighbourhood: 1,
        ..NODE
    };
    let mut p = broken(&[0, 0, 1, 2, 2], |edit| {
        edit.set_node(NodeId(2), far).unwrap();
        let (two, one) = (2, 1);
        let spread = |spread| Service {
            spread,
            per_node: 100,
        };
        edit.set_service(ServiceId(0), spread(two)).unwrap();
        let other = edit.service(spread(one)).unwrap();
        // The service of tasks 3 and 4 runs only where the first does not; it depends on it.
        for task in [TaskId(3), TaskId(4)] {
            let task_of = Task {
                service: other,
                ..TASK
            };
            edit.set_task(task, task_of).unwrap();
        }
        edit.depends(other, ServiceId(0));
    });
    let before = p.cluster().violations();
    assert_eq!((before.spread, before.dependency), (1, 1));
    // One task to the other location repairs both.
    let made = run(&mut p, 1..120, &[100; 5]);
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(p.cluster().violations().is_empty());
}

/// The plan after half a minute of these samples.
fn plan_of(p: &mut Protector, tasks: &[Sample]) -> MovePlan {
    feed(p, 1..31, tasks);
    p.plan(at(30))
}

#[test]
fn what_cannot_be_mended_is_told_with_what_keeps_it() {
    let forbid = |edit: &mut scheduler_core::ModelBuilder, pinned: bool| {
        edit.forbid(TaskId(0), NodeId(0)).unwrap();
        if pinned {
            edit.pin(TaskId(0)).unwrap();
        }
    };
    let mut p = broken(&[0, 1, 2], |edit| forbid(edit, true));
    let plan = plan_of(&mut p, &[100, 100, 100]);
    assert_eq!((plan.moves.len(), plan.broken.not_allowed), (0, 1));
    assert_eq!(plan.unrepaired[0].broken, Constraint::NotAllowed);
    assert_eq!(plan.unrepaired[0].obstacle, Obstacle::Pinned);
    assert!(
        !plan.is_empty() && plan.explain().contains("task 0 stays on node 0"),
        "{}",
        plan.explain()
    );
    // It would overload every other node.
    let mut p = broken(&[0, 1, 2], |edit| forbid(edit, false));
    let plan = plan_of(&mut p, &[300, 800, 900]);
    assert_eq!((plan.moves.len(), plan.unrepaired.len()), (0, 1));
    assert_eq!(plan.unrepaired[0].obstacle, Obstacle::NoHeadroom);
    // No node has been sampled.
    let mut p = broken(&[0, 1, 2], |edit| forbid(edit, false));
    let plan = p.plan(at(1));
    assert_eq!(plan.unrepaired[0].obstacle, Obstacle::DestinationsStale);
    // With room it moves, and the plan says why.
    let mut p = broken(&[0, 1, 2], |edit| forbid(edit, false));
    let plan = plan_of(&mut p, &[100, 800, 100]);
    assert_eq!((plan.moves[0].to, plan.unrepaired.len()), (NodeId(2), 0));
    assert_eq!(plan.moves[0].reason, Reason::Broken(Constraint::NotAllowed));
    assert!(
        plan.explain().contains("labels or taints forbid the node"),
        "{}",
        plan.explain()
    );
}

#[test]
fn a_whole_cluster_plans_nothing_and_tells_nothing() {
    let mut p = protector(3, &[0, 1, 2]);
    let plan = plan_of(&mut p, &[100, 100, 100]);
    assert!(plan.is_empty() && plan.broken.is_empty() && plan.unrepaired.is_empty());
}

/// Needs 600 of the measured resource, whatever it takes.
const LARGE: Task<'static> = Task {
    service: ServiceId(0),
    need: &[600, 1],
    move_cost: 1,
};

#[test]
fn a_silent_task_counts_with_what_it_asks_for() {
    let mut edit = model(3, 2).edit();
    edit.task(LARGE).unwrap();
    edit.forbid(TaskId(2), NodeId(0)).unwrap();
    let on = [NodeId(1), NodeId(2), NodeId(0)];
    let cluster = Cluster::new(edit.build().unwrap(), &on).unwrap();
    let mut p = Protector::new(cluster, 0, ProtectorConfig::default()).unwrap();
    // Both others could take it if it were nothing; 600 is too much for the first, which is fuller.
    feed(&mut p, 1..60, &[450, 300, UNKNOWN]);
    let plan = p.plan(at(60));
    let to: Vec<(TaskId, NodeId)> = plan.moves.iter().map(|m| (m.task, m.to)).collect();
    assert_eq!(to, [(TaskId(2), NodeId(2))], "{plan:?}");
    // And where it fits nowhere it stays.
    let mut edit = model(3, 2).edit();
    edit.task(LARGE).unwrap();
    edit.forbid(TaskId(2), NodeId(0)).unwrap();
    let cluster = Cluster::new(edit.build().unwrap(), &on).unwrap();
    let mut p = Protector::new(cluster, 0, ProtectorConfig::default()).unwrap();
    feed(&mut p, 1..60, &[450, 450, UNKNOWN]);
    assert_eq!(p.plan(at(60)).moves, []);
}

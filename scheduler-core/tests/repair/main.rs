//! Assignments that break rules: accepted, reported, and led to whole in few moves that never break more.

#[path = "../random_model/mod.rs"]
mod random_model;
mod small;

use random_model::broken;
use small::{plain, tasks};

use scheduler_core::model::{Node, Resource, Service, Task, Weights};
use scheduler_core::order::{OrderLimits, order_moves};
use scheduler_core::placement::Violations;
use scheduler_core::rng::stream;
use scheduler_core::search::{
    Evaluations, Improver as _, UrgentMoves, keep_best_moves, relieve, repair,
};
use scheduler_core::testing::Uniform as _;
use scheduler_core::{Model, ModelBuilder, NodeId, Placement, ServiceId, Solver, TaskId};

fn within(a: &Violations, b: &Violations) -> bool {
    a.capacity <= b.capacity
        && a.transient <= b.transient
        && a.conflict <= b.conflict
        && a.spread <= b.spread
        && a.dependency <= b.dependency
        && a.not_allowed <= b.not_allowed
}

/// Makes the moves, each over before the next one begins; nothing is ever broken more often.
fn carried_out(model: &Model, at: &[NodeId], urgent: &UrgentMoves) -> Vec<NodeId> {
    let mut now = at.to_vec();
    let mut broken = Placement::new(model, at).unwrap().violations(model);
    for m in &urgent.moves {
        let p = Placement::new(model, &now).unwrap();
        assert_eq!(p.blocked(model, m.task, m.to), None);
        assert_eq!((now[m.task.index()], m.from != m.to), (m.from, true));
        now[m.task.index()] = m.to;
        let after = Placement::new(model, &now).unwrap().violations(model);
        assert!(within(&after, &broken), "{broken:?} then {after:?} by {m}");
        assert!(!m.explanation().is_empty());
        broken = after;
    }
    now
}

trait Explained {
    fn explanation(&self) -> String;
}

impl<T: std::fmt::Display> Explained for T {
    fn explanation(&self) -> String {
        self.to_string()
    }
}

#[test]
fn mending_and_relief_never_break_more_and_lead_to_whole_where_moves_do() {
    let mut rng = stream(1, "mending");
    let (mut whole, mut started, mut relieved) = (0, 0, 0);
    for round in 0..400 {
        let (tasks, nodes) = (2 + rng.below(14), 2 + rng.below(5));
        let (model, at, _) = broken(&mut rng, tasks, nodes);
        let mut p = Placement::new(&model, &at).unwrap();
        let before = p.violations(&model);
        let repaired = repair(&model, &mut p, 100);
        assert_eq!(p.assignment(), at, "the placement is left alone");
        p.check_invariants(&model).unwrap();
        let after = carried_out(&model, &at, &repaired);
        started += usize::from(!before.is_empty());
        let left = Placement::new(&model, &after).unwrap().violations(&model);
        whole += usize::from(!before.is_empty() && left.is_empty());
        assert!(
            before.is_empty() <= repaired.moves.is_empty(),
            "round {round}"
        );
        assert!(left.is_empty() || !repaired.explain().is_empty());
        let node = NodeId(rng.below(nodes) as u32);
        let urgent = relieve(&model, &mut p, node, 50);
        carried_out(&model, &at, &urgent);
        relieved += urgent.moves.iter().filter(|m| m.repairs).count();
        assert!(urgent.moves.iter().all(|m| m.repairs || m.gain > 0));
    }
    assert!(started > 150, "{started} began broken");
    assert!(
        whole * 10 > started * 8,
        "{whole} of {started} were repaired"
    );
    assert!(relieved > 60, "{relieved}");
}

#[test]
fn a_search_leads_from_broken_to_whole_and_breaks_nothing_more() {
    let mut rng = stream(2, "mending");
    let (mut whole, mut started) = (0, 0);
    for round in 0..150 {
        let (tasks, nodes) = (2 + rng.below(14), 2 + rng.below(5));
        let (model, at, _) = broken(&mut rng, tasks, nodes);
        let before = Placement::new(&model, &at).unwrap().violations(&model);
        if before.is_empty() {
            continue;
        }
        started += 1;
        let found = Solver { seed: round }
            .improve(&model, &at, &mut Evaluations(60_000), &mut |_, _| {})
            .unwrap();
        let p = Placement::moved(&model, &at, &found.assignment).unwrap();
        assert_eq!(p.cost_by_part(&model).total(), found.cost);
        assert_eq!(p.violations(&model), found.violations);
        assert!(
            within(&found.violations, &before),
            "round {round}: {before:?} then {:?}",
            found.violations
        );
        let settled = Placement::new(&model, &found.assignment).unwrap();
        whole += usize::from(settled.violations(&model).is_empty());
        let none = Solver { seed: round }
            .improve(&model, &at, &mut Evaluations(0), &mut |_, _| {})
            .unwrap();
        assert_eq!((none.assignment, none.evaluations), (at, 0));
    }
    assert!(
        whole * 100 >= started * 95,
        "{whole} of {started} became whole"
    );
}

#[test]
fn moves_from_broken_to_whole_are_ordered_so_that_none_breaks_more() {
    let mut rng = stream(3, "mending");
    let (mut complete, mut started) = (0, 0);
    for round in 0..300 {
        let (tasks, nodes) = (2 + rng.below(12), 2 + rng.below(5));
        let (model, at, target) = broken(&mut rng, tasks, nodes);
        let order = order_moves(&model, &at, &target, OrderLimits::default()).unwrap();
        started += 1;
        complete += usize::from(order.given_up.is_empty());
        let mut now = at.clone();
        for wave in &order.waves {
            let before = Placement::new(&model, &now).unwrap().violations(&model);
            let mut all = now.clone();
            for step in wave {
                assert_eq!(now[step.task.index()], step.from);
                let mut alone = now.clone();
                alone[step.task.index()] = step.to;
                all[step.task.index()] = step.to;
                for next in [&alone, &all] {
                    // Held on both nodes while it moves: what was above capacity stays so until then.
                    let p = Placement::moved(&model, &now, next).unwrap();
                    let after = p.violations(&model);
                    assert!(
                        within(&after, &before),
                        "round {round}: {before:?} then {after:?}"
                    );
                }
            }
            now = all;
        }
        for (t, node) in now.iter().enumerate() {
            let given_up = order.given_up.contains(&TaskId(t as u32));
            assert_eq!(*node == target[t], !given_up, "round {round}");
        }
    }
    assert!(
        complete * 10 > started * 7,
        "{complete} of {started} are complete"
    );
}

#[test]
fn a_budget_of_moves_goes_to_mending_first() {
    let mut rng = stream(4, "mending");
    let (mut better, mut rounds) = (0, 0);
    while rounds < 100 {
        let (tasks, nodes) = (2 + rng.below(12), 2 + rng.below(5));
        let (model, at, target) = broken(&mut rng, tasks, nodes);
        let before = Placement::new(&model, &at).unwrap().violations(&model);
        if before.is_empty() {
            continue;
        }
        rounds += 1;
        for most in [0, 1, 3, 100] {
            let kept = keep_best_moves(&model, &at, &target, most).unwrap();
            let p = Placement::moved(&model, &at, &kept).unwrap();
            assert!(p.moves() <= most);
            let after = p.violations(&model);
            assert!(within(&after, &before), "{before:?} then {after:?}");
            better += usize::from(after != before);
        }
    }
    assert!(better > 100, "{better} of 400 repair something");
}

#[test]
fn an_initial_placement_breaks_nothing_or_is_refused() {
    use scheduler_core::search::{ByCount, Placer as _};
    // More locations than tasks: refused, with the reason.
    let mut b = plain(3);
    tasks(&mut b, 3, 9, &[1, 1]);
    let refused = ByCount.place(&b.build().unwrap()).unwrap_err();
    assert_eq!((refused.nodes, refused.location), (3, 3));
    // More locations than there are.
    let mut b = plain(2);
    tasks(&mut b, 3, 9, &[1, 1, 1]);
    assert!(ByCount.place(&b.build().unwrap()).unwrap_err().location > 0);
    // A service that depends on one without tasks.
    let mut b = plain(2);
    tasks(&mut b, 0, 9, &[1]);
    tasks(&mut b, 0, 9, &[]);
    b.depends(ServiceId(0), ServiceId(1));
    let refused = ByCount.place(&b.build().unwrap()).unwrap_err();
    assert_eq!((refused.task, refused.dependency), (TaskId(0), 2));
    // Services that depend on each other: two tasks of the one may not part while there is one of the other.
    let mut b = plain(4);
    tasks(&mut b, 0, 9, &[1, 1, 1]);
    tasks(&mut b, 0, 9, &[1]);
    b.depends(ServiceId(0), ServiceId(1));
    b.depends(ServiceId(1), ServiceId(0));
    let model = b.build().unwrap();
    let at = ByCount.place(&model).unwrap();
    assert!(
        Placement::new(&model, &at)
            .unwrap()
            .violations(&model)
            .is_empty()
    );
    // One that is scaled to nothing needs no locations.
    let mut b = plain(2);
    tasks(&mut b, 2, 9, &[]);
    tasks(&mut b, 2, 9, &[1, 1]);
    assert!(ByCount.place(&b.build().unwrap()).is_ok());
}

#[test]
fn random_initial_placements_break_nothing() {
    use scheduler_core::search::{ByCount, Placer as _};
    let mut rng = stream(5, "mending");
    let mut placed = 0;
    for _ in 0..400 {
        let (tasks, nodes) = (2 + rng.below(14), 2 + rng.below(5));
        let (model, _, _) = broken(&mut rng, tasks, nodes);
        let Ok(at) = ByCount.place(&model) else {
            continue;
        };
        placed += 1;
        let p = Placement::new(&model, &at).unwrap();
        assert!(
            p.violations(&model).is_empty(),
            "{:?}",
            p.violations(&model)
        );
    }
    assert!(placed > 200, "{placed} of 400 were placed");
}

//! Algorithms written with nothing but the public interface, as a researcher would, on random small models.

mod facts;

use facts::{Draw, draw};
use scheduler_core::placement::{PartialPlacement, PlacementError};
use scheduler_core::rng::stream;
use scheduler_core::search::{Answer, Budget, ByCount, Evaluations, Improver, Placer, Unplaced};
use scheduler_core::{Model, NodeId, Placement, Solver};

const FEASIBLE: Draw = Draw {
    tasks: 12,
    nodes: 4,
    slack: 30,
    feasible: true,
};

/// The first node where a task fits.
struct FirstFit;

impl Placer for FirstFit {
    fn place(&mut self, model: &Model) -> Result<Vec<NodeId>, Unplaced> {
        let mut partial = PartialPlacement::new(model);
        for task in model.task_ids() {
            let mut why = Unplaced::new(task, model.nodes());
            let mut nodes = model.node_ids();
            let fits = nodes.any(|node| match partial.assign(model, task, node) {
                Ok(()) => true,
                Err(constraint) => {
                    why.count(constraint);
                    false
                }
            });
            if !fits {
                return Err(why);
            }
        }
        Ok(model
            .task_ids()
            .filter_map(|t| partial.node_of(t))
            .collect())
    }
}

/// Takes every shift that gains, until none does.
struct Descent;

impl Improver for Descent {
    fn improve(
        &mut self,
        model: &Model,
        initial: &[NodeId],
        budget: &mut dyn Budget,
        improved: &mut dyn FnMut(u64, i64),
    ) -> Result<Answer, PlacementError> {
        let mut now = Placement::new(model, initial)?;
        let (mut made, mut gained) = (0, true);
        while gained {
            gained = false;
            for (task, node) in model
                .task_ids()
                .flat_map(|t| model.node_ids().map(move |n| (t, n)))
            {
                if budget.spent(made + 1) > 1.0 {
                    return Answer::new(model, initial, now.assignment(), made);
                }
                made += 1;
                let gains = now.cost_of_shift(model, task, node) < 0;
                if gains && now.try_shift(model, task, node).is_ok() {
                    improved(made, now.cost(model));
                    gained = true;
                }
            }
        }
        Answer::new(model, initial, now.assignment(), made)
    }
}

#[test]
fn outside_improver_descends_to_a_feasible_answer_and_stays_within_its_budget() {
    let mut rng = stream(1, "outside");
    let mut better = 0;
    for _ in 0..100 {
        let facts = draw(&mut rng, FEASIBLE);
        let model = facts.model();
        let at: Vec<NodeId> = facts.at.iter().map(|n| NodeId(*n as u32)).collect();
        let mut told = i64::MAX;
        let answer = Descent
            .improve(&model, &at, &mut Evaluations(500), &mut |_, cost| {
                assert!(cost < told, "every improvement is one");
                told = cost;
            })
            .unwrap();
        assert!(answer.violations.is_empty() && answer.evaluations <= 500);
        assert!(answer.lower_bound <= answer.cost && answer.cost <= answer.initial);
        better += u32::from(answer.cost < answer.initial);
        let solved = Solver { seed: 1 }
            .improve(&model, &at, &mut Evaluations(20_000), &mut |_, _| {})
            .unwrap();
        assert_eq!(solved.lower_bound, answer.lower_bound);
    }
    assert!(better > 50, "{better} of 100 are improved");
}

#[test]
fn outside_placer_breaks_nothing_and_the_rest_of_a_partial_placement_is_filled_in() {
    let mut rng = stream(2, "outside");
    let (mut placed, mut rest) = (0, 0);
    for round in 0..200 {
        let facts = draw(&mut rng, FEASIBLE);
        let model = facts.model();
        let Ok(nodes) = FirstFit.place(&model) else {
            continue;
        };
        placed += 1;
        let placement = Placement::new(&model, &nodes).unwrap();
        let broken = placement.violations(&model);
        // Services without tasks lack their locations whatever a placer does; a cycle of dependencies depends on the order.
        assert_eq!(broken.capacity + broken.conflict + broken.not_allowed, 0);

        let keep = |(task, node): (usize, &NodeId)| (task % 3 != round % 3).then_some(*node);
        let some: Vec<_> = nodes.iter().enumerate().map(keep).collect();
        let mut partial = PartialPlacement::from_assignment(&model, &some).unwrap();
        let before = partial.unassigned().count();
        let refused = ByCount.place_rest(&model, &mut partial);
        assert_eq!(partial.unassigned().count(), refused.len());
        rest += before - refused.len();
        for (task, node) in model.task_ids().zip(&some) {
            assert!(
                node.is_none() || partial.node_of(task) == *node,
                "what runs stays"
            );
        }
        for node in model.node_ids() {
            assert!((0..model.resources()).all(|r| partial.free(&model, node, r) >= 0));
        }
        if refused.is_empty() {
            let whole = partial.into_placement(&model).unwrap().violations(&model);
            assert_eq!(whole.capacity + whole.conflict + whole.not_allowed, 0);
        } else {
            assert!(matches!(
                partial.into_placement(&model),
                Err(PlacementError::Unassigned { .. })
            ));
        }
    }
    assert!(
        placed > 20 && rest > 20,
        "{placed} placed, {rest} filled in"
    );
}

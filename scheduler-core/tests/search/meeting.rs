//! Searches that meet.

use super::*;

/// Hands out one answer and counts who came.
struct Elite(Vec<NodeId>, u32);

impl Exchange for Elite {
    fn meet(&mut self, _cost: i64, _best: &[NodeId]) -> Option<Vec<NodeId>> {
        self.1 += 1;
        Some(self.0.clone())
    }
}

#[test]
fn a_search_meets_once_whatever_its_budget_and_goes_on_from_a_better_answer() {
    let mut rng = stream(11, "meeting");
    for budget in [0, 10, 50_000] {
        let (model, at) = instance(&mut rng, 30, 5);
        let long = Solver { seed: 1 }
            .improve(&model, &at, &mut Evaluations(300_000), &mut |_, _| {})
            .unwrap();
        let mut elite = Elite(long.assignment.clone(), 0);
        let (mut spent, mut told) = (Evaluations(budget), |_, _| {});
        let found = Solver { seed: 2 }
            .improve_together(&model, &at, &mut spent, &mut told, &mut elite)
            .unwrap();
        assert_eq!(elite.1, 1, "budget {budget}");
        assert!(found.cost <= long.cost, "budget {budget}");
        let placement = Placement::moved(&model, &at, &found.assignment).unwrap();
        assert!(placement.violations(&model).is_empty());
        assert_eq!(placement.cost(&model), found.cost);
    }
}

#[test]
fn nonsense_from_a_meeting_is_not_taken() {
    let (model, at) = instance(&mut stream(12, "meeting"), 8, 3);
    for nonsense in [
        vec![],
        vec![NodeId(99); 8],
        vec![NodeId(0); 9],
        vec![NodeId(1); 8],
    ] {
        let found = Solver { seed: 1 }
            .improve_together(
                &model,
                &at,
                &mut Evaluations(10_000),
                &mut |_, _| {},
                &mut Elite(nonsense, 0),
            )
            .unwrap();
        let placement = Placement::moved(&model, &at, &found.assignment).unwrap();
        assert!(placement.violations(&model).is_empty());
    }
}

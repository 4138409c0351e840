//! Services that depend on each other: none of their tasks may go to another neighbourhood alone.

use scheduler_core::model::{Node, Resource, Service, Task, Weights};
use scheduler_core::search::{Answer, Evaluations, Improver as _};
use scheduler_core::{Model, ModelBuilder, NodeId, Placement, ServiceId, Solver};

/// Nodes that hold their safety capacity without cost, `each` in every neighbourhood; services with one unit of need
/// for each of their tasks.
struct Case {
    builder: ModelBuilder,
    at: Vec<NodeId>,
}

impl Case {
    fn new(safety: &[u64], each: usize) -> Self {
        let resource = Resource {
            transient: false,
            load_weight: 50,
        };
        let mut builder = ModelBuilder::new(&[resource]).unwrap();
        for (n, safety) in safety.iter().enumerate() {
            builder
                .node(Node {
                    location: n as u64,
                    neighbourhood: (n / each) as u64,
                    capacity: &[100],
                    safety: &[*safety],
                })
                .unwrap();
        }
        let weights = Weights {
            task_move: 1,
            ..Weights::default()
        };
        builder.weights(weights).unwrap();
        let at = Vec::new();
        Self { builder, at }
    }

    /// A service with tasks on these nodes.
    fn service(&mut self, per_node: u32, on: &[u32]) -> ServiceId {
        let service = Service {
            spread: 0,
            per_node,
        };
        let service = self.builder.service(service).unwrap();
        for node in on {
            let (need, move_cost) = (&[1][..], 1);
            self.builder
                .task(Task {
                    service,
                    need,
                    move_cost,
                })
                .unwrap();
            self.at.push(NodeId(*node));
        }
        service
    }

    fn both_ways(&mut self, a: ServiceId, b: ServiceId) {
        self.builder.depends(a, b);
        self.builder.depends(b, a);
    }

    fn solve(self, evaluations: u64) -> (Model, Vec<NodeId>, Answer) {
        self.solve_from(1, evaluations)
    }

    fn solve_from(self, seed: u64, evaluations: u64) -> (Model, Vec<NodeId>, Answer) {
        let model = self.builder.build().unwrap();
        let start = Placement::new(&model, &self.at).unwrap();
        assert!(start.violations(&model).is_empty());
        let found = Solver { seed }
            .improve(
                &model,
                &self.at,
                &mut Evaluations(evaluations),
                &mut |_, _| {},
            )
            .unwrap();
        let p = Placement::moved(&model, &self.at, &found.assignment).unwrap();
        assert!(p.violations(&model).is_empty());
        assert_eq!(p.cost(&model), found.cost);
        (model, self.at, found)
    }
}

#[test]
fn two_tasks_that_need_each_other_leave_a_node_together() {
    for evaluations in [2_000, 10_000, 100_000] {
        let mut case = Case::new(&[0, 2], 1);
        let (a, b) = (case.service(1, &[0]), case.service(1, &[0]));
        case.both_ways(a, b);
        let (_, _, found) = case.solve_from(evaluations % 7, evaluations);
        assert_eq!((found.initial, found.cost), (100, 2), "{evaluations}");
    }
}

#[test]
fn a_task_and_the_one_it_needs_leave_together() {
    let mut case = Case::new(&[0, 2], 1);
    let (a, b) = (case.service(1, &[0]), case.service(1, &[0]));
    case.builder.depends(a, b);
    assert_eq!(case.solve(10_000).2.cost, 2);
}

#[test]
fn rings_and_chains_of_services_leave_together() {
    for ring in [true, false] {
        let mut case = Case::new(&[0, 0, 5], 1);
        let services: Vec<_> = (0..5).map(|_| case.service(1, &[0])).collect();
        for pair in services.windows(2) {
            case.builder.depends(pair[0], pair[1]);
        }
        if ring {
            case.builder.depends(services[4], services[0]);
        }
        assert_eq!(case.solve(100_000).2.cost, 5, "ring {ring}");
    }
}

#[test]
fn services_of_several_tasks_leave_a_neighbourhood_together() {
    // Two on each node at most one of each service, in the other neighbourhood as well.
    let mut case = Case::new(&[0, 0, 2, 2], 2);
    let (a, b) = (case.service(1, &[0, 1]), case.service(1, &[0, 1]));
    case.both_ways(a, b);
    assert_eq!(case.solve(100_000).2.cost, 4);
}

#[test]
fn many_pairs_find_their_places_among_many_neighbourhoods() {
    // Ten pairs; five of them stand where there is no safe room, five nodes are empty.
    for seed in 0..10 {
        let mut safety = vec![2; 5];
        safety.extend([0; 5]);
        safety.extend([2; 5]);
        let mut case = Case::new(&safety, 1);
        for pair in 0..10 {
            let (a, b) = (case.service(1, &[pair]), case.service(1, &[pair]));
            case.both_ways(a, b);
        }
        let (_, _, found) = case.solve_from(seed, 400_000);
        assert_eq!((found.initial, found.cost), (500, 10), "seed {seed}");
    }
}

#[test]
fn a_pinned_or_forbidden_partner_holds_all_of_them() {
    for pinned in [true, false] {
        let mut case = Case::new(&[0, 2], 1);
        let (a, b) = (case.service(1, &[0]), case.service(1, &[0]));
        case.both_ways(a, b);
        let partner = scheduler_core::TaskId(1);
        if pinned {
            case.builder.pin(partner).unwrap();
        } else {
            case.builder.forbid(partner, NodeId(1)).unwrap();
        }
        let (_, at, found) = case.solve(20_000);
        assert_eq!((found.cost, found.assignment), (100, at));
    }
}

#[test]
fn a_budget_of_evaluations_is_kept_and_none_is_none() {
    for budget in [0, 1, 7, 100, 4_096, 8_193, 20_000, 300_000] {
        let mut case = Case::new(&[0, 2, 2, 2], 2);
        let (a, b) = (case.service(1, &[0, 1]), case.service(1, &[0]));
        case.builder.depends(b, a);
        let (_, at, found) = case.solve(budget);
        assert!(
            found.evaluations <= budget,
            "{} of {budget}",
            found.evaluations
        );
        if budget == 0 {
            assert_eq!((found.evaluations, found.assignment), (0, at));
        }
    }
}

#[test]
fn a_budget_that_is_no_number_is_refused_by_name_and_one_that_becomes_none_ends() {
    let mut case = Case::new(&[0, 2], 1);
    case.service(1, &[0]);
    let (model, at) = (case.builder.build().unwrap(), case.at);
    let refused = Solver { seed: 1 }.improve(&model, &at, &mut |_| f64::NAN, &mut |_, _| {});
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("budget") && error.contains("NaN"), "{error}");
    let mut late = |made: u64| if made > 20_000 { f64::NAN } else { 0.0 };
    let found = Solver { seed: 1 }.improve(&model, &at, &mut late, &mut |_, _| {});
    assert_eq!(found.unwrap().cost, 1);
}

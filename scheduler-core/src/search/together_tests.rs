use super::Together;
use crate::model::{Model, ModelBuilder, Node, NodeId, Resource, Service, Task};
use crate::placement::Placement;
use crate::rng::stream;
use crate::search::penalised::Penalised;
use crate::search::scope::Scope;
use alloc::vec::Vec;

/// Neighbourhoods of two nodes: in each a pair of services of which one needs the other on its first node, and another
/// such pair with one service on either node.
fn pairs(neighbourhoods: u32) -> (Model, Vec<NodeId>) {
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let mut b = ModelBuilder::new(&[cpu]).unwrap();
    for node in 0..2 * neighbourhoods {
        let node = Node {
            location: node.into(),
            neighbourhood: (node / 2).into(),
            capacity: &[100],
            safety: &[1],
        };
        b.node(node).unwrap();
    }
    let mut at = Vec::new();
    for first in (0..neighbourhoods).map(|n| 2 * n) {
        for homes in [[first, first], [first, first + 1]] {
            let [one, other] = homes.map(|home| {
                let (spread, per_node) = (0, 1);
                let service = b.service(Service { spread, per_node }).unwrap();
                let (need, move_cost) = (&[1][..], 1);
                let task = Task {
                    service,
                    need,
                    move_cost,
                };
                b.task(task).unwrap();
                at.push(NodeId(home));
                service
            });
            b.depends(other, one);
        }
    }
    (b.build().unwrap(), at)
}

#[test]
fn groups_hold_only_tasks_whose_homes_are_in_the_scope() {
    let (model, at) = pairs(6);
    for seed in 0..8 {
        let mut state = Penalised::new(&model, &Placement::new(&model, &at).unwrap());
        let rng = &mut stream(seed, "together");
        let mut together = Together::new(&state, &Scope::whole(&state));
        let scope = Scope::sample(&state, 7, rng);
        together.narrow(&state, &scope);
        let mut sent_away = 0;
        for _ in 0..500 {
            let task = together.draw(&state, rng);
            if let Some(to) = scope.target(&state, task, 0.0, rng) {
                together.send(&mut state, &scope, (task, to), f64::INFINITY, rng);
            }
            sent_away += state.away.len();
            for task in &state.away {
                assert!(scope.is_home_inside(&state, *task), "seed {seed}: {task}");
            }
        }
        assert!(sent_away > 0, "seed {seed}");
    }
}

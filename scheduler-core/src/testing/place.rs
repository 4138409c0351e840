//! A small model from bytes and everything that can be asked of it, held against recomputation.

use super::Bytes;
use super::faults::faults;
use crate::model::{
    Balance, Model, ModelBuilder, Node, NodeId, Resource, Service, ServiceId, Task, TaskId, Weights,
};
use crate::order::{Order, OrderLimits, order_moves};
use crate::placement::{Placement, Violations};
use crate::search::repair;
use crate::search::{Evaluations, Improver as _, Solver, lower_bound, relaxed_bound, relieve};
use alloc::vec::Vec;

/// Asks everything of one model: shifts and swaps, a search, bounds, an order, an urgent answer.
///
/// # Panics
/// When an answer breaks a promise.
pub(super) fn ask_everything(bytes: &mut Bytes<'_>) {
    let Some((model, at)) = decode(bytes) else {
        return;
    };
    let Ok(start) = Placement::new(&model, &at) else {
        return;
    };
    let feasible = start.violations(&model).is_empty();
    walk(&model, start.clone(), bytes);
    let target: Vec<NodeId> = at
        .iter()
        .map(|_| NodeId(bytes.below(model.nodes() as u32)))
        .collect();
    let per_node = bytes.below(4) as usize;
    let limits = OrderLimits {
        per_node: per_node.max(1),
    };
    let order = order_moves(&model, &at, &target, limits).unwrap_or_default();
    carry_out(&model, &at, &target, &order);
    search(&model, &at, u64::from(bytes.below(4)), feasible);
    repairing(&model, start.clone());
    urgent(&model, start, NodeId(bytes.below(8)));
}

/// Moves, each with its cost foretold, taken back at the end.
fn walk(model: &Model, mut p: Placement, bytes: &mut Bytes<'_>) {
    let start = p.clone();
    let mut way = Vec::new();
    for _ in 0..40 {
        let (task, node) = (TaskId(bytes.below(20)), NodeId(bytes.below(8)));
        let (said, from) = (p.cost_of_shift(model, task, node), p.node_of(task));
        let before = p.cost(model);
        match p.try_shift(model, task, node) {
            Ok(delta) => {
                assert_eq!((delta, p.cost(model)), (said, before + said));
                assert_eq!(p.cost_by_part(model).total(), p.cost(model));
                way.extend(from.map(|from| (task, from)));
            }
            Err(_) => assert_eq!(p.cost(model), before),
        }
    }
    let checked = p.check_invariants(model);
    assert!(checked.is_ok(), "{checked:?}");
    for (task, from) in way.into_iter().rev() {
        p.shift(model, task.index(), from.index());
    }
    assert_eq!(
        (p.assignment(), p.cost(model)),
        (start.assignment(), start.cost(model))
    );
}

/// In each wave whatever leaves may still be there when all that comes has come: nothing is broken that was not before.
fn carry_out(model: &Model, at: &[NodeId], target: &[NodeId], order: &Order) {
    let mut now = at.to_vec();
    for wave in &order.waves {
        let before = broken(model, &now);
        let mut all = now.clone();
        for (i, step) in wave.iter().enumerate() {
            assert_eq!(now[step.task.index()], step.from);
            all[step.task.index()] = step.to;
            // This one first, alone; and with all before it.
            let mut alone = now.clone();
            alone[step.task.index()] = step.to;
            for next in [&alone, &all] {
                let after = Placement::moved(model, &now, next).map(|p| p.violations(model));
                assert!(
                    after.is_ok_and(|v| no_more(&v, &before)),
                    "wave {wave:?}, move {i}"
                );
            }
        }
        now = all;
    }
    let missing = (0..at.len() as u32)
        .map(TaskId)
        .filter(|t| now[t.index()] != target[t.index()]);
    assert!(missing.eq(order.given_up.iter().copied()));
}

/// What an assignment breaks.
fn broken(model: &Model, at: &[NodeId]) -> Violations {
    Placement::new(model, at)
        .map(|p| p.violations(model))
        .unwrap_or_default()
}

/// Nothing is broken more often than before, each kind for itself.
fn no_more(after: &Violations, before: &Violations) -> bool {
    let counts = |v: &Violations| {
        [
            v.capacity,
            v.transient,
            v.conflict,
            v.spread,
            v.dependency,
            v.not_allowed,
        ]
    };
    let pairs = counts(after).into_iter().zip(counts(before));
    pairs.into_iter().all(|(after, before)| after <= before)
}

/// Moves that repair, one after another: each is permitted and breaks nothing more, and where the last one leaves off no
/// permitted move of one task repairs anything.
fn repairing(model: &Model, mut p: Placement) {
    let at = p.assignment();
    let repaired = repair(model, &mut p, 40);
    assert_eq!(p.assignment(), at);
    let mut before = p.violations(model);
    for m in &repaired.moves {
        assert_eq!(p.try_shift(model, m.task, m.to), Ok(-m.gain));
        let after = p.violations(model);
        assert!(no_more(&after, &before), "{before:?} then {after:?}: {m}");
        before = after;
    }
    let checked = p.check_invariants(model);
    assert!(checked.is_ok(), "{checked:?}");
    if repaired.moves.len() >= 39 {
        return;
    }
    let before = faults(model, &p.assignment());
    for task in (0..model.tasks() as u32).map(TaskId) {
        for to in (0..model.nodes() as u32).map(NodeId) {
            let from = p.node_of(task);
            if p.try_shift(model, task, to).is_ok() {
                let after = faults(model, &p.assignment());
                assert!(after >= before, "task {task} to {to} repairs");
                p.shift(model, task.index(), from.unwrap_or(to).index());
            }
        }
    }
}

fn search(model: &Model, at: &[NodeId], seed: u64, feasible: bool) {
    let mut budget = Evaluations(2_000);
    let found = Solver { seed }.improve(model, at, &mut budget, &mut |_, _| {});
    let Ok(found) = found else { return };
    let Ok(p) = Placement::moved(model, at, &found.assignment) else {
        return;
    };
    assert_eq!(p.violations(model), found.violations);
    assert!(no_more(&found.violations, &broken(model, at)));
    assert_eq!(p.cost_by_part(model).total(), found.cost);
    if !feasible {
        return;
    }
    let bound = relaxed_bound(model, at, found.initial, 20_000).unwrap_or(0);
    assert!(lower_bound(model) <= bound && bound <= found.cost && found.cost <= found.initial);
}

fn urgent(model: &Model, mut p: Placement, node: NodeId) {
    let before = p.assignment();
    let answer = relieve(model, &mut p, node, 3);
    assert_eq!(p.assignment(), before);
    for m in &answer.moves {
        assert_eq!(p.try_shift(model, m.task, m.to), Ok(-m.gain));
    }
}

/// A model of up to 7 nodes and 18 tasks with everything that there is, and where its tasks stand.
fn decode(bytes: &mut Bytes<'_>) -> Option<(Model, Vec<NodeId>)> {
    let width = bytes.below(3) + 1;
    let resource = |bytes: &mut Bytes<'_>| Resource {
        transient: bytes.below(2) == 1,
        load_weight: u64::from(bytes.below(5)),
    };
    let resources: Vec<Resource> = (0..width).map(|_| resource(bytes)).collect();
    let amounts = |bytes: &mut Bytes<'_>, below: u32| -> Vec<u64> {
        (0..width).map(|_| u64::from(bytes.below(below))).collect()
    };
    let mut b = ModelBuilder::new(&resources).ok()?;
    let nodes = bytes.below(7) + 1;
    for _ in 0..nodes {
        let (location, neighbourhood) = (u64::from(bytes.below(3)), u64::from(bytes.below(2)));
        let (capacity, safety) = (amounts(bytes, 60), amounts(bytes, 40));
        let node = Node {
            location,
            neighbourhood,
            capacity: &capacity,
            safety: &safety,
        };
        b.node(node).ok()?;
    }
    let services = bytes.below(8) + 1;
    for _ in 0..services {
        let (spread, per_node) = (bytes.below(3), bytes.below(3) + 1);
        b.service(Service { spread, per_node }).ok()?;
    }
    for s in 0..services {
        if bytes.below(4) == 3 {
            b.depends(ServiceId(s), ServiceId(bytes.below(services)));
        }
    }
    let mut at = Vec::new();
    for _ in 0..bytes.below(19) {
        let service = ServiceId(bytes.below(services));
        let need = amounts(bytes, 16);
        let move_cost = u64::from(bytes.below(4));
        let task = b
            .task(Task {
                service,
                need: &need,
                move_cost,
            })
            .ok()?;
        match bytes.below(16) {
            0 => b.pin(task).ok()?,
            1 => b.forbid(task, NodeId(bytes.below(nodes))).ok()?,
            2 => b.priority(task, bytes.below(3) as u8).ok()?,
            _ => {}
        }
        at.push(NodeId(bytes.below(nodes)));
    }
    decode_costs(bytes, &mut b, width, nodes)?;
    Some((b.build().ok()?, at))
}

/// Balance, costs between nodes, and weights.
fn decode_costs(bytes: &mut Bytes<'_>, b: &mut ModelBuilder, width: u32, nodes: u32) -> Option<()> {
    if bytes.below(2) == 1 {
        let (first, second) = (bytes.below(width) as usize, bytes.below(width) as usize);
        b.balance(Balance {
            first,
            second,
            target: 2,
            weight: 3,
        })
        .ok()?;
    }
    if bytes.below(2) == 1 {
        b.node_move_costs((0..nodes * nodes).map(|_| bytes.below(5)).collect())
            .ok()?;
    }
    b.weights(Weights {
        task_move: 1,
        service_move: 4,
        node_move: 2,
    })
    .ok()
}

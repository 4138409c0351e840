//! Orders of moves: safe in any interleaving by a simulator that knows only the rules, and giving up no more
//! than going through everything shows to be needed.

mod facts;

use facts::{Draw, FactNode, FactTask, Facts, draw, exchange, task, wander};
use scheduler_core::NodeId;
use scheduler_core::order::{Order, OrderLimits, order_moves};
use scheduler_core::rng::{Xoshiro256PlusPlus, stream};
use scheduler_core::testing::Uniform as _;
use std::collections::{BTreeSet, VecDeque};

/// Carries an order out: in every wave each move begins and ends at times of its own; while it is under way
/// its task counts on both nodes for transient resources. After every event all rules must hold.
fn simulate(
    facts: &Facts,
    target: &[usize],
    order: &Order,
    limits: OrderLimits,
    rng: &mut Xoshiro256PlusPlus,
) {
    let mut at = facts.at.clone();
    for wave in &order.waves {
        assert!(!wave.is_empty());
        let movers: BTreeSet<u32> = wave.iter().map(|s| s.task.0).collect();
        assert_eq!(movers.len(), wave.len(), "a task moves once in a wave");
        let touched = |n: u32| wave.iter().filter(|s| s.from.0 == n || s.to.0 == n).count();
        for n in 0..facts.nodes.len() as u32 {
            assert!(touched(n) <= limits.per_node, "node {n} is too busy");
        }
        let mut waiting: Vec<_> = wave.iter().collect();
        let mut home = at.clone();
        while !waiting.is_empty() || home != at {
            let in_flight: Vec<usize> = (0..at.len()).filter(|t| home[*t] != at[*t]).collect();
            if !waiting.is_empty() && (in_flight.is_empty() || rng.below(2) == 0) {
                let step = waiting.swap_remove(rng.below(waiting.len()));
                let t = step.task.index();
                assert_eq!(at[t], step.from.index());
                at[t] = step.to.index();
            } else {
                let t = in_flight[rng.below(in_flight.len())];
                home[t] = at[t];
            }
            assert_eq!(facts.broken(&home, &at), [0; 5], "{wave:?}");
        }
    }
    let missing: Vec<_> = (0..at.len())
        .filter(|t| at[*t] != target[*t])
        .map(task)
        .collect();
    assert_eq!(missing, order.given_up);
    let last = |t: usize| order.waves.iter().flatten().rfind(|s| s.task.index() == t);
    for t in (0..at.len()).filter(|t| at[*t] == target[*t]) {
        assert!(
            last(t).is_none_or(|s| !s.staging),
            "the last move is no waiting"
        );
    }
}

/// The least number of tasks that do not get to their target: all assignments that single moves lead to are
/// gone through; `waits` says whether tasks may also go where they do not belong.
fn least_given_up(facts: &Facts, target: &[usize], waits: bool) -> usize {
    let mut seen = BTreeSet::from([facts.at.clone()]);
    let mut queue = VecDeque::from([facts.at.clone()]);
    let mut least = usize::MAX;
    while let Some(at) = queue.pop_front() {
        least = least.min(at.iter().zip(target).filter(|(a, t)| a != t).count());
        for (t, goal) in target.iter().enumerate() {
            for n in (0..facts.nodes.len()).filter(|n| waits || n == goal) {
                let mut next = at.clone();
                next[t] = n;
                // While it moves, and once it has.
                if next != at
                    && facts.broken(&at, &next) == [0; 5]
                    && facts.broken(&next, &next) == [0; 5]
                    && seen.insert(next.clone())
                {
                    queue.push_back(next);
                }
            }
        }
    }
    least
}

fn ordered(facts: &Facts, target: &[usize], limits: OrderLimits) -> Order {
    let (model, at) = (facts.model(), Facts::ids(&facts.at));
    order_moves(&model, &at, &Facts::ids(target), limits).unwrap()
}

#[test]
fn no_more_is_given_up_than_must_be_where_everything_can_be_gone_through() {
    let mut rng = stream(1, "tiny orders");
    let (mut moves, mut staged, mut gave_up) = (0, 0, 0);
    for round in 0..250 {
        let how = Draw {
            tasks: 2 + rng.below(5),
            nodes: 2 + rng.below(3),
            slack: 16,
            feasible: true,
        };
        let facts = draw(&mut rng, how);
        let wandered = wander(&mut rng, &facts, 30);
        let target = exchange(
            &mut rng,
            &Facts {
                at: wandered,
                ..facts.clone()
            },
            60,
        );
        let limits = OrderLimits::default().with_per_node(1 + rng.below(4));
        let order = ordered(&facts, &target, limits);
        simulate(&facts, &target, &order, limits, &mut rng);
        let least = least_given_up(&facts, &target, true);
        assert_eq!(order.given_up.len(), least, "round {round}");
        moves += order.moves();
        staged += order.staging_moves();
        gave_up += order.given_up.len();
    }
    assert!(
        moves > 150 && staged > 10 && gave_up > 0,
        "{moves} {staged} {gave_up}"
    );
}

#[test]
fn up_to_twelve_moves_give_up_no_more_than_the_best_set_without_waiting() {
    let mut rng = stream(2, "orders of twelve");
    let (mut twelve, mut gave_up) = (0, 0);
    for round in 0..150 {
        let how = Draw {
            tasks: 8 + rng.below(8),
            nodes: 4 + rng.below(4),
            slack: 8,
            feasible: true,
        };
        let facts = draw(&mut rng, how);
        let mut target = facts.at.clone();
        // An exchange of nodes between tasks of like size, feasible or not: at most twelve moves.
        for _ in 0..6 {
            let (a, b) = (rng.below(target.len()), rng.below(target.len()));
            let moved = target.iter().zip(&facts.at).filter(|(x, y)| x != y).count();
            if moved <= 10 {
                target.swap(a, b);
            }
        }
        let limits = OrderLimits::default();
        let order = ordered(&facts, &target, limits);
        simulate(&facts, &target, &order, limits, &mut rng);
        assert!(
            order.given_up.len() <= least_given_up(&facts, &target, false),
            "round {round}"
        );
        twelve += usize::from(target.iter().zip(&facts.at).filter(|(x, y)| x != y).count() > 6);
        gave_up += order.given_up.len();
    }
    assert!(twelve > 50 && gave_up > 50, "{twelve} {gave_up}");
}

#[test]
fn many_tight_moves_are_ordered_safely_and_nearly_all_of_them() {
    let mut rng = stream(3, "large orders");
    let (mut moves, mut gave_up) = (0, 0);
    for _ in 0..12 {
        let how = Draw {
            tasks: 60,
            nodes: 8,
            slack: 25,
            feasible: true,
        };
        let facts = draw(&mut rng, how);
        let target = wander(&mut rng, &facts, 1500);
        for per_node in [1, 3, usize::MAX] {
            let limits = OrderLimits::default().with_per_node(per_node);
            let order = ordered(&facts, &target, limits);
            simulate(&facts, &target, &order, limits, &mut rng);
            moves += order.moves();
            gave_up += order.given_up.len();
        }
    }
    assert!(
        moves > 1000 && gave_up * 50 < moves,
        "{moves} moves, {gave_up} given up"
    );
}

/// Nodes of capacity 10, one resource; tasks of services of their own.
fn line(nodes: usize, needs: &[u64], at: &[usize], transient: bool) -> Facts {
    let node = |i: usize| FactNode {
        location: i as u64,
        neighbourhood: 0,
        capacity: vec![10],
        safety: vec![10],
    };
    let task = |(service, need): (usize, &u64)| FactTask {
        service,
        need: vec![*need],
        move_cost: 1,
    };
    Facts {
        resources: vec![(transient, 1)],
        nodes: (0..nodes).map(node).collect(),
        travel: vec![0; nodes * nodes],
        services: vec![(0, Vec::new()); needs.len()],
        tasks: needs.iter().enumerate().map(task).collect(),
        weights: [1, 0, 0],
        at: at.to_vec(),
        ..Facts::default()
    }
}

#[test]
fn a_chain_goes_from_its_end_and_a_circle_takes_one_move_more() {
    let mut rng = stream(4, "shapes");
    for transient in [false, true] {
        // Six full nodes in a line, the seventh empty: each moves on by one, the last first.
        let chain = line(7, &[10; 6], &[0, 1, 2, 3, 4, 5], transient);
        let target = [1, 2, 3, 4, 5, 6];
        let order = ordered(&chain, &target, OrderLimits::default());
        simulate(&chain, &target, &order, OrderLimits::default(), &mut rng);
        assert_eq!(
            (order.moves(), order.waves.len(), order.given_up.len()),
            (6, 6, 0)
        );
        // Six in a cycle and one empty node: one waits there.
        let cycle = line(7, &[10; 6], &[0, 1, 2, 3, 4, 5], transient);
        let target = [1, 2, 3, 4, 5, 0];
        let order = ordered(&cycle, &target, OrderLimits::default());
        simulate(&cycle, &target, &order, OrderLimits::default(), &mut rng);
        assert_eq!(
            (order.moves(), order.staging_moves(), order.given_up.len()),
            (7, 1, 0)
        );
        // Without the empty node nothing can be done, and nothing is.
        let stuck = line(6, &[10; 6], &[0, 1, 2, 3, 4, 5], transient);
        let order = ordered(&stuck, &target, OrderLimits::default());
        assert_eq!((order.moves(), order.given_up.len()), (0, 6));
    }
}

#[test]
fn two_circles_share_waves_and_independent_moves_need_only_one() {
    let mut rng = stream(5, "waves");
    // Two pairs that change places, each with a node beside to wait on.
    let pairs = line(6, &[10; 4], &[0, 1, 2, 3], false);
    let target = [1, 0, 3, 2];
    let order = ordered(&pairs, &target, OrderLimits::default());
    simulate(&pairs, &target, &order, OrderLimits::default(), &mut rng);
    assert_eq!(
        (order.moves(), order.staging_moves(), order.waves.len()),
        (6, 2, 3)
    );
    // Nine small tasks leave one node for three others.
    let small = line(4, &[1; 9], &[0; 9], false);
    let target = [1, 2, 3, 1, 2, 3, 1, 2, 3];
    let order = ordered(&small, &target, OrderLimits::default());
    assert_eq!(order.waves.len(), 1);
    let limits = OrderLimits::default().with_per_node(2);
    let order = ordered(&small, &target, limits);
    simulate(&small, &target, &order, limits, &mut rng);
    assert_eq!(order.waves.len(), 5);
}

#[test]
fn the_same_question_has_the_same_answer_and_wrong_ones_are_refused() {
    let mut rng = stream(6, "again");
    let how = Draw {
        tasks: 40,
        nodes: 6,
        slack: 15,
        feasible: true,
    };
    let facts = draw(&mut rng, how);
    let target = wander(&mut rng, &facts, 800);
    let limits = OrderLimits::default();
    assert_eq!(
        ordered(&facts, &target, limits),
        ordered(&facts, &target, limits)
    );
    let (model, at) = (facts.model(), Facts::ids(&facts.at));
    assert!(order_moves(&model, &at, &at[1..], limits).is_err());
    let mut astray = at.clone();
    astray[3] = NodeId(6);
    assert!(order_moves(&model, &at, &astray, limits).is_err());
    assert_eq!(
        order_moves(&model, &at, &at, limits).unwrap(),
        Order::default()
    );
}

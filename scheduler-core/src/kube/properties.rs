//! What holds for any cluster: victims are allowed, distinct and within limits; scores within bounds.

use super::{Strategy as Scoring, *};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;
use proptest::strategy::Strategy;

const KINDS: [&str; 3] = ["ReplicaSet", "DaemonSet", "Job"];

/// Nodes: CPU, unschedulable. Pods: node, CPU, memory, kind of owner, priority.
type Parts = (Vec<(u64, bool)>, Vec<(usize, u64, u64, usize, Option<i32>)>);

fn clusters() -> impl Strategy<Value = Parts> {
    let amount = || prop_oneof![4 => 0_u64..100, 1 => any::<u64>()];
    let nodes = proptest::collection::vec((amount(), any::<bool>()), 0..5);
    let priority = proptest::option::of(any::<i32>());
    let pod = (0_usize..6, amount(), amount(), 0_usize..4, priority);
    (nodes, proptest::collection::vec(pod, 0..16))
}

proptest! {
    #[test]
    fn victims_are_allowed_distinct_and_within_limits(
        (nodes, pods) in clusters(),
        low in 0.0..60.0_f64,
        gap in 0.0..60.0_f64,
        (pack, deviation, fit, by_measure) in any::<(bool, bool, bool, bool)>(),
        limit in proptest::option::of(0_usize..4),
    ) {
        let nodes: Vec<Node<'_>> = nodes.iter().map(|(cpu, unschedulable)| Node {
            name: "n",
            allocatable: [("cpu", *cpu), ("memory", 1000), ("pods", 8)].into(),
            unschedulable: *unschedulable,
            measured: Some([("cpu", cpu / 2), ("memory", 600)].into()),
            ..Node::default()
        }).collect();
        let pods: Vec<Pod<'_>> = pods.iter().map(|(node, cpu, memory, owner, priority)| Pod {
            name: "p",
            node: *node,
            containers: vec![Container { requests: [("cpu", *cpu)].into(), ..Container::default() }],
            owners: KINDS.get(*owner).copied().into_iter().collect(),
            priority: *priority,
            measured: Some([("memory", *memory)].into()),
            ..Pod::default()
        }).collect();
        let low: Percents<'_> = [("cpu", low), ("memory", 100.0)].into();
        let high: Percents<'_> = low.iter().map(|(name, p)| (*name, p + gap)).collect();
        let goal = if pack {
            Goal::Pack { low, only_thresholded: deviation }
        } else {
            Goal::Spread { low, high, deviation }
        };
        let mut evictor = Evictor::new(goal);
        evictor.node_fit = fit;
        evictor.measured = by_measure;
        evictor.node_limit = limit;
        let victims = evictor.evictions(&nodes, &pods).unwrap();
        let mut once = victims.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), victims.len());
        prop_assert!(victims.iter().all(|v| evictable(&pods[*v]) && pods[*v].node < nodes.len()));
        for at in 0..nodes.len() {
            let from = victims.iter().filter(|v| pods[**v].node == at).count();
            prop_assert!(limit.is_none_or(|limit| from <= limit));
        }
        // Somebody must be there to take them.
        prop_assert!(victims.is_empty() || nodes.iter().any(|n| !n.unschedulable));
    }

    #[test]
    fn scores_are_from_0_to_100_and_least_and_most_are_opposites(
        (nodes, pods) in clusters(),
        weights in proptest::collection::vec(1_i64..=100, 2),
    ) {
        let weights = [("cpu", weights[0]), ("memory", weights[1])]
            .map(|(name, weight)| Weight { name, weight });
        let pods: Vec<Pod<'_>> = pods.iter().map(|(_, cpu, memory, ..)| Pod {
            containers: vec![Container { requests: [("cpu", *cpu), ("memory", *memory)].into(), ..Container::default() }],
            ..Pod::default()
        }).collect();
        let present: Vec<&Pod<'_>> = pods.iter().collect();
        for (cpu, _) in nodes {
            let allocatable = [("cpu", cpu), ("memory", 1 << 20)].into();
            let [least, most, balanced] =
                [Scoring::LeastAllocated, Scoring::MostAllocated, Scoring::BalancedAllocation].map(|strategy| {
                    let scorer = Scorer::new(strategy, &weights).unwrap();
                    scorer.score(&allocatable, &present, &Pod::default())
                });
            prop_assert!(balanced <= 100);
            // Each is rounded down, per resource and as a mean.
            prop_assert!((98..=100).contains(&(least + most)), "{least} {most}");
        }
    }
}

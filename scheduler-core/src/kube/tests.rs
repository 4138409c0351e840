//! Edges of scores and evictions; what they decide is compared with upstream in `tests/vectors.rs`.

use super::*;
use alloc::vec;
use alloc::vec::Vec;

fn asks<'a>(amounts: &[(&'a str, u64)]) -> Container<'a> {
    Container {
        requests: amounts.iter().copied().collect(),
        ..Container::default()
    }
}

fn pod<'a>(name: &'a str, node: usize, cpu: u64) -> Pod<'a> {
    Pod {
        name,
        node,
        containers: vec![asks(&[("cpu", cpu)])],
        owners: vec!["ReplicaSet"],
        ..Pod::default()
    }
}

fn node(name: &str, cpu: u64) -> Node<'_> {
    Node {
        name,
        allocatable: [("cpu", cpu), ("memory", 1 << 30), ("pods", 10)].into(),
        ..Node::default()
    }
}

fn spread<'a>() -> Evictor<'a> {
    Evictor::new(Goal::Spread {
        low: [("cpu", 30.0)].into(),
        high: [("cpu", 50.0)].into(),
        deviation: false,
    })
}

#[test]
fn scores_of_extremes_stay_within_bounds() {
    let huge = [("cpu", u64::MAX), ("memory", u64::MAX)];
    let pod = Pod {
        containers: vec![asks(&huge), asks(&huge)],
        overhead: huge.into(),
        ..Pod::default()
    };
    let weights = ["cpu", "memory"].map(|name| Weight { name, weight: 100 });
    let score = |strategy, pod: &Pod<'_>| {
        let scorer = Scorer::new(strategy, &weights).unwrap();
        scorer.score(&huge.into(), &[pod; 3], pod)
    };
    assert_eq!(score(Strategy::LeastAllocated, &pod), 0);
    assert_eq!(score(Strategy::MostAllocated, &pod), 100);
    assert_eq!(score(Strategy::BalancedAllocation, &pod), 100);
    assert_eq!(score(Strategy::LeastAllocated, &Pod::default()), 100);
}

#[test]
fn all_wrong_weights_are_named() {
    let weights = [0, 1, 101, i64::MIN].map(|weight| Weight {
        name: "cpu",
        weight,
    });
    let error = Scorer::new(Strategy::LeastAllocated, &weights).unwrap_err();
    assert_eq!(error.at, [0, 2, 3]);
    assert_eq!(
        std::format!("{error}"),
        "resources[0].weight must be from 1 to 100"
    );
}

#[test]
fn balance_of_three_resources_is_a_deviation() {
    let names = ["cpu", "memory", "x.y/z"];
    let weights = names.map(|name| Weight { name, weight: 1 });
    let scorer = Scorer::new(Strategy::BalancedAllocation, &weights).unwrap();
    let pod = Pod {
        containers: vec![asks(&[("cpu", 1), ("memory", 4), ("x.y/z", 7)])],
        ..Pod::default()
    };
    let score = scorer.score(&names.map(|n| (n, 10)).into(), &[], &pod);
    // Shares 0.1, 0.4, 0.7: a deviation of the root of 0.06.
    assert_eq!(score, 75);
}

#[test]
fn an_init_container_counts_where_it_asks_for_more() {
    let mut pod = pod("a", 0, 100);
    pod.init_containers = vec![asks(&[("cpu", 300)]), asks(&[("cpu", 200)])];
    pod.overhead = [("cpu", 5)].into();
    assert_eq!(pod.request("cpu", 0), Some(305));
    assert_eq!(pod.request("memory", 0), None);
    assert_eq!(pod.request("memory", 7), Some(7));
}

#[test]
fn classes_of_service() {
    let class = |requests: &[(&'static str, u64)], limits: &[(&'static str, u64)]| {
        let container = Container {
            requests: requests.iter().copied().collect(),
            limits: limits.iter().copied().collect(),
        };
        let pod = Pod {
            containers: vec![container],
            ..Pod::default()
        };
        pod.qos()
    };
    assert_eq!(class(&[("cpu", 0), ("x.y/z", 3)], &[]), Qos::BestEffort);
    assert_eq!(class(&[("cpu", 1)], &[]), Qos::Burstable);
    assert_eq!(class(&[], &[("cpu", 1), ("memory", 2)]), Qos::Guaranteed);
    assert_eq!(
        class(&[("cpu", 1)], &[("cpu", 2), ("memory", 2)]),
        Qos::Burstable
    );
}

#[test]
fn low_priority_and_best_effort_go_first() {
    let nodes = [node("full", 100), node("empty", 100)];
    let mut pods: Vec<Pod<'_>> = ["a", "b", "c"].map(|name| pod(name, 0, 30)).into();
    pods[0].priority = Some(5);
    pods[2].containers = vec![asks(&[]), asks(&[])];
    let evictor = spread();
    // 60 of 100 are requested: `c` frees nothing, `b` brings it to 30.
    assert_eq!(evictor.evictions(&nodes, &pods), Ok(vec![2, 1]));
}

#[test]
fn protected_pods_stay() {
    let nodes = [node("full", 100), node("empty", 100)];
    let guarded: [fn(&mut Pod<'_>); 6] = [
        |p| p.owners.clear(),
        |p| p.owners.push("DaemonSet"),
        |p| p.of_node = true,
        |p| p.deleting = true,
        |p| p.priority = Some(2_000_000_000),
        |p| p.local_storage = true,
    ];
    for guard in guarded {
        let mut pods = [pod("a", 0, 90)];
        assert_eq!(spread().evictions(&nodes, &pods), Ok(vec![0]));
        guard(&mut pods[0]);
        assert_eq!(spread().evictions(&nodes, &pods), Ok(vec![]));
        pods[0].always_evictable = true;
        assert_eq!(spread().evictions(&nodes, &pods), Ok(vec![0]));
    }
}

#[test]
fn a_taint_keeps_off_all_but_those_that_tolerate_it() {
    let mut nodes = [node("full", 100), node("empty", 100)];
    nodes[1].taints.push(Taint {
        key: "gpu",
        value: "yes",
        effect: Effect::NoSchedule,
    });
    let mut pods = [pod("a", 0, 90)];
    assert_eq!(spread().evictions(&nodes, &pods), Ok(vec![]));
    let toleration = |value, effect| Toleration {
        key: Some("gpu"),
        value,
        effect,
    };
    for (tolerated, evicted) in [
        (toleration(Tolerates::Value("no"), None), vec![]),
        (toleration(Tolerates::Any, Some(Effect::NoExecute)), vec![]),
        (
            toleration(Tolerates::Value("yes"), Some(Effect::NoSchedule)),
            vec![0],
        ),
        (
            Toleration {
                key: None,
                value: Tolerates::Any,
                effect: None,
            },
            vec![0],
        ),
    ] {
        pods[0].tolerations = vec![tolerated];
        assert_eq!(spread().evictions(&nodes, &pods), Ok(evicted));
    }
}

#[test]
fn labels_are_compared_as_asked() {
    let mut nodes = [node("full", 100), node("empty", 100)];
    nodes[1].labels = [("zone", "7")].into();
    let mut pods = [pod("a", 0, 90)];
    let cases = [
        (Operator::In(vec!["6", "7"]), true),
        (Operator::NotIn(vec!["7"]), false),
        (Operator::Exists, true),
        (Operator::DoesNotExist, false),
        (Operator::Gt(6), true),
        (Operator::Lt(7), false),
    ];
    for (operator, fits) in cases {
        pods[0].node_affinity = vec![
            vec![Expression {
                key: "zone",
                operator,
            }],
            vec![],
        ];
        let evicted = spread().evictions(&nodes, &pods).unwrap();
        assert_eq!(!evicted.is_empty(), fits, "{:?}", pods[0].node_affinity);
    }
}

#[test]
fn missing_measurements_are_an_error() {
    let nodes = [node("a", 100), node("b", 100)];
    let mut evictor = spread();
    evictor.measured = true;
    let error = evictor.evictions(&nodes, &[]).unwrap_err();
    assert_eq!(std::format!("{error}"), "no measured use of cpu on node a");
}

#[test]
fn nothing_at_all_is_fine() {
    assert_eq!(spread().evictions(&[], &[]), Ok(vec![]));
    let unassigned = [pod("a", usize::MAX, u64::MAX)];
    assert_eq!(spread().evictions(&[node("n", 0)], &unassigned), Ok(vec![]));
    let huge = [pod("a", 0, u64::MAX), pod("b", 0, u64::MAX)];
    let nodes = [node("n", u64::MAX), node("m", u64::MAX)];
    assert!(spread().evictions(&nodes, &huge).is_ok());
    assert!(average(&[]).is_empty() && heaviest_first(&[]).is_empty());
}

#[test]
fn limits_and_namespaces_hold() {
    let nodes = [node("full", 100), node("empty", 100)];
    let mut pods = ["a", "b", "c"].map(|name| pod(name, 0, 30));
    pods[1].namespace = "kept";
    let mut evictor = spread();
    evictor.namespaces = Namespaces::Except(vec!["kept"]);
    assert_eq!(evictor.evictions(&nodes, &pods), Ok(vec![0, 2]));
    evictor.node_limit = Some(1);
    assert_eq!(evictor.evictions(&nodes, &pods), Ok(vec![0]));
    evictor.namespaces = Namespaces::Only(vec!["kept"]);
    assert_eq!(evictor.evictions(&nodes, &pods), Ok(vec![1]));
    evictor.idle_nodes = 1;
    assert_eq!(evictor.evictions(&nodes, &pods), Ok(vec![]));
}

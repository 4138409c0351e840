//! Balancing, retries, slow start and admission, with services in memory.

use discovery_core::Timestamp;
use discovery_core::health::CallOutcome;
use discovery_core::pick::{LowDiscrepancy, P2c, PeakEwma};
use discovery_core::warm_up::{Admission, AdmissionRules, Curve, WarmUp};
use discovery_tower::{AdmissionLayer, Balance, BalanceError, Follow, Policy};
use futures_util::stream;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tower::discover::Change;
use tower::util::BoxCloneService;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

type Endpoint = BoxCloneService<(), &'static str, &'static str>;

fn well(name: &'static str) -> Endpoint {
    BoxCloneService::new(service_fn(move |()| async move { Ok(name) }))
}

fn down() -> Endpoint {
    BoxCloneService::new(service_fn(|()| async { Err("down") }))
}

/// Tries again, or not.
struct Tries(bool);

impl Policy<(), &'static str, &'static str> for Tries {
    fn outcome(&self, result: &Result<&'static str, &'static str>) -> CallOutcome {
        match result {
            Ok(_) => CallOutcome::Ok,
            Err(_) => CallOutcome::Local,
        }
    }

    fn again(&self, (): &()) -> Option<()> {
        self.0.then_some(())
    }
}

async fn shares(
    balance: &mut Balance<&'static str, Endpoint, Tries>,
    count: usize,
) -> BTreeMap<&'static str, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        let answer = balance.call(()).await.unwrap_or_else(|e| match e {
            BalanceError::Endpoint(error) => error,
            BalanceError::NoEndpoint => "nobody",
        });
        *shares.entry(answer).or_default() += 1;
    }
    shares
}

#[tokio::test]
async fn requests_follow_weights_as_they_change() {
    let (mut balance, endpoints) = Balance::new(LowDiscrepancy::new(&[], 7), Tries(false));
    assert_eq!(
        shares(&mut balance, 1).await,
        BTreeMap::from([("nobody", 1)])
    );
    endpoints.insert("a", well("a"), 300);
    endpoints.insert("b", well("b"), 100);
    let counted = shares(&mut balance, 400).await;
    assert!((295..=305).contains(&counted["a"]), "{counted:?}");
    assert!(endpoints.set_weight(&"a", 0));
    assert_eq!(shares(&mut balance, 10).await, BTreeMap::from([("b", 10)]));
    assert!(endpoints.remove(&"b"));
    assert_eq!(
        shares(&mut balance, 1).await,
        BTreeMap::from([("nobody", 1)])
    );
    assert!(!endpoints.set_weight(&"b", 7) && !endpoints.remove(&"b"));
    // Its slot's next one inherits nothing.
    endpoints.insert("c", well("c"), 100);
    assert_eq!(shares(&mut balance, 10).await, BTreeMap::from([("c", 10)]));
    assert_eq!(endpoints.len(), 2);
}

#[tokio::test]
async fn a_failed_call_is_tried_again_elsewhere_and_only_if_it_may() {
    let picker = || P2c::new(&[], PeakEwma::default(), 7);
    let (mut once, endpoints) = Balance::new(picker(), Tries(false));
    for (name, endpoint) in [("a", down()), ("b", well("b"))] {
        endpoints.insert(name, endpoint, 100);
    }
    assert!(shares(&mut once, 50).await.contains_key("down"));
    let (mut again, endpoints) = Balance::new(picker(), Tries(true));
    for name in ["a", "b", "c"] {
        endpoints.insert(name, down(), 100);
    }
    endpoints.insert("d", well("d"), 100);
    // Three others are tried at the most, and none twice: one of four is enough.
    assert_eq!(shares(&mut again, 200).await, BTreeMap::from([("d", 200)]));
    endpoints.remove(&"d");
    assert_eq!(shares(&mut again, 3).await, BTreeMap::from([("down", 3)]));
}

#[tokio::test]
async fn calls_that_are_given_up_are_not_counted_as_under_way() {
    let (mut balance, endpoints) =
        Balance::new(P2c::new(&[], PeakEwma::default(), 7), Tries(false));
    let never = service_fn(|()| std::future::pending::<Result<&str, &str>>());
    endpoints.insert("a", BoxCloneService::new(never), 100);
    endpoints.insert("b", well("b"), 100);
    for _ in 0..20 {
        let call = balance.call(());
        let _ = tokio::time::timeout(Duration::from_millis(1), call).await;
    }
    endpoints.insert("a", well("a"), 100);
    let counted = shares(&mut balance, 400).await;
    assert!(
        counted["b"] > 0 && counted.get("a").is_some_and(|&a| a > 0),
        "{counted:?}"
    );
}

#[tokio::test]
async fn cold_endpoints_rise_to_their_weight() {
    let (mut balance, endpoints) = Balance::new(LowDiscrepancy::new(&[], 7), Tries(false));
    endpoints.insert("warm", well("warm"), 1_000);
    let slow_start = WarmUp::envoy(Duration::from_millis(600));
    endpoints.insert_cold("cold", well("cold"), 1_000, slow_start);
    let counted = shares(&mut balance, 100).await;
    assert!((8..=12).contains(&counted["cold"]), "a tenth: {counted:?}");
    // Known already: not cold again.
    endpoints.insert_cold("warm", well("warm"), 1_000, slow_start);
    tokio::time::sleep(Duration::from_millis(800)).await;
    let counted = shares(&mut balance, 100).await;
    assert!((49..=51).contains(&counted["cold"]), "{counted:?}");
}

#[tokio::test]
async fn changes_of_a_discover_are_followed() {
    let changes = [
        Change::Insert("a", well("a")),
        Change::Insert("b", well("b")),
        Change::Remove("a"),
    ];
    let discover = stream::iter(changes.map(Ok::<_, &str>));
    let picker = LowDiscrepancy::new(&[], 7);
    let mut follow = Follow::new(discover, picker, Tries(false), 100, WarmUp::Off);
    for _ in 0..10 {
        assert_eq!(follow.ready().await.expect("ready").call(()).await, Ok("b"));
    }
    assert_eq!(follow.endpoints().len(), 1);
}

#[tokio::test]
async fn a_cold_callee_admits_little_and_more_when_it_is_warm() {
    let rules = AdmissionRules::new(
        Duration::from_millis(500),
        Curve::Linear { cold_percent: 25 },
    );
    let rules = rules.with_concurrency(8);
    let admission = Admission::new(rules, Timestamp::ZERO).expect("rules");
    let refused = || Ok::<_, &'static str>("refused");
    let under_way = Arc::new(AtomicUsize::new(0));
    let slow = {
        let under_way = Arc::clone(&under_way);
        service_fn(move |()| {
            let under_way = Arc::clone(&under_way);
            async move {
                under_way.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok::<_, &'static str>("served")
            }
        })
    };
    let mut service = AdmissionLayer::new(admission, refused).layer(slow);
    let mut at_once = async || {
        let calls: Vec<_> = (0..8).map(|_| service.call(())).collect();
        let answers = futures_util::future::join_all(calls).await;
        answers
            .iter()
            .filter(|answer| **answer == Ok("served"))
            .count()
    };
    assert_eq!(at_once().await, 2, "a quarter of 8");
    tokio::time::sleep(Duration::from_millis(600)).await;
    // The places of those that ended are free.
    assert_eq!(at_once().await, 8);
    assert_eq!(under_way.load(Ordering::SeqCst), 10);
    // So are those of calls that were given up.
    for _ in 0..20 {
        drop(service.call(()));
    }
    assert_eq!(service.call(()).await, Ok("served"));
}

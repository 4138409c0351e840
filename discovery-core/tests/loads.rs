//! What holds of priorities, localities and zones whatever the counts.

use discovery_core::endpoint::Conditions;
use discovery_core::locality::{
    Candidate, Failover, Locality, PriorityHealth, PriorityRules, TrafficPolicy, ZoneRules,
    compact_priorities, locality_priority, locality_weight, priority_loads, usable, zone_shares,
};
use proptest::prelude::*;

fn priority() -> impl Strategy<Value = PriorityHealth> {
    (0..9u64, 0..9u64, 0..9u64, 0..9u64).prop_map(|(healthy, degraded, failing, excluded)| {
        PriorityHealth {
            hosts: healthy + degraded + failing + excluded,
            healthy,
            degraded,
            excluded,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_load_goes_somewhere_and_nowhere_empty(
        priorities in proptest::collection::vec(priority(), 0..6),
        overprovisioning_percent in 100..300u32,
        panic_percent in 0..=100u32,
    ) {
        let loads = priority_loads(&priorities, &PriorityRules::default().with_overprovisioning_percent(overprovisioning_percent).with_panic_percent(panic_percent));
        let sum: u32 = loads.healthy.iter().chain(&loads.degraded).sum();
        let hosts: u64 = priorities.iter().map(|p| p.hosts).sum();
        let nowhere = priorities.is_empty() || (hosts == 0 && panic_percent > 0);
        prop_assert_eq!(sum, if nowhere { 0 } else { 100 });
        let able = priorities.iter().any(|p| p.healthy > 0);
        let total = loads.panic.iter().all(|p| *p);
        for (i, p) in priorities.iter().enumerate().filter(|_| able && !total) {
            prop_assert!(loads.healthy[i] == 0 || p.healthy > 0, "{:?} gets {:?}", p, &loads);
            prop_assert!(loads.degraded[i] == 0 || p.degraded > 0);
        }
    }

    #[test]
    fn more_health_ahead_never_sends_more_behind(healthy in 0..20u64, failing in 0..20u64) {
        let ahead = |healthy| PriorityHealth { hosts: healthy + failing, healthy, degraded: 0, excluded: 0 };
        let behind = PriorityHealth { hosts: 9, healthy: 9, degraded: 0, excluded: 0 };
        let rules = PriorityRules::default().with_panic_percent(0);
        let load = |h| priority_loads(&[ahead(h), behind], &rules).healthy[1];
        prop_assert!(load(healthy + 1) <= load(healthy));
    }

    #[test]
    fn zone_shares_are_a_whole(
        callers in proptest::collection::vec(0..50u64, 1..6),
        endpoints in proptest::collection::vec(0..50u64, 1..6),
        here in 0..6usize,
    ) {
        if let Some(shares) = zone_shares(&callers, &endpoints, here, &ZoneRules::default()) {
            prop_assert_eq!(shares.iter().sum::<u32>(), 10_000);
            for (share, n) in shares.iter().zip(&endpoints) {
                prop_assert!(*share == 0 || *n > 0, "a zone without endpoints gets {}", share);
            }
        }
    }

    #[test]
    fn compaction_keeps_order_and_closes_gaps(given in proptest::collection::vec(0..30u32, 0..20)) {
        let got = compact_priorities(&given);
        for (i, a) in given.iter().enumerate() {
            for (j, b) in given.iter().enumerate() {
                prop_assert_eq!(a.cmp(b), got[i].cmp(&got[j]));
            }
        }
        let most = got.iter().max().map_or(0, |m| m + 1);
        prop_assert!((0..most).all(|p| got.contains(&p)));
    }
}

#[test]
fn localities_by_how_much_they_share() {
    let here = Locality::parse("r1/z1/s1");
    let failovers = [
        Failover {
            from: "r1",
            to: "r2",
        },
        Failover {
            from: "r1",
            to: "r3",
        },
    ];
    let at = |there| locality_priority(here, Locality::parse(there), &failovers);
    let places = [
        "r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r2/z1/s1", "r3", "r4/z1/s1",
    ];
    assert_eq!(places.map(at), [0, 1, 2, 3, 3, 4]);
    let free = |there| locality_priority(here, Locality::parse(there), &failovers[..0]);
    assert_eq!(
        free("r4/z1/s1"),
        3,
        "without a failover every other region is alike"
    );
    assert_eq!(locality_weight(10, 140, 1, 2), 7.0);
    assert_eq!(locality_weight(10, 140, 3, 0), 0.0);
}

#[test]
fn hints_and_policies() {
    let seen = |conditions, local, hints| Candidate {
        conditions,
        local,
        hints,
    };
    let ready = Conditions::READY;
    let all: [Candidate<'_>; 3] = [
        seen(ready, true, &["a"]),
        seen(ready, false, &["b"]),
        seen(Conditions::TERMINATING, false, &[]),
    ];
    assert_eq!(usable(&all, TrafficPolicy::Cluster, None), [0, 1]);
    assert_eq!(usable(&all, TrafficPolicy::Cluster, Some("b")), [1]);
    assert_eq!(
        usable(&all, TrafficPolicy::Cluster, Some("c")),
        [0, 1],
        "nobody is meant for c"
    );
    assert_eq!(usable(&all, TrafficPolicy::Local, Some("b")), [0]);
    assert_eq!(usable(&all[1..], TrafficPolicy::Local, None), [0usize; 0]);
    assert_eq!(usable(&all[2..], TrafficPolicy::Cluster, None), [0]);
    let unhinted = [seen(ready, true, &["a"]), seen(ready, false, &[])];
    assert_eq!(
        usable(&unhinted, TrafficPolicy::Cluster, Some("a")),
        [0, 1],
        "hints count only if all have them"
    );
}

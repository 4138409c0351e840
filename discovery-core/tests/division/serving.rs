//! Whoever can serve does, whatever the rules.

use super::*;
use discovery_core::Picker;
use discovery_core::locality::MAX_PRIORITIES;
use discovery_core::pick::{
    Edf, Maglev, P2c, PeakEwma, SmoothRoundRobin, StaticStride, WeightedRandom,
};
use proptest::prelude::*;

type Make = fn(u64) -> Box<dyn Picker>;

const PICKERS: [Make; 7] = [
    |seed| Box::new(LowDiscrepancy::new(&[], seed)),
    |_| Box::new(Edf::new(&[])),
    |_| Box::new(SmoothRoundRobin::new(&[])),
    |_| Box::new(StaticStride::new(&[], 0)),
    |seed| Box::new(WeightedRandom::new(&[], seed)),
    |seed| Box::new(P2c::new(&[], PeakEwma::default(), seed)),
    |_| Box::new(Maglev::new(&[])),
];

fn member() -> impl Strategy<Value = Option<Member>> {
    let weight = prop_oneof![
        Just(0),
        Just(1),
        Just(100_000),
        0..=1_000_000_000_u32,
        Just(u32::MAX)
    ];
    let health = prop_oneof![
        1 => Just(EndpointHealth::Excluded),
        3 => Just(EndpointHealth::Failing),
        1 => Just(EndpointHealth::Degraded),
        1 => Just(EndpointHealth::Healthy)
    ];
    let priority = prop_oneof![0..4_u32, Just(MAX_PRIORITIES as u32 - 1)];
    let member =
        (priority, weight.clone(), weight, health).prop_map(|(priority, base, weight, health)| {
            Member {
                priority,
                base,
                weight,
                health,
            }
        });
    proptest::option::weighted(0.9, member)
}

fn rules() -> impl Strategy<Value = PriorityRules> {
    let percent = || prop_oneof![Just(0), Just(1), 0..200_u32, Just(u32::MAX)];
    (percent(), percent()).prop_map(|(overprovisioning_percent, panic_percent)| {
        PriorityRules::default()
            .with_overprovisioning_percent(overprovisioning_percent)
            .with_panic_percent(panic_percent)
    })
}

/// Who may serve, and whether failing ones may.
fn expected(members: &[Option<Member>], rules: &PriorityRules) -> (bool, bool) {
    let any = |wanted: &[EndpointHealth]| {
        let mut known = members.iter().flatten();
        known.any(|m| m.weight > 0 && wanted.contains(&m.health))
    };
    let available = any(&[EndpointHealth::Healthy, EndpointHealth::Degraded]);
    let panic = rules.panic_percent > 0 && any(&[EndpointHealth::Failing]);
    (available || panic, rules.panic_percent > 0)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]
    #[test]
    fn somebody_serves_wherever_one_can_and_the_mode_says_where_none_can(
        which in 0..PICKERS.len(),
        rules in rules(),
        crowd in prop_oneof![Just(0), 0..400_usize],
        changes in proptest::collection::vec((0..12_usize, member()), 1..24),
    ) {
        let mut b = Balancer::new(rules, 1, PICKERS[which]);
        // Many failing ones: what few healthy ones carry is no whole percent.
        let failing = Member { priority: 0, base: 1_000, weight: 1_000, health: EndpointHealth::Failing };
        let mut members = vec![None; 12];
        members.resize(12 + crowd, Some(failing));
        (12..members.len()).for_each(|slot| b.set(slot, members[slot]));
        for (slot, member) in changes {
            members[slot] = member;
            b.set(slot, member);
            let (serves, panic) = expected(&members, &rules);
            prop_assert_eq!(b.mode() != Mode::Empty, serves, "{:?} {:?}", b.mode(), b.loads());
            for key in 0..8 {
                let request = Request::default().with_key(key);
                let picked = b.pick(&request);
                prop_assert_eq!(picked.is_some(), serves, "{:?}", b.loads());
                let Some(slot) = picked else { continue };
                let m = members[slot].unwrap();
                prop_assert!(m.weight > 0 && m.health != EndpointHealth::Excluded);
                prop_assert!(m.health != EndpointHealth::Failing || (panic && b.mode() == Mode::Panic));
            }
        }
    }
}

#[test]
fn one_healthy_host_of_two_hundred_serves_though_panic_is_off() {
    for (overprovisioning_percent, priority) in [(140, 0), (140, 1), (1, 1)] {
        let rules = PriorityRules::default()
            .with_overprovisioning_percent(overprovisioning_percent)
            .with_panic_percent(0);
        let mut b = Balancer::new(rules, 1, |seed| LowDiscrepancy::new(&[], seed));
        for slot in 0..200 {
            let health = if slot == 150 {
                EndpointHealth::Healthy
            } else {
                EndpointHealth::Failing
            };
            let member = Member {
                priority: if slot == 0 { 0 } else { priority },
                base: 1_000,
                weight: 1_000,
                health,
            };
            b.set(slot, Some(member));
        }
        assert_eq!(b.pick(&Request::default()), Some(150));
        assert_eq!(b.mode(), Mode::Normal);
        b.set(150, None);
        assert_eq!((b.pick(&Request::default()), b.mode()), (None, Mode::Empty));
    }
}

//! Endpoints without weight, priorities without anybody.

use super::*;

#[test]
fn weight_0_is_neither_a_host_nor_healthy() {
    let service = Service::new(&[
        ("z1", "north", 0, PASS, WarmUpStart::Done),
        ("z2", "north", 0, PASS, WarmUpStart::Done),
        ("bad", "north", 100, FAIL, WarmUpStart::Done),
    ]);
    assert_eq!(
        (service.mode(), service.percent(named(&["bad"]))),
        (Mode::Panic, 100.0)
    );
    assert_eq!(service.picked(named(&["bad"])), 100.0);
    let service = Service::new(&[
        ("z1", "north", 0, PASS, WarmUpStart::Done),
        ("z2", "south", 0, FAIL, WarmUpStart::Done),
    ]);
    assert_eq!(
        (service.mode(), service.percent(|_| true)),
        (Mode::Empty, 0.0)
    );
    assert_eq!(service.balancer().pick(&Request::default()), None);
    // Healthy ones without weight do not dilute a panic either: 1 of 3 hosts that count is healthy.
    let service = Service::new(&[
        ("z1", "north", 0, FAIL, WarmUpStart::Done),
        ("z2", "north", 0, FAIL, WarmUpStart::Done),
        ("ok", "north", 1, PASS, WarmUpStart::Done),
    ]);
    assert_eq!(
        (service.mode(), service.percent(named(&["ok"]))),
        (Mode::Normal, 100.0)
    );
}

/// A weight that becomes 0, or ceases to be, changes what counts at once.
#[test]
fn a_weight_set_to_0_leaves_the_count() {
    let host = |weight| ("a", "north", weight, PASS, WarmUpStart::Done);
    let mut service = Service::new(&[host(100), ("bad", "north", 100, FAIL, WarmUpStart::Done)]);
    let seen = |s: &Service| (s.mode(), s.percent(named(&["bad"])));
    assert_eq!(seen(&service), (Mode::Normal, 0.0));
    service.add(&host(0));
    assert_eq!(seen(&service), (Mode::Panic, 100.0));
    service.add(&host(100));
    assert_eq!(seen(&service), (Mode::Normal, 0.0));
}

/// Nobody of a priority may be used: its load goes where somebody is, not to nobody.
#[test]
fn a_balancer_sends_no_load_where_nobody_may_be_used() {
    let mut b: Balancer<LowDiscrepancy> = Balancer::new(PriorityRules::default(), 1, |seed| {
        LowDiscrepancy::new(&[], seed)
    });
    let member = |priority, weight, health| {
        Some(Member {
            priority,
            base: 100,
            weight,
            health,
        })
    };
    for slot in 0..4 {
        b.set(slot, member(0, 100, EndpointHealth::Excluded));
        b.set(
            4 + slot,
            member(
                1,
                100,
                if slot == 0 {
                    EndpointHealth::Healthy
                } else {
                    EndpointHealth::Failing
                },
            ),
        );
    }
    assert!((0..1_000).all(|_| b.pick(&Request::default()).is_some_and(|slot| slot >= 4)));
    for slot in 0..4 {
        b.set(slot, member(0, 0, EndpointHealth::Healthy));
    }
    assert!((0..1_000).all(|_| b.pick(&Request::default()).is_some_and(|slot| slot >= 4)));
}

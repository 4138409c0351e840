//! A balancer over two regions: failover, return without a step, drains that are no failures.

use core::time::Duration;

use discovery_core::endpoint::{Conditions, WarmUpStart};
use discovery_core::engine::DrainTarget;
use discovery_core::health::{CheckKind, HealthCheck, ProbeOutcome};
use discovery_core::locality::{Balancer, EndpointHealth, Member, PriorityRules};
use discovery_core::pick::{LowDiscrepancy, P2c, PeakEwma, Request};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};

fn balancer() -> Balancer<LowDiscrepancy> {
    Balancer::new(PriorityRules::default(), 1, |seed| {
        LowDiscrepancy::new(&[], seed)
    })
}

fn member(priority: u32, weight: u32, health: EndpointHealth) -> Option<Member> {
    Some(Member {
        priority,
        base: 100,
        weight,
        health,
    })
}

/// The percentage of 10,000 picks that slots below `first` get.
fn share(b: &mut Balancer<LowDiscrepancy>, first: usize) -> u32 {
    let hits = (0..10_000)
        .filter(|_| b.pick(&Request::default()).is_some_and(|s| s < first))
        .count();
    (hits as f64 / 100.0).round() as u32
}

#[test]
fn what_the_healthy_part_cannot_carry_fails_over() {
    let mut b = balancer();
    for slot in 0..20 {
        b.set(
            slot,
            member(u32::from(slot >= 10), 100, EndpointHealth::Healthy),
        );
    }
    assert_eq!(share(&mut b, 10), 100);
    let mut seen = Vec::new();
    for slot in 0..10 {
        b.set(slot, member(0, 100, EndpointHealth::Failing));
        seen.push(share(&mut b, 10));
    }
    // 1.4 times the healthy share, whole percents.
    assert_eq!(seen, [100, 100, 98, 84, 70, 56, 42, 28, 14, 0]);
}

#[test]
fn load_returns_as_fast_as_endpoints_warm_up() {
    let mut b = balancer();
    for slot in 0..4 {
        b.set(
            slot,
            member(u32::from(slot >= 2), 100, EndpointHealth::Healthy),
        );
    }
    let mut last = 0;
    for weight in (0..=100).step_by(5) {
        (0..2).for_each(|slot| b.set(slot, member(0, weight, EndpointHealth::Healthy)));
        let now = share(&mut b, 2);
        assert!(
            now >= last && now - last <= 8,
            "a step from {last} to {now}"
        );
        last = now;
    }
    assert_eq!(last, 100);
}

#[test]
fn a_planned_drain_is_no_failure() {
    let mut b = balancer();
    for slot in 0..6 {
        b.set(
            slot,
            member(u32::from(slot >= 4), 100, EndpointHealth::Healthy),
        );
    }
    for slot in 0..3 {
        b.set(slot, member(0, 0, EndpointHealth::Excluded));
    }
    assert_eq!(
        share(&mut b, 4),
        100,
        "the one that is left carries what is left of the priority"
    );
    assert!(b.loads().panic.iter().all(|p| !p));
    for slot in 0..6 {
        b.set(slot, None);
    }
    assert_eq!(b.pick(&Request::default()), None);
}

#[test]
fn degraded_ones_are_used_when_the_healthy_do_not_suffice() {
    let mut b: Balancer<LowDiscrepancy> = Balancer::new(
        PriorityRules::default()
            .with_overprovisioning_percent(100)
            .with_panic_percent(0),
        1,
        |seed| LowDiscrepancy::new(&[], seed),
    );
    b.set(0, member(0, 100, EndpointHealth::Healthy));
    b.set(1, member(0, 100, EndpointHealth::Degraded));
    assert_eq!(share(&mut b, 1), 50);
    b.set(2, member(0, 100, EndpointHealth::Healthy));
    assert_eq!(b.loads().degraded, [33]);
}

/// Pickers may be made with what their caller knows; ends of requests find their way to them.
#[test]
fn two_choices_over_priorities() {
    let ewma = PeakEwma::default()
        .with_decay(Duration::from_secs(1))
        .with_default_latency(Duration::from_millis(1));
    let make = move |seed| P2c::new(&[], ewma, seed);
    let mut b = Balancer::new(PriorityRules::default(), 1, make);
    for slot in 0..20 {
        b.set(
            slot,
            member(u32::from(slot >= 10), 100, EndpointHealth::Healthy),
        );
    }
    let mut slow = 0;
    for ms in 0..10_000 {
        let now = Timestamp::from_millis(1_000 + ms);
        let slot = b.pick(&Request::new(now).with_key(ms)).unwrap();
        assert!(slot < 10, "the first priority carries it all");
        slow += u32::from(slot == 0);
        b.done(
            slot,
            now,
            Duration::from_millis(if slot == 0 { 50 } else { 1 }),
        );
    }
    assert!(
        slow < 500,
        "{slow} of 10000 to the slow one, half its share"
    );
}

#[test]
fn panic_uses_all_of_a_priority() {
    let mut b = balancer();
    b.set(0, member(0, 100, EndpointHealth::Healthy));
    (1..4).for_each(|slot| b.set(slot, member(0, 100, EndpointHealth::Failing)));
    assert_eq!(
        (b.loads().panic.clone(), share(&mut b, 1)),
        (vec![true], 25)
    );
}

/// A region of an engine is drained for an upgrade: a caller's load leaves it without a step, and returns.
#[test]
fn an_engine_feeds_a_balancer() {
    let mut engine = Engine::new(1);
    let config = ServiceConfig::default()
        .with_health(HealthCheck::new(CheckKind::Tcp))
        .with_warm_up(WarmUp::envoy(Duration::from_secs(60)));
    let service = engine.service("web", config).unwrap();
    let regions = ["north", "south"].map(|c| engine.region(c).unwrap());
    let (node, zone) = (engine.node("n").unwrap(), engine.zone("z").unwrap());
    let (mut out, mut b) = (Vec::new(), balancer());
    for (i, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let spec = EndpointSpec::new(
            service,
            node,
            zone,
            regions[i / 2],
            "10.0.0.1:80".parse().unwrap(),
        )
        .with_base_weight(10)
        .with_warm_up_start(WarmUpStart::Done);
        engine
            .handle(Timestamp::ZERO, Input::Upsert { name, spec }, &mut out)
            .unwrap();
    }
    let over = Duration::from_secs(100);
    let (mut last, mut now) = (None, Timestamp::ZERO);
    let drain = Input::Drain {
        target: DrainTarget::Region(regions[0]),
        on: true,
        over,
    };
    engine.handle(now, drain, &mut out).unwrap();
    while now < Timestamp::from_secs(200) {
        for effect in std::mem::take(&mut out) {
            if let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            {
                let input = Input::Probed {
                    endpoint,
                    attempt,
                    outcome: ProbeOutcome::Pass,
                };
                engine.handle(now, input, &mut out).unwrap();
            }
        }
        for slot in 0..engine.slots(service) {
            let known = engine
                .endpoint_at(service, slot)
                .and_then(|id| engine.endpoint(id));
            b.set(
                slot,
                known.map(|e| Member::of(&e, u32::from(e.region != regions[0]))),
            );
        }
        let here = share(&mut b, 2);
        if let Some(last) = last {
            assert!(
                here <= last && last - here <= 4,
                "{now:?}: a step from {last} to {here}"
            );
        }
        last = Some(here);
        now = engine.next_deadline().unwrap_or(Timestamp::MAX);
        engine.handle(now, Input::Time, &mut out).unwrap();
    }
    assert_eq!(last, Some(0));
}

#[test]
fn the_last_resort_is_used_by_a_balancer_too() {
    let mut engine = Engine::new(1);
    let service = engine.service("web", ServiceConfig::default()).unwrap();
    let spec = EndpointSpec::new(
        service,
        engine.node("n").unwrap(),
        engine.zone("z").unwrap(),
        engine.region("north").unwrap(),
        "10.0.0.1:80".parse().unwrap(),
    )
    .with_base_weight(10)
    .with_warm_up_start(WarmUpStart::Done);
    let mut picks = |conditions| {
        for (name, conditions) in [("a", conditions), ("b", Conditions::TERMINATING)] {
            let spec = spec.with_conditions(conditions);
            let input = Input::Upsert { name, spec };
            engine
                .handle(Timestamp::ZERO, input, &mut Vec::new())
                .unwrap();
        }
        let mut b = balancer();
        for name in ["a", "b"] {
            let endpoint = engine.endpoint(engine.find(name).unwrap()).unwrap();
            b.set(endpoint.slot, Some(Member::of(&endpoint, 0)));
        }
        [(); 4].map(|()| b.pick(&Request::default()))
    };
    assert_eq!(picks(Conditions::READY), [Some(0); 4]);
    assert_eq!(
        picks(Conditions::STARTING),
        [Some(1); 4],
        "only one that terminates still serves"
    );
}

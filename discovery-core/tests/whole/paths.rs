//! The engine's main paths, seen from outside.

use core::time::Duration;

use crate::bench::{Bench, secs};
use discovery_core::endpoint::{Conditions, WarmUpStart};
use discovery_core::engine::{DrainTarget, Mode, Reason};
use discovery_core::health::{CheckKind, HealthCheck};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, Input, InputError, ServiceConfig, Timestamp};

pub(crate) fn checked() -> ServiceConfig {
    ServiceConfig::default()
        .with_health(HealthCheck::new(CheckKind::Tcp))
        .with_warm_up(WarmUp::envoy(Duration::from_secs(60)))
}

#[test]
fn a_new_endpoint_waits_for_its_first_probe_then_warms_in_steps() {
    let mut b = Bench::new(checked());
    b.put("a", |_| {});
    assert!(matches!(
        b.said.first(),
        Some(Effect::Register {
            reason: Reason::Added,
            ..
        })
    ));
    assert_eq!(
        b.weight("a"),
        10_000,
        "probed in the same call, passed, cold"
    );
    b.run_until(secs(30));
    assert_eq!(b.weight("a"), 50_000);
    b.run_until(secs(60));
    assert_eq!(b.weight("a"), 100_000);
    let steps = b
        .said
        .iter()
        .filter(|e| matches!(e, Effect::SetWeight { .. }))
        .count();
    assert_eq!(steps, 19, "10 % at first, then each 5 % once");
}

#[test]
fn a_warm_one_starts_full() {
    let mut b = Bench::new(checked());
    b.put("a", |s| s.warm_up_start = WarmUpStart::Done);
    b.put("b", |s| s.warm_up_start = WarmUpStart::At(Timestamp::ZERO));
    b.run_until(secs(0));
    assert_eq!((b.weight("a"), b.weight("b")), (100_000, 10_000));
}

#[test]
fn rise_and_fall_and_a_flap_that_does_not_restart() {
    let mut b = Bench::new(checked().with_panic_percent(0));
    b.put("a", |_| {});
    b.put("b", |_| {});
    b.run_until(secs(100));
    b.failing.insert("a");
    b.run_until(secs(131));
    assert_eq!((b.weight("a"), b.weight("b")), (0, 100_000));
    b.failing.clear();
    b.run_until(secs(139));
    assert_eq!(b.weight("a"), 0);
    b.run_until(secs(150));
    assert_eq!(
        b.weight("a"),
        10_000,
        "down for longer than the grace: warms anew"
    );
    let mut quick = checked();
    quick.flap_grace = Duration::from_secs(60);
    let mut b = Bench::new(quick.with_panic_percent(0));
    b.put("a", |_| {});
    b.run_until(secs(100));
    b.failing.insert("a");
    b.run_until(secs(131));
    assert_eq!(b.weight("a"), 0);
    b.failing.clear();
    b.run_until(secs(160));
    assert_eq!(
        b.weight("a"),
        100_000,
        "a flap within the grace keeps the age"
    );
}

#[test]
fn a_restart_warms_anew() {
    let mut b = Bench::new(checked());
    b.put("a", |_| {});
    b.run_until(secs(100));
    b.put("a", |_| {});
    assert_eq!(b.weight("a"), 100_000, "the same again changes nothing");
    b.put("a", |s| s.started_at = secs(100));
    b.run_until(secs(100));
    assert_eq!(b.weight("a"), 10_000);
}

#[test]
fn a_drained_endpoint_gets_nothing_and_a_drained_node_is_the_last_resort() {
    let mut b = Bench::new(ServiceConfig::default());
    b.put("a", |_| {});
    let id = b.id("a");
    b.tell(Input::Drain {
        target: DrainTarget::Endpoint(id),
        on: true,
        over: Duration::ZERO,
    });
    assert_eq!((b.weight("a"), b.mode()), (0, Mode::Empty));
    b.tell(Input::Drain {
        target: DrainTarget::Endpoint(id),
        on: false,
        over: Duration::ZERO,
    });
    let node = b.engine.node("n1").unwrap();
    b.tell(Input::Drain {
        target: DrainTarget::Node(node),
        on: true,
        over: Duration::ZERO,
    });
    assert_eq!((b.weight("a"), b.mode()), (100_000, Mode::LastResort));
    let other = b.engine.node("n2").unwrap();
    b.put("b", |s| s.node = other);
    assert_eq!(
        (b.weight("a"), b.weight("b"), b.mode()),
        (0, 100_000, Mode::Normal)
    );
}

#[test]
fn a_region_drains_over_time_and_comes_back() {
    let mut b = Bench::new(ServiceConfig::default());
    let south = b.engine.region("south").unwrap();
    b.put("a", |_| {});
    b.put("b", |s| s.region = south);
    let over = Duration::from_secs(100);
    b.tell(Input::Drain {
        target: DrainTarget::Region(south),
        on: true,
        over,
    });
    b.run_until(secs(50));
    assert_eq!((b.weight("a"), b.weight("b")), (100_000, 50_000));
    b.run_until(secs(100));
    assert_eq!((b.weight("a"), b.weight("b")), (100_000, 0));
    b.tell(Input::Drain {
        target: DrainTarget::Region(south),
        on: false,
        over,
    });
    b.run_until(secs(190));
    assert_eq!(b.weight("b"), 900 * 100);
    b.run_until(secs(200));
    assert_eq!(b.weight("b"), 100_000);
}

#[test]
fn terminating_ones_serve_only_while_nothing_else_does() {
    let mut b = Bench::new(ServiceConfig::default());
    b.put("a", |_| {});
    b.put("b", |_| {});
    b.put("a", |s| s.conditions = Conditions::TERMINATING);
    assert_eq!((b.weight("a"), b.weight("b")), (0, 100_000));
    b.put("b", |s| s.conditions = Conditions::STARTING);
    assert_eq!(
        (b.weight("a"), b.weight("b"), b.mode()),
        (100_000, 0, Mode::LastResort)
    );
}

#[test]
fn panic_uses_all_and_says_so() {
    let mut b = Bench::new(checked());
    for name in ["a", "b", "c"] {
        b.put(name, |s| s.warm_up_start = WarmUpStart::Done);
    }
    b.run_until(secs(5));
    b.failing.extend(["a", "b"]);
    b.run_until(secs(60));
    assert_eq!(
        (b.weight("a"), b.weight("c"), b.mode()),
        (100_000, 100_000, Mode::Panic)
    );
    assert!(b.said.iter().any(|e| matches!(
        e,
        Effect::Mode {
            mode: Mode::Panic,
            ..
        }
    )));
}

#[test]
fn a_sudden_loss_is_held_until_confirmed() {
    let mut b = Bench::new(ServiceConfig::default());
    for name in ["a", "b", "c", "d"] {
        b.put(name, |_| {});
    }
    let service = b.service;
    b.tell(Input::Snapshot {
        service,
        endpoints: &[],
    });
    assert_eq!(
        (b.engine.len(), b.engine.held(service), b.weight("a")),
        (4, 4, 100_000)
    );
    assert!(b.said.contains(&Effect::Hold {
        service,
        held: 4,
        of: 4
    }));
    b.put("a", |_| {});
    assert_eq!(b.engine.held(service), 3);
    b.tell(Input::Confirm { service });
    assert_eq!((b.engine.len(), b.engine.held(service)), (1, 0));
    let gone = |e: &&Effect| {
        matches!(
            e,
            Effect::Deregister {
                reason: Reason::Confirmed,
                ..
            }
        )
    };
    assert_eq!(b.said.iter().filter(gone).count(), 3);
}

#[test]
fn refused_inputs_leave_everything_as_it_was() {
    let mut b = Bench::new(checked());
    b.put("a", |_| {});
    b.run_until(secs(1));
    let before = format!("{:?}", b.engine);
    let spec = b.spec();
    let mut out = Vec::new();
    let long = "x".repeat(600);
    let heavy = spec.with_base_weight(2_000_000);
    let bad = checked().with_weight_step_permille(0);
    let service = b.service;
    let inputs = [
        (
            Input::Upsert { name: "", spec },
            InputError::Name { given: 0 },
        ),
        (
            Input::Upsert { name: &long, spec },
            InputError::Name { given: 600 },
        ),
        (
            Input::Upsert {
                name: "b",
                spec: heavy,
            },
            InputError::Weight { given: 2_000_000 },
        ),
    ];
    for (input, error) in inputs {
        assert_eq!(b.engine.handle(secs(900), input, &mut out), Err(error));
    }
    assert!(
        b.engine
            .handle(
                secs(900),
                Input::Configure {
                    service,
                    config: &bad
                },
                &mut out
            )
            .is_err()
    );
    assert_eq!((format!("{:?}", b.engine), out), (before, Vec::new()));
}

#[test]
fn time_that_goes_back_counts_as_the_latest() {
    let mut b = Bench::new(checked());
    b.put("a", |_| {});
    b.run_until(secs(30));
    let mut out = Vec::new();
    b.engine.handle(secs(3), Input::Time, &mut out).unwrap();
    assert_eq!((b.engine.now(), out), (secs(30), Vec::new()));
}

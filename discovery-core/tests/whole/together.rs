//! Many changes at once: bad records refuse nobody else, and no state in between is said.

use core::time::Duration;

use crate::bench::{Bench, secs};
use discovery_core::endpoint::NodeId;
use discovery_core::engine::{DrainTarget, Mode};
use discovery_core::health::{CheckKind, HealthCheck};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, Engine, Input, ServiceConfig};

fn checked() -> ServiceConfig {
    ServiceConfig::default().with_health(HealthCheck::new(CheckKind::Tcp))
}

fn rejected(said: &[Effect]) -> Vec<(u32, String, String)> {
    let rejected = |e: &Effect| match e {
        Effect::Rejected {
            entry,
            name,
            problem,
            ..
        } => Some((*entry, name.to_string(), problem.to_string())),
        _ => None,
    };
    said.iter().filter_map(rejected).collect()
}

#[test]
fn bad_records_are_reported_and_good_ones_taken() {
    let mut b = Bench::new(ServiceConfig::default());
    let (service, spec) = (b.service, b.spec());
    let other = b.engine.service("other", ServiceConfig::default()).unwrap();
    b.put("stays", |_| {});
    b.put("theirs", |s| s.service = other);
    let heavy = spec.with_base_weight(2_000_000);
    let moved = spec.with_base_weight(7);
    let mut elsewhere = Engine::new(1);
    let lost: NodeId = (0..9)
        .map(|i| elsewhere.node(&format!("n{i}")).unwrap())
        .last()
        .unwrap();
    let nowhere = spec.with_node(lost);
    let strange = spec.with_service(other);
    let long = "\u{e9}".repeat(300);
    let view = [
        ("", spec),
        ("good", spec),
        (&long, spec),
        ("stays", heavy),
        ("theirs", spec),
        ("nowhere", nowhere),
        ("strange", strange),
        ("twice", spec),
        ("twice", spec),
        ("twice", moved),
        ("last", spec),
    ];
    b.tell(Input::Snapshot {
        service,
        endpoints: &view,
    });
    let names: Vec<&str> = b.engine.registrations(service).map(|r| r.name).collect();
    assert_eq!(names, ["stays", "good", "twice", "last"]);
    assert_eq!(b.weight("stays"), 100_000, "a bad record is no absence");
    assert_eq!(b.weight("twice"), 100_000, "the first of two is taken");
    assert_eq!(b.engine.endpoint(b.id("theirs")).unwrap().service, other);
    let said = rejected(&b.said);
    let entries: Vec<u32> = said.iter().map(|r| r.0).collect();
    assert_eq!(entries, [0, 2, 3, 4, 5, 6, 9]);
    let problems: Vec<&str> = said.iter().map(|r| r.2.as_str()).collect();
    assert_eq!(
        problems,
        [
            "a name has 0 bytes, must have 1 to 512",
            "a name has 600 bytes, must have 1 to 512",
            "weight 2000000, must be at most 1000000",
            "the endpoint belongs to service 1, not 0",
            "node 8 is not known; Engine::node gave 1 ids",
            "the endpoint belongs to service 0, not 1",
            "entries 7 and 9 of the snapshot have one name and differ; the first was taken",
        ]
    );
    assert!(said.iter().all(|r| r.1.len() <= 512));
}

#[test]
fn held_endpoint_moves_to_the_service_it_appears_in() {
    for by_snapshot in [false, true] {
        let mut b = Bench::new(checked());
        let (old, spec) = (b.service, b.spec());
        let new = b.engine.service("new", checked()).unwrap();
        for name in ["x", "y"] {
            b.put(name, |_| {});
        }
        b.run_until(secs(50));
        b.tell(Input::Snapshot {
            service: old,
            endpoints: &[],
        });
        assert_eq!(b.engine.held(old), 2);
        let moved = spec.with_service(new);
        if by_snapshot {
            let endpoints = &[("x", moved), ("z", moved)];
            b.tell(Input::Snapshot {
                service: new,
                endpoints,
            });
        } else {
            for name in ["x", "z"] {
                b.tell(Input::Upsert { name, spec: moved });
            }
        }
        b.run_until(secs(51));
        assert_eq!(rejected(&b.said), []);
        let names: Vec<&str> = b.engine.registrations(new).map(|r| r.name).collect();
        assert_eq!(names, ["x", "z"]);
        assert_eq!((b.weight("x"), b.weight("z")), (100_000, 100_000));
        let left: Vec<&str> = b.engine.registrations(old).map(|r| r.name).collect();
        assert_eq!((left, b.engine.held(old)), (vec!["y"], 1));
    }
}

fn modes(said: &[Effect]) -> Vec<Mode> {
    let mode = |e: &Effect| match e {
        Effect::Mode { mode, .. } => Some(*mode),
        _ => None,
    };
    said.iter().filter_map(mode).collect()
}

/// Five well ones on one node with two failing ones, two well and one failing on another.
fn two_nodes() -> (Bench, NodeId) {
    let mut b = Bench::new(checked());
    let leaving = b.engine.node("leaving").unwrap();
    b.failing.extend(["f", "g", "h"]);
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        b.put(name, |s| s.node = leaving);
    }
    for name in ["x", "y", "h"] {
        b.put(name, |_| {});
    }
    b.run_until(secs(40));
    assert_eq!(b.mode(), Mode::Normal);
    b.said.clear();
    (b, leaving)
}

#[test]
fn a_node_that_drains_passes_through_no_panic() {
    let (mut b, node) = two_nodes();
    for on in [true, false] {
        let (target, over) = (DrainTarget::Node(node), Duration::ZERO);
        b.tell(Input::Drain { target, on, over });
        assert_eq!(modes(&b.said), [], "drain {on}");
        assert_eq!(b.weight("x"), 100_000);
        assert_eq!(b.weight("h"), 0);
        assert_eq!(b.weight("a"), if on { 0 } else { 100_000 });
    }
}

#[test]
fn a_region_that_drains_passes_through_no_panic() {
    let mut b = Bench::new(checked());
    let leaving = b.engine.region("leaving").unwrap();
    b.failing.extend(["f", "g"]);
    for name in ["a", "b", "c", "f", "g"] {
        b.put(name, |s| s.region = leaving);
    }
    b.put("x", |_| {});
    b.run_until(secs(40));
    b.said.clear();
    let (target, over) = (DrainTarget::Region(leaving), Duration::ZERO);
    b.tell(Input::Drain {
        target,
        on: true,
        over,
    });
    assert_eq!(modes(&b.said), []);
    assert_eq!((b.weight("x"), b.weight("a")), (100_000, 0));
}

#[test]
fn a_view_in_which_some_leave_and_others_come_passes_through_no_panic() {
    let mut b = Bench::new(ServiceConfig::default());
    for name in ["a", "b", "c"] {
        b.put(name, |_| {});
    }
    b.said.clear();
    let (service, spec) = (b.service, b.spec());
    let off = spec.with_conditions(discovery_core::endpoint::Conditions::STARTING);
    let view = [("a", off), ("b", off), ("c", off), ("d", spec), ("e", spec)];
    b.tell(Input::Snapshot {
        service,
        endpoints: &view,
    });
    assert_eq!(modes(&b.said), []);
    let weights: Vec<u32> = b
        .said
        .iter()
        .filter_map(|e| match e {
            Effect::SetWeight { weight, .. } => Some(*weight),
            _ => None,
        })
        .collect();
    assert_eq!(weights, [100_000, 100_000, 0, 0, 0], "rises are said first");
}

#[test]
fn a_warm_up_goes_on_inside_panic() {
    let config = checked().with_warm_up(WarmUp::envoy(Duration::from_secs(600)));
    let mut b = Bench::new(config);
    for name in ["a", "b", "c"] {
        b.put(name, |_| {});
    }
    b.run_until(secs(100));
    b.failing.extend(["a", "b", "c"]);
    b.run_until(secs(150));
    assert_eq!(b.mode(), Mode::Panic);
    let before = b.weight("a");
    assert!((20_000..30_000).contains(&before), "{before}");
    b.run_until(secs(310));
    assert_eq!(b.weight("a"), 50_000, "half of its time is over");
    b.run_until(secs(620));
    assert_eq!(b.weight("a"), 100_000);
}

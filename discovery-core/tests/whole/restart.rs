//! A restart says nothing that did not change, and what is read back is checked.

use core::time::Duration;

use crate::bench::{Bench, secs};
use discovery_core::engine::{DrainTarget, Mode, RestoreError, Snapshot};
use discovery_core::health::{CallOutcome, CheckKind, HealthCheck, OutlierDetection};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, Engine, Input, InputError, ServiceConfig, Timestamp};

fn config() -> ServiceConfig {
    ServiceConfig::default()
        .with_health(HealthCheck::new(CheckKind::Tcp))
        .with_outlier_detection(
            OutlierDetection::default()
                .with_max_ejection_percent(50)
                .with_pass_returns(false),
        )
        .with_warm_up(WarmUp::envoy(Duration::from_secs(60)))
}

/// Four endpoints: one warming, one drained, one failing, one ejected; and half a region.
fn lived() -> Bench {
    let mut b = Bench::new(config());
    let south = b.engine.region("south").unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        b.put(name, |s| {
            s.region = if name == "e" { south } else { s.region }
        });
    }
    b.failing.insert("c");
    b.run_until(secs(70));
    let (drained, ejected) = (b.id("b"), b.id("d"));
    b.tell(Input::Drain {
        target: DrainTarget::Endpoint(drained),
        on: true,
        over: Duration::ZERO,
    });
    b.tell(Input::CallsEnded {
        endpoint: ejected,
        outcome: CallOutcome::Error,
        count: 5,
    });
    let over = Duration::from_secs(100);
    b.tell(Input::Drain {
        target: DrainTarget::Region(south),
        on: true,
        over,
    });
    b.put("a", |s| s.started_at = secs(70));
    b.run_until(secs(90));
    b
}

fn weights(b: &Bench) -> Vec<u32> {
    ["a", "b", "c", "d", "e"].map(|n| b.weight(n)).to_vec()
}

#[test]
fn nothing_that_did_not_change_is_said() {
    let mut b = lived();
    assert_eq!(weights(&b), [30_000, 0, 0, 0, 80_000]);
    let text = serde_json::to_string(&b.engine.snapshot()).unwrap();
    let snapshot: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(snapshot, b.engine.snapshot());
    b.engine = Engine::restore(&snapshot, secs(90)).unwrap();
    let before = b.said.len();
    b.tell(Input::Time);
    assert_eq!(b.said[before..], []);
    assert_eq!(
        (weights(&b), b.mode()),
        (vec![30_000, 0, 0, 0, 80_000], Mode::Normal)
    );
    b.run_until(secs(140));
    assert_eq!(
        weights(&b),
        [100_000, 0, 0, 100_000, 30_000],
        "everything goes on"
    );
    let gone = |e: &&Effect| matches!(e, Effect::Register { .. } | Effect::Deregister { .. });
    assert_eq!(b.said[before..].iter().filter(gone).count(), 0);
}

#[test]
fn the_time_in_between_is_no_outage() {
    let mut b = lived();
    b.engine = Engine::restore(&b.engine.snapshot(), secs(1_000)).unwrap();
    b.now = secs(1_000);
    b.tell(Input::Time);
    assert_eq!(weights(&b), [100_000, 0, 0, 100_000, 0]);
}

#[test]
fn a_clock_that_began_anew_moves_everything_with_it() {
    let mut b = lived();
    b.engine = Engine::restore(&b.engine.snapshot(), secs(5)).unwrap();
    b.now = secs(5);
    b.tell(Input::Time);
    assert_eq!(b.engine.now(), secs(5));
    b.run_until(secs(55));
    // Times before the new epoch are its beginning: what warmed for 20 s has warmed for 5.
    assert_eq!(b.weight("a"), 90_000);
    assert!(b.engine.next_deadline().is_some_and(|t| t < secs(70)));
}

#[test]
fn two_restarts_are_one() {
    let b = lived();
    let once = Engine::restore(&b.engine.snapshot(), secs(90)).unwrap();
    let mut twice = Engine::restore(&once.snapshot(), secs(90)).unwrap();
    let mut out = Vec::new();
    twice.handle(secs(90), Input::Time, &mut out).unwrap();
    let (first, second) = (
        b.engine.registrations(b.service),
        twice.registrations(b.service),
    );
    assert!(first.eq(second));
}

#[test]
fn contradictions_are_refused_with_what_was_wrong() {
    let b = lived();
    let text = serde_json::to_string(&b.engine.snapshot()).unwrap();
    let broken = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        let snapshot: Snapshot = serde_json::from_str(&text.replacen(from, to, 1)).unwrap();
        Engine::restore(&snapshot, secs(90))
            .map(|_| ())
            .unwrap_err()
    };
    let unknown = InputError::UnknownPlace {
        kind: "node",
        given: 9,
        known: 1,
    };
    assert_eq!(
        broken("\"at\":[0,0,0,0]", "\"at\":[0,9,0,0]"),
        RestoreError::Input(unknown)
    );
    let name = "a".to_owned();
    assert_eq!(
        broken("\"name\":\"b\"", "\"name\":\"a\""),
        RestoreError::Twice {
            kind: "endpoint",
            name
        }
    );
    let weight = broken("\"base\":100", "\"base\":2000000");
    assert_eq!(
        weight.to_string(),
        "weight 2000000, must be at most 1000000"
    );
}

#[test]
fn the_same_inputs_and_seed_give_the_same_bytes() {
    let run = || {
        let b = lived();
        (
            serde_json::to_vec(&b.said).unwrap(),
            serde_json::to_vec(&b.engine.snapshot()).unwrap(),
        )
    };
    let (said, kept) = run();
    assert!(said.len() > 1_000);
    assert_eq!((said, kept), run());
}

#[test]
fn one_more_endpoint_moves_nobody_elses_jitter() {
    let probes = |names: &[&str]| {
        let mut jittered = config();
        jittered.health.as_mut().unwrap().jitter_percent = 50;
        let mut engine = Engine::new(9);
        let mut b = Bench::new(jittered.clone());
        std::mem::swap(&mut b.engine, &mut engine);
        b.service = b.engine.service("web", jittered).unwrap();
        b.engine.node("n1").unwrap();
        b.engine.zone("a").unwrap();
        b.engine.region("north").unwrap();
        names.iter().for_each(|n| b.put(n, |_| {}));
        let mut at = Vec::new();
        while b.now < secs(100) {
            b.now = b.engine.next_deadline().unwrap();
            let mut out = Vec::new();
            b.engine.handle(b.now, Input::Time, &mut out).unwrap();
            for effect in out {
                if let Effect::Probe {
                    endpoint, attempt, ..
                } = effect
                {
                    if b.engine.endpoint(endpoint).unwrap().name == "a" {
                        at.push(b.now);
                    }
                    let outcome = discovery_core::health::ProbeOutcome::Pass;
                    b.tell(Input::Probed {
                        endpoint,
                        attempt,
                        outcome,
                    });
                }
            }
        }
        at
    };
    let alone: Vec<Timestamp> = probes(&["a"]);
    let among = probes(&["x", "a", "y"]);
    assert!(alone.len() > 5);
    assert_eq!(alone, among);
}

#[test]
fn times_that_cannot_be_are_brought_to_what_can() {
    let mut b = Bench::new(config());
    for name in ["a", "b", "c", "d"] {
        b.put(name, |_| {});
    }
    b.run_until(secs(100));
    let endpoint = b.id("a");
    b.tell(Input::CallsEnded {
        endpoint,
        outcome: CallOutcome::Local,
        count: 5,
    });
    assert!(b.engine.endpoint(endpoint).unwrap().ejected);
    let mut text = serde_json::to_value(b.engine.snapshot()).unwrap();
    for kept in text["endpoints"].as_array_mut().unwrap() {
        for key in ["warm_from", "check_due"] {
            kept[key] = (u64::MAX - 1).into();
        }
        if let Some(reports) = kept["reports"].as_object_mut() {
            reports["until"] = (u64::MAX - 1).into();
        }
    }
    text["services"][0]["judged_at"] = (u64::MAX - 1).into();
    text["services"][0]["loss"]["since"] = (u64::MAX - 1).into();
    let snapshot = serde_json::from_value(text).unwrap();
    b.engine = Engine::restore(&snapshot, b.now).unwrap();
    let probes = b.said.len();
    b.run_until(secs(100 + 300 + 60));
    let endpoint = b.engine.endpoint(b.id("a")).unwrap();
    assert!(!endpoint.ejected, "no ejection is longer than the longest");
    assert_eq!(endpoint.weight, 100_000, "warm in its own time");
    assert!(b.said.len() > probes);
}

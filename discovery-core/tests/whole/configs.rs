//! What a configuration may say, and what follows when it changes.

use core::time::Duration;

use crate::bench::{Bench, secs};
use discovery_core::health::{CallOutcome, CheckKind, HealthCheck, OutlierDetection, ProbeOutcome};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Effect, Engine, Input, InputError, ServiceConfig, Timestamp};

fn warming(aggression: f64) -> ServiceConfig {
    let window = Duration::from_secs(60);
    let warm_up = WarmUp::Envoy {
        window,
        aggression,
        least_percent: 10,
    };
    ServiceConfig::default().with_warm_up(warm_up)
}

#[test]
fn only_finite_aggressions_in_range_are_taken() {
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        -1.0,
        f64::MIN_POSITIVE,
        0.009,
        100.1,
        f64::MAX,
    ];
    for aggression in odd {
        let mut engine = Engine::new(1);
        let refused = engine.service("web", warming(aggression)).unwrap_err();
        assert!(
            matches!(refused, InputError::Fraction { given, .. } if given.to_bits() == aggression.to_bits()),
            "{refused}"
        );
        assert!(refused.to_string().contains("0.01 to 100"), "{refused}");
        assert_eq!(
            engine.services().count(),
            0,
            "a refused service is not there"
        );

        let service = engine.service("web", warming(1.0)).unwrap();
        let (config, mut out) = (warming(aggression), Vec::new());
        let input = Input::Configure {
            service,
            config: &config,
        };
        assert!(engine.handle(Timestamp::ZERO, input, &mut out).is_err());
        assert_eq!(engine.config(service), Some(&warming(1.0)));
    }
    for aggression in [0.01, 0.3, 1.0, 100.0] {
        let mut engine = Engine::new(1);
        engine.service("web", warming(aggression)).unwrap();
        let text = serde_json::to_string(&engine.snapshot()).unwrap();
        let read = serde_json::from_str(&text).unwrap();
        assert_eq!(engine.snapshot(), read);
        assert!(Engine::restore(&read, Timestamp::ZERO).is_ok());
    }
}

fn every(seconds: u64) -> ServiceConfig {
    let health = HealthCheck::new(CheckKind::Tcp).with_interval(Duration::from_secs(seconds));
    ServiceConfig::default().with_health(health)
}

#[test]
fn a_shorter_interval_is_followed_at_once() {
    let mut b = Bench::new(every(3_600));
    for name in ["a", "b", "c"] {
        b.put(name, |_| {});
    }
    b.run_until(secs(10));
    b.failing.insert("a");
    let (service, config) = (b.service, every(5));
    b.tell(Input::Configure {
        service,
        config: &config,
    });
    b.run_until(secs(10 + 15));
    assert_eq!(
        b.weight("a"),
        0,
        "three failures within three of the new intervals"
    );
}

#[test]
fn a_repeated_configuration_puts_nothing_off() {
    let ttl = Duration::from_secs(5);
    let config = ServiceConfig::default()
        .with_health(HealthCheck::new(CheckKind::Ttl { ttl }))
        .with_outlier_detection(
            OutlierDetection::default()
                .with_max_ejection_percent(100)
                .with_pass_returns(false),
        )
        .with_panic_percent(0);
    let mut b = Bench::new(config.clone());
    b.put("a", |_| {});
    b.put("b", |_| {});
    let heartbeat = |b: &mut Bench, name: &str| {
        let (endpoint, passing) = (b.id(name), true);
        b.tell(Input::Heartbeat { endpoint, passing });
    };
    let endpoint = b.id("a");
    heartbeat(&mut b, "a");
    heartbeat(&mut b, "b");
    b.tell(Input::CallsEnded {
        endpoint,
        outcome: CallOutcome::Error,
        count: 5,
    });
    assert!(b.engine.endpoint(endpoint).unwrap().ejected);
    for second in 1..60 {
        b.run_until(secs(second));
        heartbeat(&mut b, "a");
        let other = config.clone().with_hold_percent(40 + (second % 2) as u8);
        let service = b.service;
        b.tell(Input::Configure {
            service,
            config: &other,
        });
    }
    assert!(
        !b.engine.endpoint(endpoint).unwrap().ejected,
        "intervals end"
    );
    assert_eq!(b.weight("b"), 0, "its time to live ran out");
}

/// When each first probe of so many endpoints leaves.
fn first_probes(b: &mut Bench, until: u64) -> Vec<Timestamp> {
    let mut at = Vec::new();
    let mut out = Vec::new();
    loop {
        b.engine.handle(b.now, Input::Time, &mut out).unwrap();
        for effect in std::mem::take(&mut out) {
            if let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            {
                at.push(b.now);
                let outcome = ProbeOutcome::Pass;
                let input = Input::Probed {
                    endpoint,
                    attempt,
                    outcome,
                };
                b.engine.handle(b.now, input, &mut out).unwrap();
            }
        }
        match b.engine.next_deadline() {
            Some(due) if due < secs(until) => b.now = due,
            _ => return at,
        }
    }
}

fn evenly_spread(at: &[Timestamp], from: u64) {
    assert_eq!(at.len(), 1_000);
    for second in from..from + 10 {
        let here = |t: &&Timestamp| **t >= secs(second) && **t < secs(second + 1);
        let here = at.iter().filter(here).count();
        assert!((60..=150).contains(&here), "{here} in second {second}");
    }
}

#[test]
fn first_checks_of_many_are_spread_over_the_interval() {
    let mut b = Bench::new(every(10));
    let spec = b.spec();
    let mut out = Vec::new();
    for i in 0..1_000 {
        let name = &format!("e{i}");
        b.engine
            .handle(secs(0), Input::Upsert { name, spec }, &mut out)
            .unwrap();
    }
    let at_once = out
        .iter()
        .filter(|e| matches!(e, Effect::Probe { .. }))
        .count();
    assert_eq!(at_once, 16, "a small service is up at once");
    for effect in out {
        if let Effect::Probe {
            endpoint, attempt, ..
        } = effect
        {
            let outcome = ProbeOutcome::Pass;
            b.tell(Input::Probed {
                endpoint,
                attempt,
                outcome,
            });
        }
    }
    let mut at = first_probes(&mut b, 10);
    at.extend(vec![secs(0); at_once]);
    evenly_spread(&at, 0);
    // A new one, later and alone, is checked at once.
    b.now = secs(15);
    b.put("late", |_| {});
    assert_eq!(b.weight("late"), 100_000);
    // After a restart that took longer than the interval the overdue ones are spread again.
    let (_, snapshot) = (b.tell(Input::Remove { name: "late" }), b.engine.snapshot());
    b.engine = Engine::restore(&snapshot, secs(100)).unwrap();
    b.now = secs(100);
    evenly_spread(&first_probes(&mut b, 110), 100);
    // A shorter interval does not bring all of them to one moment.
    let (service, config) = (b.service, every(2));
    b.now = secs(110);
    b.engine
        .handle(
            b.now,
            Input::Configure {
                service,
                config: &config,
            },
            &mut Vec::new(),
        )
        .unwrap();
    let at = first_probes(&mut b, 112);
    let most = at
        .iter()
        .filter(|t| **t < Timestamp::from_millis(110_200))
        .count();
    assert!(at.len() >= 980 && most < 200, "{most} of {}", at.len());
}

//! Probes and signs of life, seen from outside.

use core::time::Duration;

use crate::bench::{Bench, secs};
use crate::paths::checked;
use discovery_core::endpoint::Conditions;
use discovery_core::health::{CheckKind, HealthCheck};
use discovery_core::{Effect, Input, ServiceConfig};

#[test]
fn ttl_check_waits_for_heartbeats() {
    let ttl = Duration::from_secs(5);
    let config = ServiceConfig::default()
        .with_health(HealthCheck::new(CheckKind::Ttl { ttl }))
        .with_panic_percent(0);
    let mut b = Bench::new(config);
    b.put("a", |_| {});
    b.run_until(secs(3));
    assert_eq!(b.weight("a"), 0, "nothing heard yet");
    let endpoint = b.id("a");
    b.tell(Input::Heartbeat {
        endpoint,
        passing: true,
    });
    assert_eq!(b.weight("a"), 100_000);
    b.run_until(secs(7));
    b.tell(Input::Heartbeat {
        endpoint,
        passing: true,
    });
    b.run_until(secs(11));
    assert_eq!(b.weight("a"), 100_000);
    b.run_until(secs(12));
    assert_eq!(b.weight("a"), 0, "the heartbeat lapsed");
    for _ in 0..2 {
        b.tell(Input::Heartbeat {
            endpoint,
            passing: true,
        });
    }
    assert_eq!(b.weight("a"), 100_000, "back after two, as the rise says");
    b.tell(Input::Heartbeat {
        endpoint,
        passing: false,
    });
    assert_eq!(b.weight("a"), 0, "it said so itself");
}

#[test]
fn another_kind_of_check_takes_nobody_out() {
    let mut b = Bench::new(ServiceConfig::default());
    b.put("a", |_| {});
    b.put("b", |s| s.conditions = Conditions::STARTING);
    let ttl = Duration::from_secs(5);
    let kinds = [CheckKind::Tcp, CheckKind::Ttl { ttl }, CheckKind::Tcp];
    let service = b.service;
    for kind in kinds {
        let config = ServiceConfig::default().with_health(HealthCheck::new(kind));
        b.tell(Input::Configure {
            service,
            config: &config,
        });
        assert_eq!(b.weight("a"), 100_000);
        b.run_until(b.now.after(Duration::from_secs(4)));
        assert_eq!(b.weight("a"), 100_000);
    }
    b.tell(Input::Configure {
        service,
        config: &ServiceConfig::default(),
    });
    b.run_until(secs(100));
    assert_eq!(b.weight("a"), 100_000);
}

#[test]
fn a_probe_without_an_answer_has_failed() {
    let mut b = Bench::new(checked());
    let (spec, mut out) = (b.spec(), Vec::new());
    b.engine
        .handle(secs(0), Input::Upsert { name: "a", spec }, &mut out)
        .unwrap();
    let probe = |out: &[Effect]| {
        out.iter().find_map(|e| match e {
            Effect::Probe {
                endpoint,
                attempt,
                deadline,
                ..
            } => Some((*endpoint, *attempt, *deadline)),
            _ => None,
        })
    };
    let (endpoint, attempt, deadline) = probe(&out).unwrap();
    assert_eq!(
        (deadline, b.engine.next_deadline()),
        (secs(1), Some(secs(1)))
    );
    b.engine.handle(deadline, Input::Time, &mut out).unwrap();
    let outcome = discovery_core::health::ProbeOutcome::Pass;
    b.engine
        .handle(
            secs(2),
            Input::Probed {
                endpoint,
                attempt,
                outcome,
            },
            &mut out,
        )
        .unwrap();
    let status = b.engine.endpoint(endpoint).unwrap().status;
    assert_eq!(
        status,
        discovery_core::health::Status::Failing,
        "an answer after the deadline is none"
    );
}

#[test]
fn a_shorter_timeout_ends_the_wait_for_a_probe_under_way() {
    let timed = |timeout, interval| {
        ServiceConfig::default().with_health(
            HealthCheck::new(CheckKind::Tcp)
                .with_timeout(Duration::from_secs(timeout))
                .with_interval(Duration::from_secs(interval)),
        )
    };
    // What is configured 10 s after the probe left, and when its answer is given up.
    let cases = [
        ((5, 60), 15),
        ((50, 60), 60),
        ((49, 60), 59),
        ((90, 60), 60),
        ((60, 5), 60),
    ];
    for ((timeout, interval), until) in cases {
        let mut b = Bench::new(timed(60, 60));
        let (spec, mut out) = (b.spec(), Vec::new());
        b.engine
            .handle(secs(0), Input::Upsert { name: "a", spec }, &mut out)
            .unwrap();
        let input = Input::Configure {
            service: b.service,
            config: &timed(timeout, interval),
        };
        b.engine.handle(secs(10), input, &mut out).unwrap();
        assert_eq!(b.engine.next_deadline(), Some(secs(until)), "{timeout} s");
        b.engine.check_invariants().unwrap();
        let status = |b: &Bench| b.engine.endpoint(b.id("a")).unwrap().status;
        assert_eq!(status(&b), discovery_core::health::Status::Unknown);
        b.engine.handle(secs(until), Input::Time, &mut out).unwrap();
        assert_eq!(status(&b), discovery_core::health::Status::Failing);
    }
}

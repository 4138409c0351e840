//! Losses that are held, and drains that an operator ordered: who ends them, and when.

use core::time::Duration;

use crate::bench::{Bench, secs};
use discovery_core::endpoint::MAX_DRAINS;
use discovery_core::engine::{DrainTarget, Reason, Snapshot};
use discovery_core::health::{CheckKind, HealthCheck};
use discovery_core::{Effect, Engine, Input, InputError, ServiceConfig, Timestamp};

fn drain(b: &mut Bench, name: &str, on: bool) {
    let (target, over) = (DrainTarget::Endpoint(b.id(name)), Duration::ZERO);
    b.tell(Input::Drain { target, on, over });
}

#[test]
fn a_drain_outlasts_restarts_removal_and_return() {
    let mut b = Bench::new(ServiceConfig::default());
    b.put("a", |_| {});
    b.put("b", |_| {});
    drain(&mut b, "a", true);
    b.put("a", |s| s.started_at = secs(5));
    assert_eq!(b.weight("a"), 0, "it restarted");
    b.tell(Input::Remove { name: "a" });
    assert_eq!(b.engine.drains().collect::<Vec<_>>(), ["a"]);
    b.put("a", |s| s.started_at = secs(6));
    assert_eq!(b.weight("a"), 0, "it came back under its name");
    let service = b.service;
    let all = [("b", b.spec())];
    for endpoints in [&all[..], &[]] {
        b.tell(Input::Snapshot { service, endpoints });
        b.tell(Input::Confirm { service });
    }
    b.engine = Engine::restore(&b.engine.snapshot(), secs(9)).unwrap();
    b.now = secs(9);
    assert_eq!(b.engine.drains().collect::<Vec<_>>(), ["a"]);
    b.put("a", |_| {});
    assert_eq!(b.weight("a"), 0, "the engine restarted while it was away");
    assert!(b.engine.endpoint(b.id("a")).unwrap().draining);
    drain(&mut b, "a", false);
    assert_eq!(b.weight("a"), 100_000);
    assert_eq!(b.engine.drains().count(), 0);
}

#[test]
fn a_name_is_drained_before_it_comes_and_undrained_while_it_is_away() {
    let mut b = Bench::new(ServiceConfig::default());
    b.tell(Input::DrainName {
        name: "a",
        on: true,
    });
    b.put("a", |_| {});
    assert_eq!(b.weight("a"), 0);
    b.tell(Input::DrainName {
        name: "a",
        on: false,
    });
    assert_eq!(b.weight("a"), 100_000);
    drain(&mut b, "a", true);
    b.tell(Input::Remove { name: "a" });
    b.tell(Input::DrainName {
        name: "a",
        on: false,
    });
    b.put("a", |_| {});
    assert_eq!(b.weight("a"), 100_000);
}

#[test]
fn more_drains_than_are_remembered_are_refused() {
    let mut b = Bench::new(ServiceConfig::default());
    b.put("a", |_| {});
    for i in 0..MAX_DRAINS {
        let name = &format!("gone-{i}");
        b.tell(Input::DrainName { name, on: true });
    }
    let target = DrainTarget::Endpoint(b.id("a"));
    let (on, over, mut out) = (true, Duration::ZERO, Vec::new());
    let refused = b
        .engine
        .handle(b.now, Input::Drain { target, on, over }, &mut out);
    assert_eq!(refused, Err(InputError::Full { kind: "drains" }));
    assert_eq!((b.weight("a"), out), (100_000, Vec::new()));
    b.tell(Input::DrainName {
        name: "gone-7",
        on: false,
    });
    drain(&mut b, "a", true);
    assert_eq!(b.weight("a"), 0);
}

fn held() -> Bench {
    let config = ServiceConfig::default().with_health(HealthCheck::new(CheckKind::Tcp));
    let mut b = Bench::new(config);
    for name in ["a", "b", "c", "d"] {
        b.put(name, |_| {});
    }
    b.run_until(secs(100));
    assert_eq!(b.engine.hold_ends(b.service), None);
    let service = b.service;
    b.tell(Input::Snapshot {
        service,
        endpoints: &[],
    });
    assert_eq!(b.engine.held(service), 4);
    b
}

#[test]
fn a_hold_ends_after_its_limit() {
    let mut b = held();
    let end = secs(100 + 3_600);
    assert_eq!(b.engine.hold_ends(b.service), Some(end));
    b.run_until(Timestamp::from_millis(3_699_999));
    assert_eq!((b.engine.len(), b.engine.held(b.service)), (4, 4));
    b.run_until(end);
    assert_eq!((b.engine.len(), b.engine.held(b.service)), (0, 0));
    let service = b.service;
    let over = |e: &&Effect| {
        matches!(
            e,
            Effect::Deregister {
                reason: Reason::HoldExpired,
                ..
            }
        )
    };
    assert_eq!(b.said.iter().filter(over).count(), 4);
    assert_eq!(
        b.said.last(),
        Some(&Effect::Hold {
            service,
            held: 0,
            of: 0
        })
    );
}

#[test]
fn views_that_go_on_lacking_them_do_not_prolong_a_hold() {
    let mut b = held();
    let service = b.service;
    for at in [1_000, 2_000, 3_000] {
        b.run_until(secs(at));
        b.tell(Input::Snapshot {
            service,
            endpoints: &[],
        });
    }
    b.put("a", |_| {});
    b.run_until(secs(3_701));
    assert_eq!(
        (b.engine.len(), b.engine.held(service)),
        (1, 0),
        "one was seen again"
    );
    b.run_until(secs(9_999));
    assert_eq!(b.engine.len(), 1);
}

fn restart(b: &mut Bench, snapshot: &Snapshot, at: u64) {
    b.engine = Engine::restore(snapshot, secs(at)).unwrap();
    b.now = secs(at);
    b.tell(Input::Time);
}

#[test]
fn a_hold_goes_on_after_a_restart_and_leaves_time_to_listen() {
    let mut b = held();
    b.run_until(secs(1_100));
    let snapshot = b.engine.snapshot();
    // Well before its limit, shortly before, long after.
    for (at, end) in [(2_000, 3_700), (3_690, 3_720), (50_000, 50_030)] {
        restart(&mut b, &snapshot, at);
        assert_eq!(b.engine.held(b.service), 4);
        assert_eq!(b.engine.hold_ends(b.service), Some(secs(end)));
        b.run_until(Timestamp::from_millis(end * 1_000 - 1));
        assert_eq!(b.engine.len(), 4);
        b.run_until(secs(end));
        assert_eq!(b.engine.len(), 0);
    }
    // What comes back meanwhile stays.
    restart(&mut b, &snapshot, 50_000);
    b.put("a", |_| {});
    b.run_until(secs(60_000));
    assert_eq!(b.engine.len(), 1);
}

#[test]
fn a_hold_does_not_grow_with_restarts() {
    // An engine that is up for so long between pauses of so long, its state saved each time it goes down, or once only.
    let cases = [
        (1, 1, false),
        (10, 1_000, false),
        (29, 7, false),
        (7, 5_000, false),
        (1_000, 10, false),
        (31, 31, true),
        (40, 5_000, true),
    ];
    for (up, down, once) in cases {
        let mut b = held();
        let first = b.engine.snapshot();
        let mut listened = 0;
        while b.engine.held(b.service) > 0 {
            let at = b.now.since(Timestamp::ZERO).as_secs();
            b.run_until(secs(at + up));
            // The loss was at 100 s, and is held for an hour.
            listened += if at > 3_700 { up } else { 0 };
            assert!(listened <= 30 + up, "{up} s up, {down} s down");
            if b.engine.held(b.service) > 0 {
                let last = b.engine.snapshot();
                restart(&mut b, if once { &first } else { &last }, at + up + down);
                assert!(b.engine.held(b.service) <= 4);
            }
        }
        assert_eq!(b.engine.len(), 0);
    }
}

#[test]
fn a_shorter_limit_holds_at_once() {
    let mut b = held();
    let mut config = b.engine.config(b.service).unwrap().clone();
    config.hold_limit = Duration::from_secs(60);
    let service = b.service;
    b.tell(Input::Configure {
        service,
        config: &config,
    });
    b.run_until(secs(159));
    assert_eq!(b.engine.len(), 4);
    b.run_until(secs(160));
    assert_eq!(b.engine.len(), 0);
}

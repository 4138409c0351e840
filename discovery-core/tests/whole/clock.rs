//! Clocks that jump.

use core::time::Duration;

use crate::bench::{Bench, secs};
use crate::paths::checked;
use discovery_core::endpoint::WarmUpStart;
use discovery_core::engine::DrainTarget;
use discovery_core::health::{CallOutcome, CheckKind, HealthCheck, OutlierDetection};
use discovery_core::{Effect, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};

const DAY: u64 = 86_400;

/// Three endpoints, warm for a while; then the clock leaps a day ahead and comes back.
fn leapt() -> Bench {
    let mut b = Bench::new(checked());
    for name in ["a", "b", "c"] {
        b.put(name, |_| {});
    }
    b.run_until(secs(30));
    b.now = secs(DAY + 30);
    b.tell(Input::Time);
    b.run_until(secs(DAY + 40));
    b
}

#[test]
fn a_clock_that_leapt_and_came_back_is_followed_within_an_interval() {
    let mut b = leapt();
    b.now = secs(41);
    b.tell(Input::Time);
    let due = b.engine.next_deadline().unwrap();
    assert!(
        due <= secs(42),
        "it asks soon whether the clock runs on: {due:?}"
    );
    b.failing.insert("a");
    b.run_until(secs(51));
    assert_eq!(b.engine.now(), secs(51));
    let probed = b.engine.next_deadline().unwrap();
    assert!(probed <= secs(61));
    b.run_until(secs(51 + 30));
    assert_eq!(b.weight("a"), 0, "a dead endpoint is out in its own time");
    assert_eq!(b.mode(), discovery_core::engine::Mode::Normal);
}

#[test]
fn ages_told_before_a_leap_are_right_again_after_it() {
    let mut b = leapt();
    assert_eq!(b.weight("a"), 100_000, "warm by the clock's word");
    b.run_until(secs(41));
    b.run_until(secs(43));
    assert_eq!(b.weight("a"), 70_000, "43 s old");
    b.run_until(secs(61));
    assert_eq!(b.weight("a"), 100_000);
}

#[test]
fn a_clock_that_was_wrong_and_is_set_back_moves_everything() {
    let mut b = Bench::new(checked());
    b.now = secs(DAY);
    b.put("a", |_| {});
    b.run_until(secs(DAY + 36));
    assert_eq!(b.weight("a"), 60_000);
    b.run_until(secs(500));
    b.run_until(secs(502));
    assert_eq!(b.engine.now(), secs(502));
    assert_eq!(b.weight("a"), 60_000, "as old as it was");
    b.run_until(secs(530));
    assert_eq!(b.weight("a"), 100_000);
}

#[test]
fn late_messages_move_no_clock() {
    let mut b = Bench::new(checked());
    b.put("a", |_| {});
    b.run_until(secs(30));
    let mut out = Vec::new();
    for _ in 0..100 {
        // A queue of messages stamped long ago, then one of now.
        for ms in [3_000, 3_100, 3_900] {
            let late = Timestamp::from_millis(ms);
            b.engine.handle(late, Input::Time, &mut out).unwrap();
            assert_eq!(b.engine.now(), secs(30));
        }
        b.engine.handle(secs(30), Input::Time, &mut out).unwrap();
        // Threads that overtake each other.
        b.engine
            .handle(Timestamp::from_millis(29_500), Input::Time, &mut out)
            .unwrap();
        assert_eq!(b.engine.now(), secs(30));
    }
    assert_eq!(out, []);
}

#[test]
fn the_end_of_time_is_no_end_of_checks() {
    let mut b = leapt();
    for last in [u64::MAX, u64::MAX - 1, 1 << 63] {
        b.now = Timestamp::from_nanos(last);
        b.tell(Input::Time);
        b.run_until(secs(100));
        b.run_until(secs(102));
        assert_eq!(b.engine.now(), secs(102));
        let due = b.engine.next_deadline().unwrap();
        assert!(due <= secs(112), "{due:?}");
    }
}

#[test]
fn ejections_drains_and_ages_told_end_in_their_time_after_a_leap() {
    let config = checked().with_outlier_detection(
        OutlierDetection::default()
            .with_max_ejection_percent(50)
            .with_pass_returns(false),
    );
    let mut b = Bench::new(config);
    for name in ["a", "b", "c"] {
        b.put(name, |_| {});
    }
    b.run_until(secs(100));
    b.now = secs(DAY + 100);
    b.tell(Input::Time);
    let endpoint = b.id("a");
    b.tell(Input::CallsEnded {
        endpoint,
        outcome: CallOutcome::Error,
        count: 5,
    });
    let (region, over) = (b.spec().region, Duration::from_secs(100));
    b.tell(Input::Drain {
        target: DrainTarget::Region(region),
        on: true,
        over,
    });
    b.now = secs(101);
    b.tell(Input::Time);
    b.run_until(secs(103));
    // What comes with the telling that sets the clock back is read by the new clock.
    b.put("d", |s: &mut EndpointSpec| {
        s.warm_up_start = WarmUpStart::At(secs(73));
    });
    assert_eq!(b.engine.endpoint(b.id("d")).unwrap().warm_permille, 500);
    b.run_until(secs(145));
    assert!(!b.engine.endpoint(b.id("a")).unwrap().ejected);
    assert!(
        b.weight("b") < 70_000,
        "the drain goes on: {}",
        b.weight("b")
    );
    b.run_until(secs(210));
    assert_eq!(b.weight("b"), 100_000, "and is the last resort at its end");
    assert_eq!(b.mode(), discovery_core::engine::Mode::LastResort);
}

#[test]
fn a_refused_input_does_not_set_the_clock_back() {
    let mut b = leapt();
    let mut out = Vec::new();
    b.engine.handle(secs(41), Input::Time, &mut out).unwrap();
    let before = format!("{:?}", b.engine);
    let spec = b.spec();
    let refused = b
        .engine
        .handle(secs(45), Input::Upsert { name: "", spec }, &mut out);
    assert!(refused.is_err());
    assert_eq!(format!("{:?}", b.engine), before);
    let name = "x";
    let spec = spec.with_warm_up_start(WarmUpStart::At(secs(15)));
    b.engine
        .handle(secs(45), Input::Upsert { name, spec }, &mut out)
        .unwrap();
    assert_eq!(b.engine.now(), secs(45));
    assert_eq!(
        b.engine.endpoint(b.id("x")).unwrap().warm_permille,
        500,
        "30 s old"
    );
    let probe = out.iter().find_map(|e| match e {
        Effect::Probe { deadline, .. } => Some(*deadline),
        _ => None,
    });
    assert_eq!(probe, Some(secs(46)));
}

#[test]
fn a_snapshot_of_a_leapt_clock_is_restored_to_the_right_one() {
    let mut b = leapt();
    b.engine = Engine::restore(&b.engine.snapshot(), secs(43)).unwrap();
    b.now = secs(43);
    b.tell(Input::Time);
    assert_eq!(b.weight("a"), 70_000);
    assert!(b.engine.next_deadline().unwrap() <= secs(53));
}

/// When each endpoint is first probed after the clock was set back, told of time only when the engine asks for it.
fn first_probes(interval: Duration, endpoints: usize, back: Duration) -> Vec<Duration> {
    let check = HealthCheck::new(CheckKind::Tcp)
        .with_interval(interval)
        .with_timeout(interval / 2)
        .with_jitter_percent(10);
    let mut b = Bench::new(ServiceConfig::default().with_health(check));
    b.now = secs(2 * DAY);
    for i in 0..endpoints {
        b.put(&format!("e{i}"), |_| {});
    }
    // Some have just been probed, some are about to be.
    b.run_until(secs(2 * DAY).after(interval * 7 + interval / 3));
    let jumped = Timestamp::from_nanos(b.now.since(Timestamp::ZERO.after(back)).as_nanos() as u64);
    b.now = jumped;
    let mut found = std::collections::BTreeMap::new();
    while found.len() < endpoints && b.now.since(jumped) <= interval * 4 {
        let mut out = Vec::new();
        b.engine.handle(b.now, Input::Time, &mut out).unwrap();
        for effect in &out {
            if let Effect::Probe { endpoint, .. } = effect {
                found.entry(*endpoint).or_insert(b.now.since(jumped));
            }
        }
        b.now = b.engine.next_deadline().unwrap().max(b.now);
    }
    found.into_values().collect()
}

#[test]
fn no_check_is_later_than_one_interval_after_the_clock_was_set_back() {
    for ms in [2, 100, 700, 1_000, 1_700, 10_000] {
        for (endpoints, back) in [(1, DAY), (60, DAY), (60, 30)] {
            let interval = Duration::from_millis(ms);
            let probes = first_probes(interval, endpoints, Duration::from_secs(back));
            assert_eq!(probes.len(), endpoints);
            let latest = probes.iter().max().unwrap();
            assert!(
                *latest <= interval * 11 / 10,
                "{endpoints} every {interval:?}, {back} s back: {latest:?}"
            );
        }
    }
}

#[test]
fn those_that_fell_due_in_doubt_are_spread() {
    let probes = first_probes(Duration::from_secs(1), 600, Duration::from_secs(DAY));
    let mut by_time = probes.clone();
    by_time.sort_unstable();
    let most = by_time.chunk_by(|a, b| a == b).map(<[_]>::len).max();
    assert!(most <= Some(40), "{most:?} at once");
}

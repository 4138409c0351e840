use super::*;

fn rules() -> AdmissionRules {
    AdmissionRules::new(Duration::from_secs(100), Curve::Linear { cold_percent: 10 })
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

#[test]
fn concurrency_rises_in_a_line() {
    let a = Admission::new(rules().with_concurrency(Some(100)), at(0)).unwrap();
    let let_in = |ms| {
        let n = (0..1000)
            .take_while(|_| a.ask(at(ms)) == Decision::Admit)
            .count();
        assert_eq!(a.under_way() as usize, n);
        (0..n).for_each(|_| a.done());
        n
    };
    assert_eq!([let_in(0), let_in(50_000), let_in(100_000)], [10, 55, 100]);
    a.restart(at(200_000));
    assert_eq!(let_in(200_000), 10);
    a.warm();
    assert_eq!(let_in(200_000), 100);
    a.done();
    assert_eq!((a.under_way(), let_in(200_000)), (0, 100));
}

#[test]
fn rate_follows_the_cold_factor_and_the_ramp_takes_its_window() {
    let curve = Curve::ColdFactor { factor: 3 };
    let a = Admission::new(rules().with_rate(Some(1000)).with_curve(curve), at(0)).unwrap();
    let in_second = |s: u64| {
        let asks = (0..200_000).map(|i| at(s * 1000).after(Duration::from_nanos(i * 5_000)));
        asks.filter(|&now| a.ask(now) == Decision::Admit).count() as f64
    };
    assert!((in_second(0) - 333.0).abs() <= 5.0);
    let half = 1000.0 / libm::sqrt(9.0 - 8.0 * 0.505);
    let got = in_second(50);
    assert!((got - half).abs() <= 5.0, "{got} for {half}");
    assert!((in_second(100) - 1000.0).abs() <= 5.0);
}

#[test]
fn the_queue_is_bounded_and_in_order() {
    let queue = Duration::from_millis(25);
    let rules = rules().with_rate(Some(100)).with_queue(queue);
    let a = Admission::new(rules, at(0)).unwrap();
    a.warm();
    let answers: [Decision; 5] = core::array::from_fn(|_| a.ask(at(0)));
    let wait = |ms| Decision::Wait(Duration::from_millis(ms));
    assert_eq!(
        answers,
        [
            Decision::Admit,
            wait(10),
            wait(20),
            Decision::Reject,
            Decision::Reject
        ]
    );
    assert_eq!(a.ask(at(10)), wait(20));
}

#[test]
fn a_burst_goes_at_once() {
    let a = Admission::new(rules().with_rate(Some(100)).with_burst(5), at(0)).unwrap();
    a.warm();
    let n = (0..20).filter(|_| a.ask(at(0)) == Decision::Admit).count();
    assert_eq!(n, 5);
}

#[test]
fn a_rejection_by_rate_gives_its_place_back() {
    let rules = rules().with_rate(Some(1)).with_concurrency(Some(50));
    let a = Admission::new(rules, at(0)).unwrap();
    assert_eq!(
        (a.ask(at(0)), a.ask(at(0)), a.under_way()),
        (Decision::Admit, Decision::Reject, 1)
    );
}

#[test]
fn odd_rules_are_refused() {
    let err = |r| Admission::new(r, at(0)).map(|_| ()).unwrap_err();
    assert_eq!(err(rules().with_burst(0)).field, "admission.burst");
    assert_eq!(err(rules().with_rate(Some(0))).field, "admission.rate");
    let curve = Curve::ColdFactor { factor: 1 };
    assert_eq!(err(rules().with_curve(curve)).least, 2);
}

#[test]
fn threads_share_one_limit() {
    #[cfg(test)]
    extern crate std;
    let rules = rules()
        .with_concurrency(Some(64))
        .with_rate(Some(1_000))
        .with_burst(100);
    let a = Admission::new(rules, at(0)).unwrap();
    a.warm();
    let let_in: usize = std::thread::scope(|scope| {
        let ask = || {
            (0..1_000)
                .filter(|_| a.ask(at(0)) == Decision::Admit)
                .count()
        };
        let threads: [_; 4] = core::array::from_fn(|_| scope.spawn(ask));
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!((let_in, a.under_way()), (64, 64), "four threads, one limit");
    (0..64).for_each(|_| a.done());
    let rest = (0..1_000)
        .filter(|_| a.ask(at(0)) == Decision::Admit)
        .count();
    assert_eq!(rest, 36, "the burst's other part");
}

#[test]
fn a_long_pause_and_a_clock_that_jumps_lock_nobody_out() {
    let rules = rules()
        .with_rate(Some(1_000))
        .with_burst(10)
        .with_queue(Duration::from_millis(5));
    let full = |a: &Admission, now: Timestamp| {
        let answers = (0..100).map(|_| a.ask(now));
        answers.filter(|&answer| answer != Decision::Reject).count()
    };
    for hours in 1..200u64 {
        for minutes in [0, 17, 32, 51] {
            let a = Admission::new(rules, at(0)).unwrap();
            a.warm();
            let first = full(&a, at(0));
            assert_eq!(first, 15);
            let pause = Duration::from_secs(hours * 3600 + minutes * 60);
            let then = at(0).after(pause);
            assert_eq!(full(&a, then), first, "after {hours} h {minutes} min");
            assert_eq!(full(&a, then), 0, "and no more");
            // A clock set back by more than a second is followed, one behind by less is waited for.
            assert_eq!(full(&a, at(0)), first, "back by {hours} h {minutes} min");
            assert_eq!(a.ask(Timestamp::from_millis(999_500)), Decision::Reject);
        }
    }
}

#[test]
fn high_rates_are_met() {
    for rate in [999_999, 3_000_000, 7_000_001, 9_999_999, 10_000_000] {
        let rules = rules().with_rate(Some(rate));
        let a = Admission::new(rules, at(0)).unwrap();
        a.warm();
        let asks = (0..2_000_000u64).map(|i| at(0).after(Duration::from_nanos(i * 50)));
        let let_in = asks.filter(|&now| a.ask(now) == Decision::Admit).count() as f64;
        let fair = f64::from(rate) / 10.0;
        // Asked each 50 ns, a request is let in up to so much late.
        let least = 1.0 / (1.0 / fair + 50e-9 * 10.0);
        assert!(
            let_in >= least && let_in <= fair * 1.01,
            "{let_in} of {fair}"
        );
    }
}

#[test]
fn limits_follow_the_ramp_step_by_step_and_a_restart_at_once() {
    let rules = rules()
        .with_concurrency(Some(1_000))
        .with_curve(Curve::Linear { cold_percent: 1 });
    let a = Admission::new(rules, at(0)).unwrap();
    let let_in = |now| {
        let n = (0..2_000)
            .take_while(|_| a.ask(now) == Decision::Admit)
            .count();
        (0..n).for_each(|_| a.done());
        n
    };
    let mut last = 0;
    for ms in (0..=101_000).step_by(10) {
        let (n, fair) = (let_in(at(ms)), a.level(at(ms)) * 1_000.0);
        // 4,096 steps of 100 s: a quarter of a request each.
        assert!(
            n as f64 <= fair + 1e-6 && n as f64 >= fair - 1.3,
            "{ms}: {n} for {fair}"
        );
        assert!(n >= last);
        last = n;
    }
    assert_eq!(last, 1_000);
    a.restart(at(101_000));
    assert_eq!(let_in(at(101_000)), 10);
}

#[test]
fn a_burst_must_come_back_in_time() {
    let rules = rules().with_rate(Some(1)).with_burst(1_000);
    let refused = Admission::new(rules, at(0)).map(|_| ()).unwrap_err();
    // Cold, one request takes 10 s.
    assert_eq!((refused.field, refused.most), ("admission.burst", 720));
}

#[test]
fn any_epoch_will_do() {
    let rules = rules().with_concurrency(Some(100));
    for start in [Timestamp::ZERO, at(0), Timestamp::from_nanos(u64::MAX >> 1)] {
        let a = Admission::new(rules, start).unwrap();
        let later = |seconds| start.after(Duration::from_secs(seconds));
        let levels = [0, 50, 100].map(|s| a.level(later(s)));
        assert!((levels[1] - 0.55).abs() < 1e-9);
        assert_eq!([levels[0], levels[2]], [0.1, 1.0]);
        let let_in = (0..1_000)
            .take_while(|_| a.ask(start) == Decision::Admit)
            .count();
        assert_eq!(let_in, 10, "cold, whatever the clock says");
    }
}

/// Threads read their clocks and then ask in another order.
#[test]
fn a_late_request_is_served_as_if_now() {
    let (soon, late) = (
        Timestamp::from_nanos(5_000_000_001),
        Timestamp::from_nanos(5_000_000_000),
    );
    let unlimited = rules().with_concurrency(Some(50)).with_rate(None);
    for behind in [late, Timestamp::from_millis(4_500), Timestamp::ZERO] {
        let a = Admission::new(unlimited, Timestamp::ZERO).unwrap();
        a.warm();
        assert_eq!(
            [soon, behind].map(|t| a.ask(t)),
            [Decision::Admit; 2],
            "{behind:?}"
        );
    }
    // A rate with a burst of two, all of it free: both are let in whoever asks first, a third is not.
    let rated = rules()
        .with_rate(Some(1_000))
        .with_burst(2)
        .with_queue(Duration::ZERO);
    let a = Admission::new(rated, Timestamp::ZERO).unwrap();
    a.warm();
    let answers = [soon, late, late].map(|t| a.ask(t));
    assert_eq!(
        answers,
        [Decision::Admit, Decision::Admit, Decision::Reject]
    );
    // The wait is counted from now, not from the late request's own clock.
    let a = Admission::new(
        rated.with_burst(1).with_queue(Duration::from_millis(1)),
        Timestamp::ZERO,
    )
    .unwrap();
    a.warm();
    let answers = [soon, late].map(|t| a.ask(t));
    assert_eq!(
        answers,
        [Decision::Admit, Decision::Wait(Duration::from_millis(1))]
    );
}

/// A late request is held to the limits of now, not to those of an earlier step of the ramp.
#[test]
fn a_late_request_has_the_concurrency_of_now() {
    let rules = rules()
        .with_concurrency(Some(100_000))
        .with_rate(None)
        .with_curve(Curve::Linear { cold_percent: 1 });
    let a = Admission::new(rules, at(0)).unwrap();
    let now = at(0).after(Duration::from_secs(50));
    let let_in = (0..200_000)
        .take_while(|_| a.ask(now) == Decision::Admit)
        .count();
    (0..let_in).for_each(|_| a.done());
    let late = Timestamp::from_nanos(now.as_nanos() - 900_000_000);
    let again = (0..200_000)
        .take_while(|_| a.ask(late) == Decision::Admit)
        .count();
    assert_eq!(let_in, again);
}

/// A clock set back locks nobody out, however little the time it takes to regain a burst exceeds the step back.
#[test]
fn a_clock_set_back_begins_afresh() {
    let rules = rules().with_rate(Some(100)).with_burst(1_000);
    for back in [2u64, 5, 9, 11, 3_600] {
        let a = Admission::new(rules, Timestamp::ZERO).unwrap();
        a.warm();
        let let_in = |now| (0..2_000).filter(|_| a.ask(now) == Decision::Admit).count();
        assert_eq!(let_in(at(10_000_000)), 1_000);
        let then = Timestamp::from_nanos(at(10_000_000).as_nanos() - back * 1_000_000_000);
        assert_eq!(let_in(then), 1_000, "back by {back} s");
        let later = then.after(Duration::from_secs(1));
        assert_eq!(let_in(later), 100, "back by {back} s");
    }
}

#[test]
fn threads_without_a_rate_are_never_rejected() {
    #[cfg(test)]
    extern crate std;
    let rules = rules().with_rate(None).with_concurrency(None);
    let a = Admission::new(rules, at(0)).unwrap();
    let clock = AtomicU64::new(at(0).as_nanos());
    let rejected: usize = std::thread::scope(|scope| {
        let ask = || {
            let now = || Timestamp::from_nanos(clock.fetch_add(1, Ordering::Relaxed));
            (0..100_000)
                .filter(|_| a.ask(now()) != Decision::Admit)
                .count()
        };
        let threads: [_; 4] = core::array::from_fn(|_| scope.spawn(ask));
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(rejected, 0);
}

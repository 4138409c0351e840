//! Windows, policies, bounds, restarts and clocks that jump.

use super::*;
use std::vec;
use std::vec::Vec;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn steps(scaler: &mut Scaler, from: u32, wishes: &[(u64, u32)]) -> Vec<u32> {
    let mut current = from;
    let step = |(seconds, wanted): &(u64, u32)| {
        let replicas = scaler.decide(at(*seconds), current, *wanted).replicas;
        scaler.changed(at(*seconds), current, replicas);
        current = replicas;
        replicas
    };
    wishes.iter().map(step).collect()
}

#[test]
fn up_at_once_in_doubles_and_down_after_five_minutes() {
    let mut scaler = Scaler::new(ScalerConfig::new(1, 100)).unwrap();
    // Four more, then as many again each 15 s; no more within the same 15 s.
    let up = steps(
        &mut scaler,
        1,
        &[(0, 50), (5, 50), (15, 50), (30, 50), (45, 50), (60, 50)],
    );
    assert_eq!(up, [5, 5, 10, 20, 40, 50]);
    // The last wish for 50 was at 60 s: gone at 360 s.
    let down = steps(
        &mut scaler,
        50,
        &[(75, 3), (200, 20), (359, 3), (360, 3), (500, 3)],
    );
    assert_eq!(down, [50, 50, 50, 20, 3]);
}

#[test]
fn the_slowest_policy_counts_where_asked() {
    let mut config = ScalerConfig::new(2, 100);
    config.down = Rules {
        window: Duration::ZERO,
        select: Select::Least,
        policies: vec![
            Policy {
                kind: PolicyKind::Pods,
                value: 4,
                period: Duration::from_secs(60),
            },
            Policy {
                kind: PolicyKind::Percent,
                value: 10,
                period: Duration::from_secs(60),
            },
        ],
    };
    let mut scaler = Scaler::new(config.clone()).unwrap();
    let down = steps(&mut scaler, 80, &[(0, 1), (10, 1), (60, 1), (120, 1)]);
    assert_eq!(down, [76, 76, 72, 68]);
    // Few replicas still go down by one at a time, to the fewest allowed.
    let down = steps(
        &mut Scaler::new(config.clone()).unwrap(),
        4,
        &[(0, 1), (60, 1), (120, 1)],
    );
    assert_eq!(down, [3, 2, 2]);
    config.up.select = Select::Disabled;
    assert_eq!(steps(&mut Scaler::new(config).unwrap(), 4, &[(0, 50)]), [4]);
}

#[test]
fn bounds_hold_even_where_nothing_is_wished() {
    let mut scaler = Scaler::new(ScalerConfig::new(3, 5)).unwrap();
    assert_eq!(steps(&mut scaler, 1, &[(0, 1)]), [3]);
    let mut scaler = Scaler::new(ScalerConfig::new(3, 5)).unwrap();
    assert_eq!(steps(&mut scaler, 9, &[(0, 9)]), [5]);
    let mut scaler = Scaler::new(ScalerConfig::new(0, u32::MAX)).unwrap();
    let all = steps(&mut scaler, u32::MAX, &[(0, u32::MAX), (1, 0), (0, 0)]);
    assert_eq!(all, [u32::MAX, u32::MAX, u32::MAX]);
}

#[test]
fn wrong_behaviour_is_refused() {
    let error = Scaler::new(ScalerConfig::new(2, 1)).unwrap_err();
    assert_eq!(error, ScalerError::Bounds { min: 2, max: 1 });
    let mut config = ScalerConfig::new(1, 2);
    config.up.policies.clear();
    assert_eq!(
        Scaler::new(config.clone()).unwrap_err(),
        ScalerError::NoPolicy
    );
    config.up.select = Select::Disabled;
    config.down.window = Duration::from_secs(3601);
    assert!(matches!(
        Scaler::new(config.clone()),
        Err(ScalerError::Window { .. })
    ));
    config.down.window = Duration::ZERO;
    config.down.policies[0].value = 0;
    assert!(matches!(
        Scaler::new(config),
        Err(ScalerError::Policy { .. })
    ));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut scaler = Scaler::new(ScalerConfig::new(1, 10)).unwrap();
    for n in 0..10_000 {
        scaler.decide(Timestamp::from_nanos(n), 5, 1);
        scaler.changed(Timestamp::from_nanos(n), 5, 4);
    }
    let kept = std::format!("{scaler:?}").matches("Timestamp").count();
    // And the time of the last decision.
    assert!(kept <= 2 * 4096 + 1, "{kept} remembered");
}

#[test]
fn the_window_begins_with_what_runs() {
    let down = |first: u64| {
        let mut scaler = Scaler::new(ScalerConfig::new(1, 100)).unwrap();
        let wishes = [0, 15, 150, 299, 300, 301].map(|s| (first + s, 2));
        steps(&mut scaler, 10, &wishes)
    };
    for first in [0, 1_000_000] {
        assert_eq!(down(first), [10, 10, 10, 10, 2, 2]);
    }
    // Upwards there is no window by default; with one, a restart waits as well.
    let mut scaler = Scaler::new(ScalerConfig::new(1, 100)).unwrap();
    assert_eq!(steps(&mut scaler, 10, &[(0, 15)]), [15]);
    let mut config = ScalerConfig::new(1, 100);
    config.up.window = Duration::from_secs(60);
    let mut scaler = Scaler::new(config).unwrap();
    let up = steps(&mut scaler, 10, &[(0, 15), (30, 15), (59, 15), (60, 15)]);
    assert_eq!(up, [10, 10, 10, 15]);
}

#[test]
fn a_scaler_that_slept_begins_anew_and_one_that_is_slow_does_not() {
    let mut scaler = Scaler::new(ScalerConfig::new(1, 100)).unwrap();
    let usual: Vec<(u64, u32)> = (0..60).map(|n| (n * 15, 10)).collect();
    assert_eq!(steps(&mut scaler, 10, &usual).last(), Some(&10));
    // An hour without a decision.
    let after = [(4_500, 2), (4_515, 2), (4_799, 2), (4_800, 2)];
    assert_eq!(steps(&mut scaler, 10, &after), [10, 10, 10, 2]);
    // Decisions further apart than the window is long.
    for window in [0, 10, 15] {
        let mut config = ScalerConfig::new(1, 100);
        config.down.window = Duration::from_secs(window);
        let mut scaler = Scaler::new(config).unwrap();
        steps(&mut scaler, 10, &[(0, 10)]);
        assert_eq!(
            steps(&mut scaler, 10, &[(15, 10), (30, 2)]),
            [10, 2],
            "{window}"
        );
    }
}

#[test]
fn a_workload_paused_at_nothing_stays_paused() {
    let mut scaler = Scaler::new(ScalerConfig::new(2, 100)).unwrap();
    assert_eq!(
        steps(&mut scaler, 0, &[(0, 50), (15, 50), (900, 3)]),
        [0, 0, 0]
    );
    // Resumed with 10: the window begins then, whatever was wished for in the pause.
    let resumed = steps(&mut scaler, 10, &[(915, 2), (1_214, 2), (1_215, 2)]);
    assert_eq!(resumed, [10, 10, 2]);
    // Paused again within the window: nothing of it wakes the workload.
    assert_eq!(steps(&mut scaler, 0, &[(1_220, 50)]), [0]);
    // Where none is an allowed number, none is no pause.
    let mut scaler = Scaler::new(ScalerConfig::new(0, 100)).unwrap();
    assert_eq!(steps(&mut scaler, 0, &[(0, 3)]), [3]);
}

#[test]
fn a_clock_that_was_ahead_holds_for_one_window_and_no_longer() {
    let mut scaler = Scaler::new(ScalerConfig::new(1, 100)).unwrap();
    steps(&mut scaler, 10, &[(0, 10), (86_400, 10)]);
    // Back by a day: the wish of tomorrow counts as of now.
    let back = steps(&mut scaler, 10, &[(15, 2), (30, 2), (314, 2), (315, 2)]);
    assert_eq!(back, [10, 10, 10, 2]);
    // So does a change: four a quarter of a minute, not four a day.
    let mut scaler = Scaler::new(ScalerConfig::new(1, 100)).unwrap();
    scaler.changed(at(86_400), 1, 5);
    assert_eq!(
        steps(&mut scaler, 5, &[(0, 50), (14, 50), (15, 50)]),
        [5, 5, 10]
    );
}

#[test]
fn replicas_changed_by_hand_are_no_wish() {
    let mut config = ScalerConfig::new(1, 100);
    config.down.policies = vec![Policy {
        kind: PolicyKind::Pods,
        value: 3,
        period: Duration::from_secs(60),
    }];
    let mut scaler = Scaler::new(config).unwrap();
    let usual: Vec<(u64, u32)> = (0..60).map(|n| (n * 15, 2)).collect();
    assert_eq!(steps(&mut scaler, 2, &usual).last(), Some(&2));
    // Somebody made it ten: back by three a minute.
    let back = steps(
        &mut scaler,
        10,
        &[(900, 2), (915, 2), (960, 2), (1020, 2), (1080, 2)],
    );
    assert_eq!(back, [7, 7, 4, 2, 2]);
}

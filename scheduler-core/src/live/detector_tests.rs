//! What triggers and what does not.

use super::*;
use alloc::vec;
use core::time::Duration;

fn feed(d: &mut Detector, from: u64, samples: &[Sample]) -> Vec<Event> {
    let mut events = Vec::new();
    for (i, s) in samples.iter().enumerate() {
        d.observe(Timestamp::from_secs(from + i as u64), &[*s], &mut events)
            .unwrap();
    }
    events
}

fn detector() -> Detector {
    Detector::new(DetectorConfig::default(), vec![1000]).unwrap()
}

#[test]
fn a_spike_shorter_than_the_window_triggers_nothing_however_high() {
    for length in 1..=9 {
        for height in [1001, 1900, 1_000_000] {
            let mut d = detector();
            let mut samples = vec![999; 20];
            samples.extend(vec![height; length]);
            samples.extend([999; 20]);
            assert_eq!(
                feed(&mut d, 0, &samples),
                vec![],
                "{length} samples of {height}"
            );
        }
    }
    let mut d = detector();
    let mut samples = vec![999; 20];
    samples.extend([1001; 10]);
    let events = feed(&mut d, 0, &samples);
    assert_eq!(
        events.len(),
        1,
        "a whole window above the threshold is no spike"
    );
    assert_eq!(events[0].at, Timestamp::from_secs(29));
}

#[test]
fn overload_is_entered_above_and_left_below_a_lower_level() {
    let mut d = detector();
    let events = feed(&mut d, 0, &[1001; 30]);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, EventKind::Entered);
    assert_eq!(events[0].mean, 1001);
    assert_eq!(
        feed(&mut d, 30, &[960; 30]),
        vec![],
        "between the levels nothing changes"
    );
    let left = feed(&mut d, 60, &[940; 30]);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].kind, EventKind::Left);
    assert!(!d.is_hot(NodeId(0)));
}

#[test]
fn missing_samples_are_unknown_and_not_zero() {
    let mut d = detector();
    feed(&mut d, 0, &[1100; 10]);
    assert_eq!(
        feed(&mut d, 10, &[UNKNOWN; 30]),
        vec![],
        "silence does not end an overload"
    );
    assert!(d.is_hot(NodeId(0)));
    assert_eq!(d.mean(NodeId(0)), None);
    let mut events = Vec::new();
    d.observe(Timestamp::from_secs(1000), &[100], &mut events)
        .unwrap();
    assert_eq!(events, vec![], "one sample after a gap is too few");
}

#[test]
fn time_that_goes_backwards_and_wrong_lengths_are_refused_and_change_nothing() {
    let mut d = detector();
    feed(&mut d, 5, &[900; 6]);
    let (before, mut events) = (alloc::format!("{d:?}"), Vec::new());
    assert!(
        d.observe(Timestamp::from_secs(10), &[900], &mut events)
            .is_err()
    );
    assert!(
        d.observe(Timestamp::from_secs(11), &[900, 1], &mut events)
            .is_err()
    );
    assert_eq!(before, alloc::format!("{d:?}"));
}

/// Samples every `step` from 0 on for `span`, of which those of a time within `high` are above the threshold.
fn every(step: Duration, span: Duration, high: core::ops::Range<u64>) -> Vec<Event> {
    let (mut d, mut events) = (detector(), Vec::new());
    for i in 0..(span.as_nanos() / step.as_nanos()) as u32 {
        let at = Timestamp::from_nanos((step * i).as_nanos() as u64);
        let level = if high.contains(&(at.as_nanos() / 1_000_000)) {
            1500
        } else {
            500
        };
        d.observe(at, &[level], &mut events).unwrap();
    }
    events
}

#[test]
fn a_window_spans_its_time_however_fast_samples_come() {
    let span = Duration::from_secs(60);
    for millis in [
        1, 10, 100, 250, 400, 499, 500, 700, 900, 980, 1000, 1020, 1050,
    ] {
        let step = Duration::from_millis(millis);
        let spike = every(step, span, 20_000..29_000);
        assert_eq!(spike, vec![], "9 s, a sample every {millis} ms");
        let lasting = every(step, span, 20_000..60_000);
        assert_eq!(lasting.len(), 1, "40 s, a sample every {millis} ms");
        let entered = lasting[0].at.since(Timestamp::from_secs(20));
        let (least, most) = (Duration::from_secs(9), Duration::from_secs(13));
        assert!((least..most).contains(&entered), "{millis} ms: {entered:?}");
    }
}

#[test]
fn a_jittering_sampler_leaves_no_holes() {
    let (mut d, mut events) = (detector(), Vec::new());
    for i in 0..1000_u64 {
        // Up to 0.4 s late, with a clock that runs 1 % fast.
        let jitter = (i * 7919) % 401;
        let at = Timestamp::from_nanos((i * 990 + jitter) * 1_000_000);
        d.observe(at, &[900], &mut events).unwrap();
        assert!(
            i < 10 || d.known(NodeId(0)) >= 9,
            "{i}: {}",
            d.known(NodeId(0))
        );
    }
}

#[test]
fn samples_between_two_rows_show_that_the_node_is_there() {
    let mut d = detector();
    feed(&mut d, 0, &[900]);
    let later = Timestamp::from_nanos(300_000_000);
    d.observe(later, &[2000], &mut Vec::new()).unwrap();
    assert_eq!(d.last_seen(NodeId(0)), Some(later));
    assert_eq!(d.known(NodeId(0)), 1);
}

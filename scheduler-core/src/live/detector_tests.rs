//! What triggers and what does not.

use super::*;
use alloc::vec;

fn feed(d: &mut Detector, from: u64, samples: &[Sample]) -> Vec<Event> {
    let mut events = Vec::new();
    for (i, s) in samples.iter().enumerate() {
        d.push(Timestamp::from_secs(from + i as u64), &[*s], &mut events)
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
    d.push(Timestamp::from_secs(1000), &[100], &mut events)
        .unwrap();
    assert_eq!(events, vec![], "one sample after a gap is too few");
}

#[test]
fn time_that_goes_backwards_and_wrong_lengths_are_refused_and_change_nothing() {
    let mut d = detector();
    feed(&mut d, 5, &[900; 6]);
    let (before, mut events) = (alloc::format!("{d:?}"), Vec::new());
    assert!(
        d.push(Timestamp::from_secs(10), &[900], &mut events)
            .is_err()
    );
    assert!(
        d.push(Timestamp::from_secs(11), &[900, 1], &mut events)
            .is_err()
    );
    assert_eq!(before, alloc::format!("{d:?}"));
}

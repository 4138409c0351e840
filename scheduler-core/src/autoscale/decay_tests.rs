//! Samples and checkpoints that a clock has dated ahead.

use super::*;
use crate::autoscale::Buckets;

const DAY: u64 = 86_400;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn axis() -> Buckets {
    Buckets::linear(10.0, 1.0, 1e-9).unwrap()
}

/// A hundred samples of 1, a minute apart, the last of them at `now`.
fn used(now: u64) -> DecayingHistogram {
    let mut histogram = DecayingHistogram::new(axis(), Duration::from_secs(DAY)).unwrap();
    for minute in (0..100).rev() {
        let time = at(now - 60 * minute);
        histogram.add(time, 1.0, 1.0, time).unwrap();
    }
    histogram
}

const NOW: u64 = 1_000 * DAY;

#[test]
fn a_sample_dated_ahead_counts_as_taken_now() {
    let taken_now = {
        let mut histogram = used(NOW);
        histogram.add(at(NOW), 9.0, 1.0, at(NOW)).unwrap();
        histogram
    };
    for ahead in [1, DAY, 99 * DAY, 101 * DAY, 400 * DAY, 10_000_000 * DAY] {
        let mut histogram = used(NOW);
        histogram.add(at(NOW), 9.0, 1.0, at(NOW + ahead)).unwrap();
        assert_eq!(histogram, taken_now, "{ahead} s ahead");
        assert_eq!(histogram.percentile(0.9), 2.0);
        histogram
            .subtract(at(NOW), 9.0, 1.0, at(NOW + ahead))
            .unwrap();
        assert_eq!(histogram.percentile(1.0), 2.0);
    }
}

#[test]
fn the_first_sample_may_be_the_one_that_is_dated_ahead() {
    let mut histogram = DecayingHistogram::new(axis(), Duration::from_secs(DAY)).unwrap();
    histogram
        .add(at(NOW), 9.0, 1.0, Timestamp::from_nanos(u64::MAX))
        .unwrap();
    for minute in 1..100 {
        let time = at(NOW + 60 * minute);
        histogram.add(time, 1.0, 1.0, time).unwrap();
    }
    assert_eq!(histogram.percentile(0.9), 2.0);
}

#[test]
fn a_clock_that_comes_back_does_not_leave_new_samples_without_weight() {
    for ahead in [2 * DAY, 99 * DAY, 400 * DAY] {
        let mut histogram = used(NOW);
        // The clock itself jumps: the sample is dated ahead of all others, and not of now.
        let jumped = at(NOW + ahead);
        histogram.add(jumped, 9.0, 1.0, jumped).unwrap();
        for minute in 1..200 {
            let time = at(NOW + 60 * minute);
            histogram.add(time, 3.0, 1.0, time).unwrap();
        }
        assert_eq!(histogram.percentile(0.9), 4.0, "{ahead} s ahead");
    }
}

#[test]
fn a_checkpoint_with_a_reference_ahead_goes_on_as_of_now() {
    let half_life = Duration::from_secs(DAY);
    let (checkpoint, reference) = used(NOW + 400 * DAY).checkpoint();
    let restored = DecayingHistogram::restore(at(NOW), axis(), half_life, &checkpoint, reference);
    let mut restored = restored.unwrap();
    assert!(restored.reference() <= Some(at(NOW + DAY)));
    for minute in 1..50 {
        let time = at(NOW + 60 * minute);
        restored.add(time, 3.0, 1.0, time).unwrap();
    }
    assert_eq!([0.5, 0.9].map(|p| restored.percentile(p)), [2.0, 4.0]);
    // One that is not ahead is taken as it is.
    let (checkpoint, reference) = used(NOW).checkpoint();
    let restored = DecayingHistogram::restore(at(NOW), axis(), half_life, &checkpoint, reference);
    assert_eq!(restored.unwrap().reference(), reference);
}

#[test]
fn a_half_life_of_nothing_is_refused() {
    let made = DecayingHistogram::new(axis(), Duration::ZERO);
    assert_eq!(made, Err(HistogramError::HalfLife));
}

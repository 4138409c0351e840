//! Edges of the autoscalers; what they compute is compared with upstream in `tests/vectors.rs`.

use super::*;
use crate::time::Timestamp;
use core::time::Duration;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn load<'a>(current: u32, pods: &'a [PodState<'a>]) -> Load<'a> {
    Load {
        now: at(10_000),
        current,
        pods,
    }
}

#[test]
fn targets_and_tolerances_must_make_sense() {
    let pods = [PodState::running("a", Some(100))];
    let metrics = [PodMetric::new("a", 100, at(9_999))];
    let calculator = ReplicaCalculator::default();
    let refused = calculator.resource(&load(1, &pods), "cpu", 0, &metrics);
    assert_eq!(refused, Err(ReplicaError::Target { given: 0 }));
    let refused = calculator.pods(&load(1, &pods), -5, &metrics);
    assert_eq!(refused, Err(ReplicaError::Target { given: -5 }));
    for tolerance in [-0.1, f64::NAN, f64::INFINITY] {
        let made = ReplicaCalculator::new(tolerance, Duration::ZERO, Duration::ZERO);
        assert!(matches!(made, Err(ReplicaError::Tolerance { .. })));
        let message = std::format!("{}", made.unwrap_err());
        assert!(message.contains(&std::format!("{tolerance}")), "{message}");
    }
}

#[test]
fn each_gap_in_what_is_known_is_named() {
    let calculator = ReplicaCalculator::default();
    let metrics = [PodMetric::new("a", 100, at(9_999))];
    let none = calculator.pods(&load(1, &[]), 5, &metrics);
    assert_eq!(none, Err(ReplicaError::NoPods));
    let silent = [PodState::running("a", None)];
    let error = calculator.resource(&load(1, &silent), "cpu", 50, &metrics);
    let message = "missing request for cpu in a container of pod a";
    assert_eq!(std::format!("{}", error.unwrap_err()), message);
    let free = [PodState::running("a", Some(0))];
    let error = calculator.resource(&load(1, &free), "cpu", 50, &metrics);
    assert_eq!(error, Err(ReplicaError::NoMatch));
    let mut starting = PodState::running("a", Some(100));
    starting.readiness = None;
    let error = calculator.resource(&load(1, &[starting]), "cpu", 50, &metrics);
    assert_eq!(error, Err(ReplicaError::NoneReady));
    let error = calculator.external(&load(1, &silent), 5, &[]);
    assert_eq!(error, Err(ReplicaError::NoValues));
}

#[test]
fn extremes_saturate() {
    let pods = [
        PodState::running("a", Some(1)),
        PodState::running("b", Some(1)),
    ];
    let metrics = [
        PodMetric::new("a", i64::MAX, at(9_999)),
        PodMetric::new("b", i64::MAX, at(9_999)),
    ];
    let calculator = ReplicaCalculator::default();
    let wanted = calculator
        .resource(&load(2, &pods), "cpu", 1, &metrics)
        .unwrap();
    assert_eq!((wanted.replicas, wanted.usage), (u32::MAX, i64::MAX));
    let wanted = calculator
        .external(&load(2, &pods), 1, &[i64::MIN, i64::MIN])
        .unwrap();
    assert_eq!((wanted.replicas, wanted.usage), (0, i64::MIN));
}

#[test]
fn nothing_is_scaled_from_zero_without_a_reason() {
    let calculator = ReplicaCalculator::default();
    assert_eq!(
        calculator.object(&load(0, &[]), 10, 25).unwrap().replicas,
        3
    );
    assert_eq!(
        calculator
            .object_per_pod(&load(0, &[]), 10, 25)
            .unwrap()
            .replicas,
        3
    );
    assert_eq!(
        calculator
            .object_per_pod(&load(0, &[]), 10, 0)
            .unwrap()
            .replicas,
        0
    );
}

#[test]
fn a_pod_counts_once_a_window_lies_after_it_became_ready() {
    let calculator = ReplicaCalculator::default();
    let mut new = PodState::running("new", Some(100));
    new.started = Some(at(9_900));
    new.readiness = Some(Readiness {
        ready: true,
        since: at(9_950),
    });
    let pods = [PodState::running("old", Some(100)), new];
    let wanted = |measured: u64| {
        let metrics = [
            PodMetric::new("old", 100, at(9_999)),
            PodMetric::new("new", 100, at(measured)),
        ];
        calculator
            .resource(&load(2, &pods), "cpu", 50, &metrics)
            .unwrap()
            .replicas
    };
    // Too early it counts as idle, and half of 100 % for two pods is what they should use.
    assert_eq!(wanted(10_009), 2);
    assert_eq!(wanted(10_010), 4);
}

#[test]
fn a_pod_whose_node_has_a_clock_that_is_ahead_counts() {
    let mut ahead = PodState::running("ahead", Some(100));
    ahead.started = Some(at(20_000));
    ahead.readiness = Some(Readiness {
        ready: true,
        since: at(20_010),
    });
    let pods = [PodState::running("old", Some(100)), ahead];
    let metrics = ["old", "ahead"].map(|pod| PodMetric::new(pod, 100, at(9_999)));
    let calculator = ReplicaCalculator::default();
    let wanted = calculator.resource(&load(2, &pods), "cpu", 50, &metrics);
    assert_eq!(wanted.unwrap().replicas, 4);
}

#[test]
fn metrics_of_pods_that_go_or_wait_do_not_count() {
    let mut going = PodState::running("b", Some(100));
    going.deleting = true;
    let mut waiting = PodState::running("c", Some(100));
    waiting.phase = Phase::Pending;
    let pods = [PodState::running("a", Some(100)), going, waiting];
    let metrics = ["a", "b", "c"]
        .map(|pod| PodMetric::new(pod, if pod == "a" { 20 } else { 900 }, at(9_999)));
    let calculator = ReplicaCalculator::default();
    let wanted = calculator.pods(&load(3, &pods), 40, &metrics).unwrap();
    assert_eq!((wanted.replicas, wanted.usage), (1, 20));
}

#[test]
fn axes_are_bounded() {
    assert!(matches!(
        Buckets::linear(1e9, 1e-9, 1e-4),
        Err(BucketError::TooMany {
            limit: Buckets::MOST,
            ..
        })
    ));
    for ratio in [1.0, 0.5, f64::NAN, f64::INFINITY] {
        let made = Buckets::exponential(100.0, 1.0, ratio, 1e-4);
        assert!(matches!(
            made,
            Err(BucketError::Range { field: "ratio", .. })
        ));
    }
    assert!(Buckets::linear(10.0, 0.0, 1e-4).is_err());
    assert!(Buckets::linear(10.0, 1.0, 0.0).is_err());
    let axis = Buckets::linear(10.0, 1.0, 1e-4).unwrap();
    let found = [f64::NAN, f64::NEG_INFINITY, f64::INFINITY].map(|v| axis.find(v));
    assert_eq!(found, [0, 0, axis.count() - 1]);
}

/// The end of time, so that no sample is dated ahead.
const LATE: Timestamp = Timestamp::from_nanos(u64::MAX);

#[test]
fn a_refused_sample_changes_nothing() {
    let axis = Buckets::linear(10.0, 1.0, 1e-4).unwrap();
    let mut histogram = DecayingHistogram::new(axis, Duration::from_secs(60)).unwrap();
    histogram.add(LATE, 3.0, 1.0, at(60)).unwrap();
    let before = histogram.clone();
    assert_eq!(
        histogram.add(LATE, f64::NAN, 1.0, at(1 << 30)),
        Err(HistogramError::Value)
    );
    let error = histogram.add(LATE, 1.0, -1.0, at(1 << 30));
    assert_eq!(error, Err(HistogramError::Weight { given: -1.0 }));
    assert!(histogram.add(LATE, 1.0, f64::MAX, at(180)).is_err());
    // Nor does it make what is there old.
    assert!(histogram.add(LATE, 1.0, f64::MAX, LATE).is_err());
    assert_eq!(histogram, before);
}

#[test]
fn age_halves_weight_however_far_apart_samples_are() {
    let axis = Buckets::linear(10.0, 1.0, 1e-9).unwrap();
    let mut histogram = DecayingHistogram::new(axis, Duration::from_secs(60)).unwrap();
    histogram.add(LATE, 1.0, 4.0, at(60)).unwrap();
    histogram.add(LATE, 5.0, 1.0, at(180)).unwrap();
    let weights = [1, 5].map(|bucket| histogram.histogram().weight(bucket).unwrap());
    assert_eq!(weights, [4.0, 4.0]);
    // Past a hundred half-lives the old is gone, and past the end of time nothing breaks.
    histogram.add(LATE, 9.0, 1.0, at(180 + 60 * 200)).unwrap();
    assert_eq!(histogram.percentile(0.0), 10.0);
    histogram.add(LATE, 9.0, 1.0, LATE).unwrap();
    histogram.add(LATE, 2.0, 1.0, Timestamp::ZERO).unwrap();
    assert_eq!(histogram.percentile(1.0), 10.0);
}

#[test]
fn a_wrong_checkpoint_is_refused_whole() {
    let axis = Buckets::linear(10.0, 1.0, 1e-4).unwrap();
    let mut histogram = Histogram::new(axis);
    histogram.add(3.0, 1.0).unwrap();
    let before = histogram.clone();
    let mut checkpoint = Checkpoint {
        weights: [(0, 10), (11, 5)].into(),
        total: 3.0,
    };
    let error = histogram.load(&checkpoint);
    assert_eq!(
        error,
        Err(HistogramError::Bucket {
            given: 11,
            count: 11
        })
    );
    checkpoint.weights.remove(&11);
    for total in [-1.0, f64::NAN, f64::INFINITY] {
        checkpoint.total = total;
        assert!(matches!(
            histogram.load(&checkpoint),
            Err(HistogramError::Weight { .. })
        ));
    }
    assert_eq!(histogram, before);
    checkpoint.total = f64::MAX;
    histogram.load(&checkpoint).unwrap();
    let before = histogram.clone();
    assert_eq!(histogram.load(&checkpoint), Err(HistogramError::Overflow));
    assert_eq!(histogram, before);
}

#[test]
fn merged_histograms_hold_both() {
    let axis = Buckets::linear(10.0, 1.0, 1e-4).unwrap();
    let (mut one, mut two) = (Histogram::new(axis), Histogram::new(axis));
    one.add(1.0, 1.0).unwrap();
    two.add(8.0, 3.0).unwrap();
    one.merge(&two).unwrap();
    assert_eq!(
        (one.percentile(0.2), one.percentile(0.9), one.total()),
        (2.0, 9.0, 4.0)
    );
    let other = Histogram::new(Buckets::linear(5.0, 1.0, 1e-4).unwrap());
    assert!(one.merge(&other).is_err());
}

#[test]
fn bounds_close_in_with_experience() {
    let axis = Buckets::exponential(1000.0, 0.01, 1.05, 1e-4).unwrap();
    let mut histogram = DecayingHistogram::new(axis, Duration::from_secs(86_400)).unwrap();
    let recommender = Recommender::new(RecommenderConfig::new(0.025)).unwrap();
    let history = |samples| History {
        first: at(0),
        last: at(60 * samples),
        samples,
    };
    assert_eq!(recommender.recommend(&histogram, history(0)), None);
    histogram.add(at(0), 1.0, 1.0, at(0)).unwrap();
    let first = recommender.recommend(&histogram, history(0)).unwrap();
    assert_eq!((first.lower, first.upper), (0.025, f64::INFINITY));
    let week = recommender
        .recommend(&histogram, history(7 * 1440))
        .unwrap();
    let end = histogram.percentile(0.9) * 1.15;
    assert!((week.target - end).abs() < 1e-12 && (week.upper / end - 8.0 / 7.0).abs() < 1e-9);
    assert!(week.lower < week.target && week.lower > 0.99 * week.target);
    // Use of nothing, with no experience, is not infinitely much.
    let mut idle = DecayingHistogram::new(
        Buckets::linear(1.0, 1.0, 1e-4).unwrap(),
        Duration::from_secs(1),
    )
    .unwrap();
    idle.add(at(0), 0.0, 1.0, at(0)).unwrap();
    assert!(
        !recommender
            .recommend(&idle, history(0))
            .unwrap()
            .upper
            .is_nan()
    );
    assert_eq!((after_oom(0), after_oom(u64::MAX)), (100 << 20, u64::MAX));
    let mut wrong = RecommenderConfig::new(0.0);
    wrong.target = 0.4;
    assert!(matches!(
        Recommender::new(wrong),
        Err(RecommenderError::Percentiles { .. })
    ));
    assert!(Recommender::new(RecommenderConfig::new(f64::NAN)).is_err());
}

/// kubernetes/kubernetes#99394: a metric that can't be had must not let the others scale down.
#[test]
fn nothing_is_scaled_down_while_a_metric_is_missing() {
    let wants = |replicas| {
        Ok(Wanted {
            replicas,
            usage: 0,
            mean: None,
        })
    };
    let missing = || Err(ReplicaError::NoValues);
    assert_eq!(largest(3, [wants(1), wants(2)]), Ok(2));
    assert_eq!(
        largest(3, [wants(1), missing()]),
        missing().map(|_: Wanted| 0)
    );
    assert_eq!(largest(3, [Err(ReplicaError::NoPods), wants(5)]), Ok(5));
    assert_eq!(largest(3, [wants(3), missing()]), Ok(3));
    let both = [Err(ReplicaError::NoPods), missing()];
    assert_eq!(largest(3, both), Err(ReplicaError::NoPods));
    assert_eq!(largest(3, []), Err(ReplicaError::NoValues));
}

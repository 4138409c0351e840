//! What holds for any input: no panic, bounds kept, and the histogram agrees with a naive one.

use super::*;
use crate::time::Timestamp;
use core::time::Duration;
use proptest::prelude::*;
use std::vec::Vec;

/// The naive histogram: all samples kept, each weighed by its age when asked.
fn naive(axis: &Buckets, samples: &[(f64, f64, u64)], half_life: u64, p: f64) -> f64 {
    let last = samples.iter().map(|s| s.2).max().unwrap_or(0);
    let mut weights = std::vec![0.0; axis.count()];
    for (value, weight, at) in samples {
        let age = (last - at) as f64 / half_life as f64;
        weights[axis.find(*value)] += weight * 0.5_f64.powf(age);
    }
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let reached = weights.iter().position(|w| {
        sum += w;
        *w > 0.0 && sum >= p * total * (1.0 - 1e-9)
    });
    let bucket = reached.unwrap_or(0);
    axis.start((bucket + 1).min(axis.count() - 1))
}

/// Name, phase, deleting, readiness and its time, start, request.
type Parts = (u8, u8, bool, Option<(bool, u64)>, Option<u64>, Option<i64>);

fn pod_parts() -> impl Strategy<Value = Parts> {
    let phase = 0_u8..5;
    let readiness = proptest::option::of((any::<bool>(), 0_u64..2_000));
    let request = proptest::option::of(prop_oneof![0_i64..2_000, any::<i64>()]);
    let started = proptest::option::of(0_u64..2_000);
    (0_u8..6, phase, any::<bool>(), readiness, started, request)
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

proptest! {
    #[test]
    fn percentiles_agree_with_all_samples_kept(
        samples in proptest::collection::vec((0.0..12.0_f64, 0.1..10.0_f64, 0_u64..5_000), 1..40),
        half_life in 10_u64..2_000,
        p in 0.01..0.99_f64,
    ) {
        let axis = Buckets::exponential(10.0, 0.5, 1.2, 1e-12).unwrap();
        let mut histogram = DecayingHistogram::new(axis, Duration::from_secs(half_life)).unwrap();
        for (value, weight, at) in &samples {
            histogram.add(Timestamp::from_secs(5_000), *value, *weight, Timestamp::from_secs(*at)).unwrap();
        }
        // Weights of more than thirty half-lives ago may count as none.
        let last = samples.iter().map(|s| s.2).max().unwrap();
        prop_assume!(samples.iter().all(|s| (last - s.2) / half_life < 30));
        // Sums in another order: a share that is reached by a hair may be reached a bucket later.
        let got = histogram.percentile(p);
        let (below, above) = (p * (1.0 - 1e-6), p * (1.0 + 1e-6));
        let want = [below, p, above].map(|p| naive(&axis, &samples, half_life, p));
        prop_assert!(want.iter().any(|w| (w - got).abs() < 1e-9), "{want:?} {got}");
    }

    #[test]
    fn replicas_of_anything(
        pods in proptest::collection::vec(pod_parts(), 0..8),
        metrics in proptest::collection::vec((0_u8..6, any::<i64>(), any::<u64>()), 0..8),
        current in any::<u32>(),
        target in any::<i64>(),
    ) {
        let phases = [Phase::Pending, Phase::Running, Phase::Succeeded, Phase::Failed, Phase::Unknown];
        let pods: Vec<PodState<'_>> = pods.iter().map(|(name, phase, deleting, ready, started, request)| PodState {
            name: NAMES[usize::from(*name)],
            phase: phases[usize::from(*phase)],
            deleting: *deleting,
            readiness: ready.map(|(ready, since)| Readiness { ready, since: Timestamp::from_secs(since) }),
            started: started.map(Timestamp::from_secs),
            request: *request,
        }).collect();
        let metrics: Vec<PodMetric<'_>> = metrics.iter().map(|(name, value, at)| {
            PodMetric::new(NAMES[usize::from(*name)], *value, Timestamp::from_nanos(*at))
        }).collect();
        let load = Load { now: Timestamp::from_secs(1_000), current, pods: &pods };
        let calculator = ReplicaCalculator::default();
        let values: Vec<i64> = metrics.iter().map(|m| m.value).collect();
        let answers = [
            calculator.resource(&load, "cpu", target as u32, &metrics),
            calculator.resource_mean(&load, "memory", target, &metrics),
            calculator.pods(&load, target, &metrics),
            calculator.external(&load, target, &values),
            calculator.external_per_pod(&load, target, &values),
        ];
        // The same question has the same answer, and refusals are about what was asked.
        prop_assert_eq!(&answers[2], &calculator.pods(&load, target, &metrics));
        if target <= 0 && !metrics.is_empty() {
            prop_assert!(answers[1..].iter().all(Result::is_err));
        }
    }

    #[test]
    fn scaling_keeps_to_bounds_and_policies(
        min in 0_u32..5,
        more in 0_u32..100,
        wishes in proptest::collection::vec((0_u64..40, 0_u32..200), 1..60),
    ) {
        let mut scaler = Scaler::new(ScalerConfig::new(min, min + more)).unwrap();
        let (mut now, mut current) = (0_u64, min + more / 2);
        let mut wished: Vec<(u64, u32)> = Vec::new();
        for (pause, wanted) in wishes {
            now += pause;
            let scaled = scaler.decide(Timestamp::from_secs(now), current, wanted);
            prop_assert!((min..=min + more).contains(&scaled.replicas));
            if scaled.replicas > current {
                prop_assert!(scaled.replicas <= wanted);
                prop_assert!(scaled.replicas <= (2 * current).max(current + 4));
            }
            // Down only to what was wished for at most within five minutes, this wish included; at first, what runs is
            // what was wished for.
            if wished.is_empty() {
                wished.push((now, current));
            }
            wished.push((now, wanted));
            let recent = wished.iter().filter(|(at, _)| now - at < 300);
            let most = recent.map(|(_, n)| *n).max().unwrap_or(0);
            prop_assert!(scaled.replicas >= current.min(most));
            scaler.changed(Timestamp::from_secs(now), current, scaled.replicas);
            current = scaled.replicas;
        }
    }
}

//! What runs for each request allocates nothing, whatever the picker, changes of weight included.

use core::time::Duration;

use allocation_counter::measure;
use discovery_core::health::CallOutcome;
use discovery_core::locality::{Balancer, EndpointHealth, Member, PriorityRules};
use discovery_core::pick::{
    Edf, LowDiscrepancy, Maglev, P2c, PeakEwma, Request, SharedWeights, SmoothRoundRobin,
    StaticStride, WeightedRandom,
};
use discovery_core::rng;
use discovery_core::warm_up::{Admission, AdmissionRules, Curve};
use discovery_core::{Picker, Timestamp};
use rand::RngExt as _;

const SLOTS: usize = 300;

fn weights() -> Vec<u32> {
    let mut rng = rng::stream(1, "weights");
    (0..SLOTS)
        .map(|_| 1 + rng.random_range(0..100) as u32)
        .collect()
}

fn request(i: u64) -> Request {
    Request::new(Timestamp::from_millis(i)).with_key(i.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Allocations of 150,000 requests, every tenth of them with a retry, and 1,500 changes of weight between them.
fn allocations(picker: &mut dyn Picker) -> u64 {
    let mut rng = rng::stream(2, "changes");
    let counted = measure(|| {
        for i in 0..150_000 {
            if i % 100 == 0 {
                picker.set_weight(
                    rng.random_range(0..SLOTS as u64) as usize,
                    rng.random_range(0..50) as u32,
                );
            }
            let request = request(i);
            if let Some(slot) = picker.pick(&request) {
                if i % 10 == 0
                    && let Some(retry) = picker.pick_except(&request, &[slot])
                {
                    picker.ended(
                        retry,
                        request.now,
                        Duration::from_micros(1),
                        CallOutcome::Error,
                    );
                }
                picker.done(slot, request.now, Duration::from_micros(i % 977));
            }
        }
    });
    counted.count_total
}

#[test]
fn the_counter_counts() {
    let counted = measure(|| drop(std::hint::black_box(vec![1u8; 100])));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn picks_and_changes_of_weight_allocate_nothing() {
    let weights = weights();
    let real: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    let named: Vec<(u64, u32)> = (0..).zip(weights.iter().copied()).collect();
    let pickers: Vec<(&str, Box<dyn Picker>)> = vec![
        ("edf", Box::new(Edf::seeded(&real, 1))),
        (
            "low discrepancy",
            Box::new(LowDiscrepancy::new(&weights, 1)),
        ),
        ("smooth", Box::new(SmoothRoundRobin::new(&weights))),
        ("stride", Box::new(StaticStride::new(&real, 1))),
        ("alias", Box::new(WeightedRandom::new(&weights, 1))),
        ("p2c", Box::new(P2c::new(&weights, PeakEwma::default(), 1))),
        ("maglev", Box::new(Maglev::new(&named))),
        ("bounded", Box::new(Maglev::new(&named).bounded(125))),
    ];
    for (name, mut picker) in pickers {
        assert_eq!(allocations(picker.as_mut()), 0, "{name}");
    }
}

#[test]
fn a_follower_allocates_nothing_however_far_behind() {
    let mut shared = SharedWeights::new(SLOTS);
    for (slot, weight) in weights().into_iter().enumerate() {
        shared.set_weight(slot, weight);
    }
    let mut handle = shared.follow(|w| LowDiscrepancy::new(w, 1));
    let counted = measure(|| {
        for round in 0..3_000u32 {
            for slot in 0..(round as usize % 7) * 200 {
                shared.set_weight(slot % SLOTS, 1 + (round + slot as u32) % 90);
            }
            assert!(handle.pick(&Request::default()).is_some());
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_balancer_picks_and_an_admission_decides_without_allocating() {
    let mut balancer = Balancer::new(PriorityRules::default(), 1, |seed| {
        LowDiscrepancy::new(&[], seed)
    });
    for (slot, weight) in weights().into_iter().enumerate() {
        let member = Member {
            priority: slot as u32 % 3,
            base: 100,
            weight,
            health: if slot % 5 == 0 {
                EndpointHealth::Failing
            } else {
                EndpointHealth::Healthy
            },
        };
        balancer.set(slot, Some(member));
    }
    let rules = AdmissionRules::new(Duration::from_secs(10), Curve::ColdFactor { factor: 3 })
        .with_concurrency(Some(100))
        .with_rate(Some(1_000))
        .with_burst(10)
        .with_queue(Duration::from_millis(5));
    let admission = Admission::new(rules, Timestamp::from_secs(1)).unwrap();
    let counted = measure(|| {
        for i in 0..20_000 {
            let slot = balancer.pick(&request(i)).unwrap();
            assert!(balancer.pick_except(&request(i), &[slot]).is_some());
            let _ = admission.ask(Timestamp::from_millis(1_000 + i));
            admission.done();
        }
    });
    assert_eq!(counted.count_total, 0);
}

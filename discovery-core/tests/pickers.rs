//! What every picker promises, and what each promises beside.

use core::time::Duration;

use discovery_core::pick::{
    Edf, LowDiscrepancy, Maglev, P2c, PeakEwma, Request, SharedWeights, SmoothRoundRobin,
    StaticStride, WeightedRandom,
};
use discovery_core::rng;
use discovery_core::{Picker, Timestamp};
use proptest::prelude::*;

fn all(weights: &[u32]) -> Vec<(&'static str, Box<dyn Picker>)> {
    let real: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    let stride = StaticStride::new(&real, 0);
    let named: Vec<(u64, u32)> = (0..)
        .map(|i| i * 77 + 5)
        .zip(weights.iter().copied())
        .collect();
    vec![
        ("edf", Box::new(Edf::new(&real))),
        ("edf seeded", Box::new(Edf::seeded(&real, 4))),
        ("low discrepancy", Box::new(LowDiscrepancy::new(weights, 4))),
        ("smooth", Box::new(SmoothRoundRobin::new(weights))),
        ("stride", Box::new(stride)),
        ("alias", Box::new(WeightedRandom::new(weights, 4))),
        ("p2c", Box::new(P2c::new(weights, PeakEwma::default(), 4))),
        ("maglev", Box::new(Maglev::new(&named))),
        ("bounded", Box::new(Maglev::new(&named).bounded(125))),
    ]
}

fn request(i: u64) -> Request {
    Request::new(Timestamp::from_millis(i)).with_key(i.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(256), failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever weights come and go: a pick has weight, and there is one if there is any weight.
    #[test]
    fn picks_have_weight(
        first in proptest::collection::vec(prop_oneof![Just(0u32), 1..5u32, Just(u32::MAX)], 0..40),
        changes in proptest::collection::vec((0..60usize, prop_oneof![Just(0u32), 1..2_000u32]), 0..60),
    ) {
        for (name, mut picker) in all(&first) {
            let mut weights = first.clone();
            for (i, (slot, weight)) in changes.iter().enumerate() {
                picker.set_weight(*slot, *weight);
                if *slot >= weights.len() && *weight > 0 {
                    weights.resize(slot + 1, 0);
                }
                if let Some(w) = weights.get_mut(*slot) {
                    *w = *weight;
                }
                for k in 0..3 {
                    let picked = picker.pick(&request(i as u64 * 3 + k));
                    let open = weights.iter().any(|&w| w > 0);
                    prop_assert_eq!(picked.is_some(), open, "{} {:?}", name, &weights);
                    if let Some(slot) = picked {
                        prop_assert!(weights[slot] > 0, "{} picked {}", name, slot);
                        picker.done(slot, Timestamp::from_millis(i as u64), Duration::from_millis(1));
                    }
                }
            }
        }
    }
}

#[test]
fn shares_are_the_weights() {
    let weights = [10, 0, 30, 20, 40];
    let picks = 100_000u64;
    for (name, mut picker) in all(&weights) {
        let mut counts = [0u64; 5];
        for i in 0..picks {
            let slot = picker.pick(&request(i)).unwrap();
            counts[slot] += 1;
            picker.done(slot, Timestamp::from_millis(i), Duration::from_millis(1));
        }
        // Smooth ones are exact; random ones have their noise, a hash table its places.
        let slack = match name {
            "edf" | "edf seeded" | "low discrepancy" | "smooth" => 2.0,
            "stride" => 5.0,
            "bounded" => 1_500.0,
            _ => 800.0,
        };
        for (count, weight) in counts.iter().zip(weights) {
            let fair = picks as f64 * f64::from(weight) / 100.0;
            assert!(
                (*count as f64 - fair).abs() <= slack,
                "{name}: {count} for {fair}"
            );
        }
    }
}

#[test]
fn a_raised_weight_counts_at_once_in_edf() {
    let mut weights = vec![100.0; 100];
    weights[0] = 0.001;
    let mut edf = Edf::new(&weights);
    (0..50).for_each(|_| assert!(edf.pick(&Request::default()).is_some()));
    edf.set(0, 100.0);
    let until = (0..500).find(|_| edf.pick(&Request::default()) == Some(0));
    assert!(
        until.is_some_and(|n| n <= 110),
        "picked after {until:?} picks, not within a round"
    );
}

#[test]
fn failures_lower_nginx_weights_and_picks_bring_them_back() {
    let mut smooth = SmoothRoundRobin::new(&[10, 10]);
    smooth.failed(0, 1);
    let share = |s: &mut SmoothRoundRobin| {
        (0..20)
            .filter(|_| s.pick(&Request::default()) == Some(0))
            .count()
    };
    assert!(share(&mut smooth) < 10);
    assert_eq!(share(&mut smooth), 10);
}

#[test]
fn keys_stay_where_they_are() {
    let slots: Vec<(u64, u32)> = (0..50).map(|i| (i * 31 + 7, 10)).collect();
    let mut before = Maglev::new(&slots);
    let mut after = Maglev::new(&slots);
    after.set_weight(3, 0);
    after.settle();
    let (mut moved, keys) = (0, 20_000);
    for i in 0..keys {
        let was = before.pick(&request(i)).unwrap();
        assert_eq!(before.pick(&request(i)), Some(was), "a key has one place");
        moved += u64::from(was != 3 && after.pick(&request(i)) != Some(was));
    }
    // Maglev's disruption beyond the slot's own keys: a few percent with 100 places a slot.
    assert!(
        moved * 100 < keys * 4,
        "{moved} of {keys} moved for no reason"
    );
}

/// A change of weight shows after about as many picks as the table has places, and until then keys stay.
#[test]
fn a_table_is_built_anew_while_it_serves() {
    let slots: Vec<(u64, u32)> = (0..50).map(|i| (i * 31 + 7, 100)).collect();
    let mut maglev = Maglev::new(&slots);
    let share = |maglev: &mut Maglev, from: u64| {
        let hits = (from..from + 10_000).filter(|&i| maglev.pick(&request(i)) == Some(3));
        hits.count()
    };
    let before = share(&mut maglev, 0);
    assert!((100..300).contains(&before), "{before} of a fair 200");
    maglev.set_weight(3, 2_000);
    let (keys, was): (Vec<u64>, _) = ((0..500).collect(), maglev.clone());
    let at = |mut m: Maglev| {
        keys.iter()
            .map(|&i| m.pick(&request(i)))
            .collect::<Vec<_>>()
    };
    assert_eq!(at(was), at(maglev.clone()));
    // 16,381 places.
    (0..20_000).for_each(|i| assert!(maglev.pick(&request(i)).is_some()));
    let after = share(&mut maglev, 0);
    assert!((2_500..3_300).contains(&after), "{after} of a fair 2,898");
    let mut settled = maglev.clone();
    settled.settle();
    assert_eq!(at(settled), at(maglev), "built bit by bit it is the same");
}

/// Grown one by one, each of them has its share soon; half of all gone, the rest takes over at once.
#[test]
fn a_table_keeps_up_with_large_changes() {
    let mut maglev = Maglev::new(&[]);
    for slot in 0..100 {
        maglev.set_weight(slot, 10);
        assert!(maglev.pick(&request(slot as u64)).is_some());
    }
    let mut counts = vec![0u32; 100];
    (0..20_000).for_each(|i| counts[maglev.pick(&request(i)).unwrap()] += 1);
    assert!(counts[..50].iter().all(|&n| n > 0));
    counts.fill(0);
    (0..20_000).for_each(|i| counts[maglev.pick(&request(i)).unwrap()] += 1);
    assert!(counts.iter().all(|&n| (50..400).contains(&n)), "{counts:?}");
    (0..99).for_each(|slot| maglev.set_weight(slot, 0));
    assert_eq!(maglev.pick(&request(1)), Some(99));
    maglev.set_weight(99, 0);
    assert_eq!(maglev.pick(&request(1)), None);
    maglev.set_weight(5, 1);
    assert_eq!(maglev.pick(&request(1)), Some(5));
}

#[test]
fn one_heavy_slot_among_thousands_takes_its_share_of_the_table() {
    let slots: Vec<(u64, u32)> = (0..6_000)
        .map(|i| (i * 31 + 7, if i == 77 { 1_000_000_000 } else { 1 }))
        .collect();
    let mut maglev = Maglev::new(&slots);
    let hits = (0..50_000).filter(|&i| maglev.pick(&request(i)) == Some(77));
    assert!(hits.count() > 49_900);
    maglev.set_weight(77, 6_000);
    maglev.settle();
    let hits = (0..50_000)
        .filter(|&i| maglev.pick(&request(i)) == Some(77))
        .count();
    assert!((24_000..26_000).contains(&hits), "{hits}");
}

/// Nobody but gRPC's unknown weights is lifted to the mean.
#[test]
fn stride_never_picks_weight_0() {
    let mut stride = StaticStride::new(&[100_000.0, 100_000.0, 0.0], 0);
    assert!((0..10_000).all(|_| stride.pick(&Request::default()) != Some(2)));
    assert_eq!(stride.weight(2), 0);
    let mut stride = StaticStride::new(&[0.0, 0.0], 7);
    assert_eq!(stride.pick(&Request::default()), None);
    let mut stride = StaticStride::new(&[0.0, -1.0, f64::NAN], 7);
    assert!((0..100).all(|_| stride.pick(&Request::default()) != Some(0)));
    assert_eq!([0, 1, 2].map(|s| stride.weight(s)), [0, 1, 1]);
    stride.set_weight(1, 0);
    stride.set_weight(2, 0);
    assert_eq!(stride.pick(&Request::default()), None);
}

/// A weight may be less than 1; a follower must still be able to take it away.
#[test]
fn light_edf_weights_are_not_0() {
    let mut shared = SharedWeights::new(2);
    (0..2).for_each(|slot| assert!(shared.set_weight(slot, 1)));
    let mut edf = shared.follow(|w| {
        let light: Vec<f64> = w.iter().map(|&w| f64::from(w) * 1e-3).collect();
        Edf::new(&light)
    });
    assert!(edf.pick(&Request::default()).is_some());
    assert!(shared.set_weight(0, 0));
    assert!((0..100).all(|_| edf.pick(&Request::default()) == Some(1)));
    let mut edf = Edf::new(&[f64::MIN_POSITIVE / 1e10, 1.0, f64::INFINITY, f64::MAX]);
    assert!((0..100).all(|_| edf.pick(&Request::default()) == Some(3)));
    edf.set(3, 0.0);
    assert!((0..100).all(|_| edf.pick(&Request::default()) == Some(1)));
}

#[test]
fn bounded_load_is_bounded() {
    let slots: Vec<(u64, u32)> = (0..10).map(|i| (i, 1 + i as u32)).collect();
    let mut bounded = Maglev::new(&slots).bounded(125);
    let mut under_way = [0u32; 10];
    let total: u32 = slots.iter().map(|s| s.1).sum();
    for i in 1..=2_000u32 {
        // One hot key.
        let slot = bounded.pick(&request(1)).unwrap();
        under_way[slot] += 1;
        let bound = (1.25 * f64::from(i) * f64::from(slots[slot].1) / f64::from(total)).ceil();
        assert!(
            f64::from(under_way[slot]) <= bound,
            "{} over {bound}",
            under_way[slot]
        );
    }
    assert!(
        under_way.iter().filter(|&&n| n > 0).count() >= 8,
        "a hot key spills over"
    );
    for (slot, n) in under_way.iter().enumerate() {
        (0..*n).for_each(|_| bounded.done(slot, Timestamp::ZERO, Duration::ZERO));
    }
    let first = bounded.pick(&request(1));
    assert_eq!(
        first,
        Maglev::new(&slots).pick(&request(1)),
        "an idle bound changes nothing"
    );
}

#[test]
fn choices_send_slow_endpoints_less() {
    let mut p2c = P2c::new(&[10; 10], PeakEwma::default(), 3);
    let mut ring = std::collections::VecDeque::new();
    let mut counts = [0u32; 10];
    for i in 0..100_000u64 {
        let now = Timestamp::from_nanos(i * 50_000);
        let slot = p2c.pick(&Request::new(now)).unwrap();
        counts[slot] += 1;
        // Slot 0 takes ten times as long.
        ring.push_back((i + if slot == 0 { 400 } else { 40 }, slot));
        let ended = ring
            .iter()
            .filter(|(end, _)| *end <= i)
            .copied()
            .collect::<Vec<_>>();
        ring.retain(|(end, _)| *end > i);
        for (_, slot) in ended {
            let latency = Duration::from_millis(if slot == 0 { 20 } else { 2 });
            p2c.done(slot, now, latency);
        }
    }
    let fair = 100_000 / 10;
    assert!(counts[0] < fair / 3, "the slow one had {counts:?}");
    assert!(
        counts[1..].iter().all(|&n| n > fair && n < fair * 12 / 10),
        "{counts:?}"
    );
}

#[test]
fn threads_follow_shared_weights() {
    let mut shared = SharedWeights::new(64);
    (0..64).for_each(|slot| assert!(shared.set_weight(slot, 1 + slot as u32)));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|seed| {
                let mut handle = shared.follow(|w| LowDiscrepancy::new(w, seed));
                scope.spawn(move || {
                    let mut n = 0u32;
                    // Until the writer's last word has arrived, and then all picks are slot 5's.
                    while n < 1_000 {
                        let slot = handle.pick(&Request::default()).unwrap();
                        n = if slot == 5 && handle.picker().weight(6) == 0 {
                            n + 1
                        } else {
                            0
                        };
                    }
                    handle.picker().weight(5)
                })
            })
            .collect();
        let mut rng = rng::stream(1, "writer");
        for _ in 0..20_000 {
            shared.set_weight(
                rng.random_range(0..64) as usize,
                1 + rng.random_range(0..9) as u32,
            );
        }
        (0..64)
            .filter(|s| *s != 5)
            .for_each(|slot| assert!(shared.set_weight(slot, 0)));
        assert!(shared.set_weight(5, 77));
        for thread in threads {
            assert!(thread.join().unwrap() > 0);
        }
    });
}

#[test]
fn who_was_slow_once_is_tried_again() {
    let slots = 100;
    let mut p2c = P2c::new(&vec![10; slots], PeakEwma::default(), 3);
    let (start, call) = (Timestamp::from_secs(1), Duration::from_millis(1));
    (0..slots).for_each(|slot| p2c.done(slot, start, call));
    p2c.done(0, start, call * 10_000);
    let mut picks = [0u32; 10];
    for i in 0..100_000u64 {
        let now = Timestamp::from_millis(1_000 + i);
        let slot = p2c.pick(&Request::new(now)).unwrap();
        picks[(i / 10_000) as usize] += u32::from(slot == 0);
        p2c.done(slot, now, call);
    }
    // 100 a step of 10 s are fair.
    assert!(
        picks[0] < 10,
        "{picks:?}: one call of 10 s in its last second"
    );
    assert!(picks[9] > 60, "{picks:?}: and nothing against it since");
}

#[test]
fn a_slot_that_changes_hands_has_no_latency() {
    let mut p2c = P2c::new(&[10, 10], PeakEwma::default(), 3);
    let at = Timestamp::from_secs(5);
    p2c.done(0, at, Duration::from_secs(1_000));
    p2c.done(1, at, Duration::from_millis(300));
    let share = |p2c: &mut P2c| {
        let request = Request::new(at);
        let picked = (0..2_000).filter_map(|_| p2c.pick(&request));
        let picked: Vec<usize> = picked.collect();
        picked
            .iter()
            .for_each(|&slot| p2c.done(slot, at, Duration::from_millis(1)));
        picked.iter().filter(|&&slot| slot == 0).count()
    };
    p2c.set_weight(0, 0);
    p2c.set_weight(0, 10);
    let got = share(&mut p2c);
    assert!((800..1_200).contains(&got), "{got} of 2000");
}

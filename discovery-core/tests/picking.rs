//! Pickers, seen from outside.

use discovery_core::{Edf, Golden, Picker, Request, Rng};

/// The largest |count - expected| over the run, looked at after every `stride` picks.
fn deviation(picker: &mut dyn Picker, weights: &[u32], picks: u64, stride: u64) -> f64 {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let mut counts = vec![0u64; weights.len()];
    let mut worst = 0f64;
    for n in 1..=picks {
        counts[picker.pick(&Request::default()).unwrap()] += 1;
        if n % stride == 0 {
            for (count, &w) in counts.iter().zip(weights) {
                worst = worst.max((*count as f64 - n as f64 * f64::from(w) / total).abs());
            }
        }
    }
    worst
}

fn weights(n: usize, seed: u64) -> Vec<u32> {
    let mut rng = Rng::new(seed, "weights");
    (0..n).map(|_| 1 + rng.below(100) as u32).collect()
}

#[test]
fn golden_stays_within_five_picks() {
    for (n, stride) in [(10, 1), (1000, 97)] {
        let weights = weights(n, 3);
        for seed in 0..4 {
            let worst = deviation(&mut Golden::new(&weights, seed), &weights, 200_000, stride);
            assert!(worst < 5.0, "{n} slots, seed {seed}: {worst}");
        }
    }
}

#[test]
fn seeded_edf_stays_within_two_picks_and_closer_with_many_slots() {
    for (n, most) in [(10, 1.7), (1000, 1.2)] {
        let weights = weights(n, 3);
        let real: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
        for seed in 0..6 {
            let mut edf = Edf::seeded(&real, seed);
            let worst = deviation(&mut edf, &weights, 50_000, if n > 10 { 13 } else { 1 });
            assert!(worst < most, "{n} slots, seed {seed}: {worst}");
        }
    }
}

#[test]
fn golden_follows_weights_as_a_fresh_one_would() {
    let mut rng = Rng::new(5, "ops");
    let mut now = vec![0u32; 0];
    let mut changed = Golden::new(&[], 9);
    for step in 0..3_000u32 {
        let slot = rng.below(600) as usize;
        let weight = match rng.below(4) {
            0 => 0,
            1 => u32::MAX - rng.below(9) as u32,
            _ => 1 + rng.below(100_000) as u32,
        };
        changed.set_weight(slot, weight);
        if slot >= now.len() && weight > 0 {
            now.resize(slot + 1, 0);
        }
        if let Some(w) = now.get_mut(slot) {
            *w = weight;
        }
        assert_eq!(changed.slots(), now.len());
        if let Some(picked) = changed.pick(&Request::default()) {
            assert!(
                changed.weight(picked) > 0,
                "step {step} picked a slot of weight 0"
            );
            assert_eq!(changed.weight(picked), now[picked]);
        } else {
            assert!(now.iter().all(|&w| w == 0));
        }
    }
    for w in &mut now {
        *w = (*w).min(100);
    }
    for (slot, &w) in now.iter().enumerate() {
        changed.set_weight(slot, w);
    }
    let worst = deviation(&mut changed, &now, 100_000, 1_000);
    assert!(worst < 6.0, "{worst}");
}

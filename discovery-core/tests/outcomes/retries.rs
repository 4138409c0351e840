//! Retries leave out what was tried.

use super::*;
use discovery_core::rng::{self, Xoshiro256PlusPlus};
use rand::RngExt as _;

#[test]
fn a_retry_never_meets_what_was_tried_and_finds_what_is_left() {
    let mut rng = rng::stream(1, "retries");
    for round in 0..60 {
        let n = 1 + rng.random_range(0..40) as usize;
        let weight = |rng: &mut Xoshiro256PlusPlus| {
            [0, 1, 7, 1_000_000_000][rng.random_range(0..4) as usize]
        };
        let weights: Vec<u32> = (0..n).map(|_| weight(&mut rng)).collect();
        for (name, mut picker) in all(&weights) {
            let mut tried = Vec::new();
            for i in 0..=n as u64 {
                let left = (0..n).any(|s| weights[s] > 0 && !tried.contains(&s));
                let picked = picker.pick_except(&at(i), &tried);
                assert_eq!(
                    picked.is_some(),
                    left,
                    "{name}, round {round}: {tried:?} of {weights:?}"
                );
                let Some(slot) = picked else { break };
                assert!(
                    weights[slot] > 0 && !tried.contains(&slot),
                    "{name}: {slot} after {tried:?}"
                );
                tried.push(slot);
                picker.ended(slot, at(i).now, MS, CallOutcome::Local);
            }
            assert_eq!(
                picker.pick(&at(99)).is_some(),
                weights.iter().any(|&w| w > 0)
            );
        }
    }
}

/// Among the others retries go by weight, however heavy what was tried, and however many retries there are.
#[test]
fn retries_share_by_weight_among_the_others() {
    let weights = [1_000_000, 10, 20, 30, 40];
    for (name, mut picker) in all(&weights) {
        let mut counts = [0u32; 5];
        for i in 0..20_000 {
            let slot = picker.pick_except(&at(i), &[0]).unwrap();
            counts[slot] += 1;
            picker.ended(slot, at(i).now, MS, CallOutcome::Ok);
        }
        assert_eq!(counts[0], 0, "{name}");
        // StaticStride lifts light weights to a tenth of the mean, and a hash table of 1,021 places has none to spare for them.
        if !["stride", "maglev", "bounded"].contains(&name) {
            for (slot, count) in counts.iter().enumerate().skip(1) {
                let fair = 20_000 * weights[slot] / 100;
                assert!(count.abs_diff(fair) < 500, "{name}: {counts:?}");
            }
        }
    }
    // Retries in between leave the shares of ordinary picks alone.
    for (name, mut picker) in all(&[10, 20, 30, 40]) {
        let (mut counts, mut with_retries) = ([0i64; 4], [0i64; 4]);
        for i in 0..10_000 {
            let first = picker.pick(&at(i)).unwrap();
            counts[first] += 1;
            let retry = picker.pick_except(&at(i), &[first]).unwrap();
            [first, retry]
                .iter()
                .for_each(|&slot| with_retries[slot] += 1);
            picker.ended(first, at(i).now, MS, CallOutcome::Ok);
            picker.ended(retry, at(i).now, MS, CallOutcome::Ok);
        }
        for (slot, (count, both)) in counts.iter().zip(with_retries).enumerate() {
            let fair = (slot as i64 + 1) * 1_000;
            let off = match name {
                // Here a retry is one of the turns that a slot has: all of them together go by weight.
                "edf" | "edf seeded" | "stride" => (both - 2 * fair).abs(),
                _ => (count - fair).abs(),
            };
            let most = if name.starts_with("edf")
                || ["low discrepancy", "follower", "smooth"].contains(&name)
            {
                3
            } else {
                800
            };
            assert!(off < most, "{name}: {counts:?} {with_retries:?}");
        }
    }
}

/// Somebody's own picker need not know of retries.
#[test]
fn a_picker_of_ones_own_retries_by_picking_again() {
    struct Turns(usize);
    impl Picker for Turns {
        fn pick(&mut self, _: &Request) -> Option<usize> {
            self.0 += 1;
            Some(self.0 % 3)
        }
        fn set_weight(&mut self, _: usize, _: u32) {}
        fn weight(&self, slot: usize) -> u32 {
            u32::from(slot < 3)
        }
        fn slots(&self) -> usize {
            3
        }
    }
    let mut picker = Turns(0);
    for _ in 0..9 {
        let mut borrowed = &mut picker;
        assert_eq!(Picker::pick_except(&mut borrowed, &at(0), &[0, 2]), Some(1));
    }
    assert_eq!(picker.pick_except(&at(0), &[0, 1, 2]), None);
}

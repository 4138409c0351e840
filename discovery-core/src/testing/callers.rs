//! What runs for each request: pickers and admission, under whatever weights and clocks.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::ops::Bytes;
use crate::health::CallOutcome;
use crate::pick::{
    Edf, LowDiscrepancy, Maglev, P2c, PeakEwma, Request, SmoothRoundRobin, StaticStride,
    WeightedRandom,
};
use crate::{Picker, Timestamp};

const WEIGHTS: [u32; 8] = [0, 1, 7, 100, 1_000, 1_000_000, 1_000_000_000, u32::MAX];

fn pickers() -> [(&'static str, Box<dyn Picker>); 9] {
    [
        ("edf", Box::new(Edf::new(&[]))),
        ("edf seeded", Box::new(Edf::seeded(&[], 1))),
        ("low discrepancy", Box::new(LowDiscrepancy::new(&[], 1))),
        ("smooth", Box::new(SmoothRoundRobin::new(&[]))),
        ("stride", Box::new(StaticStride::new(&[], u32::MAX - 9))),
        ("alias", Box::new(WeightedRandom::new(&[], 1))),
        ("p2c", Box::new(P2c::new(&[], PeakEwma::default(), 1))),
        ("maglev", Box::new(Maglev::new(&[]))),
        ("bounded", Box::new(Maglev::new(&[]).bounded(125))),
    ]
}

/// Changes of weight, picks, ends of requests and jumps of the clock, decoded from bytes.
///
/// # Panics
/// When a pick has no weight, or there is none though there is weight; when more is let in than may be.
pub fn fuzz_callers(data: &[u8]) {
    let (mut bytes, mut all) = (Bytes::new(data), pickers());
    let (mut weights, mut now) = (Vec::new(), Timestamp::from_secs(1));
    while let Some(op) = step(&mut bytes) {
        match op {
            Step::Weigh(slot, weight) => {
                if slot >= weights.len() && weight > 0 {
                    weights.resize(slot + 1, 0);
                }
                if let Some(w) = weights.get_mut(slot) {
                    *w = weight;
                }
                for (_, picker) in &mut all {
                    picker.set_weight(slot, weight);
                }
            }
            Step::Pick(key) => {
                let open = weights.iter().any(|&w| w > 0);
                for (name, picker) in &mut all {
                    let picked = picker.pick(&Request::new(now).with_key(key));
                    assert_eq!(picked.is_some(), open, "{name} of {weights:?}");
                    let weight = picked.and_then(|slot| weights.get(slot));
                    assert!(!open || weight.is_some_and(|&w| w > 0), "{name} {picked:?}");
                }
            }
            Step::Retry(key, tried) => {
                let left = |(slot, w): (usize, &u32)| *w > 0 && !tried.contains(&slot);
                let open = weights.iter().enumerate().any(left);
                for (name, picker) in &mut all {
                    let picked = picker.pick_except(&Request::new(now).with_key(key), &tried);
                    assert_eq!(
                        picked.is_some(),
                        open,
                        "{name} of {weights:?} less {tried:?}"
                    );
                    let right = |slot| weights.get(slot).is_some_and(|w| left((slot, w)));
                    assert!(picked.is_none_or(right), "{name} {picked:?}");
                }
            }
            Step::Free(slot) => {
                if let Some(w) = weights.get_mut(slot) {
                    *w = 0;
                }
                for (_, picker) in &mut all {
                    picker.free(slot, now);
                }
            }
            Step::Done(slot, ms, outcome) => {
                for (_, picker) in &mut all {
                    picker.ended(slot, now, Duration::from_millis(ms), outcome);
                }
            }
            Step::Clock(at) => now = at,
        }
    }
    #[cfg(target_has_atomic = "64")]
    admit(data);
}

enum Step {
    Weigh(usize, u32),
    Pick(u64),
    Retry(u64, [usize; 2]),
    Free(usize),
    Done(usize, u64, CallOutcome),
    Clock(Timestamp),
}

fn step(bytes: &mut Bytes<'_>) -> Option<Step> {
    Some(match bytes.below(10)? {
        0 | 1 => Step::Weigh(bytes.below(70)? as usize, WEIGHTS[bytes.below(8)? as usize]),
        2..=5 => Step::Pick(u64::from(bytes.below(255)?) << 56),
        6 => {
            let (slot, ms) = (bytes.below(70)? as usize, 1 << bytes.below(40)?);
            let outcomes = [CallOutcome::Ok, CallOutcome::Error, CallOutcome::Local];
            Step::Done(slot, ms, outcomes[bytes.below(3)? as usize])
        }
        7 => {
            let key = u64::from(bytes.below(255)?) << 56;
            Step::Retry(key, [bytes.below(70)? as usize, bytes.below(70)? as usize])
        }
        8 => Step::Free(bytes.below(70)? as usize),
        _ => Step::Clock(Timestamp::from_nanos(1 << bytes.below(64)?)),
    })
}

/// However the clock jumps, no more are under way than may be, and a burst is not exceeded at one moment.
#[cfg(target_has_atomic = "64")]
fn admit(data: &[u8]) {
    use crate::warm_up::{Admission, AdmissionRules, Curve, Decision};
    let (most, burst) = (8, 5);
    let rules = AdmissionRules::new(Duration::from_secs(10), Curve::Linear { cold_percent: 25 })
        .with_concurrency(Some(most))
        .with_rate(Some(1_000))
        .with_burst(burst);
    let Ok(admission) = Admission::new(rules, Timestamp::from_secs(1)) else {
        panic!("rules in range were refused");
    };
    let (mut bytes, mut under_way) = (Bytes::new(data), 0u32);
    while let Some(shift) = bytes.below(66) {
        match shift {
            64 => admission.done(),
            65 => admission.warm(),
            _ => {
                let now = Timestamp::from_nanos(1 << shift);
                let asked = (0..20).filter(|_| admission.ask(now) != Decision::Reject);
                let let_in = asked.count() as u32;
                assert!(let_in <= burst, "{let_in} at once");
                under_way += let_in;
            }
        }
        under_way = under_way.saturating_sub(u32::from(shift == 64));
        assert_eq!(admission.under_way(), under_way);
        assert!(under_way <= most);
    }
}

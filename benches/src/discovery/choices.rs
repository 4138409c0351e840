//! Two choices by weight: cost of a pick, and whether equal endpoints share by weight.

use std::collections::VecDeque;
use std::time::Duration;

use discovery_core::pick::{P2c, PeakEwma, Request};
use discovery_core::{Picker, Timestamp};

use super::weights;
use crate::measure::ns_per_call;
use crate::{Figure, Judge, Limit, Measured};

fn choices(weights: &[u32], seed: u64) -> P2c {
    P2c::new(weights, PeakEwma::default(), seed)
}

/// A pick with its counting, every endpoint with a latency of its own: the dearest of 10, 1,000 and 10,000
/// endpoints.
fn cost() -> Result<Measured, String> {
    let mut worst = 0f64;
    for n in [10, 1_000, 10_000] {
        let weights = weights(n);
        let mut picker = choices(&weights, 1);
        for slot in 0..n {
            picker.done(
                slot,
                Timestamp::from_secs(1),
                Duration::from_micros(500 + slot as u64),
            );
        }
        // A request each 10 us: averages decay as they are read.
        let mut at = 1_000_000_000;
        let ns = ns_per_call(15, 1_500_000, |_| {
            at += 10_000;
            let now = Timestamp::from_nanos(at);
            picker.pick(&Request::new(now))
        })?;
        worst = worst.max(ns);
    }
    Ok(Measured::alone(worst))
}

/// The largest difference, in percent, between a weight decile's part of 10^7 picks and its part of the
/// weights: 1,000 endpoints of one latency, 4 requests an endpoint under way.
fn shares() -> Result<Measured, String> {
    let n = 1_000;
    let weights = weights(n);
    let mut picker = choices(&weights, 2);
    let mut ring = VecDeque::new();
    let decile = |slot: usize| ((weights[slot] - 1) / 10) as usize;
    let mut counts = [0u64; 10];
    for i in 0..10_000_000u64 {
        let now = Timestamp::from_nanos(i * 1_000);
        let Some(slot) = picker.pick(&Request::new(now)) else {
            return Err("no pick".into());
        };
        counts[decile(slot)] += 1;
        ring.push_back(slot);
        if ring.len() > 4 * n {
            let done = ring.pop_front().unwrap_or(0);
            picker.done(done, now, Duration::from_millis(4));
        }
    }
    let mut fair = [0u64; 10];
    weights
        .iter()
        .enumerate()
        .for_each(|(slot, &w)| fair[decile(slot)] += u64::from(w));
    let all = fair.iter().sum::<u64>() as f64;
    let off = counts.iter().zip(fair).map(|(&c, f)| {
        let want = f as f64 / all * 1e7;
        ((c as f64 - want) / want * 100.0).abs()
    });
    Ok(Measured::alone(off.fold(0.0, f64::max)))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    vec![
        Figure {
            id: "discovery/choices",
            what: "two choices by weight with peak-EWMA: a pick; dearest of 10, 1,000, 10,000 endpoints",
            unit: "ns",
            judge: Judge::Ours,
            must: Limit::AtMost(30.0),
            aim: Limit::AtMost(20.0),
            long: false,
            run: cost,
        },
        Figure {
            id: "discovery/choices-shares",
            what: "its shares by weight decile against the weights, 10^7 picks at equal latency",
            unit: "%",
            judge: Judge::Ours,
            must: Limit::AtMost(2.0),
            aim: Limit::AtMost(2.0),
            long: false,
            run: shares,
        },
    ]
}

//! Simulated annealing with shifts and swaps.

extern crate std;
fn e(k: &str, d: f64) -> f64 { std::env::var(k).ok().and_then(|v| v.parse().ok()).unwrap_or(d) }
use super::Budget;
use super::prune::Reach;
use super::walk::Walk;
use crate::Rng;
use alloc::vec::Vec;

/// Evaluations between two looks at the budget.
const LOOK: u64 = 4096;
/// Precomputed draws of -ln(u): the limit that a worsening step must stay below, in temperatures.
const DRAWS: usize = 1 << 14;

/// One annealing run's parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// First temperature, in cost.
    pub(crate) hot: f64,
    /// Last temperature.
    pub(crate) cold: f64,
    /// Shares of the budget between which it runs.
    pub(crate) from: f64,
    pub(crate) until: f64,
    /// Share of swaps among the steps, of 256.
    pub(crate) swaps: u64,
}

/// Draws of -ln(u) for u on a grid in (0, 1), so that a step needs no logarithm.
pub(crate) fn draws() -> Vec<f64> {
    (0..DRAWS).map(|i| -libm::log((i as f64 + 0.5) / DRAWS as f64)).collect()
}

/// Runs one schedule from where the walk is. Returns false when the budget is spent.
pub(crate) fn anneal(
    walk: &mut Walk<'_>,
    reach: &Reach,
    rng: &mut Rng,
    draws: &[f64],
    scales: &[f64],
    schedule: Schedule,
    budget: &mut dyn Budget,
) -> bool {
    let Schedule { hot, cold, from, until, swaps } = schedule;
    let cooling = libm::log(cold / hot);
    loop {
        let spent = budget.spent(walk.evaluations);
        if spent >= until || spent >= 1.0 {
            return spent < 1.0;
        }
        let part = ((spent - from) / (until - from)).clamp(0.0, 1.0);
        let heat = hot * libm::exp(cooling * part);
        walk.set_price(e("SP0", 0.0) * (1.0 - part) * (1.0 - part));
        let active = scales.partition_point(|s| *s >= heat).max(10).min(scales.len());
        for _ in 0..LOOK {
            let r = rng.next_u64();
            let limit = (heat * draws[(r as usize) % DRAWS]) as i64;
            let task = reach.movable[rng.below(active)] as usize;
            let to = reach.draw(task, walk.now.home[task], rng.next_u64());
            if (r >> 32) & 255 < swaps {
                let there = walk.now.list(to);
                if let Some(other) = there.get(rng.below(there.len())).copied() {
                    swap(walk, task, other as usize, limit);
                }
            } else {
                shift(walk, task, to, limit);
            }
        }
        walk.evaluations += LOOK;
    }
}

/// Shifts if it fits, costs at most `limit` more, and is permitted.
#[inline]
pub(crate) fn shift(walk: &mut Walk<'_>, task: usize, to: usize, limit: i64) -> bool {
    let (model, now) = (walk.model, &walk.now);
    if now.at[task] as usize == to || !now.fits(model, to, task) {
        return false;
    }
    let price = walk.price(task, to) - walk.price(task, now.at[task] as usize);
    if now.shift_cost(model, task, to) + price > limit || !now.permits(model, task, to) {
        return false;
    }
    walk.shift(task, to);
    walk.mark();
    true
}

/// Swaps two tasks' nodes if both fit, it costs at most `limit` more, and both are permitted.
#[inline]
pub(crate) fn swap(walk: &mut Walk<'_>, a: usize, b: usize, limit: i64) -> bool {
    let (model, now) = (walk.model, &walk.now);
    let (at_a, at_b) = (now.at[a] as usize, now.at[b] as usize);
    if at_a == at_b || !now.fits_after(model, at_a, a, b) || !now.fits_after(model, at_b, b, a) {
        return false;
    }
    let price = walk.price(a, at_b) + walk.price(b, at_a) - walk.price(a, at_a) - walk.price(b, at_b);
    if now.swap_cost(model, a, b) + price > limit {
        return false;
    }
    if model.service_of[a] == model.service_of[b] {
        // The service's counters stay as they are; only each task's own constraints are asked.
        if !now.may_stand(model, a, at_b) || !now.may_stand(model, b, at_a) {
            return false;
        }
        walk.shift(a, at_b);
        walk.shift(b, at_a);
        walk.mark();
        return true;
    }
    if !now.permits(model, a, at_b) {
        return false;
    }
    walk.shift(a, at_b);
    if !walk.now.permits(model, b, at_a) {
        walk.shift(a, at_a);
        return false;
    }
    walk.shift(b, at_a);
    walk.mark();
    true
}

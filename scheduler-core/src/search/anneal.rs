//! Annealing with single shifts and swaps, the large tasks first: while it is hot only tasks that weigh as
//! much as the temperature take part, since smaller ones would only wander and take up room.

use super::prune::Reach;
use super::walk::Walk;
use super::{Budget, steps};
use crate::Rng;
use alloc::vec::Vec;

/// Precomputed draws of -ln(u): the limit that a worsening step must stay below, in temperatures.
const DRAWS: usize = 1 << 12;
/// Evaluations between two looks at the budget.
const LOOK: u64 = 4096;
/// First temperature, in mean cost above the bound of a task; the last one is 1.
const HOT: f64 = 10.0;
/// First price of transient room, in load costs of what is held.
const PRICE: f64 = 1.0;

/// Anneals until the share `until` of the budget is spent; false when all of it is.
pub(super) fn anneal(
    walk: &mut Walk<'_>,
    rng: &mut Rng,
    until: f64,
    budget: &mut dyn Budget,
    improved: &mut dyn FnMut(u64, i64),
) -> bool {
    let model = walk.model;
    let mut reach = Reach::new(model, &walk.now);
    if reach.movable.is_empty() {
        return true;
    }
    let width = model.resources;
    let weigh = |t: u32| -> i64 {
        let need = &model.need[t as usize * width..][..width];
        need.iter().zip(&model.load_weight).map(|(q, w)| q * w).sum()
    };
    reach.movable.sort_by_key(|t| core::cmp::Reverse(weigh(*t)));
    let weights: Vec<f64> = reach.movable.iter().map(|t| weigh(*t) as f64).collect();
    let draws: Vec<f64> =
        (0..DRAWS).map(|i| -libm::log((i as f64 + 0.5) / DRAWS as f64)).collect();
    let gap = (walk.cost - super::lower_bound(model)) as f64 / model.tasks() as f64;
    let hot = (gap * HOT).max(2.0);
    loop {
        let spent = budget.spent(walk.evaluations);
        if spent >= until || spent >= 1.0 {
            return spent < 1.0;
        }
        let part = (spent / until).min(1.0);
        let heat = hot * libm::exp(-libm::log(hot) * part);
        walk.set_price(PRICE * (1.0 - part) * (1.0 - part));
        let active = weights.partition_point(|w| *w >= heat).max(10).min(weights.len());
        for _ in 0..LOOK {
            let random = rng.next_u64();
            let limit = (heat * draws[random as usize % DRAWS]) as i64;
            let task = reach.movable[rng.below(active)] as usize;
            let to = reach.draw(task, walk.now.home[task], rng.next_u64());
            if random >> 63 == 0 {
                steps::shift(walk, task, to, limit);
                continue;
            }
            let there = walk.now.list(to);
            if let Some(other) = there.get(rng.below(there.len())).copied() {
                steps::swap(walk, task, other as usize, limit);
            }
        }
        walk.evaluations += LOOK;
        for (evaluations, cost) in walk.curve.drain(..) {
            improved(evaluations, cost);
        }
    }
}

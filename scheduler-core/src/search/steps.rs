//! Single shifts and swaps.

use super::walk::Walk;

/// Shifts if it fits, costs at most `limit` more (prices included), and is permitted.
#[inline]
pub(super) fn shift(walk: &mut Walk<'_>, task: usize, to: usize, limit: i64) -> bool {
    let (model, now) = (walk.model, &walk.now);
    let at = now.at[task] as usize;
    if at == to || !now.fits(model, to, task) {
        return false;
    }
    let price = walk.price(task, to) - walk.price(task, at);
    if now.shift_cost(model, task, to) + price > limit || !now.permits(model, task, to) {
        return false;
    }
    walk.shift(task, to);
    walk.mark();
    true
}

/// Swaps two tasks' nodes if both fit, it costs at most `limit` more (prices included), and both are
/// permitted one after the other.
#[inline]
pub(super) fn swap(walk: &mut Walk<'_>, a: usize, b: usize, limit: i64) -> bool {
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
    } else {
        if !now.permits(model, a, at_b) {
            return false;
        }
        walk.shift(a, at_b);
        if !walk.now.permits(model, b, at_a) {
            walk.shift(a, at_a);
            return false;
        }
    }
    walk.shift(b, at_a);
    walk.mark();
    true
}

//! Single shifts and swaps on a soft placement.

use super::soft::Soft;

/// Shifts a task if that is permitted and costs at most `limit` more, excess and prices included.
#[inline]
pub(super) fn shift(soft: &mut Soft<'_>, task: usize, to: usize, limit: f64) -> bool {
    let from = soft.at[task] as usize;
    if from == to {
        return false;
    }
    let comes =
        soft.change(to, soft.with(to, task)) + soft.standing(task, to) - soft.standing(task, from);
    // What leaves can gain no more than the whole node costs.
    if comes - soft.node_cost(from) > limit {
        return false;
    }
    let change = comes + soft.change(from, soft.without(from, task));
    if change > limit || !soft.permits(task, to) {
        return false;
    }
    soft.shift(task, to);
    true
}

/// Swaps two tasks' nodes if both may, one after the other, and it costs at most `limit` more.
#[inline]
pub(super) fn swap(soft: &mut Soft<'_>, a: usize, b: usize, limit: f64) -> bool {
    let (at_a, at_b) = (soft.at[a] as usize, soft.at[b] as usize);
    if at_a == at_b || !soft.reaches(b, at_a) {
        return false;
    }
    let moves = soft.standing(a, at_b) - soft.standing(a, at_a) + soft.standing(b, at_a)
        - soft.standing(b, at_b);
    let there = moves + soft.change(at_b, soft.exchanged(at_b, a, b));
    if there - soft.node_cost(at_a) > limit {
        return false;
    }
    if there + soft.change(at_a, soft.exchanged(at_a, b, a)) > limit {
        return false;
    }
    let model = soft.model;
    if model.service_of[a] == model.service_of[b] {
        if !soft.may_stand(a, at_b) {
            return false;
        }
        // The service's counters stay as they are.
        soft.shift(a, at_b);
    } else {
        if !soft.permits(a, at_b) {
            return false;
        }
        soft.shift(a, at_b);
        if !soft.permits(b, at_a) {
            soft.shift(a, at_a);
            return false;
        }
    }
    soft.shift(b, at_a);
    true
}

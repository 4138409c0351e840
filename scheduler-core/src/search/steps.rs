//! Single shifts and swaps on a penalised placement.

use super::penalised::Penalised;

/// Shifts a task if that is permitted and costs at most `limit` more, excess and penalties included.
#[inline]
pub(super) fn shift(state: &mut Penalised<'_>, task: usize, to: usize, limit: f64) -> bool {
    let from = state.at[task] as usize;
    if from == to {
        return false;
    }
    let comes = state.change(to, state.with(to, task)) + state.assignment(task, to)
        - state.assignment(task, from);
    // What leaves can gain no more than the whole node costs.
    if comes - state.node_cost(from) > limit {
        return false;
    }
    let change = comes + state.change(from, state.without(from, task));
    if change > limit || !state.permits(task, to) {
        return false;
    }
    state.shift(task, to);
    true
}

/// Swaps two tasks' nodes if both may, one after the other, and it costs at most `limit` more.
#[inline]
pub(super) fn swap(state: &mut Penalised<'_>, a: usize, b: usize, limit: f64) -> bool {
    let (at_a, at_b) = (state.at[a] as usize, state.at[b] as usize);
    if at_a == at_b || !state.reaches(b, at_a) {
        return false;
    }
    let moves = state.assignment(a, at_b) - state.assignment(a, at_a) + state.assignment(b, at_a)
        - state.assignment(b, at_b);
    let there = moves + state.change(at_b, state.exchanged(at_b, a, b));
    if there - state.node_cost(at_a) > limit {
        return false;
    }
    if there + state.change(at_a, state.exchanged(at_a, b, a)) > limit {
        return false;
    }
    let model = state.model;
    if model.service_of[a] == model.service_of[b] {
        if !state.may_stand(a, at_b) {
            return false;
        }
        // The service's counters stay as they are.
        state.shift(a, at_b);
    } else {
        if !state.permits(a, at_b) {
            return false;
        }
        state.shift(a, at_b);
        if !state.permits(b, at_a) {
            state.shift(a, at_a);
            return false;
        }
    }
    state.shift(b, at_a);
    true
}

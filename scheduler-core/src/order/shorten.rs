//! Takes out waiting that turned out not to be needed once the whole sequence was known.

use super::sequence::{End, Hop};
use crate::model::Model;
use crate::placement::Placement;
use alloc::vec;
use alloc::vec::Vec;

/// Moves tried again at most.
const WORK: usize = 2_000_000;

/// A sequence that does the same in fewer moves: where a task moves twice it is tried whether it can make
/// one move of it, now or later, with all others between as they are.
pub(super) fn shorten(model: &Model, start: &Placement, mut hops: Vec<Hop>) -> Vec<Hop> {
    let mut work = 0;
    loop {
        let before = hops.len();
        hops = pass(model, start.clone(), hops, &mut work);
        if hops.len() == before || work > WORK {
            return hops;
        }
    }
}

fn pass(model: &Model, start: Placement, hops: Vec<Hop>, work: &mut usize) -> Vec<Hop> {
    let next = next_of_task(model, &hops);
    let mut hops: Vec<Option<Hop>> = hops.into_iter().map(Some).collect();
    let mut end = End::new(start);
    for i in 0..hops.len() {
        let Some(first) = hops[i] else { continue };
        let again = next[i].and_then(|j| hops[j].map(|second| (j, second)));
        if let Some((j, second)) = again.filter(|_| *work <= WORK) {
            let whole = Hop {
                to: second.to,
                ..first
            };
            *work += 2 * (j - i);
            if whole.from == whole.to || runs(model, &mut end, &hops[i + 1..j], None, Some(whole)) {
                let drops =
                    whole.from != whole.to || runs(model, &mut end, &hops[i + 1..j], None, None);
                if drops {
                    hops[i] = None;
                    hops[j] = (whole.from != whole.to).then_some(whole);
                    continue;
                }
            } else if runs(model, &mut end, &hops[i + 1..j], Some(whole), None) {
                hops[i] = Some(whole);
                hops[j] = None;
            }
        }
        if let Some(hop) = hops[i] {
            end.put(model, hop.task, hop.to);
        }
    }
    hops.into_iter().flatten().collect()
}

/// Whether the hops can be made one after another, with one more before or after them.
fn runs(
    model: &Model,
    end: &mut End,
    hops: &[Option<Hop>],
    before: Option<Hop>,
    after: Option<Hop>,
) -> bool {
    let start = end.hops.len();
    let between = hops.iter().flatten().copied();
    let all_run = before.into_iter().chain(between).chain(after).all(|hop| {
        let may = end.may(model, hop.task, hop.to);
        if may {
            end.hop(model, hop.task, hop.to);
        }
        may
    });
    end.undo_to(model, start);
    all_run
}

/// Index of the next hop of the same task.
fn next_of_task(model: &Model, hops: &[Hop]) -> Vec<Option<usize>> {
    let mut latest: Vec<Option<usize>> = vec![None; model.tasks()];
    let mut next = vec![None; hops.len()];
    for (i, hop) in hops.iter().enumerate().rev() {
        next[i] = latest[hop.task as usize].replace(i);
    }
    next
}

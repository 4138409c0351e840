//! Where no single permitted move repairs anything more: moves that break something for a while, the best of those
//! that are not forbidden for having been made lately (tabu search, Glover 1989).

use super::suspects;
use crate::model::{Model, NodeId, TaskId};
use crate::placement::Placement;
use crate::rng::stream;
use crate::uniform::Uniform as _;
use alloc::vec;
use alloc::vec::Vec;
use rand::Rng;

/// Tasks and nodes looked at in one step at most.
const TASKS: usize = 48;
const NODES: usize = 96;
/// A task that has moved stays for so many steps, and up to as many more.
const STAYS: usize = 4;
/// Steps without a better assignment after which it is given up, and more for each task to begin with.
const PATIENCE: usize = 400;
const PATIENCE_EACH: usize = 8;

/// Searches on from an assignment until nothing is broken, patience ends or `spend` says that there is no room for so
/// many evaluations. The best assignment found; moves that turn out not to be needed are taken back.
pub(super) fn search(
    model: &Model,
    start: &Placement,
    seed: u64,
    spend: &mut dyn FnMut(u64) -> bool,
) -> Placement {
    let goal = start.held_damage(model);
    let (mut rng, mut now) = (stream(seed, "mending"), start.clone());
    let mut damage = now.damage(model);
    let (mut best, mut least) = (now.clone(), damage);
    let mut until = vec![0_usize; model.tasks()];
    let mut patience = 0;
    for step in 0.. {
        if least <= goal || patience == 0 && step > 0 {
            break;
        }
        let tasks = drawn(suspects(model, &now), TASKS, &mut rng);
        if step == 0 {
            patience = PATIENCE + PATIENCE_EACH * tasks.len();
        }
        patience -= 1;
        let nodes = drawn((0..model.nodes as u32).collect(), NODES, &mut rng);
        if !spend((tasks.len() * nodes.len()) as u64) {
            break;
        }
        let free = |t: u32, after: i128| until[t as usize] <= step || after < least;
        let Some((change, task, to)) = chosen(model, &now, &tasks, &nodes, damage, &free) else {
            // All of them have just moved.
            continue;
        };
        now.shift(model, task as usize, to as usize);
        damage += change;
        until[task as usize] = step + STAYS + rng.below(STAYS);
        if damage < least {
            (best, least) = (now.clone(), damage);
            patience = patience.max(PATIENCE);
        }
    }
    take_back(model, &mut best);
    best
}

/// The move that leaves least broken, of equals the cheapest, forbidden by nothing but what it breaks.
fn chosen(
    model: &Model,
    now: &Placement,
    tasks: &[u32],
    nodes: &[u32],
    damage: i128,
    free: &dyn Fn(u32, i128) -> bool,
) -> Option<(i128, u32, u32)> {
    let mut best: Option<(i128, i64, u32, u32)> = None;
    for task in tasks {
        let t = *task as usize;
        for to in nodes {
            let allowed = model.allows(TaskId(*task), NodeId(*to));
            if !allowed || now.at[t] == *to {
                continue;
            }
            let change = now.damage_change(model, t, *to as usize);
            let dearer = best.is_some_and(|b| change > b.0);
            if dearer || !free(*task, damage + change) {
                continue;
            }
            let found = (change, now.shift_cost(model, t, *to as usize), *task, *to);
            if best.is_none_or(|b| found < b) {
                best = Some(found);
            }
        }
    }
    best.map(|(change, _, task, to)| (change, task, to))
}

/// Sends home what need not be away, as long as anything can be sent.
fn take_back(model: &Model, placement: &mut Placement) {
    loop {
        let before = placement.moves();
        for task in 0..model.tasks() {
            let home = placement.home[task] as usize;
            let ids = (TaskId(task as u32), NodeId(home as u32));
            if placement.at[task] as usize != home
                && placement.blocked(model, ids.0, ids.1).is_none()
                && placement.damage_change(model, task, home) <= 0
            {
                placement.shift(model, task, home);
            }
        }
        if placement.moves() == before {
            return;
        }
    }
}

/// At most so many of a list, in random order if there are more.
fn drawn(mut list: Vec<u32>, most: usize, rng: &mut impl Rng) -> Vec<u32> {
    if list.len() > most {
        for i in 0..most {
            let other = i + rng.below(list.len() - i);
            list.swap(i, other);
        }
        list.truncate(most);
    }
    list
}

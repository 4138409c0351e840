//! For a few moves: the largest set of them that can be made one by one, by going through all sets.

use super::wave::Wave;
use super::{Order, OrderLimits, Step};
use crate::{Model, NodeId, Placement, TaskId};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Moves up to which all sets are tried.
pub(super) const MOST: usize = 12;

/// The order that gives up fewest moves, without places to wait, one move a wave.
pub(super) fn exhaust(model: &Model, start: Placement, target: &[NodeId]) -> Order {
    let moves: Vec<usize> = (0..target.len())
        .filter(|t| start.at[*t] != target[*t].0)
        .collect();
    let homes = start.at.clone();
    let sets = 1_usize << moves.len();
    // By which move each set was reached first; `NEVER` when it was not.
    const NEVER: u8 = u8::MAX;
    let mut reached_by = vec![NEVER; sets];
    let mut now = start;
    let (mut best, mut seen) = (0_usize, vec![false; sets]);
    seen[0] = true;
    // A set's subsets have smaller numbers, so one pass in order is enough.
    for set in 0..sets {
        if !seen[set] {
            continue;
        }
        if set.count_ones() > best.count_ones() {
            best = set;
        }
        for (i, task) in moves.iter().enumerate() {
            let node = if set >> i & 1 == 1 {
                target[*task].0
            } else {
                homes[*task]
            };
            now.shift(model, *task, node as usize);
            now.settle(model, *task);
        }
        for (i, task) in moves.iter().enumerate() {
            let next = set | 1 << i;
            if next != set && !seen[next] {
                let mut wave = Wave::new(model, &now, OrderLimits::default());
                if wave.add(&now, *task, target[*task].index()).is_none() {
                    seen[next] = true;
                    reached_by[next] = i as u8;
                }
            }
        }
    }
    let mut order = Order::default();
    let mut set = best;
    while set != 0 {
        let i = usize::from(reached_by[set]);
        let task = moves[i];
        let (from, to) = (NodeId(homes[task]), target[task]);
        let reason = String::from("the only order that gives up fewest moves");
        let task = TaskId(task as u32);
        order.waves.push(vec![Step {
            task,
            from,
            to,
            staging: false,
            reason,
        }]);
        set &= !(1 << i);
    }
    order.waves.reverse();
    let given_up = moves.iter().enumerate().filter(|(i, _)| best >> i & 1 == 0);
    order.given_up = given_up.map(|(_, t)| TaskId(*t as u32)).collect();
    order
}

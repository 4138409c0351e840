//! From an assignment that breaks rules to one that breaks none, in few moves that never break more.

mod damage;
mod lazy;
mod step;
mod tabu;
mod target;
mod urgent;

pub(crate) use lazy::Lazy;
pub use step::repair;
pub(crate) use step::{Step, Steps, best_step, tell_forbidden};
pub(crate) use target::repaired;
pub use urgent::{UrgentMove, UrgentMoves};

use crate::model::Model;
use crate::placement::Placement;
use alloc::vec::Vec;

/// The tasks whose moving could repair something and that may be moved, ascending. O(tasks x (resources + what constraints touch)).
pub(crate) fn suspects(model: &Model, placement: &Placement) -> Vec<u32> {
    let may_repair = |t: &u32| {
        let task = *t as usize;
        !model.pinned[task] && placement.may_repair(model, task)
    };
    (0..model.tasks() as u32).filter(may_repair).collect()
}

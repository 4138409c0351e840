//! What a greedy placement has left broken, repaired; or the task that shows that it could not be.

use super::Unplaced;
use crate::model::{Model, NodeId, TaskId};
use crate::placement::{Constraint, Placement};
use crate::repair::repaired;
use alloc::vec::Vec;

/// Places looked at before the repair is given up: some seconds at most.
const LOOKS: u64 = 1 << 26;

/// The placement if it breaks nothing, else one near it that breaks nothing. Nothing runs yet, so a task that goes
/// elsewhere holds nothing where it was.
pub(super) fn made_feasible(model: &Model, at: Vec<NodeId>) -> Result<Vec<NodeId>, Unplaced> {
    let Ok(start) = Placement::new(model, &at) else {
        // One known node for each task: whoever placed them has seen to that.
        return Ok(at);
    };
    if start.damage(model) == 0 {
        return Ok(at);
    }
    let mut free = model.clone();
    free.transient.fill(false);
    let mut looks = 0;
    let found = repaired(&free, &start, 1, &mut |more| {
        looks += more;
        looks <= LOOKS
    });
    match found.damage(&free) {
        0 => Ok(found.assignment()),
        _ => Err(shown(&free, &found)),
    }
}

/// A task of the first service that is still broken, and what keeps it from each node.
fn shown(model: &Model, placement: &Placement) -> Unplaced {
    let services = 0..model.services();
    let broken = services.filter(|s| placement.damage_of_service(model, *s) > 0);
    let members = broken.map(|s| model.members.of(s));
    let last = members.filter_map(|m| m.last().copied()).next();
    let task = TaskId(last.unwrap_or(0));
    let mut why = Unplaced::new(task, model.nodes);
    let lonely = placement.is_lonely(model, task.index());
    for node in (0..model.nodes as u32).map(NodeId) {
        *match placement.blocked(model, task, node) {
            Some(Constraint::Capacity { .. }) => &mut why.room,
            Some(Constraint::Conflict { .. }) => &mut why.conflict,
            Some(Constraint::Dependency { .. }) => &mut why.dependency,
            Some(Constraint::Spread { .. }) => &mut why.location,
            Some(_) => &mut why.allowed,
            // It may stand there, and its service is broken all the same.
            None if lonely => &mut why.dependency,
            None => &mut why.location,
        } += 1;
    }
    why
}

//! The whole assignment that a search begins with when the initial one breaks rules.

use super::{Steps, tabu};
use crate::model::Model;
use crate::placement::{Placement, Violations};

/// A placement that breaks as little as could be found and nothing more than `start`, few tasks away from their homes.
/// `spend` is told of evaluations before they are made and says whether there is room for them.
pub(crate) fn repaired(
    model: &Model,
    start: &Placement,
    seed: u64,
    spend: &mut dyn FnMut(u64) -> bool,
) -> Placement {
    let (mut now, mut steps) = (start.clone(), Steps::default());
    while let Some(step) = steps.next(model, &now, spend) {
        step.make(model, &mut now);
    }
    if now.damage(model) <= start.held_damage(model) {
        return now;
    }
    let found = tabu::search(model, &now, seed, spend);
    let better = found.damage(model) < now.damage(model);
    let before = start.violations(model);
    if better && found.violations(model).within(&before) {
        return found;
    }
    now
}

impl Violations {
    /// The more of both, each kind for itself.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self {
            capacity: self.capacity.max(other.capacity),
            transient: self.transient.max(other.transient),
            conflict: self.conflict.max(other.conflict),
            spread: self.spread.max(other.spread),
            dependency: self.dependency.max(other.dependency),
            not_allowed: self.not_allowed.max(other.not_allowed),
        }
    }

    /// Whether nothing is broken more often than in `other`.
    pub(crate) fn within(&self, other: &Self) -> bool {
        self.capacity <= other.capacity
            && self.transient <= other.transient
            && self.conflict <= other.conflict
            && self.spread <= other.spread
            && self.dependency <= other.dependency
            && self.not_allowed <= other.not_allowed
    }
}

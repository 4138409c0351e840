//! A short answer: a few moves that may be made one after another, and what forbids more.

use crate::model::{NodeId, TaskId};
use crate::placement::Constraint;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

/// One move of an urgent answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UrgentMove {
    /// The task.
    pub task: TaskId,
    /// Where it is.
    pub from: NodeId,
    /// Where it goes.
    pub to: NodeId,
    /// By how much the total cost falls; negative where repairing costs something.
    pub gain: i64,
    /// The node's own cost after the move.
    pub left: i64,
    /// Whether it repairs a hard constraint that was broken.
    pub repairs: bool,
}

/// Moves that relieve a node, each feasible with those before it made, and why there are no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UrgentMoves {
    /// The moves in the order in which they are permitted: those that repair first, then the one that gains most.
    pub moves: Vec<UrgentMove>,
    /// Places that would have repaired or gained something but were forbidden, by the constraint, when no more was
    /// found; the most frequent first. Empty when the moves asked for were found.
    pub forbidden: Vec<(Constraint, u32)>,
}

impl UrgentMoves {
    /// The answer in words, a line each.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        for m in &self.moves {
            let _ = writeln!(out, "{m}");
        }
        for (constraint, places) in &self.forbidden {
            let _ = writeln!(out, "no more at {places} places: {constraint}");
        }
        if out.is_empty() {
            out.push_str("no move would gain anything\n");
        }
        out
    }

    /// Says what forbade more, the most frequent first.
    pub(crate) fn set_forbidden(&mut self, places: BTreeMap<Constraint, u32>) {
        self.forbidden = places.into_iter().collect();
        self.forbidden
            .sort_by_key(|(_, places)| core::cmp::Reverse(*places));
    }
}

impl fmt::Display for UrgentMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (task, from, to) = (self.task, self.from, self.to);
        write!(f, "move task {task} from node {from} to node {to}: ")?;
        if self.repairs {
            f.write_str("repairs a broken constraint, ")?;
        }
        let (amount, way) = (
            self.gain.unsigned_abs(),
            if self.gain < 0 { "more" } else { "less" },
        );
        write!(
            f,
            "costs {amount} {way}, {} is left on node {from}",
            self.left
        )
    }
}

//! What a planner answers: moves with their reasons, and what kept it from doing more.

use super::cluster::MoveError;
use super::samples::Sample;
use super::worth::Balance;
use crate::model::{NodeId, TaskId};
use crate::placement::{Constraint, Violations};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::time::Duration;

/// Why a task moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason {
    /// Its node is overloaded.
    Overloaded,
    /// Its node is close to the threshold.
    NearThreshold,
    /// Where it stands it breaks a hard constraint, or its coming repairs one.
    Broken(Constraint),
}

/// What a move was decided on, in the samples' unit. Levels count moves under way as finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Figures {
    /// What the task takes lastingly.
    pub task: Sample,
    /// Expected level of the source before the move.
    pub from_before: Sample,
    /// Expected level of the source after it.
    pub from_after: Sample,
    /// The source's threshold.
    pub from_threshold: Sample,
    /// Expected level of the destination before the move.
    pub to_before: Sample,
    /// Expected level of the destination after it.
    pub to_after: Sample,
    /// The destination's threshold.
    pub to_threshold: Sample,
    /// What the move saves and costs, where it was weighed ([`super::Worth`]).
    pub balance: Option<Balance>,
}

/// One move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Move {
    /// The task.
    pub task: TaskId,
    /// Where it is.
    pub from: NodeId,
    /// Where it goes.
    pub to: NodeId,
    /// Why.
    pub reason: Reason,
    /// The figures that decided it.
    pub figures: Figures,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            from,
            to,
            reason,
            figures: x,
        } = self;
        if let Reason::Broken(constraint) = reason {
            return write!(
                f,
                "move task {task} (takes {}) from node {from} to node {to}: a hard constraint is broken \
                 ({constraint}), node {to} has room ({} of {}, then {})",
                x.task, x.to_before, x.to_threshold, x.to_after
            );
        }
        let why = match reason {
            Reason::Overloaded => "is overloaded",
            _ => "is close to its threshold",
        };
        write!(
            f,
            "move task {task} (takes {}) from node {from} to node {to}: node {from} {why} ({} of {}, then \
             {}), node {to} has room ({} of {}, then {})",
            x.task,
            x.from_before,
            x.from_threshold,
            x.from_after,
            x.to_before,
            x.to_threshold,
            x.to_after
        )?;
        if let Some(Balance { saved, cost }) = x.balance {
            write!(f, "; it saves {saved} of harm and costs {cost}")?;
        }
        Ok(())
    }
}

/// What kept a task on a node that should be relieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Obstacle {
    /// Every destination would be filled too far.
    NoHeadroom,
    /// A hard constraint forbids the last destination with headroom.
    Constraint(Constraint),
    /// Another move that is under way must end first.
    Wait,
    /// The task has used up its moves.
    Budget,
    /// The task has moved a short time ago.
    TaskCooldown,
    /// The task is moving already.
    Moving,
    /// The task is pinned.
    Pinned,
    /// Too few samples of the task are known.
    TooNew,
    /// The task takes too little to matter.
    TooSmall,
    /// No move of the task would save more harm than it costs.
    NotWorthIt,
    /// The node's last sample is too old, or its window holds too few: what was known of it no longer counts.
    NodeStale,
    /// The task's last sample is too old.
    TaskStale,
    /// Only destinations whose samples are too old, or too few, would have room.
    DestinationsStale,
    /// The node, or every destination, has enough moves under way or has just had one.
    NodeBusy,
    /// Nowhere would it repair what is broken.
    RepairsNothing,
}

impl Obstacle {
    /// What a refused move says.
    pub(super) fn of(refused: &MoveError) -> Self {
        match refused {
            MoveError::Forbidden { constraint, .. } => Self::Constraint(*constraint),
            MoveError::Wait { .. } => Self::Wait,
            _ => Self::Constraint(Constraint::Unknown),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeadroom => f.write_str("every destination would be filled too far"),
            Self::Constraint(c) => write!(f, "{c}"),
            Self::Wait => f.write_str("another move must end first"),
            Self::Budget => f.write_str("the task has used up its budget of moves"),
            Self::TaskCooldown => f.write_str("the task is cooling down after a move"),
            Self::Moving => f.write_str("the task is moving already"),
            Self::Pinned => f.write_str("the task is pinned"),
            Self::TooNew => f.write_str("too few samples of the task are known"),
            Self::NotWorthIt => f.write_str("no move of the task would save more than it costs"),
            Self::TooSmall => f.write_str("the task takes too little to matter"),
            Self::NodeStale => f.write_str("samples of the node are missing or too old"),
            Self::TaskStale => f.write_str("samples of the task are missing or too old"),
            Self::DestinationsStale => {
                f.write_str("samples of the only destinations with room are missing or too old")
            }
            Self::NodeBusy => f.write_str("enough moves are under way"),
            Self::RepairsNothing => f.write_str("no node would repair anything"),
        }
    }
}

/// A node that should be relieved and could not be, or not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Unrelieved {
    /// The node.
    pub node: NodeId,
    /// How much is left above the goal, in the samples' unit.
    pub excess: Sample,
    /// What kept how many of its tasks, the most frequent first.
    pub obstacles: Vec<(Obstacle, u32)>,
}

impl Unrelieved {
    pub(super) fn new(node: NodeId, excess: Sample, counts: &BTreeMap<Obstacle, u32>) -> Self {
        let mut obstacles: Vec<_> = counts.iter().map(|(o, n)| (*o, *n)).collect();
        obstacles.sort_by_key(|(_, n)| core::cmp::Reverse(*n));
        Self {
            node,
            excess,
            obstacles,
        }
    }
}

/// A node of which too little is known: no task leaves it and none goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StaleNode {
    /// The node.
    pub node: NodeId,
    /// The age of its last known sample; nothing if there was none.
    pub age: Option<Duration>,
    /// The age up to which samples count.
    pub limit: Duration,
    /// Known samples in its window.
    pub known: usize,
    /// How many are needed.
    pub min_known: usize,
}

impl fmt::Display for StaleNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, limit, .. } = self;
        match self.age {
            None => write!(f, "node {node} has never been sampled")?,
            Some(age) if age > *limit => write!(
                f,
                "node {node} was last sampled {age:?} ago, and samples count for {limit:?}"
            )?,
            Some(_) => write!(
                f,
                "node {node} has {} known samples in its window, and needs {}",
                self.known, self.min_known
            )?,
        }
        f.write_str(": its headroom is unknown, no task leaves it and none goes there")
    }
}

/// A task that could repair something and stays, for the time being or for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Unrepaired {
    /// The task.
    pub task: TaskId,
    /// Where it stands.
    pub node: NodeId,
    /// What is broken.
    pub broken: Constraint,
    /// What keeps the task.
    pub obstacle: Obstacle,
}

impl fmt::Display for Unrepaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (task, node, broken) = (self.task, self.node, self.broken);
        let obstacle = self.obstacle;
        write!(
            f,
            "task {task} stays on node {node}, where a hard constraint is broken ({broken}): {obstacle}"
        )
    }
}

/// Moves that may be begun one after another in this order: each is feasible with those before it under way
/// or finished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MovePlan {
    /// When it was made.
    pub at: Timestamp,
    /// The moves.
    pub moves: Vec<Move>,
    /// Nodes for which more was wanted than could be done.
    pub unrelieved: Vec<Unrelieved>,
    /// Hard constraints that were broken when the plan was made, moves under way counted as finished.
    pub broken: Violations,
    /// Tasks that could repair what is still broken with the plan's moves made, 64 at most, and what keeps them. Looked
    /// for again after [`super::ProtectorConfig::retry`] where nothing could be done.
    pub unrepaired: Vec<Unrepaired>,
    /// Nodes of which too little is known, whether or not that stood in the way.
    pub stale: Vec<StaleNode>,
}

impl MovePlan {
    /// Whether there is nothing to do, and nothing that is wanted and can't be done. It may be false without a move: ask `moves.is_empty()`
    /// whether to act.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.unrelieved.is_empty() && self.unrepaired.is_empty()
    }

    /// The plan in words, a line for each move, for each node that stays too full, and for each whose samples are missing or too old.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        for m in &self.moves {
            let _ = writeln!(out, "{m}");
        }
        for unrepaired in &self.unrepaired {
            let _ = writeln!(out, "{unrepaired}");
        }
        for s in &self.unrelieved {
            let _ = write!(out, "node {} stays {} above its goal:", s.node, s.excess);
            for (i, (obstacle, tasks)) in s.obstacles.iter().enumerate() {
                let _ = write!(out, "{} {obstacle} ({tasks})", if i > 0 { ";" } else { "" });
            }
            out.push('\n');
        }
        if out.is_empty() {
            out.push_str("nothing to do\n");
        }
        for stale in &self.stale {
            let _ = writeln!(out, "{stale}");
        }
        out
    }
}

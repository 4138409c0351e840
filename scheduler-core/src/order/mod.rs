//! From an initial and a target assignment to moves in a safe order.
//!
//! Moves come in waves. Those of a wave are safe in any interleaving: what leaves is not counted as gone, what comes is
//! counted as there. No move breaks more than is broken already. Moves that wait for each other in a cycle are broken up by
//! letting a task wait on another node (*staging*); what cannot be ordered is given up and named.
//!
//! Moves are put in a sequence from both ends: ahead from the initial assignment and, since an order read backwards is safe
//! as well, back from the target. Staging that turns out not to be needed is taken out, and the sequence is packed into
//! waves. For up to 12 moves the fewest possible are given up, found by exhaustive search. Some exchanges have no order:
//! where each of two services needs the other in every neighbourhood, the last task of either can never leave one.
//!
//! ```
//! use scheduler_core::model::{Node, Resource, Service, Task};
//! use scheduler_core::order::{OrderLimits, order_moves};
//! use scheduler_core::{ModelBuilder, NodeId};
//!
//! // Two full nodes exchange their tasks through a third.
//! let mut b = ModelBuilder::new(&[Resource { transient: false, load_weight: 1 }])?;
//! for _ in 0..3 {
//!     b.node(Node { location: 0, neighbourhood: 0, capacity: &[4], safety: &[4] })?;
//! }
//! let service = b.service(Service { spread: 0, per_node: 2 })?;
//! for _ in 0..2 {
//!     b.task(Task { service, need: &[4], move_cost: 1 })?;
//! }
//! let model = b.build()?;
//! let (from, to) = ([NodeId(0), NodeId(1)], [NodeId(1), NodeId(0)]);
//! let order = order_moves(&model, &from, &to, OrderLimits::default())?;
//! assert_eq!((order.moves(), order.staging_moves(), order.given_up.len()), (3, 1, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod exhaust;
mod pack;
mod sequence;
mod shorten;
mod staging;
mod wave;

use crate::model::{Model, NodeId, TaskId};
use crate::placement::{Placement, PlacementError};
use crate::rng::{Xoshiro256PlusPlus, stream};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use sequence::{Sequence, Sequencer};

/// Times that a sequence with waiting in it is looked for anew, in another order.
const TRIES: usize = 2;
/// The most moves for which it is, and the nodes looked at for places to wait after which it is no more.
const MOVES_TRIED: usize = 1 << 17;
const LOOKED: u64 = 20_000_000;

/// One move of a wave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Step {
    /// The task.
    pub task: TaskId,
    /// Where it is.
    pub from: NodeId,
    /// Where it goes.
    pub to: NodeId,
    /// Whether `to` is only a place to wait.
    pub staging: bool,
    /// Why now.
    pub reason: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, from, to, .. } = self;
        let wait = if self.staging { ", to wait there" } else { "" };
        write!(
            f,
            "move task {task} from node {from} to node {to}{wait}: {}",
            self.reason
        )
    }
}

/// Moves in waves: those of a wave may be made in any order and at the same time; after every single one,
/// and while any of them are under way, no hard constraint is broken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Order {
    /// The waves, one after another.
    pub waves: Vec<Vec<Step>>,
    /// Tasks that do not reach their target: no order was found that brings them there.
    pub given_up: Vec<TaskId>,
}

impl Order {
    /// Number of moves.
    #[must_use]
    pub fn moves(&self) -> usize {
        self.waves.iter().map(Vec::len).sum()
    }

    /// Number of moves to a place to wait.
    #[must_use]
    pub fn staging_moves(&self) -> usize {
        self.waves.iter().flatten().filter(|s| s.staging).count()
    }
}

/// Limits of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderLimits {
    /// Moves of one wave that leave or enter one node at most.
    pub per_node: usize,
}

impl OrderLimits {
    /// At most so many moves of one wave leave or enter one node; 0 counts as 1.
    #[must_use]
    pub const fn with_per_node(mut self, per_node: usize) -> Self {
        self.per_node = per_node;
        self
    }
}

impl Default for OrderLimits {
    /// As many as fit.
    fn default() -> Self {
        Self {
            per_node: usize::MAX,
        }
    }
}

/// Orders the moves from `initial` to `target`. Transient resources count on both nodes while a task moves;
/// the others leave the source as they reach the target. Both assignments should be feasible; what cannot
/// be reached is given up.
///
/// The moves are put in a sequence from both ends, cycles broken up by waiting; of several sequences the one
/// that gives up fewest moves, and then waits least, is packed into waves. Cost: O((passes + waves) x moves x
/// (resources + what the constraints touch)), and for each time that nothing could move O(tasks on a node +
/// nodes) for each of some moves that were left.
///
/// # Errors
/// An assignment that does not fit the model.
#[doc(alias = "migration plan")]
pub fn order_moves(
    model: &Model,
    initial: &[NodeId],
    target: &[NodeId],
    limits: OrderLimits,
) -> Result<Order, PlacementError> {
    let goal = Placement::new(model, target)?;
    let start = Placement::new(model, initial)?;
    let moves = initial.iter().zip(target).filter(|(a, b)| a != b).count();
    let mut best = sequence(model, &start, &goal, None);
    let (mut rng, mut looked) = (stream(1, "order"), best.looked);
    for _ in 0..TRIES {
        let complete = best.given_up.is_empty() && best.hops.len() <= moves;
        if complete || moves > MOVES_TRIED || looked > LOOKED {
            break;
        }
        let other = sequence(model, &start, &goal, Some(&mut rng));
        looked += other.looked;
        if value(&other) < value(&best) {
            best = other;
        }
    }
    if !best.given_up.is_empty() && moves <= exhaust::MOST {
        let exact = exhaust::exhaust(model, &start, target);
        if value(&exact) < value(&best) {
            best = exact;
        }
    }
    let mut given_up: Vec<TaskId> = best.given_up.iter().map(|t| TaskId(*t)).collect();
    given_up.sort_unstable();
    let waves = pack::pack(model, start, target, best.hops, limits);
    Ok(Order { waves, given_up })
}

/// What makes one sequence better than another.
fn value(sequence: &Sequence) -> (usize, usize) {
    (sequence.given_up.len(), sequence.hops.len())
}

fn sequence(
    model: &Model,
    start: &Placement,
    goal: &Placement,
    shuffled: Option<&mut Xoshiro256PlusPlus>,
) -> Sequence {
    let found = Sequencer::new(model, start.clone(), goal.clone(), shuffled).run();
    Sequence {
        hops: shorten::shorten(model, start, found.hops),
        given_up: found.given_up,
        looked: found.looked,
    }
}

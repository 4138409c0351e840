//! Workloads on their way from host to host.

use super::Workloads;
use crate::claim::RetentionKind;
use crate::spots::Spots;
use crate::time::Timestamp;

/// A workload on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) since: Timestamp,
    /// How the addresses are retained.
    pub(crate) retention: RetentionKind,
    /// What moves.
    pub(crate) spots: Spots,
}

impl Workloads {
    pub(crate) fn moving(&self, id: u32) -> Option<&Move> {
        self.moves.get(&id)
    }

    #[inline]
    pub(crate) fn is_moving(&self, id: u32) -> bool {
        self.moves.contains_key(&id)
    }

    /// Whether any is on its way.
    #[inline]
    pub(crate) fn any_moving(&self) -> bool {
        !self.moves.is_empty()
    }

    /// Whether a workload's interface moves with a sticky address of a pool.
    pub(crate) fn is_moving_in(&self, id: u32, pool: u16) -> bool {
        let moving = self.moves.get(&id);
        let moving = moving.filter(|m| matches!(m.retention, RetentionKind::Sticky(_)));
        moving.is_some_and(|m| m.spots.iter().any(|(_, spot)| spot.pool == pool))
    }

    /// A workload that does not move is on its way from now on; that its hosts are in use is the caller's matter.
    pub(crate) fn begin_move(&mut self, id: u32, moving: Move) {
        debug_assert!(!self.is_moving(id));
        self.moves.insert(id, moving);
    }

    /// A move is over. What waited for that still does.
    pub(crate) fn end_move(&mut self, id: u32) -> Option<Move> {
        self.moves.remove(&id)
    }

    /// A move began no later than this.
    pub(crate) fn cap_move(&mut self, id: u32, since: Timestamp) {
        if let Some(moving) = self.moves.get_mut(&id) {
            moving.since = moving.since.min(since);
        }
    }

    /// Every workload on its way.
    pub(crate) fn moves(&self) -> impl Iterator<Item = (u32, &Move)> {
        self.moves.iter().map(|(&id, moving)| (id, moving))
    }
}

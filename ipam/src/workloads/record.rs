//! The record of a workload's interface.

use crate::spots::Spots;
use crate::state::NONE;
use crate::time::Timestamp;

/// A workload's interface: who holds addresses for it, and which it will find again. 24 bytes; with what
/// [finds](crate::directory::Directory) it, half a cache line.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    /// The latest time known about the addresses it retains or retained: no quarantine of theirs begins before.
    pub(super) since: Timestamp,
    /// Retained addresses: reserved ones whether held or not, else sticky ones while not held, which end at one time.
    pub(super) spots: Spots,
    /// Its first claim, and in the top bit whether `spots` are a reservation.
    head: u32,
}

/// The bit of [`Workload::head`] beside the claim, and the claim that is none: ids end at 2^29.
const FIXED: u32 = 1 << 31;
const NO_CLAIM: u32 = FIXED - 1;

impl Workload {
    pub(super) fn new() -> Self {
        Self {
            since: Timestamp::ZERO,
            spots: Spots::EMPTY,
            head: NO_CLAIM,
        }
    }

    /// Its first claim, [`NONE`] of none.
    #[inline]
    pub(super) fn head(&self) -> u32 {
        match self.head & NO_CLAIM {
            NO_CLAIM => NONE,
            claim => claim,
        }
    }

    pub(super) fn set_head(&mut self, claim: u32) {
        self.head = self.head & FIXED | claim.min(NO_CLAIM);
    }

    /// Whether what it retains is a reservation.
    #[inline]
    pub(super) fn fixed(&self) -> bool {
        self.head & FIXED != 0
    }

    pub(super) fn set_fixed(&mut self, fixed: bool) {
        self.head = self.head & NO_CLAIM | if fixed { FIXED } else { 0 };
    }
}

/// A million workloads are what this size is for.
const _: () = assert!(size_of::<Workload>() == 24);

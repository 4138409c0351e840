//! Who gets the next request. One trait, several ways.

mod alias;
#[cfg(target_has_atomic = "64")]
mod board;
mod choices;
mod edf;
mod golden;
mod maglev;
mod smooth;
mod stride;

pub use alias::Alias;
#[cfg(target_has_atomic = "64")]
pub use board::{Board, Follower};
pub use choices::{Choices, PeakEwma};
pub use edf::Edf;
pub use golden::Golden;
pub use maglev::Maglev;
pub use smooth::Smooth;
pub use stride::Stride;

use core::time::Duration;

use crate::time::Timestamp;

/// What a picker may want to know of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// A hash of whatever requests that belong together share; read by consistent hashing.
    pub key: u64,
    /// Now; read by pickers that weigh how long ago something was ([`Choices`]).
    pub now: Timestamp,
}

/// Chooses slots in proportion to weights. Picks allocate nothing; a slot of weight 0 is never picked.
pub trait Picker {
    /// The slot of the next request; `None` when every weight is 0.
    fn pick(&mut self, request: &Request) -> Option<usize>;

    /// Gives a slot another weight, from the next pick on (a weight of 0 always; [`Alias`], [`Choices`] and
    /// [`Maglev`] gather other changes for as long as a rebuild is worth); slots beyond the last are added.
    /// Allocates only when slots are added, for all up to the one given: slots are dense, as the engine's are.
    fn set_weight(&mut self, slot: usize, weight: u32);

    /// The weight of a slot; 0 where there is none.
    fn weight(&self, slot: usize) -> u32;

    /// How many slots there are, those of weight 0 among them.
    fn slots(&self) -> usize;

    /// A request that was given to a slot is over. Pickers that count what is under way need it once for
    /// each pick; the others need it not.
    fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
        let _ = (slot, now, latency);
    }
}

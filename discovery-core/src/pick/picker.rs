//! The trait of all pickers.

use core::time::Duration;

use crate::hash::high;
use crate::health::CallOutcome;
use crate::time::Timestamp;

/// What a picker may want to know of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// A hash of whatever requests that belong together share; read by consistent hashing.
    pub key: u64,
    /// Now; read by pickers that weigh how long ago something was ([`P2c`](super::P2c)).
    pub now: Timestamp,
}

impl Request {
    /// A request at `now`, of key 0.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { key: 0, now }
    }

    /// With a key for consistent hashing: requests of one key go to the same slot.
    #[must_use]
    pub const fn with_key(self, key: u64) -> Self {
        Self { key, ..self }
    }
}

/// Chooses slots in proportion to weights. Picks allocate nothing; a slot of weight 0 is never picked.
///
/// Any picker works behind a pointer (`Box<dyn Picker>`, `&mut P`) and on a `Follower`, each of which is a picker
/// itself.
///
/// ```
/// use core::time::Duration;
/// use discovery_core::{Picker, Timestamp, health::CallOutcome, pick::{P2c, PeakEwma, Request}};
///
/// let mut picker: Box<dyn Picker> = Box::new(P2c::new(&[100, 100, 100], PeakEwma::default(), 7));
/// let (now, took) = (Timestamp::from_secs(1), Duration::from_millis(1));
/// let request = Request::new(now);
/// let first = picker.pick(&request).unwrap();
/// picker.ended(first, now.after(took), took, CallOutcome::Error);
/// let retry = picker.pick_except(&request, &[first]).unwrap();
/// assert_ne!(retry, first);
/// picker.ended(retry, now.after(took), took, CallOutcome::Ok);
/// // The endpoint is gone: the slot's next one inherits nothing.
/// picker.free(first, now.after(took));
/// assert_eq!(picker.weight(first), 0);
/// ```
pub trait Picker {
    /// The slot of the next request; `None` when every weight is 0.
    fn pick(&mut self, request: &Request) -> Option<usize>;

    /// The slot of a retry: none of those tried already; `None` when no other has weight. Among the others weights
    /// count as ever. O(slots x tried) at worst.
    ///
    /// Unless a picker does better it picks up to 64 times: one that counts what is under way must.
    fn pick_except(&mut self, request: &Request, tried: &[usize]) -> Option<usize> {
        let mut picks = (0..64).map_while(|_| self.pick(request));
        picks.find(|slot| !tried.contains(slot))
    }

    /// Gives a slot another weight, from the next pick on (a weight of 0 always; [`WeightedRandom`](super::WeightedRandom), [`P2c`](super::P2c) and
    /// [`Maglev`](super::Maglev) gather other changes for as long as a rebuild is worth); slots beyond the last are added.
    /// Allocates only when slots are added, for all up to the one given: slots are dense, as the engine's are.
    fn set_weight(&mut self, slot: usize, weight: u32);

    /// The weight of a slot; 0 where there is none.
    fn weight(&self, slot: usize) -> u32;

    /// How many slots there are, those of weight 0 among them.
    fn slots(&self) -> usize;

    /// A request that was given to a slot is over, and well. Pickers that count what is under way need this or
    /// [`Picker::ended`] once for each pick; the others need neither.
    fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
        let _ = (slot, now, latency);
    }

    /// A request that was given to a slot is over, in whatever way: to be told in place of [`Picker::done`] by who
    /// knows the outcome. What failed fast is not fast: pickers that go by latency ([`P2c`](super::P2c)) take it for slow.
    fn ended(&mut self, slot: usize, now: Timestamp, latency: Duration, outcome: CallOutcome) {
        let _ = outcome;
        self.done(slot, now, latency);
    }

    /// The endpoint in a slot is gone ([`crate::Effect::Deregister`]): the slot has no weight, and whoever is given it
    /// next inherits nothing. Requests to the former one may end later: those that began by `now`, as their end and
    /// latency tell, are not counted against the next.
    fn free(&mut self, slot: usize, now: Timestamp) {
        let _ = now;
        self.set_weight(slot, 0);
    }
}

/// The slot at a fraction (of 2^64) of the weights of those not tried. O(slots x tried).
pub(super) fn among(
    fraction: u64,
    weights: impl Iterator<Item = u32> + Clone,
    tried: &[usize],
) -> Option<usize> {
    let slots = weights.map(u64::from).enumerate();
    let mut others = slots.filter(|(slot, weight)| *weight > 0 && !tried.contains(slot));
    let sum = others.clone().map(|(_, weight)| weight).sum();
    let mut aim = high(fraction, sum);
    let found = others.find(|&(_, weight)| {
        let here = aim < weight;
        aim = aim.saturating_sub(weight);
        here
    });
    found.map(|(slot, _)| slot)
}

//! Pickers: which slot gets the next request.
//!
//! | picker | exactness | pick | change of weight |
//! | --- | --- | --- | --- |
//! | [`LowDiscrepancy`] | under 2 picks off with weights of 1 to 100; 5.7 the worst found (one slot of half the weight among 40, 10^6 picks) | O(1) | O(slots / 16), a few vector operations |
//! | [`Edf`] | behind by at most 1, ahead by at most share x (slots - 1), which is Envoy's pick for pick; seeded within 1 + that, 1.5 measured with few slots and 1.1 with many | O(log slots) | O(log slots), in force at once |
//! | [`SmoothRoundRobin`] (nginx) | ahead by under 1, behind by at most 1/2 + 1/3 + ... + 1/slots | O(slots) | O(1) |
//! | [`StaticStride`] (gRPC) | a few picks from shares whose weights are kept within a tenth and ten times of their mean | O(1) on average | O(slots) |
//! | [`WeightedRandom`] | random | O(1) | gathered: O(1) a pick |
//! | [`P2c`] (power of two choices, peak EWMA) | random, by weight at equal latency | O(1) | as [`WeightedRandom`] |
//! | [`Maglev`], with or without bounded load | by key | O(1), O(table) at the bound | gathered: O(1) a pick; O(table log slots) when weights have doubled or halved |
//!
//! Threads share [`SharedWeights`] that one owner writes; each picks through a `Follower` of its own, which is a
//! [`Picker`] too. [`Picker::ended`] tells how a call ended: what failed within a millisecond is not fast. A retry leaves out
//! what was tried ([`Picker::pick_except`]). A slot that is freed ([`Picker::free`]) leaves neither requests under way nor
//! latency to its next endpoint.
//!
//! Bounds hold between changes of weight. [`LowDiscrepancy`]'s deviation grows with the logarithm of the picks, and its
//! shares are exact to weights that sum to 2^30. [`P2c`] counts requests by handle, not by process. A [`Maglev`] table has at
//! most 655,373 places: beyond some 6,500 slots shares get coarse.

mod edf;
mod low_discrepancy;
mod maglev;
mod orphans;
mod p2c;
mod picker;
mod pointer;
#[cfg(target_has_atomic = "64")]
mod shared_weights;
mod smooth;
mod stride;
mod table;
mod weighted_random;

pub use edf::Edf;
pub use low_discrepancy::LowDiscrepancy;
pub use maglev::Maglev;
pub use p2c::{P2c, PeakEwma};
pub use picker::{Picker, Request};
#[cfg(target_has_atomic = "64")]
pub use shared_weights::{Follower, SharedWeights};
pub use smooth::SmoothRoundRobin;
pub use stride::StaticStride;
pub use weighted_random::WeightedRandom;

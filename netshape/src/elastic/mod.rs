//! Elastic division: what of a shared capacity is spare goes, once an interval, to those who can use it.
//!
//! [`Elastic`] keeps estimates, credits and hysteresis; [`divide`] is the division alone, weighted max-min fair shares
//! (water-filling) with floors and caps, exact, in integers.

mod divide;
mod divider;
pub(crate) mod entitlement;
mod estimate;

pub use divide::{Claim, Scratch, divide};
pub use divider::{AllocationChange, Elastic, ElasticConfig};
pub use entitlement::Entitlement;
pub use estimate::Usage;

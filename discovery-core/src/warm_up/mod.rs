//! Warm-up on both sides: the weight a caller gives a cold endpoint, and what a cold callee admits.

#[cfg(target_has_atomic = "64")]
mod admission;
mod sentinel;
mod shape;

#[cfg(target_has_atomic = "64")]
pub use admission::{Admission, AdmissionRules, Curve};
pub use sentinel::{Decision, SentinelWarmUp};
pub use shape::WarmUp;

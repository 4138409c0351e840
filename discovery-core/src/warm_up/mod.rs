//! Warm-up: the weight that callers give a cold endpoint, and what a cold callee admits.
//!
//! **Caller's side** ([`WarmUp`]): Envoy's slow start or Dubbo's, counted from when an endpoint is ready and passing. A short
//! outage, a drain and an ejection leave the age alone; a restart begins anew. Weights are relative, so a service all of whose
//! endpoints are cold still serves in full.
//!
//! **Callee's side** (`Admission`): concurrency and rate rise from cold to full, in a line or by Sentinel's cold factor; one
//! compare-and-swap a request. Beyond the rate a request waits for at most a given time, else it is rejected.
//! [`SentinelWarmUp`] is Sentinel's own token bucket, decision for decision.
//!
//! `Admission` keeps times modulo 19.5 hours: after a pause just short of a multiple of that, by less than a second and what
//! the queue and a burst take, it may reject requests for as long.

#[cfg(target_has_atomic = "64")]
mod admission;
mod sentinel;
mod shape;

#[cfg(target_has_atomic = "64")]
pub use admission::{Admission, AdmissionRules, Curve};
pub use sentinel::{Decision, SentinelWarmUp};
pub use shape::WarmUp;

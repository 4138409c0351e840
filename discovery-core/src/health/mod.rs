//! Health: active checks, outlier detection, flap damping.
//!
//! **Active** ([`HealthCheck`]): HTTP, TCP, gRPC, or heartbeats (TTL); rise and fall, separate intervals after a change, while
//! in doubt, while failing and before the first call; jitter; flap damping: each fall doubles the rise that is needed next,
//! and [`DAMPING_DECAY_PASSES`] consecutive passes take one doubling back.
//!
//! **Passive** ([`OutlierDetection`]): consecutive errors, success rates and failure percentages of calls, judged within each
//! region apart. Ejections grow with each in a row and shrink by one step for each interval without, under a cap on the share
//! ejected that is read as Envoy or as gRPC A50 does ([`Flavour`]).

mod active;
mod check;
mod judge;
mod outlier;
pub(crate) mod status;

pub use active::{Checker, ProbeOutcome};
pub use check::{CheckKind, DAMPING_DECAY_PASSES, HealthCheck};
pub(crate) use judge::{RegionCalls, Reports, may_eject};
pub use judge::{SuccessRates, success_rate_threshold};
pub use outlier::{
    CallOutcome, FailurePercentageEjection, Flavour, OutlierDetection, SuccessRateEjection,
};
pub use status::Status;

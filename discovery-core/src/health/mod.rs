//! Who is well: active checks and what callers see.

mod active;
mod check;
mod judge;
mod outlier;
mod status;

pub use active::{Checker, ProbeOutcome};
pub use check::{CheckKind, DAMPING_DECAY_PASSES, HealthCheck};
pub(crate) use judge::{Reports, by_failure, by_success, may_eject};
pub use judge::{SuccessRates, success_rate_threshold};
pub use outlier::{
    CallOutcome, FailurePercentageEjection, Flavour, OutlierDetection, SuccessRateEjection,
};
pub use status::Status;

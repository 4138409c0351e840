//! Who is well: active checks and what callers see.

mod active;
mod check;
mod outlier;

pub use active::{Checker, ProbeOutcome, Turn};
pub use check::{CheckKind, HealthCheck};
pub use outlier::{Flavour, Outcome, Outliers, Rate};

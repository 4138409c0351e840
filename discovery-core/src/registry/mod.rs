//! What must change in a registry so that it says what the engine knows.

mod antientropy;
mod contents;
mod diff;
mod registration;

pub use antientropy::{AntiEntropy, scale_factor};
pub use contents::{ApplyError, Entry, Registry};
pub use diff::{MAX_TXN, Op, OpReason, diff, transactions};
pub use registration::{Registration, RegistrationStatus};

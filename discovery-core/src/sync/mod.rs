//! What must change in a registry so that it says what the engine knows.

mod antientropy;
mod diff;
mod registration;
mod registry;

pub use antientropy::{AntiEntropy, scale_factor};
pub use diff::{MAX_TXN, Op, Why, diff, transactions};
pub use registration::{Registration, Standing};
pub use registry::{ApplyError, Entry, Registry};

//! Bringing a registry in line with what the engine knows.
//!
//! [`diff`] touches only what its owner wrote, guards each operation by the revision it saw, and orders them so that no
//! prefix leaves a service empty on the way to one that has somebody; [`transactions`] cuts at [`MAX_TXN`].
//! [`AntiEntropy`] says when to compare everything, scaled with the cluster as Consul's agents do.
//!
//! A write that a crashed predecessor still had under way may reach a registry after the successor's first comparison; the
//! next one mends it.

mod antientropy;
mod contents;
mod diff;
mod registration;

pub use antientropy::{AntiEntropy, scale_factor};
pub use contents::{ApplyError, Entry, Registry};
pub use diff::{MAX_TXN, Op, OpReason, diff, transactions};
pub use registration::{Registration, RegistrationStatus};

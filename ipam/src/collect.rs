//! Collection of what is over: claims whose owners are gone, blocks that nobody needs; and what is wrong with a state.
//!
//! The calls are [`crate::Ipam::reconcile`], [`crate::Ipam::tidy_blocks`], [`crate::Ipam::fsck`] and
//! [`crate::Ipam::check_invariants`].

pub use crate::check::Broken;
pub use crate::decide::{Census, Collection, Problem, Reconciliation};

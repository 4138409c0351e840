//! Plans: what to do, in which order, what each step may cost, and how to take it back.
//!
//! [`diff`] compares the observed state with what a [`Host`](crate::policy::Host) wants; the [`Plan`] that comes out can be
//! printed for a shell ([`Plan::lines`]), for `tc -batch` ([`Plan::batch`]), as netlink messages ([`Plan::message`]), as JSON
//! (`Plan::document`) and explained ([`Plan::explain`]).

mod argv;
mod bytes;
mod diff;
mod disruption;
#[cfg(feature = "serde")]
mod document;
mod explain;
mod filter_words;
mod front;
mod hook;
mod leaf;
mod left_alone;
mod leftover;
mod lines;
mod op;
mod origin;
pub(crate) mod ownership;
mod pins;
mod readd;
mod reason;
mod redirect;
mod steps;
mod tree_diff;
mod work;

pub use diff::{diff, diff_device, diff_touched};
pub use disruption::{Disruption, Disruptions};
#[cfg(feature = "serde")]
pub use document::{LeftAloneDocument, OpDocument, PlanDocument, RefusedDocument};
pub use left_alone::LeftAlone;
pub use lines::BatchError;
pub use op::{Before, Object, Op};
pub use ownership::{REDIRECT_NODES, REDIRECT_PRIO, RESERVED_MAJORS};
pub use reason::{Action, Reason};
pub use redirect::Redirect;
pub use steps::Plan;

//! Plans: which steps lead from the observed state to what is wanted, what each may cost, and how to undo it.
//!
//! [`diff`] compares the [observed state](crate::observe::ObservedState) with a [`Host`](crate::policy::Host); [`diff_touched`]
//! compares only what changed since the last plan. A [`Plan`] can be printed for a shell ([`Plan::lines`]), for `tc -batch`
//! ([`Plan::batch`]), as netlink messages ([`Plan::message`]), as JSON (`Plan::document`) and explained ([`Plan::explain`]).
//!
//! A live qdisc is never replaced to change a number; steps come in an order in which no class is ever promised more than its
//! parent has; a plan that was carried out and is made again is empty. What each step may cost is its [`Disruption`].
//!
//! # Ownership
//!
//! What this crate made is recognised from the kernel alone, by any process and version, by reserved numbers:
//!
//! - a root qdisc with a major number in [`RESERVED_MAJORS`] (`be:` is in use), with everything below it;
//! - a u32 filter of priority [`REDIRECT_PRIO`] on an ingress hook with a node number in [`REDIRECT_NODES`] (such as `800::be`).
//!
//! Below a root of ours on the uplink, filters are ours that are in the hash tables `500:` to `6ff:`, `7be:` and `7bf:` of priorities 1 (`ip`)
//! and 2 (`ipv6`), and those that lead there: node `be` of these priorities, `b0` to `b3` of priority 3 (`802.1Q`). Others are behind them, or in the way.
//!
//! What carries these numbers and is not wanted is removed. What does not carry them is reported ([`Plan::left_alone`]) and not touched,
//! unless [`Capabilities::takeover`](crate::policy::Capabilities::takeover) is set. An ifb that is not needed any more stays as a device:
//! `tc` can't remove it ([`idle_ifbs`] says which). While some namespaces were not observed, what may belong to them stays.
//!
//! # Foreign filters
//!
//! A foreign filter that sees packets before our redirect, or sends them past our classes, would make the shaping void. That
//! direction is then refused with the filter's name ([`Plan::refused`]), the rest is planned. With takeover the filter is moved
//! behind ours, if all of it can be said again from what the kernel shows. A class that a foreign filter points at can't be deleted
//! in HTB: it stays and is reported, or with takeover loses the filter first.
//!
//! # Namespaces
//!
//! A step is for one device in one network namespace. [`Plan::namespaces`] lists them in the order in which their parts should be
//! carried out; [`Plan::in_netns`] picks one. A batch holds one namespace, says which in its first line, and is refused for more
//! ([`BatchError`]). A line of [`Plan::lines`] begins with how the namespace is entered.
//!
//! # Equal to the kernel
//!
//! Objects are compared by what the kernel makes of them: it keeps 32 bits of the time that a byte takes at a rate; buckets within
//! 17 ticks (1.1 µs) count as equal, since two generations of tc round one burst that far apart; of `fq_codel` only the wanted options count.

mod argv;
mod bytes;
mod classify;
mod diff;
mod disruption;
#[cfg(feature = "serde")]
mod document;
mod explain;
mod filter_words;
mod front;
mod hook;
mod idle;
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
pub use idle::idle_ifbs;
pub use left_alone::LeftAlone;
pub use lines::BatchError;
pub use op::{Before, Object, Op};
pub use ownership::{REDIRECT_NODES, REDIRECT_PRIO, RESERVED_MAJORS};
pub use reason::{Action, Reason};
pub use redirect::Redirect;
pub use steps::Plan;

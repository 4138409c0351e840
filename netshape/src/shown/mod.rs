//! What `tc show` prints, read where it can be. Both forms lose something: an object that can't be had back exactly is
//! refused with the reason, since a plan on guesses would change what is right. Netlink dumps lose nothing.

#[cfg(feature = "serde")]
mod json;
mod text;

#[cfg(feature = "serde")]
pub use json::{TcJsonError, read_tc_json};
pub use text::read_tc_text;

use crate::object::{Class, Filter, Qdisc};
use crate::text::printable;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// An object that was read exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A qdisc.
    Qdisc(Qdisc),
    /// An HTB class.
    Class(Class),
    /// A filter.
    Filter(Filter),
}

/// An object that can't be had back from what is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lossy {
    /// Such as `class 1:10`.
    pub what: String,
    /// What is lost.
    pub why: &'static str,
}

/// What was read, and what was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Exact.
    pub shown: Vec<Shown>,
    /// Refused.
    pub lossy: Vec<Lossy>,
}

impl Reading {
    fn refuse(&mut self, what: &str, why: &'static str) {
        let what = printable(what).to_string();
        self.lossy.push(Lossy { what, why });
    }
}

/// tc prints a rate rounded down to a unit.
const RATE: &str = "the rate is printed rounded down to its unit; take JSON or a netlink dump";
/// A TBF's limit is printed as a latency.
const TBF: &str =
    "its limit is printed as a latency rounded down, and its peak rate not at all in JSON";

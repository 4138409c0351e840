//! What `tc show` prints, read where it can be. Both forms lose something: an object that can't be had back exactly is
//! refused with the reason, since a plan on guesses would change what is right. Netlink dumps lose nothing.

use crate::object::{Class, Filter, Qdisc};
use crate::text::printable;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// An object that was read exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedObject {
    /// A qdisc.
    Qdisc(Qdisc),
    /// An HTB class.
    Class(Class),
    /// A filter.
    Filter(Filter),
}

/// An object that can't be had back from what is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnparsedObject {
    /// Such as `class 1:10`.
    pub object: String,
    /// What is lost.
    pub reason: &'static str,
}

/// What was read, and what was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParsedOutput {
    /// Exact.
    pub objects: Vec<ParsedObject>,
    /// Refused.
    pub unparsed: Vec<UnparsedObject>,
}

impl ParsedOutput {
    pub(super) fn refuse(&mut self, object: &str, reason: &'static str) {
        let object = printable(object).to_string();
        self.unparsed.push(UnparsedObject { object, reason });
    }
}

/// tc prints a rate rounded down to a unit.
pub(super) const RATE: &str =
    "the rate is printed rounded down to its unit; take JSON or a netlink dump";
/// A TBF's limit is printed as a latency.
pub(super) const TBF: &str =
    "its limit is printed as a latency rounded down, and its peak rate not at all in JSON";

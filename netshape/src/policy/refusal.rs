//! What a policy asks for and can't have, with the figures.

use super::direction::Direction;
use super::limits::{MAX_CEILING, MIN_CEILING};
use crate::object::handle::Handle;
use crate::text::printable;
use crate::unit::{Bytes, Rate, UnitError};
use alloc::format;
use alloc::string::String;

/// A part of a policy that is refused; the rest is planned.
///
/// ```
/// use netshape::policy::RefusalKind;
/// use netshape::{Rate, Uplink};
///
/// let refusal = Uplink::new("eth0", Rate::mbit(10), Rate::gbit(1)).unwrap_err();
/// assert_eq!(refusal.field, "reserve");
/// assert!(matches!(refusal.kind, RefusalKind::CeilingBelowGuarantee { .. }));
/// assert_eq!(refusal.to_string(), "reserve: ceiling 10 Mbit/s below guarantee 1 Gbit/s");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {kind}")]
#[non_exhaustive]
pub struct Refusal {
    /// The field it is about, such as `container[3].egress.guarantee`.
    pub field: String,
    /// Why.
    pub kind: RefusalKind,
}

impl Refusal {
    /// A refusal of `field`.
    #[must_use]
    pub fn new(field: impl Into<String>, kind: RefusalKind) -> Self {
        Self {
            field: field.into(),
            kind,
        }
    }

    /// The same one level further in: `within` goes before the field's name.
    #[must_use]
    pub fn within(self, within: &str) -> Self {
        let field = if self.field.is_empty() {
            within.into()
        } else {
            format!("{within}.{}", self.field)
        };
        Self { field, ..self }
    }
}

/// Why something is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalKind {
    /// HTB lets children exceed their parent, so we must not.
    #[error(
        "sum {sum} over {parent_name} {parent} ({promised} promised so far, {requested} requested)"
    )]
    OverParent {
        /// What the parent is called.
        parent_name: &'static str,
        /// Promised with this one.
        sum: Rate,
        /// Promised without it.
        promised: Rate,
        /// What it asks for.
        requested: Rate,
        /// What there is.
        parent: Rate,
    },
    /// A ceiling under the guarantee.
    #[error("ceiling {ceiling} below guarantee {guarantee}")]
    CeilingBelowGuarantee {
        /// The ceiling.
        ceiling: Rate,
        /// The guarantee.
        guarantee: Rate,
    },
    /// A ceiling for which there is no bucket.
    #[error(
        "{given} is no rate to shape to: want {MIN_CEILING} (an uplink's capacity: 8 kbit/s) to {MAX_CEILING}"
    )]
    CeilingOutOfRange {
        /// What was given.
        given: Rate,
    },
    /// A bucket that no full packet passes.
    #[error("burst {burst} under MTU and header, {least}: every full packet would be dropped")]
    BurstBelowMtu {
        /// What was given.
        burst: Bytes,
        /// The least.
        least: Bytes,
    },
    /// A bucket that the kernel's field or tc's can't hold.
    #[error(
        "burst {burst} over {most}: the kernel counts it in 32 bits of 64 ns (274.9 s of {rate}), tc in 32 bits of bytes"
    )]
    BurstTooLong {
        /// What was given.
        burst: Bytes,
        /// The most.
        most: Bytes,
        /// At this rate.
        rate: Rate,
    },
    /// HTB has eight priorities.
    #[error("priority {given} is not 0 to 7")]
    BadPriority {
        /// What was given.
        given: u64,
    },
    /// A weight out of range.
    #[error("weight {given} is not 1 to 1000")]
    BadWeight {
        /// What was given.
        given: u64,
    },
    /// Not a name that the kernel takes.
    #[error("`{}` is {rule}", printable(given))]
    BadName {
        /// What was given, cut at 40 characters.
        given: String,
        /// What would be one.
        rule: &'static str,
    },
    /// Not the number of a process.
    #[error(
        "`{}` is no process: write a number from 1 to 4294967295",
        printable(given)
    )]
    BadPid {
        /// What was given, cut at 40 characters.
        given: String,
    },
    /// A direction that can only be shaped on the host's end of a veth.
    #[error(
        "no host's end of a veth is named, which {} is shaped by: write `veth`; a macvlan or ipvlan container has none, so that only its egress can be shaped, on its own device (`dev`) in its namespace (`netns` or `pid`)",
        match direction { Direction::Ingress => "ingress", Direction::Egress => "egress by an ifb" }
    )]
    NoVeth {
        /// Which direction.
        direction: Direction,
    },
    /// Not an address that a container's packets have on an uplink.
    #[error("`{}` is {rule}", printable(given))]
    BadAddress {
        /// What was given, cut at 60 characters.
        given: String,
        /// What it is instead.
        rule: &'static str,
    },
    /// What a container is to have on the uplink can't reach it: nothing tells its packets from the host's own.
    #[error(
        "what {id} is to have of uplink {uplink} (guarantee, tier, ceiling) would never reach it: nothing tells its packets from the host's own there; give its addresses (`addresses = [\"10.1.2.3\", \"fd00::3\"]`), or say that others classify (`classify = \"priority\"` in host.uplink)"
    )]
    Unclassified {
        /// The container.
        id: String,
        /// The uplink's device.
        uplink: String,
    },
    /// Two of one name.
    #[error("`{}` is there already", printable(given))]
    Duplicate {
        /// What was given.
        given: String,
    },
    /// A tier that the host does not have.
    #[error("no tier is called `{}`", printable(given))]
    UnknownTier {
        /// What was given.
        given: String,
    },
    /// HTB has eight levels.
    #[error("class {class} is deeper than {limit} levels")]
    TooDeep {
        /// The class.
        class: Handle,
        /// How many there are.
        limit: usize,
    },
    /// A class that something points at is not there.
    #[error(
        "{pointer} {class} is no class: the kernel would take it and not shape what goes there"
    )]
    UnknownClass {
        /// `parent`, `default` or `flowid`.
        pointer: &'static str,
        /// What it points at.
        class: Handle,
    },
    /// HTB lets children exceed their parent, so we must not.
    #[error("sum {sum} below class {parent} over its {given}")]
    ChildrenOverParent {
        /// The parent.
        parent: Handle,
        /// What its children have.
        sum: Rate,
        /// What it has.
        given: Rate,
    },
    /// A filter of somebody else's that packets meet before ours.
    #[error(
        "{filter} is not ours and comes before ours: what it matches would never reach {ifb}; take it off, or take over, which adds it again behind ours"
    )]
    FilterInFront {
        /// The filter: handle, priority, hook, device.
        filter: String,
        /// Where our class is.
        ifb: String,
    },
    /// Such a filter, which could not be added again as it was.
    #[error("{filter} comes before ours and can't be moved behind it: {reason}")]
    FilterNotRestorable {
        /// The filter.
        filter: String,
        /// What of it can't be said again.
        reason: String,
    },
    /// A filter of somebody else's that takes packets off a device before its classes see them.
    #[error(
        "{filter} is not ours and sends packets elsewhere before they reach a class of {device}: take it off first"
    )]
    FilterBypasses {
        /// The filter.
        filter: String,
        /// The device that is to be shaped.
        device: String,
    },
    /// A number with a unit that can't be taken as it stands.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A field that must be given.
    #[error("is missing, and there is no uplink to take it from")]
    Missing,
    /// Two fields that exclude each other.
    #[error("`{}` is given beside {other}: write one of them", printable(given))]
    Conflicting {
        /// What was given.
        given: String,
        /// The other field.
        other: &'static str,
    },
    /// More than a policy may hold.
    #[error("{given} of them, {limit} at most")]
    TooMany {
        /// How many there are.
        given: usize,
        /// How many may be.
        limit: usize,
    },
    /// 16 bits of class numbers are used up.
    #[error("no class number is left: {used} of {limit} are taken")]
    HandlesExhausted {
        /// How many are in use.
        used: usize,
        /// How many there are.
        limit: usize,
    },
}

//! The operations between what is and what should be, in an order that leaves no service empty on the way.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::contents::{Entry, Registry};
use super::registration::{Registration, RegistrationStatus};

/// The most operations in one transaction (Consul's limit; measured: 413 beyond it).
pub const MAX_TXN: usize = 64;

/// Why an operation is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OpReason {
    /// The registry lacks it.
    Missing,
    /// Address, node, zone or region differ.
    Moved,
    /// Its status differs.
    RegistrationStatus,
    /// Only its weight differs.
    Weight,
    /// The registry has it, the engine has not.
    Surplus,
}

impl fmt::Display for OpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the registry lacks it",
            Self::Moved => "its address or place differs",
            Self::RegistrationStatus => "its status differs",
            Self::Weight => "its weight differs",
            Self::Surplus => "the engine does not have it",
        })
    }
}

/// One operation on a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Op {
    /// Write an entry that is not there.
    Register {
        /// Its service.
        service: String,
        /// Its name.
        name: String,
        /// What to write; its revision is 0.
        entry: Entry,
        /// Why.
        reason: OpReason,
    },
    /// Write an entry over the one of that revision.
    Update {
        /// Its service.
        service: String,
        /// Its name.
        name: String,
        /// What to write; its revision is the one to be replaced.
        entry: Entry,
        /// Why.
        reason: OpReason,
    },
    /// Take an entry of that revision away.
    Deregister {
        /// Its service.
        service: String,
        /// Its name.
        name: String,
        /// Who wrote it: us.
        owner: String,
        /// The revision that was seen.
        revision: u64,
        /// Why.
        reason: OpReason,
    },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, name, service) = match self {
            Self::Register { name, service, .. } => ("register", name, service),
            Self::Update { name, service, .. } => ("update", name, service),
            Self::Deregister { name, service, .. } => ("deregister", name, service),
        };
        write!(f, "{verb} {name:?} of {service:?}: {}", self.reason())
    }
}

impl Op {
    /// Operations that give a service endpoints come first, those that take them away last: no prefix of the
    /// whole leaves a service with fewer open endpoints than both its beginning and its end.
    fn rank(&self) -> u8 {
        match self {
            Self::Register { entry, .. } | Self::Update { entry, .. } => u8::from(!entry.open()),
            Self::Deregister { .. } => 2,
        }
    }

    /// The name of the entry it is about.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Register { name, .. }
            | Self::Update { name, .. }
            | Self::Deregister { name, .. } => name,
        }
    }

    /// The entry to be written; `None` for one that is taken away.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Register { entry, .. } | Self::Update { entry, .. } => Some(entry),
            Self::Deregister { .. } => None,
        }
    }

    /// Why it is needed.
    #[must_use]
    pub fn reason(&self) -> OpReason {
        match self {
            Self::Register { reason, .. }
            | Self::Update { reason, .. }
            | Self::Deregister { reason, .. } => *reason,
        }
    }

    /// The service it is about.
    #[must_use]
    pub fn service(&self) -> &str {
        match self {
            Self::Register { service, .. }
            | Self::Update { service, .. }
            | Self::Deregister { service, .. } => service,
        }
    }
}

/// What makes `registry` say of one service what `desired` says: nothing when it does already, nothing about
/// entries that `owner` did not write. `desired` may come in any order; entries of other services in it are
/// passed over.
///
/// A name that another owner holds in the registry is left to them. What `desired` lacks goes: an engine that may
/// not have heard of everybody yet asks [`crate::Engine::reconcile`]. O(n log n) in the larger of both.
///
/// ```
/// use discovery_core::registry::{OpReason, Registration, RegistrationStatus, diff};
/// use discovery_core::Registry;
///
/// let web = Registration {
///     service: "web",
///     name: "web-1",
///     node: "n1",
///     zone: "a",
///     region: "north",
///     address: ([10, 0, 0, 1], 80).into(),
///     weight: 100_000,
///     status: RegistrationStatus::Passing,
/// };
/// let mut registry = Registry::new();
/// let ops = diff("web", [web].into_iter(), &registry, "berth");
/// assert_eq!(ops.first().map(|op| op.reason()), Some(OpReason::Missing));
/// for op in &ops {
///     registry.apply(op)?;
/// }
/// assert!(diff("web", [web].into_iter(), &registry, "berth").is_empty());
/// # Ok::<(), discovery_core::registry::ApplyError>(())
/// ```
#[must_use]
pub fn diff<'a>(
    service: &str,
    desired: impl Iterator<Item = Registration<'a>>,
    registry: &Registry,
    owner: &str,
) -> Vec<Op> {
    let mut wanted: Vec<Registration<'a>> = desired.filter(|r| r.service == service).collect();
    wanted.sort_by(|a, b| a.name.cmp(b.name));
    let mut ops = Vec::new();
    let mut held = registry.service(service).peekable();
    for want in &wanted {
        while let Some((name, entry)) = held.next_if(|(name, _)| *name < want.name) {
            ops.extend(surplus(service, name, entry, owner));
        }
        match held.next_if(|(name, _)| *name == want.name) {
            None => ops.push(missing(want, owner)),
            Some((_, entry)) => ops.extend(changed(want, entry, owner)),
        }
    }
    for (name, entry) in held {
        ops.extend(surplus(service, name, entry, owner));
    }
    ops.sort_by_key(Op::rank);
    ops
}

fn missing(want: &Registration<'_>, owner: &str) -> Op {
    Op::Register {
        service: want.service.to_owned(),
        name: want.name.to_owned(),
        entry: Entry::new(want, owner, 0),
        reason: OpReason::Missing,
    }
}

fn changed(want: &Registration<'_>, entry: &Entry, owner: &str) -> Option<Op> {
    if entry.owner != owner || entry.says(want) {
        return None;
    }
    let placed = Registration {
        weight: entry.weight,
        status: entry.status,
        ..*want
    };
    let reason = if !entry.says(&placed) {
        OpReason::Moved
    } else if entry.status != want.status {
        OpReason::RegistrationStatus
    } else {
        OpReason::Weight
    };
    let mut written = Entry::new(want, owner, entry.revision);
    if want.status == RegistrationStatus::Unknown {
        (written.status, written.weight) = (entry.status, entry.weight);
    }
    let (service, name) = (want.service.to_owned(), want.name.to_owned());
    Some(Op::Update {
        service,
        name,
        entry: written,
        reason,
    })
}

fn surplus(service: &str, name: &str, entry: &Entry, owner: &str) -> Option<Op> {
    if entry.owner != owner {
        return None;
    }
    Some(Op::Deregister {
        service: service.to_owned(),
        name: name.to_owned(),
        owner: owner.to_owned(),
        revision: entry.revision,
        reason: OpReason::Surplus,
    })
}

/// The operations in their order, cut into transactions of at most [`MAX_TXN`]. Carry them out one after another, and
/// none after one that failed: the later ones take away what the earlier ones replace.
pub fn transactions(ops: &[Op]) -> impl Iterator<Item = &[Op]> {
    ops.chunks(MAX_TXN)
}

//! Why something is refused: what was asked, what stands in the way, what would be right.

use crate::cidr::{Family, ParseError};
use crate::pool::spec::NameError;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

/// Why one pool gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "why", rename_all = "kebab-case"))]
pub enum PoolReason {
    /// It is of the other family.
    Family,
    /// A label is missing or has another value.
    Label {
        /// The label's key.
        key: String,
        /// The value asked for.
        want: String,
        /// The pool's value.
        have: Option<String>,
    },
    /// It gives nothing more.
    Draining,
    /// No address is free.
    Full {
        /// Held by owners.
        held: u32,
        /// Retained for workloads.
        reserved: u32,
        /// In quarantine after release.
        quarantined: u32,
        /// When the first of those becomes free.
        next: Option<Timestamp>,
    },
    /// Addresses are free, but in blocks the host may not use.
    Blocks {
        /// The limit that keeps it from taking another block.
        limit: Option<u32>,
        /// Free addresses in other hosts' blocks.
        free: u64,
    },
}

impl fmt::Display for PoolReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family => f.write_str("is of the other family"),
            Self::Label {
                key,
                want,
                have: Some(have),
            } => {
                write!(f, "has {key}={have}, not {key}={want}")
            }
            Self::Label {
                key,
                want,
                have: None,
            } => write!(f, "has no label {key}={want}"),
            Self::Draining => f.write_str("is draining"),
            Self::Full {
                held,
                reserved,
                quarantined,
                next,
            } => {
                write!(
                    f,
                    "is full: {held} held, {reserved} reserved, {quarantined} in quarantine"
                )?;
                next.map_or(Ok(()), |next| write!(f, " (the first until {next})"))
            }
            Self::Blocks { limit, free } => {
                let limit = limit.map_or_else(String::new, |l| alloc::format!(" of {l}"));
                write!(
                    f,
                    "has {free} free addresses in other hosts' blocks only; this host is at its limit{limit} or the pool is strict"
                )
            }
        }
    }
}

/// One pool that was considered for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Considered {
    /// The pool's name.
    pub pool: String,
    /// Why it gave nothing.
    #[cfg_attr(feature = "serde", serde(rename = "why"))]
    pub reason: PoolReason,
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.pool, self.reason)
    }
}

/// Why an address is unavailable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnavailableReason {
    /// It lies in no pool that was asked for.
    NoPool,
    /// The pool never gives it out, because it is this.
    Excluded(&'static str),
    /// An owner holds it.
    Held {
        /// The owner.
        owner: String,
        /// Its host.
        host: Option<String>,
        /// The end of its lease.
        until: Option<Timestamp>,
    },
    /// It is retained for a workload.
    Retained {
        /// The workload.
        workload: String,
    },
    /// It is in quarantine after release.
    Quarantined {
        /// Until then.
        until: Timestamp,
    },
    /// Its pool gives nothing more.
    Draining,
    /// The sparse pool that it lies in has no room for another block.
    NoSlots,
    /// A stored record that may hold it is damaged.
    Damaged,
}

impl fmt::Display for UnavailableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPool => f.write_str("is in no pool that was asked for"),
            Self::Excluded(reason) => write!(f, "is never given out: it is {reason}"),
            Self::Held { owner, host, until } => {
                write!(f, "is held by `{owner}`")?;
                host.iter().try_for_each(|h| write!(f, " on `{h}`"))?;
                until.iter().try_for_each(|u| write!(f, " until {u}"))
            }
            Self::Retained { workload } => write!(f, "is retained for `{workload}`"),
            Self::Quarantined { until } => write!(f, "is in quarantine until {until}"),
            Self::Draining => f.write_str("is in a draining pool"),
            Self::Damaged => f.write_str("may be held: a stored record about it is damaged"),
            Self::NoSlots => f.write_str("would need another block than the pool has room for"),
        }
    }
}

/// Why a claim is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A name does not fit.
    #[error("{field}: {error}")]
    Name {
        /// `owner`, `workload`, `interface` or `host`.
        field: &'static str,
        /// What is wrong with it.
        error: NameError,
    },
    /// Nothing can be retained for nobody.
    #[error("a sticky or fixed claim needs a workload to retain the address for")]
    NeedsWorkload,
    /// Addresses asked for do not go with the families wanted, or are two of one family.
    #[error("{address} was asked for, but one address of {wanted} was wanted")]
    Addresses {
        /// The address too many.
        address: IpAddr,
        /// The families wanted.
        wanted: &'static str,
    },
    /// The owner has a claim that does not answer this request.
    #[error(
        "`{owner}` has a claim already, and its {field} is not what is asked for now; release it first"
    )]
    Different {
        /// The owner.
        owner: String,
        /// What differs.
        field: &'static str,
    },
    /// There is no such pool.
    #[error("there is no pool `{0}`: add it, or name another")]
    UnknownPool(String),
    /// The workload is on its way.
    #[error("`{workload}` is moving from `{from}` to `{to}`: finish or abort the move")]
    Moving {
        /// The workload.
        workload: String,
        /// The host it leaves.
        from: String,
        /// The host it goes to.
        to: String,
    },
    /// Another owner holds what is fixed to this workload and interface.
    #[error("`{workload}` has {} already: held by `{owner}`{}; release it first", joined(.addresses), using(.host.as_deref(), *.until))]
    Held {
        /// The workload, with the interface in brackets if it is not `eth0`.
        workload: String,
        /// What is held, IPv4 first.
        addresses: Vec<IpAddr>,
        /// The owner that holds it.
        owner: String,
        /// Its host.
        host: Option<String>,
        /// The end of its lease; `None`: until it releases it.
        until: Option<Timestamp>,
    },
    /// An address cannot be had.
    #[error("{address} {reason}")]
    Unavailable {
        /// The address.
        address: IpAddr,
        /// Why it is unavailable.
        reason: UnavailableReason,
    },
    /// No pool has an address for this claim.
    #[error("no {family} address for `{owner}`: {}", list(.considered))]
    Exhausted {
        /// The owner.
        owner: String,
        /// The family that none was found of.
        family: Family,
        /// Every pool that was considered, and why it gave nothing.
        considered: Vec<Considered>,
    },
}

fn joined(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses
        .iter()
        .map(alloc::string::ToString::to_string)
        .collect();
    texts.join(" and ")
}

fn using(host: Option<&str>, until: Option<Timestamp>) -> String {
    let host = host.map_or_else(String::new, |h| alloc::format!(" on `{h}`"));
    host + &ending(until)
}

fn list(considered: &[Considered]) -> String {
    use fmt::Write as _;
    if considered.is_empty() {
        return "there are no pools".into();
    }
    let mut out = String::new();
    for (i, c) in considered.iter().enumerate() {
        let _ = write!(out, "{}{c}", if i > 0 { "; " } else { "" });
    }
    out
}

/// Why a release frees nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The owner holds nothing.
    #[error("`{owner}` holds nothing: nothing is left to release")]
    Unknown {
        /// The owner.
        owner: String,
    },
    /// The release is of an earlier claim: late, and the owner has another by now.
    #[error("`{owner}` holds claim {current}; the release is for claim {given} and frees nothing")]
    Stale {
        /// The owner.
        owner: String,
        /// The sequence given.
        given: u64,
        /// The sequence that stands.
        current: u64,
    },
}

/// Why a lease is not renewed. Whatever it is: stop using the addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// The lease has run out.
    #[error("the lease of `{owner}` ended at {until}: unconfigure its addresses")]
    Expired {
        /// The owner.
        owner: String,
        /// When the lease ended.
        until: Timestamp,
    },
    /// The claim is gone.
    #[error("`{owner}` holds nothing any more: unconfigure its addresses")]
    Gone {
        /// The owner.
        owner: String,
    },
    /// The owner has a newer claim.
    #[error("`{owner}` holds claim {current}, not {given}: unconfigure the old claim's addresses")]
    Fenced {
        /// The owner.
        owner: String,
        /// The sequence given.
        given: u64,
        /// The sequence that stands.
        current: u64,
    },
}

/// Why a move cannot begin, finish or be called off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// The workload holds nothing there.
    #[error("`{workload}` holds nothing on `{host}`: name the host that it leaves")]
    NotThere {
        /// The workload.
        workload: String,
        /// The host.
        host: String,
    },
    /// An ephemeral address does not move.
    #[error("`{workload}` has an ephemeral address, which does not move: claim another")]
    Ephemeral {
        /// The workload.
        workload: String,
    },
    /// From a host to itself.
    #[error("`{workload}` is on `{host}` already: name another host")]
    SameHost {
        /// The workload.
        workload: String,
        /// The host.
        host: String,
    },
    /// It is on its way already.
    #[error("`{workload}` is moving from `{from}` to `{to}` already: finish or abort that move")]
    Moving {
        /// The workload.
        workload: String,
        /// The host it leaves.
        from: String,
        /// The host it goes to.
        to: String,
    },
    /// It is not on its way.
    #[error("`{workload}` is not moving: begin a move first")]
    NotMoving {
        /// The workload.
        workload: String,
    },
    /// The old host may still use the address.
    #[error("{address} is still held by `{owner}` on `{host}`{}; release it first", ending(*.until))]
    StillHeld {
        /// The address.
        address: IpAddr,
        /// The old owner.
        owner: String,
        /// The old host.
        host: String,
        /// The end of its lease; `None`: until it releases it.
        until: Option<Timestamp>,
    },
    /// The new owner cannot make the claim.
    #[error(transparent)]
    Claim(#[from] ClaimError),
}

fn ending(until: Option<Timestamp>) -> String {
    until.map_or_else(String::new, |u| alloc::format!(" until {u}"))
}

/// Why a reservation is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// A range cannot be reserved.
    #[error(transparent)]
    Refused(#[from] crate::apply::ApplyError),
    /// A range lies in no pool.
    #[error("{0} lies in no pool: add one that contains it")]
    NoPool(crate::cidr::AddressRange),
    /// Nothing was given.
    #[error("a reservation needs at least one address")]
    Nothing,
    /// The range is malformed.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

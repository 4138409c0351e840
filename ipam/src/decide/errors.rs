//! Why something is refused: what was asked, what stands in the way, what would be right.

mod reasons;

pub use reasons::{Considered, PoolReason, UnavailableReason};

use crate::cidr::{Family, ParseError};
use crate::pool::spec::NameError;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

/// Why a claim is refused.
///
/// ```
/// # use ipam::claim::ClaimError;
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// let request = Request::new("c1/eth0").pools(&["q"]);
/// match ipam.claim(at(1), &request) {
///     Err(ClaimError::UnknownPool(name)) => assert_eq!(name, "q"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// # use ipam::claim::ReleaseError;
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// let grant = ipam.claim(at(1), &Request::new("c1/eth0"))?;
/// let late = ipam.release(at(2), "c1/eth0", grant.sequence - 1);
/// assert!(matches!(late, Err(ReleaseError::Stale { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

//! What is asked for and what is given: requests, retention, leases.

pub use crate::decide::{
    ClaimError, Considered, Decision, MoveError, PoolReason, ReleaseError, RenewError,
    ReserveError, UnavailableReason,
};
pub use crate::identity::{DEFAULT_INTERFACE, Identity};
pub use crate::listing::Retained;
pub use crate::query::{ClaimRef, Holder};

mod grant;
mod request;

pub use grant::{Grant, Lease, Origin, Place};
pub use request::Request;

use crate::cidr::{AddressRange, Family};
use core::time::Duration;

/// How long an address stays with its workload.
///
/// ```
/// use ipam::claim::{Retention, RetentionKind};
/// use std::time::Duration;
///
/// assert_eq!(RetentionKind::from(Retention::Fixed(&[])), RetentionKind::Fixed);
/// // Sticky for no time is not sticky.
/// let none = Retention::Sticky(Duration::ZERO);
/// assert_eq!(RetentionKind::from(none), RetentionKind::Ephemeral);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention<'a> {
    /// Not beyond the claim.
    #[default]
    Ephemeral,
    /// The workload finds its address again within this time after release.
    Sticky(Duration),
    /// Reserved to the workload for as long as the reservation stands. These addresses, all of them; of
    /// none given, whichever the claim takes.
    Fixed(&'a [AddressRange]),
}

/// A retention as it is stored with a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum RetentionKind {
    /// Not beyond the claim.
    #[default]
    Ephemeral,
    /// For a time after release.
    Sticky(Duration),
    /// For as long as the reservation stands.
    Fixed,
}

impl RetentionKind {
    /// The name in listings: `ephemeral`, `sticky`, `fixed`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ephemeral => "ephemeral",
            Self::Sticky(_) => "sticky",
            Self::Fixed => "fixed",
        }
    }
}

impl From<Retention<'_>> for RetentionKind {
    fn from(retention: Retention<'_>) -> Self {
        match retention {
            Retention::Ephemeral | Retention::Sticky(Duration::ZERO) => Self::Ephemeral,
            Retention::Sticky(ttl) => Self::Sticky(ttl),
            Retention::Fixed(_) => Self::Fixed,
        }
    }
}

/// Which families a claim wants: one address of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Families {
    /// IPv4 only.
    #[default]
    V4,
    /// IPv6 only.
    V6,
    /// One of each, or nothing.
    Dual,
}

impl Families {
    /// Whether `family` is among them.
    ///
    /// ```
    /// use ipam::claim::Families;
    /// use ipam::net::Family;
    ///
    /// assert!(Families::Dual.want(Family::V6) && !Families::V4.want(Family::V6));
    /// ```
    #[must_use]
    pub fn want(self, family: Family) -> bool {
        matches!(
            (self, family),
            (Self::Dual, _) | (Self::V4, Family::V4) | (Self::V6, Family::V6)
        )
    }
}

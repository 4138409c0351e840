//! What is asked for and what is given: requests, retention, leases.

pub use crate::decide::{
    ClaimError, Considered, Decision, MoveError, PoolReason, ReleaseError, RenewError,
    ReserveError, UnavailableReason,
};
pub use crate::identity::{DEFAULT_INTERFACE, Identity};
pub use crate::listing::Retained;
pub use crate::query::{ClaimRef, Holder};

use crate::cidr::{AddressRange, Family};
use crate::pool::PoolId;
use crate::time::Timestamp;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// How long an address stays with its workload.
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

/// A retention as it is kept with a claim.
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
    #[must_use]
    pub fn want(self, family: Family) -> bool {
        matches!(
            (self, family),
            (Self::Dual, _) | (Self::V4, Family::V4) | (Self::V6, Family::V6)
        )
    }
}

/// A claim as it is asked for. Nothing is copied: the request borrows its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Request<'a> {
    /// The attachment: container id and interface, such as `container-1/eth0`.
    pub owner: &'a str,
    /// The stable identity behind it, such as `shop/web-0`; needed to keep an address beyond the claim.
    pub workload: Option<&'a str>,
    /// The interface of the workload: what it keeps, it keeps for this one. Without a workload it says nothing.
    pub interface: &'a str,
    /// The host that will use the address.
    pub host: Option<&'a str>,
    /// How long the address stays with the workload.
    pub retention: Retention<'a>,
    /// One address of each of these families.
    pub families: Families,
    /// Pools by name, in order of preference; of none named, any whose labels match, by name.
    pub pools: &'a [&'a str],
    /// Labels a pool must bear.
    pub labels: &'a [(&'a str, &'a str)],
    /// These very addresses, at most one of each family, with any retention.
    pub addresses: &'a [IpAddr],
    /// Search after this address: the rest of its pool, the pools listed after it, those before it, and at
    /// last its pool up to it. Only where hosts have no blocks; the pools' own orders are passed over.
    pub after: Option<IpAddr>,
    /// How long the claim lasts unless renewed; otherwise as its pool says.
    pub lease: Option<Duration>,
}

impl<'a> Request<'a> {
    /// One ephemeral IPv4 address from any pool, for no particular host, through
    /// [`DEFAULT_INTERFACE`].
    pub const fn new(owner: &'a str) -> Self {
        Self {
            owner,
            workload: None,
            interface: DEFAULT_INTERFACE,
            host: None,
            retention: Retention::Ephemeral,
            families: Families::V4,
            pools: &[],
            labels: &[],
            addresses: &[],
            after: None,
            lease: None,
        }
    }

    /// For this workload.
    pub const fn workload(mut self, workload: &'a str) -> Self {
        self.workload = Some(workload);
        self
    }

    /// Through this interface of the workload, such as `net1`.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// ipam.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("c1/eth0").workload("shop/web-0").fixed(&[]);
    /// let first = ipam.claim(now, &request)?;
    /// // The same interface is refused to another owner for as long as the first one holds it.
    /// assert!(ipam.claim(now, &Request { owner: "c2/eth0", ..request }).is_err());
    /// // Another interface has an address of its own.
    /// let second = ipam.claim(now, &Request { owner: "c2/net1", ..request }.interface("net1"))?;
    /// assert_ne!(first.address(), second.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn interface(mut self, interface: &'a str) -> Self {
        self.interface = interface;
        self
    }

    /// On this host.
    pub const fn host(mut self, host: &'a str) -> Self {
        self.host = Some(host);
        self
    }

    /// Sticky: the workload finds its address again within `ttl` after release.
    pub const fn sticky(mut self, ttl: Duration) -> Self {
        self.retention = Retention::Sticky(ttl);
        self
    }

    /// Fixed: these addresses are reserved to the workload; of none given, whichever this claim takes.
    pub const fn fixed(mut self, addresses: &'a [AddressRange]) -> Self {
        self.retention = Retention::Fixed(addresses);
        self
    }

    /// Of these families.
    pub const fn families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }

    /// From these pools, in order of preference.
    pub const fn pools(mut self, pools: &'a [&'a str]) -> Self {
        self.pools = pools;
        self
    }

    /// From pools that bear these labels.
    pub const fn labels(mut self, labels: &'a [(&'a str, &'a str)]) -> Self {
        self.labels = labels;
        self
    }

    /// These very addresses.
    pub const fn addresses(mut self, addresses: &'a [IpAddr]) -> Self {
        self.addresses = addresses;
        self
    }

    /// Searched for after this address, in the order of the pools.
    pub const fn after(mut self, address: IpAddr) -> Self {
        self.after = Some(address);
        self
    }

    /// For this long, unless renewed.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }
}

/// How an address was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Origin {
    /// Free, chosen by the pool's order.
    Fresh,
    /// Asked for by address.
    Asked,
    /// The workload's own from before, or reserved to it.
    Reused,
    /// From quarantine, this long before its time.
    Early {
        /// What was left of its quarantine.
        left: Duration,
    },
    /// Restored from a dump.
    Restored,
}

/// An address in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Place {
    /// The pool.
    pub pool: PoolId,
    /// The address.
    pub address: IpAddr,
    /// How it was come by.
    pub origin: Origin,
}

/// One address given, with what is needed to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Lease {
    /// The address.
    pub address: IpAddr,
    /// The pool's prefix length.
    pub prefix_length: u8,
    /// The pool's name.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::claim::text"))]
    pub pool: Arc<str>,
    /// The pool's gateway.
    pub gateway: Option<IpAddr>,
    /// VLAN id of the segment.
    pub vlan: Option<u16>,
    /// Bridge to join.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::claim::maybe_text"))]
    pub bridge: Option<Arc<str>>,
    /// How it was come by; what a repeated claim is told is how it was the first time no more:
    /// [`Origin::Reused`].
    pub origin: Origin,
}

/// serde's `Arc<str>` needs its `rc` feature; texts are written plainly instead.
#[cfg(feature = "serde")]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn text<S: serde::Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

#[cfg(feature = "serde")]
pub(crate) fn maybe_text<S: serde::Serializer>(
    text: &Option<Arc<str>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => to.serialize_some(&**text),
        None => to.serialize_none(),
    }
}

/// What a claim was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Grant {
    /// The fencing token: a release or renewal must carry it.
    pub sequence: u64,
    /// Until when the claim lasts unless renewed; `None`: until released.
    pub until: Option<Timestamp>,
    /// One per family wanted, IPv4 first.
    pub leases: Vec<Lease>,
}

impl Grant {
    /// Whether an address was taken from quarantine before its time.
    #[must_use]
    pub fn early(&self) -> bool {
        self.leases
            .iter()
            .any(|l| matches!(l.origin, Origin::Early { .. }))
    }

    /// Whether every address is one the workload had before or that is reserved to it.
    #[must_use]
    pub fn reused(&self) -> bool {
        self.leases.iter().all(|l| l.origin == Origin::Reused)
    }

    /// The first address: the only one unless both families were wanted.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.leases.first().map(|l| l.address)
    }
}

//! What a claim was given.

use crate::pool::PoolId;
use crate::time::Timestamp;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

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
    #[cfg_attr(feature = "serde", serde(serialize_with = "text"))]
    pub pool: Arc<str>,
    /// The pool's gateway.
    pub gateway: Option<IpAddr>,
    /// VLAN id of the segment.
    pub vlan: Option<u16>,
    /// Bridge to join.
    #[cfg_attr(feature = "serde", serde(serialize_with = "maybe_text"))]
    pub bridge: Option<Arc<str>>,
    /// How it was come by; what a repeated claim is told is how it was the first time no more:
    /// [`Origin::Reused`].
    pub origin: Origin,
}

/// serde's `Arc<str>` needs its `rc` feature; texts are written plainly instead.
#[cfg(feature = "serde")]
#[allow(clippy::needless_pass_by_value)]
fn text<S: serde::Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

#[cfg(feature = "serde")]
fn maybe_text<S: serde::Serializer>(text: &Option<Arc<str>>, to: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => to.serialize_some(&**text),
        None => to.serialize_none(),
    }
}

/// What a claim was given.
///
/// ```
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
/// let lease = &grant.leases[0];
/// assert_eq!((&*lease.pool, lease.prefix_length, lease.gateway), ("p", 24, None));
/// assert_eq!(grant.address(), Some(lease.address));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/30".parse()?).early_reuse())?;
    /// let first = ipam.claim(at(1), &Request::new("c1/eth0"))?;
    /// ipam.claim(at(1), &Request::new("c2/eth0"))?;
    /// ipam.release(at(2), "c1/eth0", first.sequence)?;
    /// let third = ipam.claim(at(3), &Request::new("c3/eth0"))?; // nothing else is left
    /// assert!(third.early() && third.address() == first.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn early(&self) -> bool {
        self.leases
            .iter()
            .any(|l| matches!(l.origin, Origin::Early { .. }))
    }

    /// Whether every address is one the workload had before or that is reserved to it.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0");
    /// assert!(!ipam.claim(at(1), &request)?.reused());
    /// assert!(ipam.claim(at(2), &request)?.reused()); // it has it already
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reused(&self) -> bool {
        self.leases.iter().all(|l| l.origin == Origin::Reused)
    }

    /// The first address: the only one unless both families were wanted.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let wanted = "10.9.0.77".parse()?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0").addresses(&[wanted]))?;
    /// assert_eq!(grant.address(), Some(wanted));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.leases.first().map(|l| l.address)
    }
}

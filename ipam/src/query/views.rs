//! What is looked at in place: a claim, a pool, a block, an address.

use crate::cidr::{Cidr, Family};
use crate::claim::{Lease, RetentionKind};
use crate::pool::blocks::BlockState;
use crate::pool::spec::PoolSpec;
use crate::pool::{Pool, PoolId, Usage};
use crate::state::{Claim, Ipam, end};
use crate::time::Timestamp;
use alloc::vec::Vec;
use core::net::IpAddr;

/// One owner's claim, looked at in place.
///
/// ```
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// ipam.claim(at(1), &Request::new("container-1/eth0").workload("shop/web-0").host("h1"))?;
/// let claim = ipam.claim_of("container-1/eth0").ok_or("a claim")?;
/// assert_eq!((claim.workload(), claim.host()), (Some("shop/web-0"), Some("h1")));
/// assert_eq!((claim.touched(), claim.until()), (at(1), None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClaimRef<'a> {
    ipam: &'a Ipam,
    id: u32,
    claim: &'a Claim,
}

impl<'a> ClaimRef<'a> {
    /// The owner.
    #[must_use]
    pub fn owner(self) -> &'a str {
        self.ipam.claims.owner(self.id)
    }

    /// The workload behind it.
    #[must_use]
    pub fn workload(self) -> Option<&'a str> {
        self.ipam.workloads.name(self.claim.workload)
    }

    /// The workload's interface that has the addresses; `None` without a workload.
    #[must_use]
    pub fn interface(self) -> Option<&'a str> {
        let identity = self.ipam.workloads.identity(self.claim.workload);
        identity.map(|i| i.interface)
    }

    /// The host that uses the addresses.
    #[must_use]
    pub fn host(self) -> Option<&'a str> {
        self.ipam.hosts.name(self.claim.host)
    }

    /// Its fencing token.
    #[must_use]
    pub fn sequence(self) -> u64 {
        self.claim.sequence
    }

    /// How long the addresses stay with the workload.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::claim::RetentionKind;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let hour = Duration::from_secs(3600);
    /// ipam.claim(at(1), &Request::new("c1/eth0").workload("shop/web-0").sticky(hour))?;
    /// let claim = ipam.claim_of("c1/eth0").ok_or("a claim")?;
    /// assert_eq!(claim.retention(), RetentionKind::Sticky(hour));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "kept")]
    pub fn retention(self) -> RetentionKind {
        self.ipam.claims.retention(self.id)
    }

    /// The end of its lease; `None`: until released.
    #[must_use]
    pub fn until(self) -> Option<Timestamp> {
        end(self.claim.until)
    }

    /// When it was made or last renewed.
    #[must_use]
    pub fn touched(self) -> Timestamp {
        self.claim.touched
    }

    /// Its addresses, IPv4 first, without allocating.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// let claim = ipam.claims().next().ok_or("a claim")?;
    /// assert!(claim.addresses().eq(grant.address()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn addresses(self) -> impl Iterator<Item = IpAddr> + 'a {
        let spots = self.claim.spots;
        let ipam = self.ipam;
        [Family::V4, Family::V6]
            .into_iter()
            .filter_map(move |family| {
                let spot = spots.get(family)?;
                Some(ipam.pools.get(spot.pool)?.address(spot.slot))
            })
    }

    /// Its addresses with what is needed to use them.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// for lease in ipam.claims().flat_map(|claim| claim.leases()) {
    ///     println!("{}/{} of {}", lease.address, lease.prefix_length, lease.pool);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn leases(self) -> Vec<Lease> {
        self.ipam
            .places_of(self.id)
            .filter_map(|p| self.ipam.lease(p))
            .collect()
    }
}

/// One pool, looked at in place.
///
/// ```
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// let pool = ipam.pool("p").ok_or("a pool")?;
/// assert_eq!((pool.spec().name.as_str(), pool.usage().held), ("p", 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PoolRef<'a> {
    id: PoolId,
    pool: &'a Pool,
}

impl<'a> PoolRef<'a> {
    /// Its number.
    #[must_use]
    pub fn id(self) -> PoolId {
        self.id
    }

    /// What it is.
    #[must_use]
    pub fn spec(self) -> &'a PoolSpec {
        self.pool.spec()
    }

    /// Whether it gives nothing more.
    #[must_use]
    pub fn draining(self) -> bool {
        self.pool.draining()
    }

    /// How many addresses are in which state, as of the allocator's last operation. Constant time.
    #[must_use]
    pub fn usage(self) -> Usage {
        self.pool.usage()
    }
}

/// One block of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRef<'a> {
    /// Its prefix.
    pub cidr: Cidr,
    /// The host that has it, and how far its hold has come.
    pub host: Option<(&'a str, BlockState)>,
    /// Addresses held, retained or in quarantine.
    pub used: u32,
    /// Since when it has none of those, if it has none.
    pub empty_since: Option<Timestamp>,
    /// Counts its changes of host: the guard of a take-over.
    pub generation: u64,
}

/// What is known of an address.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// An owner holds it.
    Held(ClaimRef<'a>),
    /// It is retained for this workload, held by nobody.
    Retained(&'a str),
    /// It is in quarantine until then.
    Quarantined(Timestamp),
    /// Anyone may have it.
    Free,
    /// It is never given out, being this.
    Excluded(&'static str),
    /// It is given out only when asked for.
    SetAside,
    /// It is given to nobody: a stored record that may hold it is damaged.
    Frozen,
}

impl Ipam {
    pub(crate) fn claim_ref(&self, id: u32) -> Option<ClaimRef<'_>> {
        let claim = self.claims.get(id)?;
        let ipam = self;
        Some(ClaimRef { ipam, id, claim })
    }

    pub(super) fn pool_ref(&self, id: PoolId) -> Option<PoolRef<'_>> {
        let pool = self.pools.get(id.0)?;
        Some(PoolRef { id, pool })
    }
}

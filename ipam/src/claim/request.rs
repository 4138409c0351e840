//! A claim as it is asked for.

use super::{Families, Retention};
use crate::cidr::AddressRange;
use crate::identity::DEFAULT_INTERFACE;
use core::net::IpAddr;
use core::time::Duration;

/// A claim as it is asked for. Nothing is copied: the request borrows its texts.
///
/// ```
/// use ipam::{Request, Retention};
/// use std::time::Duration;
///
/// let request = Request::new("container-1/eth0")
///     .workload("shop/web-0")
///     .host("h1")
///     .pools(&["front", "back"])
///     .sticky(Duration::from_secs(300));
/// assert_eq!(request.retention, Retention::Sticky(Duration::from_secs(300)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Request<'a> {
    /// The attachment: container id and interface, such as `container-1/eth0`.
    pub owner: &'a str,
    /// The stable identity behind it, such as `shop/web-0`; needed to retain an address beyond the claim.
    pub workload: Option<&'a str>,
    /// The interface of the workload: what it retains, it retains for this one. Without a workload it says nothing.
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
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0");
    /// ipam.claim(at(1), &request)?;
    /// assert_eq!(ipam.claims_of_workload("shop/web-0").count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").host("h1"))?;
    /// assert_eq!(ipam.routes("h1").len(), 1); // the block that the host has now
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn host(mut self, host: &'a str) -> Self {
        self.host = Some(host);
        self
    }

    /// Sticky: the workload finds its address again within `ttl` after release. It needs a [`Request::workload`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("c1/eth0").workload("shop/web-0").sticky(Duration::from_secs(300));
    /// let first = ipam.claim(at(1), &request)?;
    /// ipam.release(at(2), "c1/eth0", first.sequence)?;
    /// let second = ipam.claim(at(100), &Request { owner: "c2/eth0", ..request })?;
    /// assert_eq!(second.address(), first.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn sticky(mut self, ttl: Duration) -> Self {
        self.retention = Retention::Sticky(ttl);
        self
    }

    /// Fixed: these addresses are reserved to the workload, which it needs; of none given, whichever this claim takes.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let range = ["10.9.0.10".parse()?];
    /// let request = Request::new("c1/eth0").workload("shop/db-0").fixed(&range);
    /// assert_eq!(ipam.claim(at(1), &request)?.address(), Some("10.9.0.10".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn fixed(mut self, addresses: &'a [AddressRange]) -> Self {
        self.retention = Retention::Fixed(addresses);
        self
    }

    /// Of these families.
    ///
    /// ```
    /// # use ipam::claim::Families;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.add_pool(at(0), PoolSpec::new("p6", "fd00:9::/64".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("c1/eth0").families(Families::Dual))?;
    /// assert!(grant.leases[0].address.is_ipv4() && grant.leases[1].address.is_ipv6());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }

    /// From these pools, in order of preference.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.add_pool(at(0), PoolSpec::new("q", "10.8.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("c1/eth0").pools(&["q", "p"]))?;
    /// assert_eq!(&*grant.leases[0].pool, "q");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn pools(mut self, pools: &'a [&'a str]) -> Self {
        self.pools = pools;
        self
    }

    /// From pools that bear these labels.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.add_pool(at(0), PoolSpec::new("q", "10.8.0.0/24".parse()?).label("rack", "r1"))?;
    /// let grant = ipam.claim(at(1), &Request::new("c1/eth0").labels(&[("rack", "r1")]))?;
    /// assert_eq!(&*grant.leases[0].pool, "q");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn labels(mut self, labels: &'a [(&'a str, &'a str)]) -> Self {
        self.labels = labels;
        self
    }

    /// These very addresses.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let wanted = ["10.9.0.77".parse()?];
    /// let grant = ipam.claim(at(1), &Request::new("c1/eth0").addresses(&wanted))?;
    /// assert_eq!(grant.address(), Some(wanted[0]));
    /// assert!(ipam.claim(at(2), &Request::new("c2/eth0").addresses(&wanted)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn addresses(mut self, addresses: &'a [IpAddr]) -> Self {
        self.addresses = addresses;
        self
    }

    /// Searched for after this address, in the order of the pools.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp, pool::Affinity};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).affinity(Affinity::Off);
    /// ipam.add_pool(now, spec)?;
    /// let request = Request::new("c1/eth0").after("10.9.0.20".parse()?);
    /// assert_eq!(ipam.claim(now, &request)?.address(), Some("10.9.0.21".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn after(mut self, address: IpAddr) -> Self {
        self.after = Some(address);
        self
    }

    /// For this long, unless renewed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("c1/eth0").lease(Duration::from_secs(60)))?;
    /// assert_eq!(grant.until, Some(at(61)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }
}

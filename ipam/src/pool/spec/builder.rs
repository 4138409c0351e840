//! Building a pool's spec.

use super::{Affinity, Order, PoolSpec, QUARANTINE};
use crate::cidr::{AddressRange, Cidr, Family};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

impl PoolSpec {
    /// A pool of all usable addresses of `cidr`: blocks of 64 addresses (/26, /122), least recently used
    /// first, 60 s of quarantine, no leases.
    ///
    /// ```
    /// use ipam::PoolSpec;
    /// use std::time::Duration;
    ///
    /// let spec = PoolSpec::new("front", "10.9.0.0/22".parse()?);
    /// assert_eq!((spec.block_size, spec.quarantine), (26, Duration::from_secs(60)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, cidr: Cidr) -> Self {
        let block = match cidr.family() {
            Family::V4 => 26,
            Family::V6 => 122,
        };
        Self {
            name: name.into(),
            cidr,
            gateway: None,
            excluded: Vec::new(),
            set_aside: Vec::new(),
            use_edges: false,
            vlan: None,
            bridge: None,
            labels: BTreeMap::new(),
            block_size: cidr.prefix().max(block),
            order: Order::Lru,
            quarantine: QUARANTINE,
            early_reuse: false,
            affinity: Affinity::Borrow,
            block_limit: None,
            reclaim_after: Duration::from_secs(60),
            lease: None,
            link_local: false,
        }
    }

    /// With link-local addresses allowed.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let spec = PoolSpec::new("p", "169.254.8.0/24".parse()?);
    /// assert!(ipam.add_pool(now, spec.clone()).is_err());
    /// ipam.add_pool(now, spec.link_local())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn link_local(mut self) -> Self {
        self.link_local = true;
        self
    }

    /// With a gateway.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).gateway("10.9.0.1".parse()?);
    /// ipam.add_pool(now, spec)?;
    /// let grant = ipam.claim(now, &Request::new("container-1/eth0"))?;
    /// assert_eq!(grant.leases[0].gateway, Some("10.9.0.1".parse()?));
    /// assert_ne!(grant.address(), grant.leases[0].gateway); // it is given to nobody
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn gateway(mut self, gateway: IpAddr) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// With one more range that is never given out.
    ///
    /// ```
    /// # use ipam::net::AddressRange;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let range: AddressRange = "10.9.0.1-10.9.0.9".parse()?;
    /// ipam.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?).exclude(range))?;
    /// assert!(ipam.claim(now, &Request::new("c1/eth0").addresses(&[range.first()])).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn exclude(mut self, range: impl Into<AddressRange>) -> Self {
        self.excluded.push(range.into());
        self
    }

    /// With a quarantine.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # use std::time::Duration;
    /// # let (mut ipam, at) = (Ipam::new(7), Timestamp::from_secs);
    /// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).quarantine(Duration::from_secs(300));
    /// ipam.add_pool(at(0), spec)?;
    /// let grant = ipam.claim(at(1), &Request::new("c1/eth0"))?;
    /// ipam.release(at(2), "c1/eth0", grant.sequence)?;
    /// assert_eq!(ipam.quarantined()[0].until, at(302));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn quarantine(mut self, quarantine: Duration) -> Self {
        self.quarantine = quarantine;
        self
    }

    /// With early reuse under pressure.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let spec = PoolSpec::new("p", "10.9.0.4/30".parse()?).early_reuse(); // two addresses
    /// ipam.add_pool(now, spec)?;
    /// for owner in ["c1", "c2", "c3"] {
    ///     let grant = ipam.claim(now, &Request::new(owner))?;
    ///     assert_eq!(grant.early(), owner == "c3"); // out of quarantine, for want of another
    ///     ipam.release(now, owner, grant.sequence)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn early_reuse(mut self) -> Self {
        self.early_reuse = true;
        self
    }

    /// With an order.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp, pool::Order};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).order(Order::Lowest);
    /// ipam.add_pool(now, spec)?;
    /// assert_eq!(ipam.claim(now, &Request::new("c1/eth0"))?.address(), Some("10.9.0.1".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// With a meaning of blocks.
    ///
    /// ```
    /// # use ipam::pool::Affinity;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).affinity(Affinity::Off);
    /// ipam.add_pool(now, spec)?;
    /// ipam.claim(now, &Request::new("c1/eth0").host("h1"))?;
    /// assert_eq!(ipam.routes("h1")[0].prefix(), 32); // the address: hosts have no blocks
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn affinity(mut self, affinity: Affinity) -> Self {
        self.affinity = affinity;
        self
    }

    /// With blocks of this prefix length.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).block_size(28);
    /// ipam.add_pool(now, spec)?;
    /// ipam.claim(now, &Request::new("c1/eth0").host("h1"))?;
    /// assert_eq!(ipam.routes("h1")[0].prefix(), 28);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn block_size(mut self, prefix: u8) -> Self {
        self.block_size = prefix;
        self
    }

    /// With a VLAN id, which each lease of the pool carries.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).vlan(100).bridge("br0");
    /// ipam.add_pool(at(0), spec)?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// let lease = &grant.leases[0];
    /// assert_eq!((lease.vlan, lease.bridge.as_deref()), (Some(100), Some("br0")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }

    /// With a bridge, which each lease of the pool carries: see [`PoolSpec::vlan`].
    #[must_use]
    pub fn bridge(mut self, bridge: impl Into<String>) -> Self {
        self.bridge = Some(bridge.into());
        self
    }

    /// With one more label.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).label("rack", "r1");
    /// ipam.add_pool(now, spec)?;
    /// assert!(ipam.claim(now, &Request::new("c1").labels(&[("rack", "r2")])).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// With leases.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let (mut ipam, now) = (Ipam::new(7), Timestamp::from_secs(1));
    /// let spec = PoolSpec::new("p", "10.9.0.0/24".parse()?).lease(Duration::from_secs(3600));
    /// ipam.add_pool(now, spec)?;
    /// let grant = ipam.claim(now, &Request::new("c1/eth0"))?;
    /// assert_eq!(grant.until, Some(Timestamp::from_secs(3601)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }
}

//! Pools and hosts: the operations of those who run the network.

use crate::apply::ApplyError;
use crate::change::{Change, ChangeKind, HostSettings};
use crate::cidr::Cidr;
use crate::pool::PoolId;
use crate::pool::spec::{PoolError, PoolSpec};
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::ToString;

impl Ipam {
    /// Adds a pool.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Timestamp};
    /// # let now = Timestamp::from_secs(1);
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// // No two pools overlap.
    /// assert!(ipam.add_pool(now, PoolSpec::new("q", "10.9.0.0/16".parse()?)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError`]: impossible as such, of a name there is, or overlapping another.
    pub fn add_pool(&mut self, now: Timestamp, spec: PoolSpec) -> Result<PoolId, PoolError> {
        self.advance(now);
        let change = self.decide_add_pool(spec)?;
        let id = match &change.kind {
            ChangeKind::PoolAdded { pool, .. } => *pool,
            _ => PoolId(u16::MAX),
        };
        self.carry_out(&[change]);
        Ok(id)
    }

    /// Decides the addition of a pool and alters nothing.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Timestamp};
    /// # let now = Timestamp::from_secs(1);
    /// let mut ipam = Ipam::new(7);
    /// let change = ipam.decide_add_pool(PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// assert!(ipam.pool("p").is_none());
    /// ipam.apply(&change)?;
    /// assert!(ipam.pool("p").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn decide_add_pool(&self, spec: PoolSpec) -> Result<Change<'static>, PoolError> {
        spec.check_range()?;
        self.pools.check(&spec)?;
        let (pool, spec) = (self.pools.free_id()?, Box::new(spec));
        Ok(Change::new(
            self.now(),
            ChangeKind::PoolAdded { pool, spec },
        ))
    }

    fn pool_named(&self, name: &str) -> Result<PoolId, PoolError> {
        let id = self.pools.named(name);
        id.ok_or_else(|| PoolError::Unknown(crate::cidr::shortened(name)))
    }

    /// Decides that a pool gives nothing more, or does so again. Who holds an address keeps it.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let change = ipam.decide_drain_pool("p", true)?;
    /// ipam.apply(&change)?;
    /// assert!(ipam.pool("p").is_some_and(|p| p.draining()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError::Unknown`].
    pub fn decide_drain_pool(&self, name: &str, on: bool) -> Result<Change<'static>, PoolError> {
        let pool = self.pool_named(name)?;
        Ok(Change::new(
            self.now(),
            ChangeKind::PoolDrained { pool, draining: on },
        ))
    }

    /// Decides that a pool's prefix becomes a larger one that contains it.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let change = ipam.decide_grow_pool("p", "10.9.0.0/22".parse()?)?;
    /// ipam.apply(&change)?;
    /// assert!(ipam.decide_grow_pool("p", "10.8.0.0/22".parse()?).is_err()); // not a larger one
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn decide_grow_pool(&self, name: &str, cidr: Cidr) -> Result<Change<'static>, PoolError> {
        let pool = self.pool_named(name)?;
        if let Some(pool) = self.pools.get(pool.0) {
            let spec = pool.spec().clone();
            PoolSpec { cidr, ..spec }.check_range()?;
        }
        self.check_growth(pool, cidr)?;
        Ok(Change::new(
            self.now(),
            ChangeKind::PoolGrown { pool, cidr },
        ))
    }

    /// Decides what a pool does with its addresses from now on: gateway, excluded ranges and those set aside,
    /// quarantine, early reuse, borrowing, block limit, lease, VLAN, bridge, labels. What is excluded while in quarantine stays so.
    /// Linear in the pool's claims where gateway or ranges change.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let mut spec = ipam.pool("p").ok_or("no such pool")?.spec().clone();
    /// spec.vlan = Some(120);
    /// let change = ipam.decide_change_pool(spec)?;
    /// ipam.apply(&change)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError::BarredInUse`] where somebody has an address that is to be excluded; [`PoolError::Immutable`] for
    /// the rest.
    pub fn decide_change_pool(&self, spec: PoolSpec) -> Result<Change<'static>, PoolError> {
        let pool = self.pool_named(&spec.name)?;
        self.check_change(pool, &spec)?;
        Ok(Change::new(
            self.now(),
            ChangeKind::PoolChanged {
                pool,
                spec: Box::new(spec),
            },
        ))
    }

    /// [`Ipam::decide_change_pool`], carried out.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let mut spec = ipam.pool("p").ok_or("no such pool")?.spec().clone();
    /// spec.vlan = Some(120);
    /// ipam.change_pool(at(1), spec)?;
    /// assert_eq!(ipam.claim(at(2), &Request::new("container-1/eth0"))?.leases[0].vlan, Some(120));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn change_pool(&mut self, now: Timestamp, spec: PoolSpec) -> Result<(), PoolError> {
        self.advance(now);
        let change = self.decide_change_pool(spec)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// Decides that a pool goes. Its addresses in quarantine stay so: a pool added later gives them no
    /// earlier than this one would have.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// assert!(ipam.decide_remove_pool("p").is_err()); // it is in use
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError::InUse`] while addresses of it are held or reserved.
    pub fn decide_remove_pool(&self, name: &str) -> Result<Change<'static>, PoolError> {
        let pool = self.pool_named(name)?;
        if let Some(p) = self.pools.get(pool.0)
            && (p.held() > 0 || p.reserved() > 0)
        {
            let (held, reserved) = (p.held(), p.reserved());
            return Err(PoolError::InUse {
                pool: p.name().to_string(),
                held,
                reserved,
            });
        }
        Ok(Change::new(self.now(), ChangeKind::PoolRemoved { pool }))
    }

    /// [`Ipam::decide_drain_pool`], carried out.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.drain_pool(at(1), "p", true)?;
    /// assert!(ipam.claim(at(2), &Request::new("container-1/eth0")).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError::Unknown`].
    pub fn drain_pool(&mut self, now: Timestamp, name: &str, on: bool) -> Result<(), PoolError> {
        self.advance(now);
        let change = self.decide_drain_pool(name, on)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// [`Ipam::decide_grow_pool`], carried out. Linear in the allocator's claims.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.grow_pool(at(1), "p", "10.9.0.0/22".parse()?)?;
    /// assert_eq!(ipam.pool("p").map(|p| p.spec().cidr), Some("10.9.0.0/22".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn grow_pool(&mut self, now: Timestamp, name: &str, cidr: Cidr) -> Result<(), PoolError> {
        self.advance(now);
        let change = self.decide_grow_pool(name, cidr)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// [`Ipam::decide_remove_pool`], carried out.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.remove_pool(at(1), "p")?;
    /// assert_eq!(ipam.pools().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn remove_pool(&mut self, now: Timestamp, name: &str) -> Result<(), PoolError> {
        self.advance(now);
        let change = self.decide_remove_pool(name)?;
        self.carry_out(&[change]);
        Ok(())
    }

    /// Sets a host's block limit, start and drain.
    ///
    /// ```
    /// # use ipam::change::HostSettings;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let settings = HostSettings { draining: true, ..HostSettings::default() };
    /// ipam.set_host(at(1), "h1", settings)?;
    /// assert!(ipam.host_settings("h1").is_some_and(|s| s.draining));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the name does not fit.
    pub fn set_host(
        &mut self,
        now: Timestamp,
        host: &str,
        settings: HostSettings,
    ) -> Result<(), ApplyError> {
        let kind = ChangeKind::HostSet {
            host: Cow::Borrowed(host),
            settings,
        };
        self.apply(&Change::new(now.max(self.now()), kind))
    }
}
